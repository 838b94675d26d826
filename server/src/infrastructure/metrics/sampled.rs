//! Gauges that are read when they are asked for.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// A value, and the label that tells it from the others of its gauge.
pub type Sample = (Option<(&'static str, String)>, f64);

/// A gauge and how it is read.
pub(super) struct Sampled {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

impl Sampled {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            help,
            read: Box::new(read),
        }
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sampled").field(&self.name).finish()
    }
}

impl Collector for Sampled {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for (label, value) in (self.read)() {
            let value = ConstGauge::new(value);
            match label {
                None => value.encode(gauge.encode_family(&NO_LABELS)?)?,
                Some(label) => value.encode(gauge.encode_family(&[label])?)?,
            }
        }
        Ok(())
    }
}

const NO_LABELS: [(&str, &str); 0] = [];
