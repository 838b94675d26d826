//! What of a registration only the outside can tell: whether keys are usable, and whether addresses
//! may be called.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    app::App,
    domain::{
        client::metadata::ClientMetadata,
        id::TenantId,
        violation::{Violation, Violations},
    },
};

/// Checks what the pure rules can't. The sector document is fetched here (OIDC Registration §5).
pub async fn check(
    app: &App,
    tenant: TenantId,
    metadata: &ClientMetadata,
) -> Result<(), Violations> {
    let mut violations = Vec::new();
    let mut note = |name: &str, detail: &str| {
        violations.push(Violation {
            pointer: format!("/{name}"),
            detail: detail.to_owned(),
        });
    };
    if let Some(Err(why)) = metadata
        .jwks
        .as_ref()
        .map(|set| app.foreign_jwts.check_key_set(set))
    {
        note("jwks", why);
    }
    for (name, uri) in [
        ("jwks_uri", &metadata.jwks_uri),
        ("sector_identifier_uri", &metadata.sector_identifier_uri),
        ("backchannel_logout_uri", &metadata.backchannel_logout_uri),
    ] {
        if uri
            .as_ref()
            .is_some_and(|uri| app.outbound.may_fetch(uri).is_err())
        {
            note(name, "must be an https address on the public internet");
        }
    }
    if let Some(uri) = &metadata.sector_identifier_uri
        && app.outbound.may_fetch(uri).is_ok()
    {
        match app
            .outbound
            .get_json(tenant, uri)
            .await
            .ok()
            .as_ref()
            .and_then(uris)
        {
            None => note(
                "sector_identifier_uri",
                "must lead to a JSON list of redirect URIs",
            ),
            Some(listed) => {
                let known = |uri: &str| listed.contains(uri);
                if !metadata.redirect_uris.iter().all(|uri| known(uri.as_str())) {
                    note(
                        "redirect_uris",
                        "must all be in the document at sector_identifier_uri",
                    );
                }
            }
        }
    }
    match Violations::from_list(violations) {
        None => Ok(()),
        Some(violations) => Err(violations),
    }
}

fn uris(document: &Value) -> Option<HashSet<&str>> {
    document.as_array()?.iter().map(Value::as_str).collect()
}
