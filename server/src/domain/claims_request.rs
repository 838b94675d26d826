//! The `claims` parameter (OIDC Core §5.5): single claims that a client asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longer texts are refused unread.
const MAX_LENGTH: usize = 4 * 1024;
const MAX_CLAIMS: usize = 100;

/// Which claims are asked for, and where. Unknown members are ignored, as the specification wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, Option<ClaimRequest>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, Option<ClaimRequest>>,
}

/// How one claim is asked for (OIDC Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimRequest {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl ClaimRequest {
    /// Whether `value` is one that the request would take.
    pub fn admits(&self, value: &str) -> bool {
        let same = |wanted: &Value| wanted.as_str() == Some(value);
        match (&self.value, self.values.as_slice()) {
            (None, []) => true,
            (wanted, all) => wanted.as_ref().is_some_and(same) || all.iter().any(same),
        }
    }
}

/// Why a text is no [`ClaimsRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a JSON object as OpenID Connect Core §5.5 describes it, at most 4 KiB")]
pub struct NotAClaimsRequest;

impl ClaimsRequest {
    /// Reads the parameter.
    pub fn parse(text: &str) -> Result<Self, NotAClaimsRequest> {
        if text.len() > MAX_LENGTH || !text.trim_start().starts_with('{') {
            return Err(NotAClaimsRequest);
        }
        let request: Self = serde_json::from_str(text).map_err(|_| NotAClaimsRequest)?;
        if request.userinfo.len() + request.id_token.len() > MAX_CLAIMS {
            return Err(NotAClaimsRequest);
        }
        Ok(request)
    }

    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_asked_for_by_name() {
        let request = ClaimsRequest::parse(
            r#"{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"acr":{"values":["1","2"]}},"x":1}"#,
        )
        .expect("a request");
        assert!(
            request.userinfo["name"]
                .as_ref()
                .is_some_and(|r| r.essential)
        );
        assert_eq!(request.userinfo["email"], None);
        let acr = request.id_token["acr"].as_ref().expect("acr");
        assert!(acr.admits("1") && !acr.admits("3"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "1",
            "{",
            r#"{"userinfo":[]}"#,
            &format!("{{{}", " ".repeat(5_000)),
        ] {
            assert_eq!(
                ClaimsRequest::parse(text),
                Err(NotAClaimsRequest),
                "{text:.20}"
            );
        }
        let deep = format!(r#"{{"userinfo":{{"a":{}"#, "[".repeat(3_000));
        assert_eq!(ClaimsRequest::parse(&deep), Err(NotAClaimsRequest));
    }
}
