//! Keys from their making to their use.

mod access_tokens;
mod keyring;
mod passwords;
