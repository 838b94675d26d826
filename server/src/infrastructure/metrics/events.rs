//! What happens to users, clients and keys, counted where it is noted.

use std::{borrow::Cow, sync::Arc};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use serde_json::Value;

use super::MetricsBuilder;
use crate::{
    application::ports::AuditLog,
    domain::{
        audit::{Entry, EventKind},
        sign_in_failure::SignInFailure,
        tenant::TenantScope,
    },
};

/// An audit log that counts what goes into it.
pub struct MeteredAudit {
    inner: Arc<dyn AuditLog>,
    events: Family<Event, Counter>,
    sign_ins: Family<Outcome, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Event {
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: Cow<'static, str>,
}

const SUCCESS: &str = "success";

fn outcome(reason: &str) -> Outcome {
    Outcome {
        outcome: reason.replace(' ', "_").into(),
    }
}

impl std::fmt::Debug for MeteredAudit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeteredAudit").finish_non_exhaustive()
    }
}

impl MeteredAudit {
    pub fn new(inner: Arc<dyn AuditLog>, metrics: &mut MetricsBuilder) -> Self {
        let events = Family::<Event, Counter>::default();
        // From the start: a rate can't tell the first of a counter that came out of nowhere.
        for kind in EventKind::ALL {
            drop(events.get_or_create(&Event { event: kind.name() }));
        }
        let sign_ins = Family::<Outcome, Counter>::default();
        let failures = SignInFailure::ALL.map(|failure| outcome(failure.reason()));
        for outcome in failures.into_iter().chain([outcome(SUCCESS)]) {
            drop(sign_ins.get_or_create(&outcome));
        }
        metrics.add("events", "Events of the audit log, by kind", events.clone());
        metrics.add(
            "sign_ins",
            "Sign-ins with a password, by outcome: success, or why not",
            sign_ins.clone(),
        );
        Self {
            inner,
            events,
            sign_ins,
        }
    }
}

impl MeteredAudit {
    fn count(&self, entry: &Entry) {
        let kind = entry.event.kind;
        self.events
            .get_or_create(&Event { event: kind.name() })
            .inc();
        let outcome = match kind {
            EventKind::UserSignedIn => Some(outcome(SUCCESS)),
            // Reasons are constants of ours, not what somebody typed.
            EventKind::SignInFailed => {
                let reason = entry.event.details.get("reason");
                reason.and_then(Value::as_str).map(outcome)
            }
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.sign_ins.get_or_create(&outcome).inc();
        }
    }
}

impl AuditLog for MeteredAudit {
    fn record(&self, tenant: &TenantScope, entry: Entry) {
        self.count(&entry);
        self.inner.record(tenant, entry);
    }

    fn record_often(&self, tenant: &TenantScope, entry: Entry) {
        self.count(&entry);
        self.inner.record_often(tenant, entry);
    }
}
