//! Every case runs on both databases. The ones on Postgres need `TOKENHOUSE_TEST_POSTGRES_URL`
//! and fail without it: tests that skip themselves prove nothing.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod clock;
mod connection;
mod contract;
mod directory;
mod faults;
mod fixture;
mod isolation;
mod kept_answers;
mod keys;
mod refresh;
mod schema;
mod single_use;
mod tls;
mod views;
mod work;

/// Makes each case a test on SQLite and one on Postgres.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::infrastructure::database::tests::fixture::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::infrastructure::database::tests::fixture::postgres().await).await;
                }
            )+
        }
    };
}
use on_both;
