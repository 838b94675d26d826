//! The client, as the build script writes it.

include!(concat!(env!("OUT_DIR"), "/client.rs"));
