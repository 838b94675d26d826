//! Whose a request was, for the metrics.
//!
//! Not what its path says: anybody invents paths, and each would be one more value of a label. It is the tenant that
//! the directory knows, told by whoever asked it.

use std::sync::{Arc, OnceLock};

use poem::Request;

use crate::domain::tenant::Slug;

/// Nobody's, until somebody says whose. It travels in the request, and the edge keeps the other end.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose(Arc<OnceLock<Slug>>);

impl Whose {
    /// Puts it into a request.
    pub(super) fn follow(request: &mut Request) -> Self {
        let whose = Self::default();
        request.extensions_mut().insert(whose.clone());
        whose
    }

    /// The request is of this tenant, which the directory has.
    pub(super) fn mark(request: &Request, tenant: &Slug) {
        if let Some(Self(whose)) = request.data() {
            whose.get_or_init(|| tenant.clone());
        }
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.0.get().map(Slug::as_str)
    }
}
