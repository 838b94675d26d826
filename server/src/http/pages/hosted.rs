//! The authorization endpoint and the pages between it and its answer.

use poem::{
    Body, Request, Response, handler,
    http::{StatusCode, header},
};
use zeroize::Zeroizing;

use super::{
    view::{
        AccountLine, AccountsPage, ClientCard, ConsentPage, LoginPage, MessagePage, Page,
        SignupPage, describe_scope, form_source, readable_target,
    },
    visit::{Trouble, Visit, see_other},
};
use crate::{
    application::{
        error::Error,
        interaction::{
            authorize::{self, Next, Read, Waiting},
            pages, sealed,
        },
        login::Login,
        signup::{self, Signup},
    },
    domain::{
        authorization::Prompt, id::SessionId, invitation::Invitation, tenant::SignupPolicy,
        violation::Violations,
    },
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

/// Shows the next page, or answers.
async fn go_on(visit: &mut Visit, waiting: Waiting) -> Result<Response, Trouble> {
    let next = authorize::advance(
        &visit.app,
        &visit.tenant,
        &visit.keys,
        waiting,
        &visit.accounts,
        visit.now,
    )
    .await?;
    let (path, waiting) = match next {
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

fn password(visit: &Visit) -> Zeroizing<String> {
    Zeroizing::new(visit.form.owned("password").unwrap_or_default())
}

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

/// `GET {issuer}/signed-in`.
#[handler]
pub(crate) async fn signed_in(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        if visit.accounts.current().is_none() {
            return Ok(see_other(&visit.address("/login", None)));
        }
        let page = MessagePage {
            frame: visit.frame(),
            heading: "You are signed in",
            text: "You can close this page, or go back to the application that you want to use.",
            link: Some((visit.address("/oauth2/logout", None), "Sign out".to_owned())),
            request_id: None,
        };
        Ok(page.respond(StatusCode::OK, None))
    })
    .await
}

/// `GET {issuer}/select-account`.
#[handler]
pub(crate) async fn accounts_page(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let waiting = reopen(visit, false).await?;
        let sealed = seal(visit, &waiting)?;
        let accounts = visit.accounts.list().iter().map(|account| {
            let (session, user) = (&account.view.session, &account.view.user);
            AccountLine::new(
                session.id.to_string(),
                user.name.as_str(),
                user.email.as_str(),
            )
        });
        let page = AccountsPage {
            frame: visit.frame(),
            client: Some(ClientCard::from(&waiting.client)),
            accounts: accounts.collect(),
            form: visit.form_parts("/select-account", Some(sealed)),
        };
        Ok(page.respond(StatusCode::OK, target_of(Some(&waiting)).as_deref()))
    })
    .await
}

/// `POST {issuer}/select-account`.
#[handler]
pub(crate) async fn select_account(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        visit.check_form()?;
        let mut waiting = reopen(visit, true).await?;
        let chosen = visit.form.owned("account").unwrap_or_default();
        let known = chosen
            .parse::<SessionId>()
            .ok()
            .filter(|id| visit.accounts.find(*id).is_some());
        let path = match known {
            Some(id) => {
                waiting.request.selected = Some(id.as_uuid());
                visit.accounts.select(id);
                "/continue"
            }
            None if chosen == "other" => "/login",
            None => return Err(Trouble::ForeignForm),
        };
        let sealed = seal(visit, &waiting)?;
        Ok(see_other(&visit.address(path, Some(&sealed))))
    })
    .await
}

/// `GET {issuer}/consent`.
#[handler]
pub(crate) async fn consent_page(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        let waiting = reopen(visit, false).await?;
        match whose_consent(visit, waiting).await? {
            Ok((waiting, session)) => show_consent(visit, &waiting, session),
            Err(elsewhere) => Ok(elsewhere),
        }
    })
    .await
}

/// Whose consent a request waits for. What a page shows is decided anew each time: the user may
/// have signed out, or allowed it in another tab.
async fn whose_consent(
    visit: &mut Visit,
    waiting: Waiting,
) -> Result<Result<(Waiting, SessionId), Response>, Trouble> {
    let sealed = seal(visit, &waiting)?;
    let next = authorize::advance(
        &visit.app,
        &visit.tenant,
        &visit.keys,
        waiting,
        &visit.accounts,
        visit.now,
    )
    .await?;
    match next {
        Next::Consent { waiting, session } => Ok(Ok((waiting, session))),
        Next::Reply(reply) => Ok(Err(visit.send(&reply))),
        Next::Login(_) | Next::Signup(_) | Next::SelectAccount(_) => {
            Ok(Err(see_other(&visit.address("/continue", Some(&sealed)))))
        }
    }
}

fn show_consent(visit: &Visit, waiting: &Waiting, session: SessionId) -> Result<Response, Trouble> {
    let sealed = seal(visit, waiting)?;
    let view = visit.accounts.find(session).ok_or(Trouble::ForeignForm)?;
    let page = ConsentPage {
        frame: visit.frame(),
        client: ClientCard::from(&waiting.client),
        user_email: view.user.email.as_str().to_owned(),
        switch_url: visit.address("/select-account", Some(&sealed)),
        scopes: waiting.request.needs().iter().map(describe_scope).collect(),
        resources: waiting.request.resources.clone(),
        target: readable_target(&waiting.request.address.redirect_uri),
        form: visit.form_parts("/consent", Some(sealed)),
    };
    Ok(page.respond(StatusCode::OK, target_of(Some(waiting)).as_deref()))
}

/// `POST {issuer}/consent`.
#[handler]
pub(crate) async fn consent(request: &Request, body: Body) -> poem::Result<Response> {
    Visit::at(request, body, async |visit| {
        visit.check_form()?;
        let waiting = reopen(visit, true).await?;
        match visit.form.get("decision") {
            Some("allow") => {}
            Some("deny") => return Ok(visit.send(&pages::decline(&visit.tenant, &waiting))),
            _ => return Err(Trouble::InvalidRequest),
        }
        let (waiting, session) = match whose_consent(visit, waiting).await? {
            Ok(found) => found,
            Err(elsewhere) => return Ok(elsewhere),
        };
        let (app, tenant, accounts) = (&visit.app, &visit.tenant, &visit.accounts);
        pages::allow(app, tenant, &waiting, accounts, session, visit.now).await?;
        let reply = authorize::grant(app, tenant, &waiting, accounts, session, visit.now).await?;
        Ok(visit.send(&reply))
    })
    .await
}

/// `GET /favicon.ico`: browsers ask for it wherever they are, and there is none.
#[handler]
pub(crate) fn no_icon() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::CACHE_CONTROL, "public, max-age=86400")
        .finish()
}
