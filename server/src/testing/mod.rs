//! What tests share: a clock that can be moved, randomness that repeats, and the contract suites
//! that every adapter of a port passes.

pub mod clock;
pub mod contract;
pub mod entropy;

use url::Url;

use self::entropy::draw;
use crate::{
    application::ports::{Clock, Entropy},
    domain::{
        custom_domain::HeldDomains,
        id::TenantId,
        tenant::{Policy, Slug, Tenant, TenantScope, TenantState},
    },
    infrastructure::{clock::SystemClock, entropy::SystemEntropy},
};

/// A tenant that nobody else has: tests that share a store don't meet.
#[expect(clippy::expect_used, reason = "the texts are fixed and well-formed")]
pub fn tenant() -> TenantScope {
    anybody()
        .enter(&Url::parse("https://id.example").expect("a URL"))
        .expect("it is active")
}

#[expect(clippy::expect_used, reason = "the text is well-formed")]
fn anybody() -> Tenant {
    let now = SystemClock.now();
    let id = TenantId::new(now, draw(&SystemEntropy as &dyn Entropy));
    Tenant {
        id,
        slug: Slug::parse(&format!("t{}", id.as_uuid().simple())).expect("a slug"),
        name: "A tenant".to_owned(),
        state: TenantState::Active,
        policy: Policy::default(),
        not_before: None,
        created_at: now,
        updated_at: now,
        keys_version: 0,
        jwks_cached_until: None,
        domains: HeldDomains::default(),
    }
}

/// The same with this slug, at this address.
#[expect(clippy::expect_used, reason = "the texts are fixed and well-formed")]
pub fn tenant_at(public_url: &str, slug: &str) -> TenantScope {
    Tenant {
        slug: Slug::parse(slug).expect("a slug"),
        ..anybody()
    }
    .enter(&Url::parse(public_url).expect("a URL"))
    .expect("it is active")
}
