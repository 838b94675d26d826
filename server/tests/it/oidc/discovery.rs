//! `oidcc-config-certification-test-plan`: `oidcc-discovery-endpoint-verification`; RFC 8414.

use serde_json::json;

use super::rp::Rp;
use crate::harness::{Backend, Installation};

#[tokio::test]
async fn the_metadata_is_complete_and_the_same_at_every_address() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let metadata = client
        .get(&tenant.path("/.well-known/openid-configuration"))
        .await;
    for path in [
        tenant.path("/.well-known/oauth-authorization-server"),
        format!("/.well-known/openid-configuration/t/{}", tenant.slug),
        format!("/.well-known/oauth-authorization-server/t/{}", tenant.slug),
    ] {
        assert_eq!(client.get(&path).await.body, metadata.body, "{path}");
    }
    let body = &metadata.body;
    assert_eq!(body["issuer"], tenant.issuer());
    let list = |name: &str| -> Vec<String> {
        let all = body[name].as_array().unwrap_or_else(|| panic!("no {name}"));
        all.iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    };
    for (name, needed) in [
        ("response_types_supported", "code"),
        ("response_modes_supported", "form_post"),
        ("subject_types_supported", "pairwise"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("userinfo_signing_alg_values_supported", "RS256"),
        ("scopes_supported", "openid"),
        ("grant_types_supported", "refresh_token"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("token_endpoint_auth_signing_alg_values_supported", "ES256"),
        ("claims_supported", "phone_number_verified"),
        ("acr_values_supported", "1"),
    ] {
        assert!(
            list(name).iter().any(|one| one == needed),
            "{name} {needed}"
        );
    }
    assert_eq!(list("code_challenge_methods_supported"), ["S256"]);
    assert_eq!(list("response_types_supported"), ["code"]);
    for (name, value) in body.as_object().unwrap() {
        assert!(!value.is_null(), "{name}");
        if name.ends_with("_supported") && value.is_array() {
            // `none` is a prompt and a way to authenticate, and never an algorithm.
            let none = list(name).iter().any(|one| one == "none");
            assert!(
                !(list(name).is_empty() || none && name.contains("_alg_")),
                "{name}"
            );
        }
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(
                value.as_str().unwrap().starts_with(&tenant.issuer()),
                "{name}"
            );
        }
    }
    for flag in [
        "authorization_response_iss_parameter_supported",
        "claims_parameter_supported",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ] {
        assert_eq!(body[flag], true, "{flag}");
    }
    assert_eq!(body["request_uri_parameter_supported"], false);
    assert!(
        body.get("registration_endpoint").is_none(),
        "nobody may register here"
    );
}

/// T44.
#[tokio::test]
async fn keys_are_published_with_algorithm_use_and_thumbprint() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let members = json!({ "id_token_signed_response_alg": algorithm });
        let rp = Rp::new(&tenant, members).await;
        let mut browser = super::browser::Browser::new(&tenant);
        let tokens = rp.tokens(&mut browser, &email, &[]).await;
        let header = super::rp::jwt_header(tokens.id_token.as_deref().unwrap());
        assert_eq!(header["alg"], algorithm);
        // On the other instance too, though it has not seen the key being made.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        for n in 0..2 {
            let set = tenant.client(n).get(&tenant.path("/oauth2/jwks")).await;
            let keys = set.body["keys"].as_array().unwrap();
            let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
            assert_eq!(
                (&key["alg"], &key["use"]),
                (&json!(algorithm), &json!("sig"))
            );
            let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
            assert!(private.iter().all(|name| key.get(name).is_none()));
        }
    }
}
