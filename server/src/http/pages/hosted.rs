//! The authorization endpoint and the pages between it and its answer.

mod accounts;
mod consents;
mod login;
mod signup;

use poem::{
    Body, Request, Response, handler,
    http::{StatusCode, header},
};
use zeroize::Zeroizing;

pub(crate) use self::{
    accounts::{accounts_page, select_account, signed_in},
    consents::{consent, consent_page},
    login::{log_in, login_page},
    signup::{sign_up, signup_page},
};
use super::{
    view::form_source,
    visit::{Trouble, Visit, see_other},
};
use crate::application::interaction::{
    authorize::{self, Next, Read, Waiting},
    sealed,
};

/// `GET {issuer}/oauth2/authorize`.
#[handler]
pub(crate) async fn authorization(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let parameters = visit.query.clone();
        match authorize::read(&visit.app, &visit.tenant, &parameters, visit.now).await? {
            Read::Reply(reply) => Ok(visit.send(&reply)),
            Read::Request(waiting) => go_on(visit, *waiting).await,
        }
    })
    .await
}

/// `POST {issuer}/oauth2/authorize`. Browsers send no cookie with a form of another site: the next
/// request, which they make themselves, has them.
#[handler]
pub(crate) async fn authorize_by_post(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let parameters = visit.form.clone();
        match authorize::read(&visit.app, &visit.tenant, &parameters, visit.now).await? {
            Read::Reply(reply) => Ok(visit.send(&reply)),
            Read::Request(waiting) => {
                let sealed = sealed::seal(&visit.app, &visit.keys, &waiting.request, None)?;
                Ok(see_other(&visit.address("/continue", Some(&sealed))))
            }
        }
    })
    .await
}

/// `GET {issuer}/continue`: the next step of a request.
#[handler]
pub(crate) async fn proceed(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let waiting = reopen(visit, false).await?;
        go_on(visit, waiting).await
    })
    .await
}

/// Opens the request that waits, from the query or the form.
async fn reopen(visit: &Visit, is_post: bool) -> Result<Waiting, Trouble> {
    let sealed = visit.parameters(is_post).get("request");
    let sealed = sealed.ok_or(Trouble::InvalidRequest)?;
    let Visit {
        app, tenant, keys, ..
    } = visit;
    let browser = Some(&visit.browser);
    Ok(authorize::reopen(app, tenant, keys, sealed, browser, visit.now).await?)
}

/// The same when there may be none.
async fn reopen_if_any(visit: &Visit, is_post: bool) -> Result<Option<Waiting>, Trouble> {
    match visit.parameters(is_post).get("request") {
        Some(_) => reopen(visit, is_post).await.map(Some),
        None => Ok(None),
    }
}

fn seal(visit: &Visit, waiting: &Waiting) -> Result<String, Trouble> {
    let browser = Some(&visit.browser);
    Ok(sealed::seal(
        &visit.app,
        &visit.keys,
        &waiting.request,
        browser,
    )?)
}

/// What a request waits for next.
async fn advance(visit: &Visit, waiting: Waiting) -> Result<Next, Trouble> {
    let Visit {
        app,
        tenant,
        keys,
        accounts,
        now,
        ..
    } = visit;
    Ok(authorize::advance(app, tenant, keys, waiting, accounts, *now).await?)
}

/// Shows the next page, or answers.
async fn go_on(visit: &mut Visit, waiting: Waiting) -> Result<Response, Trouble> {
    let (path, waiting) = match advance(visit, waiting).await? {
        Next::Reply(reply) => return Ok(visit.send(&reply)),
        Next::Login(waiting) => ("/login", waiting),
        Next::Signup(waiting) => ("/signup", waiting),
        Next::SelectAccount(waiting) => ("/select-account", waiting),
        Next::Consent { waiting, .. } => ("/consent", waiting),
    };
    let sealed = seal(visit, &waiting)?;
    Ok(see_other(&visit.address(path, Some(&sealed))))
}

/// Where to go after a sign-in: on with the request, or to a page that says so.
fn after_sign_in(visit: &Visit, waiting: Option<&Waiting>) -> Result<Response, Trouble> {
    match waiting {
        Some(waiting) => {
            let sealed = seal(visit, waiting)?;
            Ok(see_other(&visit.address("/continue", Some(&sealed))))
        }
        None => Ok(see_other(&visit.address("/signed-in", None))),
    }
}

/// Where the forms of a waiting request may lead.
fn target_of(waiting: Option<&Waiting>) -> Option<String> {
    waiting.and_then(|waiting| form_source(&waiting.request.address.redirect_uri))
}

fn password(visit: &Visit) -> Zeroizing<String> {
    Zeroizing::new(visit.form.owned("password").unwrap_or_default())
}

/// `GET /favicon.ico`: browsers ask for it wherever they are, and there is none.
#[handler]
pub(crate) fn no_icon() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::CACHE_CONTROL, "public, max-age=86400")
        .finish()
}
