//! Who we are to Postgres, and connections that it ends.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use url::Url;

use super::{
    super::{Database, DatabaseTenants, connect},
    fixture::{new_tenant, postgres},
};
use crate::{
    application::ports::{Dependency, Health, Tenants},
    domain::domain_name::DomainName,
};

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
}

/// The address of the tests' database, changed.
fn address(change: impl FnOnce(&mut Url)) -> String {
    let mut url = Url::parse(&setting("TOKENHOUSE_TEST_POSTGRES_URL")).unwrap();
    change(&mut url);
    url.to_string()
}

async fn admin() -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(setting("TOKENHOUSE_TEST_POSTGRES_ADMIN_URL"));
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}_{}_{count}", std::process::id())
}

async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn operators_find_us_by_name_in_the_list_of_connections() {
    for (parameters, name) in [("", "tokenhouse"), ("application_name=blue", "blue")] {
        let url = address(|url| {
            let query = url.query().unwrap_or_default();
            let all = [query, parameters].join("&");
            url.set_query(Some(all.trim_end_matches('&')));
        });
        let db = connect(&url).await.unwrap();
        let shown = text(
            db.connection(),
            "SELECT current_setting('application_name')",
        );
        assert_eq!(shown.await, name, "{parameters}");
    }
}

/// Row-level security would be a lock that is open, and nobody would notice.
#[tokio::test]
async fn a_role_that_no_policy_binds_is_named() {
    let superuser = connect(&setting("TOKENHOUSE_TEST_POSTGRES_ADMIN_URL")).await;
    assert_eq!(superuser.unwrap().unbound_role(), Some("postgres"));
    let ours = connect(&setting("TOKENHOUSE_TEST_POSTGRES_URL")).await;
    assert_eq!(ours.unwrap().unbound_role(), None);

    let (admin, role) = (admin().await, unique("bypasses"));
    let create = format!("CREATE ROLE {role} LOGIN BYPASSRLS");
    admin.execute_unprepared(&create).await.unwrap();
    let url = address(|url| url.set_username(&role).unwrap());
    let bypasses = connect(&url).await.unwrap();
    assert_eq!(bypasses.unbound_role(), Some(role.as_str()));
    bypasses.connection().clone().close().await.unwrap();
    let remove = format!("DROP ROLE {role}");
    admin.execute_unprepared(&remove).await.unwrap();
}

/// As after a password that was changed: to say "unreachable" would send its operator looking at the
/// network.
#[tokio::test]
async fn a_refusal_while_running_is_told_from_a_database_that_is_away() {
    let (admin, role) = (admin().await, unique("refused"));
    let run = async |sql: String| {
        admin.execute_unprepared(&sql).await.unwrap();
    };
    run(format!("CREATE ROLE {role} LOGIN")).await;
    let url = address(|url| url.set_username(&role).unwrap());
    let db = connect(&url).await.unwrap();
    assert_eq!(db.check().await, Health::Up);

    run(format!("ALTER ROLE {role} NOLOGIN")).await;
    end_connections(&admin, &format!("usename = '{role}'")).await;
    let refused = Health::Down("refusing our user or password".into());
    assert_eq!(db.check().await, refused);
    let again = connect(&url).await.unwrap_err();
    assert_eq!(again.in_short(), "refusing our user or password");

    run(format!("ALTER ROLE {role} LOGIN")).await;
    assert_eq!(db.check().await, Health::Up, "without a restart");
    db.connection().clone().close().await.unwrap();
    run(format!("DROP ROLE {role}")).await;
}

/// Ends connections, and waits until they are gone.
async fn end_connections(admin: &DatabaseConnection, of: &str) {
    let end = format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {of}");
    admin.execute_unprepared(&end).await.unwrap();
}

/// Opens every connection that the pool may have.
async fn fill(db: &Database) {
    let pool = db.connection().get_postgres_connection_pool();
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.unwrap());
    }
}

/// A restart of Postgres, or a failover: what comes next is served, not the first sixteen requests
/// refused.
#[tokio::test]
async fn ended_connections_cost_nobody_an_error() {
    let admin = admin().await;
    let fixture = postgres().await;
    let acme = new_tenant(&fixture, "acme").await;
    let name = unique("ended");
    let schema = text(fixture.connection(), "SELECT current_schema()::text").await;
    let url = address(|url| {
        url.query_pairs_mut()
            .append_pair("application_name", &name)
            .append_pair("options[search_path]", &schema);
    });
    let db = connect(&url).await.unwrap();
    let tenants = DatabaseTenants::new(db.clone());
    let domain = DomainName::parse("id.example.com").unwrap();
    let ours = format!("application_name = '{name}'");

    fill(&db).await;
    end_connections(&admin, &ours).await;
    let found = tenants.by_slug(acme.slug()).await.unwrap();
    assert_eq!(found.map(|tenant| tenant.id), Some(acme.id()));

    fill(&db).await;
    end_connections(&admin, &ours).await;
    assert_eq!(tenants.slug_at(&domain).await.unwrap(), None);

    fill(&db).await;
    end_connections(&admin, &ours).await;
    assert_eq!(db.check().await, Health::Up);
}
