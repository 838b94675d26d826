//! What a client may have of a user.

use poem::{Body, Request, Response, handler, http::StatusCode};

use super::{advance, reopen, seal, target_of};
use crate::{
    application::interaction::{
        authorize::{self, Next, Waiting},
        pages,
    },
    domain::id::SessionId,
    http::pages::{
        view::{ClientCard, ConsentPage, Page, describe_scope, readable_target},
        visit::{Trouble, Visit, see_other},
    },
};

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
    match advance(visit, waiting).await? {
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
