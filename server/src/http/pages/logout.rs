//! The logout endpoint and its pages (OpenID Connect RP-Initiated Logout 1.0).

use poem::{Body, Request, Response, handler, http::StatusCode};

use super::{
    view::{LogoutPage, MessagePage, Page},
    visit::{Trouble, Visit, encoded, see_other},
};
use crate::{
    application::end_session::{self, Invalid, LogoutRequest, ReturnTo},
    domain::{authorization::Parameters, id::SessionId},
};

/// What a logout request may say; anything else is ignored.
const PARAMETERS: [&str; 5] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "ui_locales",
];

/// `GET {issuer}/oauth2/logout`.
#[handler]
pub(crate) async fn logout(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let parameters = visit.query.clone();
        sign_out_or_ask(visit, &parameters).await
    })
    .await
}

/// `POST {issuer}/oauth2/logout`. A form of another site comes without cookies: the browser is sent
/// here once more by itself, and then it has them.
#[handler]
pub(crate) async fn logout_by_post(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let parameters = visit.form.clone();
        if parameters.check_repetition().is_err() {
            return Err(Trouble::InvalidLogout);
        }
        let query = query_of(&parameters);
        let address = visit.address("/oauth2/logout", None);
        Ok(see_other(&format!("{address}?{query}")))
    })
    .await
}

fn query_of(parameters: &Parameters) -> String {
    encoded(
        PARAMETERS
            .into_iter()
            .filter_map(|name| parameters.get(name).map(|value| (name, value))),
    )
}

async fn sign_out_or_ask(visit: &mut Visit, parameters: &Parameters) -> Result<Response, Trouble> {
    match read(visit, parameters).await? {
        LogoutRequest::SignOut { session, return_to } => {
            let sessions: Vec<SessionId> = session.into_iter().collect();
            sign_out(visit, &sessions).await?;
            Ok(afterwards(visit, return_to.as_ref()))
        }
        LogoutRequest::Ask { .. } => {
            let current = visit.accounts.current();
            let page = LogoutPage {
                frame: visit.frame(),
                user_email: current.map(|view| view.user.email.as_str().to_owned()),
                form: visit.form_parts("/logout", Some(query_of(parameters))),
            };
            Ok(page.respond(StatusCode::OK, None))
        }
        LogoutRequest::Invalid(why) => Err(trouble(why)),
    }
}

async fn read(visit: &Visit, parameters: &Parameters) -> Result<LogoutRequest, Trouble> {
    let Visit {
        app, tenant, keys, ..
    } = visit;
    Ok(end_session::read(app, tenant, keys, parameters, &visit.accounts).await?)
}

const fn trouble(why: Invalid) -> Trouble {
    match why {
        Invalid::Request => Trouble::InvalidLogout,
        Invalid::RedirectUri => Trouble::UnregisteredLogoutUri,
    }
}

async fn sign_out(visit: &mut Visit, sessions: &[SessionId]) -> Result<(), Trouble> {
    let (app, tenant, now) = (visit.app.clone(), visit.tenant.clone(), visit.now);
    for session in sessions {
        end_session::sign_out(&app, &tenant, &mut visit.accounts, *session, now).await?;
    }
    Ok(())
}

fn afterwards(visit: &Visit, return_to: Option<&ReturnTo>) -> Response {
    return_to.map_or_else(
        || see_other(&visit.address("/signed-out", None)),
        |return_to| see_other(&return_to.location()),
    )
}

/// `POST {issuer}/logout`: the user's answer.
#[handler]
pub(crate) async fn confirm(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        visit.check_form()?;
        if visit.form.get("decision") != Some("logout") {
            return Ok(see_other(&visit.address("/signed-in", None)));
        }
        // What the page was asked for, read and checked once more.
        let asked = visit.form.owned("request").unwrap_or_default();
        let parameters = Parameters::parse(asked.as_bytes()).ok_or(Trouble::InvalidLogout)?;
        let return_to = match read(visit, &parameters).await? {
            LogoutRequest::SignOut { return_to, .. } | LogoutRequest::Ask { return_to } => {
                return_to
            }
            LogoutRequest::Invalid(why) => return Err(trouble(why)),
        };
        let all: Vec<_> = visit
            .accounts
            .list()
            .iter()
            .map(|account| account.view.session.id)
            .collect();
        sign_out(visit, &all).await?;
        Ok(afterwards(visit, return_to.as_ref()))
    })
    .await
}

/// `GET {issuer}/signed-out`.
#[handler]
pub(crate) async fn signed_out(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let page = MessagePage {
            frame: visit.frame(),
            heading: "You are signed out",
            text: "You can close this page now.",
            link: Some((visit.address("/login", None), "Sign in again".to_owned())),
            request_id: None,
        };
        Ok(page.respond(StatusCode::OK, None))
    })
    .await
}
