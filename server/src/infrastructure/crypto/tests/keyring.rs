use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::super::{Aes256Gcm, CachedKeyring, MasterKeys, SealedKeyMaker, generate_line};
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        ports::{
            Clients, Grants, KeyMaker, Keyring, Keys, NewTenantKeys, SealedDataKey, SessionView,
            Sessions, Store, StoredTagKey, UnitOfWork, Users,
        },
    },
    domain::{
        client::{Client, ClientId},
        email::EmailAddress,
        grant::{Grant, GrantView},
        id::{GrantId, SessionId, UserId},
        password::PasswordHash,
        refresh::{Generation, RefreshToken, Secret, UntrustedToken},
        session::Session,
        signing_key::StoredSigningKey,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
    },
    infrastructure::entropy::SystemEntropy,
    testing,
};

/// A store that has keys and nothing else, and the same for every tenant.
struct KeyStore {
    keys: Mutex<Arc<NewTenantKeys>>,
    reads: AtomicUsize,
    down: AtomicBool,
}

struct View(Arc<NewTenantKeys>);

#[async_trait]
impl Store for KeyStore {
    async fn view(&self, _tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to come and wait.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        let keys = Arc::clone(&self.keys.lock().expect("nobody panicked"));
        Ok(Box::new(View(keys)))
    }

    async fn begin(&self, _tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        unreachable!("a keyring only reads")
    }
}

#[async_trait]
impl Keys for View {
    async fn sealed_data_key(&mut self) -> Result<SealedDataKey, StoreError> {
        Ok(self.0.data_key.clone())
    }

    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        Ok(vec![self.0.signing_key.clone()])
    }

    async fn tag_keys(&mut self) -> Result<Vec<StoredTagKey>, StoreError> {
        Ok(vec![self.0.tag_key.clone()])
    }
}

#[async_trait]
impl UnitOfWork for View {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Users for View {
    async fn add_user(&mut self, _: &User, _: &PasswordHash) -> Result<(), StoreError> {
        unreachable!("not a key")
    }

    async fn user_by_email(
        &mut self,
        _: &EmailAddress,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        unreachable!("not a key")
    }

    async fn user(&mut self, _: UserId) -> Result<Option<User>, StoreError> {
        unreachable!("not a key")
    }
}

#[async_trait]
impl Clients for View {
    async fn add_client(&mut self, _: &Client) -> Result<(), StoreError> {
        unreachable!("not a key")
    }

    async fn client(&mut self, _: &ClientId) -> Result<Option<Client>, StoreError> {
        unreachable!("not a key")
    }
}

#[async_trait]
impl Sessions for View {
    async fn add_session(&mut self, _: &Session) -> Result<(), StoreError> {
        unreachable!("not a key")
    }

    async fn session(&mut self, _: SessionId) -> Result<Option<SessionView>, StoreError> {
        unreachable!("not a key")
    }

    async fn end_session(
        &mut self,
        _: SessionId,
        _: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError> {
        unreachable!("not a key")
    }
}

#[async_trait]
impl Grants for View {
    async fn add_grant(&mut self, _: &Grant) -> Result<(), StoreError> {
        unreachable!("not a key")
    }

    async fn grant(&mut self, _: GrantId) -> Result<Option<GrantView>, StoreError> {
        unreachable!("not a key")
    }

