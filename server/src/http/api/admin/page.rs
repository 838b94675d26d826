//! Pages of lists: `limit`, `cursor` and `q`, the same for every noun.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::http::respond::problem::{Kind, Problem};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

pub(super) fn default_limit() -> i32 {
    i32::try_from(DEFAULT_LIMIT).unwrap_or(i32::MAX)
}

/// How many items a page may have, from what the document lets through.
pub(super) fn limit(asked: i32) -> u32 {
    u32::try_from(asked)
        .unwrap_or(DEFAULT_LIMIT)
        .clamp(1, MAX_LIMIT)
}

/// A cursor is opaque to callers and untrusted to us: it is what it stands for, or it is refused.
pub(super) fn read_cursor<T, E>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let invalid =
        || Problem::new(Kind::InvalidParameter).detail("`cursor` is not a cursor of this list.");
    let Some(text) = text else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    parse(&text).map(Some).map_err(|_| invalid())
}

/// What [`read_cursor`] reads.
pub(super) fn write_cursor(at: &str) -> String {
    URL_SAFE_NO_PAD.encode(at)
}

/// A NUL can't even be asked for in Postgres; no name has any of the others.
pub(super) fn check_query(q: Option<&str>) -> Result<(), Problem> {
    check_text("q", q)
}

/// The same for another parameter.
pub(super) fn check_text(name: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| text.chars().any(char::is_control)) {
        let detail = format!("`{name}` has control characters.");
        return Err(Problem::new(Kind::InvalidParameter).detail(detail));
    }
    Ok(())
}
