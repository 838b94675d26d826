//! One file a command.

pub(crate) mod bench;
pub(crate) mod clients;
pub(crate) mod contract;
pub(crate) mod example;
pub(crate) mod image;
pub(crate) mod k8s;
pub(crate) mod monitoring;
pub(crate) mod rolling;
pub(crate) mod services;
pub(crate) mod test;
