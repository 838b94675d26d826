use std::{
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use sea_orm::{ConnectionTrait, prelude::Uuid};
use url::Url;

use super::super::{Database, DatabaseStore, DatabaseTenants, connect};
use crate::{
    application::ports::{
        NewTenantKeys, SealedDataKey, Store, StoredSigningKey, StoredTagKey, Tenants,
    },
    domain::{
        claims::Audience,
        claims_request::ClaimsRequest,
        client::{Client, ClientId},
        custom_domain::HeldDomains,
        email::EmailAddress,
        grant::Grant,
        id::{GrantId, SessionId, TenantId, UserId},
        key_rotation::{KeyRecord, KeyState},
        password::PasswordHash,
        profile::Profile,
        refresh::{SecretDigest, TagKeyId},
        scope::Scopes,
        secret::Key256,
        session::Session,
        signing_key::{PublicKey, PublicKeyMaterial, SigningAlgorithm},
        tenant::{Policy, Slug, Tenant, TenantScope, TenantState},
        timestamp::Timestamp,
        user::{DisplayName, User, UserState},
    },
};

/// An empty database with the whole schema.
pub(super) struct Fixture {
    db: Database,
    _files: Option<tempfile::TempDir>,
}

impl Deref for Fixture {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
    }
}

pub(super) async fn sqlite() -> Fixture {
    let fixture = empty_sqlite().await;
    tokenhouse_migration::up(fixture.connection())
        .await
        .unwrap();
    fixture
}

pub(super) async fn postgres() -> Fixture {
    let fixture = empty_postgres().await;
    tokenhouse_migration::up(fixture.connection())
        .await
        .unwrap();
    fixture
}

pub(super) async fn empty_sqlite() -> Fixture {
    let files = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", files.path().join("test.db").display());
    Fixture {
        db: connect(&url).await.unwrap(),
        _files: Some(files),
    }
}

/// A schema of its own in the test database.
pub(super) async fn empty_postgres() -> Fixture {
    let url = std::env::var("TOKENHOUSE_TEST_POSTGRES_URL")
        .expect("TOKENHOUSE_TEST_POSTGRES_URL is not set: run cargo xtask test");
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let schema = format!(
        "test_{}_{}_{}",
        std::process::id(),
        now().as_micros(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    );
    // One connection, closed at once: tests in parallel must not use up the server's.
    let setup = sea_orm::Database::connect(
        sea_orm::ConnectOptions::new(&url)
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned(),
    )
    .await
    .unwrap();
    setup
        .execute_unprepared(&format!("CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    setup.close().await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options[search_path]={schema}");
    Fixture {
        db: connect(&url).await.unwrap(),
        _files: None,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Postgres reads its own clock, so these tests live in real time"
)]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// Postgres and SQLite keep ids as they are, so any sixteen bytes do.
pub(super) fn uuid() -> Uuid {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u64_pair(u64::try_from(now().as_micros()).unwrap(), count)
}

pub(super) fn tenant(slug: &str) -> Tenant {
    Tenant {
        id: TenantId::from_uuid(uuid()),
        slug: Slug::parse(slug).unwrap(),
        name: format!("Tenant {slug}"),
        state: TenantState::Active,
        policy: Policy::default(),
        not_before: None,
        created_at: now(),
        updated_at: now(),
        keys_version: 0,
        jwks_cached_until: None,
        domains: HeldDomains::default(),
    }
}

pub(super) fn keys() -> NewTenantKeys {
    NewTenantKeys {
        data_key: SealedDataKey {
            master_key_id: "m1".to_owned(),
            sealed: vec![1, 0, 255],
        },
        signing_key: StoredSigningKey {
            record: KeyRecord {
                public: PublicKey::new(
                    SigningAlgorithm::Es256,
                    PublicKeyMaterial::p256("x".to_owned(), "y".to_owned()),
                ),
                state: KeyState::Active,
                created_at: Timestamp::from_micros(1),
                since: Timestamp::from_micros(1),
                until: None,
            },
            sealed_private_key: vec![2, 0, 254],
        },
        tag_key: StoredTagKey {
            id: TagKeyId(255),
            sealed: vec![3],
        },
        derivation: Key256::from_bytes([4; 32]),
    }
}

pub(super) fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        ..Client::first_party("A client", now())
    }
}

pub(super) fn user(email: &str) -> User {
    User {
        id: UserId::from_uuid(uuid()),
        name: DisplayName::parse("Ada").unwrap(),
        email: EmailAddress::parse(email).unwrap(),
        email_verified: true,
        avatar_url: None,
        profile: Profile::default(),
        state: UserState::Active,
        external_id: None,
        roles: Vec::new(),
        not_before: None,
        created_at: now(),
        updated_at: now(),
    }
}

pub(super) fn session(user: &User) -> Session {
    Session {
        id: SessionId::from_uuid(uuid()),
        user_id: user.id,
        authenticated_at: now(),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        browser: None,
        seen_at: None,
        ended_at: None,
        created_at: now(),
    }
}

pub(super) fn grant(session: &Session) -> Grant {
    Grant {
        id: GrantId::from_uuid(uuid()),
        session_id: session.id,
        user_id: session.user_id,
        client_id: ClientId::first_party(),
        scope: Scopes::from_names(&["openid", "email"]),
        audience: Audience::One("https://api.example.com".to_owned()),
        issuer_domain: None,
        offline: false,
        authenticated_at: session.authenticated_at,
        claims: ClaimsRequest::default(),
        leaf: SecretDigest::from_bytes([7; 32]),
        idle_end: now() + std::time::Duration::from_secs(7 * 86_400),
        absolute_end: now() + std::time::Duration::from_secs(90 * 86_400),
        created_at: now(),
    }
}

pub(super) fn enter(tenant: Tenant) -> TenantScope {
    tenant
        .enter(&Url::parse("https://id.example.com").unwrap())
        .unwrap()
}

/// A tenant with its first-party client, in the database.
pub(super) async fn new_tenant(db: &Database, slug: &str) -> TenantScope {
    let tenant = tenant(slug);
    DatabaseTenants::new(db.clone())
        .create(&tenant, &keys(), &client("first-party"), None)
        .await
        .unwrap();
    enter(tenant)
}

/// A user with a session and a grant, in the database.
pub(super) async fn sign_in(
    db: &Database,
    tenant: &TenantScope,
    email: &str,
) -> (User, Session, Grant) {
    let user = user(email);
    let session = session(&user);
    let grant = grant(&session);
    let mut work = DatabaseStore::new(db.clone()).begin(tenant).await.unwrap();
    work.add_user(&user, Some(&phc())).await.unwrap();
    work.add_session(&session).await.unwrap();
    work.add_grant(&grant).await.unwrap();
    work.commit().await.unwrap();
    (user, session, grant)
}

pub(super) fn phc() -> PasswordHash {
    PasswordHash::from_phc("$argon2id$x".to_owned())
}
