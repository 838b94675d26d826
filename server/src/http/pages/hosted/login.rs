//! Who signs in.

use poem::{Body, Request, Response, handler, http::StatusCode};

use super::{after_sign_in, password, reopen_if_any, seal, target_of};
use crate::{
    application::{
        error::Error,
        interaction::{authorize::Waiting, pages},
        login::Login,
    },
    domain::{authorization::Prompt, tenant::SignupPolicy},
    http::pages::{
        view::{ClientCard, LoginPage, Page},
        visit::{Trouble, Visit, see_other},
    },
};

/// `GET {issuer}/login`.
#[handler]
pub(crate) async fn login_page(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let waiting = reopen_if_any(visit, false).await?;
        let hint = waiting
            .as_ref()
            .and_then(|waiting| waiting.request.login_hint.clone());
        show_login(visit, waiting.as_ref(), hint.unwrap_or_default(), None)
    })
    .await
}

fn show_login(
    visit: &Visit,
    waiting: Option<&Waiting>,
    username: String,
    problem: Option<(StatusCode, &'static str)>,
) -> Result<Response, Trouble> {
    let sealed = waiting.map(|waiting| seal(visit, waiting)).transpose()?;
    let current = visit.accounts.current();
    let again = waiting.is_some_and(|waiting| waiting.request.asks(Prompt::Login))
        && current.is_some()
        && problem.is_none();
    let signup_open = visit.tenant.policy().signup == SignupPolicy::Open;
    let page = LoginPage {
        frame: visit.frame(),
        client: waiting.map(|waiting| ClientCard::from(&waiting.client)),
        signup_url: signup_open.then(|| visit.address("/signup", sealed.as_deref())),
        form: visit.form_parts("/login", sealed),
        username,
        again,
        problem: problem.map(|(_, text)| text),
    };
    let status = problem.map_or(StatusCode::OK, |(status, _)| status);
    Ok(page.respond(status, target_of(waiting).as_deref()))
}

/// `POST {issuer}/login`.
#[handler]
pub(crate) async fn log_in(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        visit.check_form()?;
        let waiting = reopen_if_any(visit, true).await?;
        if visit.form.get("action") == Some("cancel") {
            return match &waiting {
                Some(waiting) => Ok(visit.send(&pages::decline(&visit.tenant, waiting))),
                None => Ok(see_other(&visit.address("/login", None))),
            };
        }
        let username = visit.form.owned("username").unwrap_or_default();
        let command = Login {
            email: username.clone(),
            password: password(visit),
        };
        let Visit {
            app, tenant, now, ..
        } = &*visit;
        let (app, tenant, now) = (app.clone(), tenant.clone(), *now);
        match pages::log_in(&app, &tenant, &mut visit.accounts, command, now).await {
            Ok(_session) => after_sign_in(visit, waiting.as_ref()),
            Err(Error::WrongCredentials) => {
                let text = "Wrong email address or password.";
                let problem = Some((StatusCode::BAD_REQUEST, text));
                show_login(visit, waiting.as_ref(), username, problem)
            }
            Err(Error::Overloaded { .. }) => {
                let text = "Too many sign-ins at the moment. Try again in a few seconds.";
                let problem = Some((StatusCode::SERVICE_UNAVAILABLE, text));
                show_login(visit, waiting.as_ref(), username, problem)
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}
