//! Requests on their way through the pages: sealed, so that a page can neither read nor change them.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::browser::BrowserId;
use crate::{
    app::App,
    application::{
        error::{CryptoError, Error},
        ports::TenantKeys,
    },
    domain::{authorization::AuthorizationRequest, secret::Key256, timestamp::Timestamp},
};

/// How long a person may take.
pub const TIME_TO_DECIDE: Duration = Duration::from_secs(3_600);

const SALT: usize = 16;
const CONTEXT: &[u8] = b"tokenhouse/authorization-request/1";

#[derive(Serialize, Deserialize)]
struct Sealed {
    request: AuthorizationRequest,
    /// The browser that it was shown to; none while no page was shown yet.
    browser: Option<String>,
}

/// Why a sealed request isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealable {
    /// Not one of ours, or changed.
    Malformed,
    /// The person took too long.
    Expired,
    /// It was shown to another browser.
    AnotherBrowser,
}

/// Seals a request for one browser; without one, for whichever opens it first.
pub fn seal(
    app: &App,
    keys: &TenantKeys,
    request: &AuthorizationRequest,
    browser: Option<&BrowserId>,
) -> Result<String, Error> {
    let plaintext = serde_json::to_vec(&Sealed {
        request: request.clone(),
        browser: browser.map(BrowserId::binding),
    })
    .map_err(|_| CryptoError::Failed("writing a request"))?;
    let salt: [u8; SALT] = app.random();
    let sealed = app
        .aead
        .seal(&key(keys, &salt), app.random(), CONTEXT, &plaintext)?;
    Ok(URL_SAFE_NO_PAD.encode([salt.as_slice(), &sealed].concat()))
}

/// Opens a request that this browser may go on with.
pub fn open(
    app: &App,
    keys: &TenantKeys,
    text: &str,
    browser: Option<&BrowserId>,
    now: Timestamp,
) -> Result<AuthorizationRequest, Unsealable> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Unsealable::Malformed)?;
    let (salt, sealed) = bytes
        .split_first_chunk::<SALT>()
        .ok_or(Unsealable::Malformed)?;
    let plaintext = app
        .aead
        .open(&key(keys, salt), CONTEXT, sealed)
        .map_err(|_| Unsealable::Malformed)?;
    let opened: Sealed = serde_json::from_slice(&plaintext).map_err(|_| Unsealable::Malformed)?;
    if now >= Timestamp::from_micros(opened.request.started_at) + TIME_TO_DECIDE {
        return Err(Unsealable::Expired);
    }
    match (&opened.browser, browser) {
        (None, _) => Ok(opened.request),
        (Some(bound), Some(browser)) if browser.is_bound_as(bound) => Ok(opened.request),
        _ => Err(Unsealable::AnotherBrowser),
    }
}

/// A key of its own for each sealing: no number of requests wears one out.
fn key(keys: &TenantKeys, salt: &[u8; SALT]) -> Key256 {
    keys.derive(&format!(
        "tokenhouse/authorization-request/1/{}",
        URL_SAFE_NO_PAD.encode(salt)
    ))
}
