//! What tests need: a clock that moves when told to, and the contracts that every adapter keeps.

pub mod clock;
