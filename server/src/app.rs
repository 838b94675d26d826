//! [`App`]: the one container. `main` fills it, use cases take what they need from it.

use std::{fmt, sync::Arc};

use url::Url;

use crate::{
    application::{
        clock_watch::ClockWatch,
        ports::{
            Aead, AuditLog, ClientKeySets, Clock, Dependency, DomainEvidence, Entropy, ForeignJwts,
            KeyDirectory, KeyMaker, Keyring, LogoutNotifier, Meter, Outbound, PasswordHasher,
            Rotations, SingleUse, Store, Sweeper, Tenants, Views,
        },
    },
    domain::{
        id::IdEntropy,
        networks::Networks,
        secret::{Operator, TokenDigest},
        timestamp::Timestamp,
    },
};

/// Every port, and the few settings that use cases read. Clones share what is behind the ports.
#[derive(Clone)]
pub struct App {
    pub public_url: Url,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    /// Bearer tokens of the operator; several, so that one can be replaced without downtime.
    pub operator_tokens: Vec<TokenDigest<Operator>>,
    pub clock: Arc<dyn Clock>,
    pub clock_watch: Arc<ClockWatch>,
    pub entropy: Arc<dyn Entropy>,
    pub aead: Arc<dyn Aead>,
    pub key_maker: Arc<dyn KeyMaker>,
    pub key_directory: Arc<dyn KeyDirectory>,
    pub keyring: Arc<dyn Keyring>,
    pub tenants: Arc<dyn Tenants>,
    pub store: Arc<dyn Store>,
    pub views: Arc<dyn Views>,
    pub rotations: Arc<dyn Rotations>,
    pub single_use: Arc<dyn SingleUse>,
    pub domain_evidence: Arc<dyn DomainEvidence>,
    pub foreign_jwts: Arc<dyn ForeignJwts>,
    pub client_keys: Arc<dyn ClientKeySets>,
    pub outbound: Arc<dyn Outbound>,
    pub logouts: Arc<dyn LogoutNotifier>,
    pub passwords: Arc<dyn PasswordHasher>,
    pub audit: Arc<dyn AuditLog>,
    pub sweeper: Arc<dyn Sweeper>,
    pub meter: Arc<dyn Meter>,
    pub dependencies: Vec<Arc<dyn Dependency>>,
}

impl App {
    /// The time, read once a request.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Randomness of any length.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Randomness for one id.
    pub fn id_entropy(&self) -> IdEntropy {
        self.random()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("public_url", &self.public_url.as_str())
            .finish_non_exhaustive()
    }
}
