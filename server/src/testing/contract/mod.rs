//! What every adapter of a port does, whatever it is made of.

pub mod rotations;
