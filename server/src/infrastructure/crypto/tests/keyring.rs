use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use url::Url;

use super::super::{Aes256Gcm, CachedKeyring, MasterKeys, SealedKeyMaker, generate_line};
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        ports::{
            JwtKind, KeyChange, KeyEdit, KeyMaker, KeyStore, Keyring, NewTenantKeys, StoredKeys,
            TenantKeys,
        },
    },
    domain::{
        id::GrantId,
        key_rotation::{self, KeyRecord, KeyRules, KeyState},
        refresh::{Generation, RefreshToken, Secret, UntrustedToken},
        signing_key::SigningAlgorithm,
        tenant::{Tenant, TenantScope},
        timestamp::Timestamp,
    },
    infrastructure::entropy::SystemEntropy,
    testing::{self, clock::TestClock},
};

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

/// A store that has keys, and the same for every tenant.
struct CountingKeys {
    keys: Mutex<StoredKeys>,
    reads: AtomicUsize,
    down: AtomicBool,
}

#[async_trait]
impl KeyStore for CountingKeys {
    async fn stored_keys(&self, _tenant: &TenantScope) -> Result<StoredKeys, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to come and wait.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        Ok(self.keys.lock().expect("nobody panicked").clone())
    }

    async fn change_keys(
        &self,
        _tenant: &TenantScope,
        change: &KeyChange,
    ) -> Result<bool, StoreError> {
        let mut keys = self.keys.lock().expect("nobody panicked");
        if keys.version != change.seen {
            return Ok(false);
        }
        keys.version += 1;
        for edit in &change.edits {
            match edit {
                KeyEdit::Add(key) => keys.signing_keys.insert(0, key.clone()),
                KeyEdit::Move(record) => {
                    let mut known = keys.signing_keys.iter_mut();
                    let key = known.find(|key| key.record.public.id == record.public.id);
                    key.expect("it is there").record = record.clone();
                }
                KeyEdit::Remove(id) => keys.signing_keys.retain(|key| key.record.public.id != *id),
            }
        }
        Ok(true)
    }
}

fn stored(keys: NewTenantKeys) -> StoredKeys {
    StoredKeys {
        version: 0,
        due_at: None,
        rules: KeyRules::of(testing::tenant().tenant()),
        data_key: keys.data_key,
        signing_keys: vec![keys.signing_key],
        tag_keys: vec![keys.tag_key],
    }
}

struct Setup {
    tenant: TenantScope,
    maker: SealedKeyMaker,
    store: Arc<CountingKeys>,
    keyring: CachedKeyring,
}

fn master_keys() -> Arc<MasterKeys> {
    Arc::new(MasterKeys::parse(&generate_line(&SystemEntropy)).expect("a line"))
}

fn setup() -> Setup {
    let tenant = testing::tenant();
    let master = master_keys();
    let maker = maker(&master);
    let store = Arc::new(CountingKeys {
        keys: Mutex::new(stored(maker.make(tenant.id(), NOW).expect("keys"))),
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

fn maker(master: &Arc<MasterKeys>) -> SealedKeyMaker {
    SealedKeyMaker::new(
        Arc::clone(master),
        Arc::new(Aes256Gcm),
        Arc::new(SystemEntropy),
    )
}

fn keyring(store: &Arc<CountingKeys>, master: Arc<MasterKeys>) -> CachedKeyring {
    let store = Arc::clone(store) as Arc<dyn KeyStore>;
    let maker = Arc::new(maker(&master));
    let clock = Arc::new(TestClock::default());
    CachedKeyring::new(store, master, Arc::new(Aes256Gcm), maker, clock, 10)
}

#[tokio::test]
async fn made_keys_open_and_work() {
    let Setup {
        tenant, keyring, ..
    } = setup();
    let keys = keyring.keys(&tenant).await.expect("they open");

    let key = &keys.public[0];
    assert_eq!(key.id, key.material.thumbprint());

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
    let make = |tenant: &TenantScope| maker.make(tenant.id(), NOW).expect("keys");
    let replace = |keys| *store.keys.lock().expect("nobody panicked") = stored(keys);
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

/// Of two instances that need a key at once, one makes it and both use it.
#[tokio::test]
async fn a_key_is_made_when_it_is_needed_and_only_once() {
    let Setup {
        tenant,
        store,
        keyring: first,
        ..
    } = setup();
    let second = CachedKeyring::new(
        Arc::clone(&store) as Arc<dyn KeyStore>,
        Arc::clone(first.master()),
        Arc::new(Aes256Gcm),
        Arc::new(maker(first.master())),
        Arc::new(TestClock::default()),
        10,
    );
    for algorithm in SigningAlgorithm::ALL {
        let (one, other) = tokio::join!(
            first.keys_with(&tenant, algorithm),
            second.keys_with(&tenant, algorithm),
        );
        let token = one
            .expect("a key")
            .jwts
            .sign(algorithm, JwtKind::IdToken, br#"{"sub":"x"}"#)
            .expect("it signs");
        let other = &other.expect("a key").jwts;
        let claims = other
            .verify(JwtKind::IdToken, &token)
            .expect("the same key");
        assert_eq!(claims["sub"], "x");
        assert!(other.verify(JwtKind::AccessToken, &token).is_none());
        assert!(other.verify(JwtKind::LogoutToken, &token).is_none());
    }
    let kept = store
        .keys
        .lock()
        .expect("nobody panicked")
        .signing_keys
        .len();
    assert_eq!(kept, SigningAlgorithm::ALL.len());
    let known = second.keys(&tenant).await.expect("they are read");
    assert_eq!(known.public.len(), kept);
}

/// What counts a tenant's version up makes every instance read its keys again.
#[tokio::test]
async fn keys_are_read_again_when_the_directory_knows_of_newer_ones() {
    let Setup {
        tenant,
        store,
        keyring,
        ..
    } = setup();
    let other = CachedKeyring::new(
        Arc::clone(&store) as Arc<dyn KeyStore>,
        Arc::clone(keyring.master()),
        Arc::new(Aes256Gcm),
        Arc::new(maker(keyring.master())),
        Arc::new(TestClock::default()),
        10,
    );
    let before = other.keys(&tenant).await.expect("they are read");
    let token = before
        .jwts
        .sign(SigningAlgorithm::Es256, JwtKind::IdToken, b"{}")
        .expect("it signs");

    let kid = before.public[0].id.clone();
    let revoke = |keys: &[KeyRecord], _: &KeyRules| key_rotation::revoke(keys, &kid, NOW);
    let changed = keyring
        .change(&tenant, &revoke, NOW)
        .await
        .expect("a change");
    let states: Vec<_> = changed.after.iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Active, KeyState::Revoked]);
    let verify = |keys: &TenantKeys| keys.jwts.verify(JwtKind::IdToken, &token).is_some();
    assert!(!verify(&keyring.keys(&tenant).await.expect("keys")));

    // The other instance still has its view of the tenant; a second later it has this one.
    assert!(verify(&other.keys(&tenant).await.expect("keys")));
    let seen = Tenant {
        keys_version: 1,
        ..tenant.tenant().clone()
    };
    let seen = seen.administer(&Url::parse("https://id.example").expect("a URL"));
    assert!(!verify(&other.keys(&seen).await.expect("keys")));
}
