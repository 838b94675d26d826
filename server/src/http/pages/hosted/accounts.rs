//! Which of the accounts that are signed in, and that one is.

use poem::{Body, Request, Response, handler, http::StatusCode};

use super::{reopen, seal, target_of};
use crate::{
    domain::id::SessionId,
    http::pages::{
        view::{AccountLine, AccountsPage, ClientCard, MessagePage, Page},
        visit::{Trouble, Visit, see_other},
    },
};

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
