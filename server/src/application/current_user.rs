//! Who the bearer of an access token is.

use super::error::{Error, NotSignedIn};
use crate::{
    app::App,
    domain::{claims::ClaimsRefused, tenant::TenantScope, timestamp::Timestamp, user::User},
};

/// The user, as stored now (at most a second old), if the token counts and its session lives.
pub async fn current_user(
    app: &App,
    tenant: &TenantScope,
    access_token: &str,
    now: Timestamp,
) -> Result<User, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let claims = keys
        .tokens
        .verify(access_token)
        .ok_or(Error::Unauthenticated(NotSignedIn::Malformed))?;
    claims
        .check(tenant.issuer().as_str(), now)
        .map_err(|refused| {
            Error::Unauthenticated(match refused {
                ClaimsRefused::Expired => NotSignedIn::Expired,
                ClaimsRefused::NotYet | ClaimsRefused::ForeignIssuer => NotSignedIn::Foreign,
            })
        })?;
    let ended = || Error::Unauthenticated(NotSignedIn::Ended);
    let session_id = claims
        .sid
        .and_then(|sid| sid.parse().ok())
        .ok_or_else(ended)?;
    let view = app
        .views
        .session(tenant, session_id)
        .await?
        .ok_or_else(ended)?;
    let mark = tenant.not_before().max(view.user.not_before);
    let superseded = mark.is_some_and(|mark| view.session.authenticated_at < mark);
    if view.session.ended_at.is_some() || superseded || view.user.id.to_string() != claims.sub {
        return Err(ended());
    }
    Ok(view.user.clone())
}
