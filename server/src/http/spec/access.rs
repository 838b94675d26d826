//! Who may call what: an operation that needs no credential says so.

use serde_json::{Value, json};

/// Completes the security of all operations. An absent one would mean the document's own, and readers would
/// have to know that there is none.
pub(super) fn complete(document: &mut Value) {
    for (_, operation) in super::operations(document) {
        if operation.get("security").is_none() {
            operation["security"] = json!([]);
        }
    }
}
