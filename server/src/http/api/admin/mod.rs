//! The admin API, one file a noun.

pub mod clients;
pub mod settings;
pub mod tenants;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::http::respond::problem::{Kind, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

fn default_limit() -> i32 {
    i32::try_from(DEFAULT_LIMIT).unwrap_or(i32::MAX)
}

/// A cursor is opaque to callers and untrusted to us: it is what it stands for, or it is refused.
fn read_cursor<T, E>(text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Problem> {
    let invalid =
        || Problem::new(Kind::InvalidParameter).detail("`cursor` is not a cursor of this list.");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    parse(&text).map_err(|_| invalid())
}

/// A NUL can't even be asked for in Postgres; no name has any of the others.
fn check_query(q: Option<&str>) -> Result<(), Problem> {
    if q.is_some_and(|q| q.chars().any(char::is_control)) {
        return Err(Problem::new(Kind::InvalidParameter).detail("`q` has control characters."));
    }
    Ok(())
}
