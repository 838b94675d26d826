//! Exchanges over real sockets, and the adapters above them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod client_keys;
mod fetcher;
mod limits;
mod listener;
mod logout_queue;

use crate::domain::id::TenantId;

/// Another tenant each time.
fn somebody() -> TenantId {
    crate::testing::tenant().id()
}
