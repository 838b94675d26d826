//! Documents that are the same for everybody until something changes: written once, not for each request.

use std::{
    marker::PhantomData,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use moka::sync::Cache;
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use super::{JwkSet, ServerMetadata};
use crate::{
    application::ports::TenantKeys,
    domain::{id::TenantId, tenant::TenantScope},
    http::respond::answer::Answer,
};

/// The most that documents of a kind take, in bytes. By their number they would have no bound: a key set may have
/// a hundred keys, most have two.
const MOST: u64 = 16 * 1024 * 1024;
/// What keeping one takes besides.
const BESIDES: usize = 256;

/// What was written of each tenant.
#[derive(Debug)]
pub(super) struct Written {
    /// A tenant has a document for each of its issuers.
    metadata: Cache<(TenantId, String, bool), Bytes>,
    /// With the keys that it was written of: others come in their place, and these may be gone by then.
    key_sets: Cache<TenantId, (Weak<TenantKeys>, Bytes)>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            metadata: Cache::builder()
                .max_capacity(MOST)
                .weigher(|_, body: &Bytes| weight(body))
                .build(),
            key_sets: Cache::builder()
                .max_capacity(MOST)
                .weigher(|_, (_, body): &(Weak<TenantKeys>, Bytes)| weight(body))
                .build(),
        }
    }
}

impl Written {
    pub(super) fn metadata(&self, tenant: &TenantScope, registration: bool) -> Bytes {
        let issuer = tenant.issuer().as_str();
        let key = (tenant.id(), issuer.to_owned(), registration);
        self.metadata
            .get_with(key, || json(&ServerMetadata::of(issuer, registration)))
    }

    pub(super) fn key_set(&self, tenant: &TenantScope, keys: &Arc<TenantKeys>) -> Bytes {
        if let Some((of, body)) = self.key_sets.get(&tenant.id())
            && std::ptr::eq(of.as_ptr(), Arc::as_ptr(keys))
        {
            return body;
        }
        let body = json(&JwkSet::of(keys));
        let of = Arc::downgrade(keys);
        self.key_sets.insert(tenant.id(), (of, body.clone()));
        body
    }
}

fn weight(body: &Bytes) -> u32 {
    u32::try_from(body.len() + BESIDES).unwrap_or(u32::MAX)
}

fn json(document: &impl Serialize) -> Bytes {
    // No type of ours has a map with keys that are no strings, or an error of its own.
    serde_json::to_vec(document).unwrap_or_default().into()
}

/// 200 with a document of the type `T` that was written before.
#[derive(Debug)]
pub(super) struct Document<T> {
    body: Bytes,
    cache_control: HeaderValue,
    of: PhantomData<fn() -> T>,
}

impl<T> Document<T> {
    /// Verifiers may keep it for so many seconds.
    pub(super) fn new(body: Bytes, max_age: u32) -> Self {
        let cache_control = format!("public, max-age={max_age}");
        Self {
            body,
            cache_control: HeaderValue::from_maybe_shared(cache_control.into_bytes())
                .unwrap_or(HeaderValue::from_static("public")),
            of: PhantomData,
        }
    }
}

impl<T: Type> ApiResponse for Document<T> {
    fn meta() -> MetaResponses {
        Answer::<200, T>::meta()
    }

    fn register(registry: &mut Registry) {
        Answer::<200, T>::register(registry);
    }
}

impl<T> IntoResponse for Document<T> {
    fn into_response(self) -> Response {
        let mut response = Response::from(self.body);
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, self.cache_control);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn metadata_is_of_its_tenant_issuer_and_setting() {
        let written = Written::default();
        let (acme, other) = (testing::tenant(), testing::tenant());
        let of_acme = written.metadata(&acme, false);
        assert_eq!(written.metadata(&acme, false), of_acme);
        assert_ne!(written.metadata(&acme, true), of_acme);
        let of_other = written.metadata(&other, false);
        let text = String::from_utf8_lossy(&of_other);
        assert!(text.contains(other.issuer().as_str()) && !text.contains(acme.slug().as_str()));
    }

    /// However many tenants there are, and however long their documents.
    #[test]
    fn what_is_kept_has_a_bound_in_bytes() {
        let written = Written::default();
        let tenant = testing::tenant();
        for n in 0..2_000 {
            let key = (tenant.id(), n.to_string(), false);
            let body = Bytes::from(vec![b'x'; 64 * 1024]);
            written.metadata.insert(key, body);
        }
        written.metadata.run_pending_tasks();
        let kept = written.metadata.weighted_size();
        assert!(kept > 0 && kept <= MOST, "{kept}");
    }
}