    async fn revoke_grant(&mut self, _: GrantId, _: Timestamp) -> Result<(), StoreError> {
        unreachable!("not a key")
    }
}

struct Setup {
    tenant: TenantScope,
    maker: SealedKeyMaker,
    store: Arc<KeyStore>,
    keyring: CachedKeyring,
}

fn master_keys() -> Arc<MasterKeys> {
    Arc::new(MasterKeys::parse(&generate_line(&SystemEntropy)).expect("a line"))
}

fn setup() -> Setup {
    let tenant = testing::tenant();
    let master = master_keys();
    let maker = SealedKeyMaker::new(
        Arc::clone(&master),
        Arc::new(Aes256Gcm),
        Arc::new(SystemEntropy),
    );
    let store = Arc::new(KeyStore {
        keys: Mutex::new(Arc::new(maker.make(tenant.id()).expect("keys"))),
        reads: AtomicUsize::new(0),
        down: AtomicBool::new(false),
    });
    let keyring = keyring(&store, master);
    Setup {
        tenant,
        maker,
        store,
        keyring,
    }
}

fn keyring(store: &Arc<KeyStore>, master: Arc<MasterKeys>) -> CachedKeyring {
    let store = Arc::clone(store) as Arc<dyn Store>;
    CachedKeyring::new(store, master, Arc::new(Aes256Gcm), 10)
}

#[tokio::test]
async fn made_keys_open_and_work() {
    let Setup {
        tenant, keyring, ..
    } = setup();
    let keys = keyring.keys(&tenant).await.expect("they open");

    let key = &keys.public[0];
    // RFC 7638 §3.2 for an EC key.
    let members = format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
        key.x, key.y
    );
    assert_eq!(
        key.id.as_str(),
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    );

    let token = RefreshToken {
        family: GrantId::new(Timestamp::from_micros(1), [1; 10]),
        generation: Generation(3),
        secret: Secret::from_entropy([2; 32]),
    };
    let text = token.encode(tenant.id(), &keys.tag_keys[0]);
    UntrustedToken::parse(&text)
        .and_then(|token| token.verify(tenant.id(), &keys.tag_keys[0]))
        .expect("its own tag");
}

#[tokio::test]
async fn keys_are_read_once_for_all_who_wait() {
    let Setup {
        tenant,
        store,
        keyring,
        ..
    } = setup();
    let all = futures_util::future::join_all((0..20).map(|_| keyring.keys(&tenant))).await;
    assert!(all.iter().all(Result::is_ok));
    keyring.keys(&tenant).await.expect("they are kept");
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
    keyring.forget(tenant.id()).await;
    keyring.keys(&tenant).await.expect("they are read again");
    assert_eq!(store.reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failure_reaches_all_who_wait_and_is_not_kept() {
    let Setup {
        tenant,
        store,
        keyring,
        ..
    } = setup();
    store.down.store(true, Ordering::SeqCst);
    for answer in futures_util::future::join_all((0..5).map(|_| keyring.keys(&tenant))).await {
        assert!(matches!(
            answer,
            Err(Error::Store(StoreError::Unavailable(_)))
        ));
    }
    store.down.store(false, Ordering::SeqCst);
    keyring.keys(&tenant).await.expect("the store is back");
}

#[tokio::test]
async fn keys_of_another_tenant_or_place_do_not_open() {
    let Setup {
        tenant,
        maker,
        store,
        keyring,
    } = setup();
    let make = |tenant: &TenantScope| maker.make(tenant.id()).expect("keys");
    let replace = |keys| *store.keys.lock().expect("nobody panicked") = Arc::new(keys);
    let unsealable = |answer| matches!(answer, Err(Error::Crypto(CryptoError::Unsealable(_))));

    // All of another tenant's rows.
    replace(make(&testing::tenant()));
    assert!(unsealable(keyring.keys(&tenant).await));

    // A tag key in the place of the private key.
    let mut keys = make(&tenant);
    keys.signing_key.sealed_private_key = keys.tag_key.sealed.clone();
    replace(keys);
    assert!(unsealable(keyring.keys(&tenant).await));

    // A tag key under another id.
    let mut keys = make(&tenant);
    keys.tag_key.id = crate::domain::refresh::TagKeyId(2);
    replace(keys);
    assert!(unsealable(keyring.keys(&tenant).await));
}

#[tokio::test]
async fn a_missing_master_key_is_named() {
    let Setup { tenant, store, .. } = setup();
    let keyring = keyring(&store, master_keys());
    let error = keyring.keys(&tenant).await.expect_err("it is another key");
    let Error::Crypto(CryptoError::UnknownMasterKey(id)) = error else {
        panic!("{error:?}");
    };
    assert!(id.starts_with("mk-"));
}
