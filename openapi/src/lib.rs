//! The checked-in OpenAPI document and whether it is the server's.

use std::path::PathBuf;

use similar::TextDiff;

/// What to run when the document is stale.
pub const WRITE_COMMAND: &str = "cargo run -p tokenhouse-openapi -- write";

/// Where the document is checked in.
pub fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

/// The document as the server's types make it now.
pub fn current() -> String {
    tokenhouse_server::http::spec::to_json(&tokenhouse_server::http::spec::document())
}

/// Writes it.
pub fn write() -> std::io::Result<()> {
    std::fs::write(path(), current())
}

/// `None` when the checked-in document is current, else what differs.
pub fn difference() -> std::io::Result<Option<String>> {
    let (checked_in, current) = (
        std::fs::read_to_string(path()).unwrap_or_default(),
        current(),
    );
    if checked_in == current {
        return Ok(None);
    }
    let diff = TextDiff::from_lines(&checked_in, &current);
    Ok(Some(
        diff.unified_diff()
            .context_radius(3)
            .header("openapi.json", "the server")
            .to_string(),
    ))
}
