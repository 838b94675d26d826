//! How often a cache has what is looked up.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::MetricsBuilder;

/// Lookups of all caches. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct CacheLookups(Family<Lookup, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    cache: &'static str,
    outcome: &'static str,
}

/// The lookups of one cache.
#[derive(Clone, Debug)]
pub struct Lookups {
    hits: Counter,
    misses: Counter,
}

impl CacheLookups {
    pub fn register(&self, metrics: &mut MetricsBuilder) {
        metrics.add(
            "cache_lookups",
            "Lookups in the caches of an instance, by whether it was there",
            self.0.clone(),
        );
    }

    /// Those of one cache.
    pub fn of(&self, cache: &'static str) -> Lookups {
        let counter = |outcome| self.0.get_or_create(&Lookup { cache, outcome }).clone();
        Lookups {
            hits: counter("hit"),
            misses: counter("miss"),
        }
    }
}

impl Lookups {
    /// Counts a lookup; hands on what it gave.
    pub fn count<T>(&self, found: Option<T>) -> Option<T> {
        match found {
            Some(_) => self.hits.inc(),
            None => self.misses.inc(),
        };
        found
    }
}
