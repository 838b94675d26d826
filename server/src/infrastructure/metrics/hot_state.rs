//! Refreshes, counted where the hot state decides.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use super::{MetricsBuilder, seconds};
use crate::{
    application::{
        error::StoreError,
        ports::{Rotation, RotationRequest, Rotations},
    },
    domain::{
        id::GrantId,
        refresh::{Generation, Refusal},
        tenant::TenantScope,
    },
};

/// Hot records that count what they decide.
pub struct MeteredRotations {
    inner: Arc<dyn Rotations>,
    refreshes: Family<Outcome, Counter>,
    took: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Every outcome that [`outcome_of`] tells.
const OUTCOMES: [&str; 9] = [
    "rotated",
    "ahead",
    "repeated",
    "reused",
    "wrong_client",
    "expired",
    "ended",
    "reload",
    "unavailable",
];

impl std::fmt::Debug for MeteredRotations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeteredRotations").finish_non_exhaustive()
    }
}

impl MeteredRotations {
    pub fn new(inner: Arc<dyn Rotations>, metrics: &mut MetricsBuilder) -> Self {
        let refreshes = Family::<Outcome, Counter>::default();
        for outcome in OUTCOMES {
            drop(refreshes.get_or_create(&Outcome { outcome }));
        }
        let took = seconds();
        metrics.add(
            "refreshes",
            "Presented refresh tokens with a valid tag, by what the hot state decided",
            refreshes.clone(),
        );
        metrics.add_seconds(
            "rotation_duration",
            "How long the hot state took to decide about a refresh token",
            took.clone(),
        );
        Self {
            inner,
            refreshes,
            took,
        }
    }
}

#[async_trait]
impl Rotations for MeteredRotations {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        let started = Instant::now();
        let result = self.inner.rotate(tenant, request).await;
        self.took.observe(started.elapsed().as_secs_f64());
        // A fresh floor is given only after the hot state missed the family's record or lagged behind it. That
        // is so with the first token of a family, whose record is yet to be made.
        let was_lost = request.floor_is_fresh && request.presented.generation > Generation::FIRST;
        let outcome = outcome_of(&result, was_lost);
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
        result
    }

    fn revokes(&self) -> bool {
        self.inner.revokes()
    }

    async fn forget(&self, tenant: &TenantScope, families: &[GrantId]) -> Result<(), StoreError> {
        self.inner.forget(tenant, families).await
    }
}

fn outcome_of(result: &Result<Rotation, StoreError>, was_lost: bool) -> &'static str {
    match result {
        Ok(Rotation::Rotated) if was_lost => "ahead",
        Ok(Rotation::Rotated) => "rotated",
        Ok(Rotation::Repeated { .. }) => "repeated",
        Ok(Rotation::Reused) => "reused",
        Ok(Rotation::Refused(Refusal::WrongClient)) => "wrong_client",
        Ok(Rotation::Refused(Refusal::Expired)) => "expired",
        Ok(Rotation::Refused(Refusal::Dead)) => "ended",
        Ok(Rotation::Reload) => "reload",
        Err(_) => "unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_there_from_the_start() {
        let results = [
            Ok(Rotation::Rotated),
            Ok(Rotation::Repeated {
                sealed_successor: Vec::new(),
            }),
            Ok(Rotation::Reused),
            Ok(Rotation::Refused(Refusal::WrongClient)),
            Ok(Rotation::Refused(Refusal::Expired)),
            Ok(Rotation::Refused(Refusal::Dead)),
            Ok(Rotation::Reload),
            Err(StoreError::Unavailable("down".into())),
        ];
        for result in &results {
            for was_lost in [false, true] {
                assert!(
                    OUTCOMES.contains(&outcome_of(result, was_lost)),
                    "{result:?}"
                );
            }
        }
    }
}
