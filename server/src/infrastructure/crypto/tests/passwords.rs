use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use zeroize::Zeroizing;

use super::super::{Cost, PasswordPool, PasswordPoolOptions};
use crate::{
    application::{error::HashingError, ports::PasswordHasher},
    domain::{
        id::TenantId,
        password::{Password, PasswordHash},
        timestamp::Timestamp,
    },
    infrastructure::entropy::SystemEntropy,
};

const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
};

fn pool(cost: Cost, target_wait: Duration) -> PasswordPool {
    let options = PasswordPoolOptions {
        cost,
        workers: NonZeroUsize::MIN,
        target_wait,
        niceness: 0,
    };
    PasswordPool::start(options, Arc::new(SystemEntropy)).expect("it starts")
}

fn cheap() -> PasswordPool {
    pool(CHEAP, Duration::from_secs(1))
}

fn tenant(n: u8) -> TenantId {
    TenantId::new(Timestamp::from_micros(1), [n; 10])
}

fn password(text: &str) -> Password {
    Password::present(Zeroizing::new(text.to_owned())).expect("short enough")
}

async fn verify(pool: &PasswordPool, text: &str, phc: &str) -> Result<bool, HashingError> {
    let hash = PasswordHash::from_phc(phc.to_owned());
    pool.verify(tenant(1), password(text), Some(hash))
        .await
        .map(|verdict| verdict.fits())
}

#[tokio::test]
async fn only_the_same_password_fits() {
    let pool = cheap();
    let hash = pool
        .hash(tenant(1), password("correct horse"))
        .await
        .expect("it hashes");
    assert!(
        hash.as_phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"),
        "{}",
        hash.as_phc()
    );
    for (text, fits) in [
        ("correct horse", true),
        ("Correct horse", false),
        ("correct horse ", false),
        ("correct horse\0", false),
        ("", false),
    ] {
        let verified = pool
            .verify(tenant(1), password(text), Some(hash.clone()))
            .await;
        assert_eq!(verified.expect("it verifies").fits(), fits, "{text:?}");
    }
    let again = pool
        .hash(tenant(1), password("correct horse"))
        .await
        .expect("it hashes");
    assert_ne!(again.as_phc(), hash.as_phc(), "every hash has its salt");
}

/// Hashes of other parameters, larger than the worker's memory too, from the argon2 reference
/// implementation.
#[tokio::test]
async fn imported_hashes_verify() {
    let pool = cheap();
    for phc in [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ] {
        assert!(verify(&pool, "password", phc).await.expect(phc), "{phc}");
        assert!(!verify(&pool, "passwore", phc).await.expect(phc), "{phc}");
    }
}

#[tokio::test]
async fn hashes_that_ask_for_too_much_work_or_are_none_are_refused() {
    let pool = cheap();
    let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let started = Instant::now();
    for phc in [
        format!("$argon2id$v=19$m=262145,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=4294967295,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=65536,t=11,p=1${tail}"),
        format!("$argon2id$v=19$m=65536,t=2,p=9${tail}"),
        format!("$argon2id$v=18$m=65536,t=2,p=1${tail}"),
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(),
        "$argon2id$v=19$m=65536,t=2,p=1".to_owned(),
        "password".to_owned(),
        String::new(),
    ] {
        assert!(
            matches!(
                verify(&pool, "password", &phc).await,
                Err(HashingError::UnreadableHash)
            ),
            "{phc}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// The fastest of interleaved samples: what else the machine does only adds time.
#[tokio::test]
async fn an_unknown_account_takes_as_long_as_a_wrong_password() {
    let cost = Cost {
        memory_kib: 4_096,
        passes: 2,
    };
    let pool = pool(cost, Duration::from_secs(1));
    let hash = pool
        .hash(tenant(1), password("correct horse"))
        .await
        .expect("it hashes");
    let mut samples = [Vec::new(), Vec::new()];
    for n in 0..60 {
        let hash = (n % 2 == 0).then(|| hash.clone());
        let started = Instant::now();
        let fits = pool.verify(tenant(1), password("wrong"), hash).await;
        samples[n % 2].push(started.elapsed());
        assert!(!fits.expect("it verifies").fits());
    }
    let [known, unknown] = samples.map(|times: Vec<Duration>| {
        let fastest = times.into_iter().min().expect("there are samples");
        fastest.as_secs_f64()
    });
    assert!((0.6..1.6).contains(&(known / unknown)), "{known} {unknown}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    // Room for one behind the one that is hashed.
    let pool = pool(Cost::default(), Duration::from_millis(15));
    let answers = join_all((0..30).map(|_| pool.hash(tenant(1), password("correct horse")))).await;
    let hashed = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=3).contains(&hashed), "{hashed}");
    for answer in answers {
        if let Err(error) = answer {
            let HashingError::Overloaded { retry_after } = error else {
                panic!("{error:?}");
            };
            assert!((1..=3).contains(&retry_after.as_secs()));
        }
    }
}

#[tokio::test]
async fn another_tenant_is_not_held_up_by_a_flood() {
    let pool = pool(Cost::default(), Duration::from_millis(300));
    let flood = join_all((0..40).map(|_| pool.hash(tenant(1), password("correct horse"))));
    let quiet = async {
        tokio::task::yield_now().await;
        let started = Instant::now();
        let answer = pool.hash(tenant(2), password("correct horse")).await;
        (answer, started.elapsed())
    };
    let started = Instant::now();
    let flooded = async {
        let answers = flood.await;
        (answers, started.elapsed())
    };
    let ((answers, whole), (answer, waited)) = futures_util::future::join(flooded, quiet).await;
    assert!(answers.iter().any(Result::is_err), "the flood overflows");
    answer.expect("there is room left for others");
    assert!(waited < whole / 2, "{waited:?} of {whole:?}");
}

#[tokio::test]
async fn work_for_clients_that_went_away_is_skipped() {
    let pool = pool(Cost::default(), Duration::from_secs(2));
    let mut gone: Vec<_> = (0..60)
        .map(|_| pool.hash(tenant(1), password("correct horse")))
        .collect();
    for job in &mut gone {
        assert!(job.now_or_never().is_none());
    }
    drop(gone);
    let started = Instant::now();
    pool.hash(tenant(1), password("correct horse"))
        .await
        .expect("there is room again");
    // Sixty would take most of a second.
    assert!(started.elapsed() < Duration::from_millis(400));
}
