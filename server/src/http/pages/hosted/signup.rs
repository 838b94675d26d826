//! Who is new, invited or not.

use poem::{Body, Request, Response, handler, http::StatusCode};
use zeroize::Zeroizing;

use super::{after_sign_in, password, reopen_if_any, seal, target_of};
use crate::{
    application::{
        error::Error,
        interaction::{authorize::Waiting, pages},
        signup::{self, Signup},
    },
    domain::{invitation::Invitation, violation::Violations},
    http::pages::{
        view::{ClientCard, Page, SignupPage},
        visit::{Trouble, Visit},
    },
};

/// What was typed into the sign-up form, and what was wrong with it.
#[derive(Default)]
struct Typed {
    name: String,
    username: String,
    invitation: Option<Zeroizing<String>>,
    problem: Option<&'static str>,
    violations: Option<Violations>,
}

/// `GET {issuer}/signup`.
#[handler]
pub(crate) async fn signup_page(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let waiting = reopen_if_any(visit, false).await?;
        let token = visit.query.owned("invitation").map(Zeroizing::new);
        let typed = match invitation_of(visit, token.as_ref()).await? {
            Some(invitation) => Typed {
                name: invitation.name.map_or_else(String::new, String::from),
                username: invitation.email.as_str().to_owned(),
                invitation: token,
                ..Typed::default()
            },
            None => Typed {
                username: waiting
                    .as_ref()
                    .and_then(|waiting| waiting.request.login_hint.clone())
                    .unwrap_or_default(),
                ..Typed::default()
            },
        };
        show_signup(visit, waiting.as_ref(), typed, StatusCode::OK)
    })
    .await
}

/// The invitation that a visitor brings, or a page that says why nobody signs up like this.
async fn invitation_of(
    visit: &Visit,
    token: Option<&Zeroizing<String>>,
) -> Result<Option<Invitation>, Trouble> {
    Ok(signup::admit(&visit.app, &visit.tenant, token, visit.now).await?)
}

fn show_signup(
    visit: &Visit,
    waiting: Option<&Waiting>,
    typed: Typed,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let sealed = waiting.map(|waiting| seal(visit, waiting)).transpose()?;
    let about = |pointer: &str| {
        let all = typed.violations.as_ref().map_or(&[][..], Violations::list);
        let found = all.iter().find(|violation| violation.pointer == pointer);
        found.map(|violation| format!("This {}.", violation.detail))
    };
    let page = SignupPage {
        frame: visit.frame(),
        client: waiting.map(|waiting| ClientCard::from(&waiting.client)),
        login_url: visit.address("/login", sealed.as_deref()),
        form: visit.form_parts("/signup", sealed),
        name_problem: about("/name"),
        username_problem: about("/email"),
        password_problem: about("/password"),
        password_min_length: visit.tenant.policy().password_min_length,
        invitation: typed.invitation,
        name: typed.name,
        username: typed.username,
        problem: typed.problem,
    };
    Ok(page.respond(status, target_of(waiting).as_deref()))
}

/// `POST {issuer}/signup`.
#[handler]
pub(crate) async fn sign_up(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        visit.check_form()?;
        let waiting = reopen_if_any(visit, true).await?;
        let token = visit.form.owned("invitation").map(Zeroizing::new);
        let invitation = invitation_of(visit, token.as_ref()).await?;
        let username = match invitation {
            // Whatever the form says: the address is the invitation's.
            Some(invitation) => invitation.email.as_str().to_owned(),
            None => visit.form.owned("username").unwrap_or_default(),
        };
        let typed = Typed {
            name: visit.form.owned("name").unwrap_or_default(),
            username,
            invitation: token,
            ..Typed::default()
        };
        let command = Signup {
            name: typed.name.clone(),
            email: typed.username.clone(),
            password: password(visit),
            avatar_url: None,
            invitation: typed.invitation.clone(),
        };
        let (app, tenant, now) = (visit.app.clone(), visit.tenant.clone(), visit.now);
        let signed_up = pages::sign_up(&app, &tenant, &mut visit.accounts, command, now).await;
        let (typed, status) = match signed_up {
            Ok(_session) => return after_sign_in(visit, waiting.as_ref()),
            Err(Error::Invalid(violations)) => {
                let violations = Some(violations);
                (
                    Typed {
                        violations,
                        ..typed
                    },
                    StatusCode::BAD_REQUEST,
                )
            }
            Err(Error::EmailTaken) => {
                let problem = Some("There is an account with this email address. Sign in instead.");
                (Typed { problem, ..typed }, StatusCode::CONFLICT)
            }
            Err(Error::Overloaded { .. }) => {
                let problem =
                    Some("Too much is going on at the moment. Try again in a few seconds.");
                (Typed { problem, ..typed }, StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(error) => return Err(error.into()),
        };
        show_signup(visit, waiting.as_ref(), typed, status)
    })
    .await
}
