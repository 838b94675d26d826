//! Who may call what: an operation that needs no credential says so.

use serde_json::{Value, json};

/// Operations that are never done without a credential, though others with the same scheme may be: whoever
/// manages a registration owns it.
const NEVER_WITHOUT: &[&str] = &[
    "read_registration",
    "replace_registration",
    "delete_registration",
];

/// Completes the security of all operations. An absent one would mean the document's own, and readers would
/// have to know that there is none.
pub(super) fn complete(document: &mut Value) {
    for (_, operation) in super::operations(document) {
        if operation.get("security").is_none() {
            operation["security"] = json!([]);
        }
        let id = operation["operationId"].as_str().unwrap_or_default();
        if NEVER_WITHOUT.contains(&id)
            && let Some(security) = operation["security"].as_array_mut()
        {
            security.retain(|one| *one != json!({}));
        }
    }
}
