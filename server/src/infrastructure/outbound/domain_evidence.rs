//! What is published below a custom domain.

use std::{fmt, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use url::Url;

use super::{Fetcher, resolver::NameServers};
use crate::{
    application::ports::{DomainEvidence, NoEvidence},
    domain::id::TenantId,
};

/// A proof has some eighty characters; the rest is for what else stands there.
const MAX_TEXT: usize = 1024;

/// Asks name servers, and the domain itself through the same rules as every URL that a client registered.
pub struct PublishedEvidence {
    servers: NameServers,
    fetcher: Arc<Fetcher>,
}

impl fmt::Debug for PublishedEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedEvidence").finish_non_exhaustive()
    }
}

impl PublishedEvidence {
    /// Asks these name servers, or without any the system's.
    pub fn new(name_servers: Vec<SocketAddr>, fetcher: Arc<Fetcher>) -> Self {
        Self {
            servers: NameServers::new(name_servers),
            fetcher,
        }
    }
}

#[async_trait]
impl DomainEvidence for PublishedEvidence {
    async fn txt_records(&self, name: &str) -> Result<Vec<String>, NoEvidence> {
        self.servers.texts(name).await.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::info!(error, name, "TXT records can't be had");
            NoEvidence
        })
    }

    async fn text_at(&self, tenant: TenantId, url: &Url) -> Result<String, NoEvidence> {
        let text = self.fetcher.get_text(tenant, url, MAX_TEXT).await;
        text.map_err(|_| NoEvidence)
    }
}
