//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): a client asks to sign a user out.

use super::{
    error::Error, id_token, interaction::browser::Accounts, issue, logout, ports::TenantKeys,
};
use crate::{
    app::App,
    domain::{
        authorization::Parameters,
        client::{Client, ClientId},
        id::SessionId,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Why a page says no, and nothing is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A parameter that came twice, a hint that is not ours, a client that doesn't fit it.
    Request,
    /// The address is not registered, or nothing says whose it is.
    RedirectUri,
}

/// What a logout request means.
#[derive(Debug)]
pub enum LogoutRequest {
    /// A page tells what is wrong.
    Invalid(Invalid),
    /// The hint proves that a client of this very session asks: no question.
    SignOut {
        session: Option<SessionId>,
        return_to: Option<ReturnTo>,
    },
    /// The user is asked.
    Ask { return_to: Option<ReturnTo> },
}

/// A registered address to go to afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo {
    uri: String,
    state: Option<String>,
    pub client_name: String,
}

impl ReturnTo {
    /// The address with the state, exactly as it came, and nothing else.
    pub fn location(&self) -> String {
        let Some(state) = &self.state else {
            return self.uri.clone();
        };
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("state", state)
            .finish();
        let joint = if self.uri.contains('?') { '&' } else { '?' };
        format!("{}{joint}{query}", self.uri)
    }
}

/// Reads a logout request.
pub async fn read(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    parameters: &Parameters,
    accounts: &Accounts,
) -> Result<LogoutRequest, Error> {
    let invalid = |why| Ok(LogoutRequest::Invalid(why));
    if parameters.check_repetition().is_err() {
        return invalid(Invalid::Request);
    }
    let hint = match parameters.get("id_token_hint") {
        None => None,
        Some(text) => match id_token::read_hint(tenant, keys, text) {
            Some(hint) => Some(hint),
            None => return invalid(Invalid::Request),
        },
    };
    let said = match parameters.get("client_id").map(ClientId::parse).transpose() {
        Ok(said) => said,
        Err(_) => return invalid(Invalid::Request),
    };
    let client_id = match (&hint, said) {
        (Some(hint), Some(said)) if hint.client != said => return invalid(Invalid::Request),
        (Some(hint), _) => Some(hint.client.clone()),
        (None, said) => said,
    };
    let client = match client_id {
        None => None,
        Some(id) => app.store.view(tenant).await?.client(&id).await?,
    };
    let return_to = match return_address(parameters, client.as_ref(), hint.is_some()) {
        Ok(return_to) => return_to,
        Err(why) => return invalid(why),
    };
    let (Some(hint), Some(client)) = (hint, client) else {
        return Ok(LogoutRequest::Ask { return_to });
    };
    let of_this_session = accounts.list().iter().find(|account| {
        let same_session = hint.session.as_deref() == Some(&account.view.session.id.to_string());
        let subject = issue::subject(keys, &client, account.view.user.id);
        same_session || (hint.session.is_none() && subject == hint.subject)
    });
    Ok(match of_this_session {
        Some(account) => LogoutRequest::SignOut {
            session: Some(account.view.session.id),
            return_to,
        },
        // Nobody is signed in here: there is nothing to ask.
        None if accounts.list().is_empty() => LogoutRequest::SignOut {
            session: None,
            return_to,
        },
        None => LogoutRequest::Ask { return_to },
    })
}

/// An address counts only when it is registered and a hint says for whom (RP-Initiated Logout §3).
fn return_address(
    parameters: &Parameters,
    client: Option<&Client>,
    hinted: bool,
) -> Result<Option<ReturnTo>, Invalid> {
    let Some(uri) = parameters.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let client = client.filter(|_| hinted).ok_or(Invalid::RedirectUri)?;
    let metadata = &client.metadata;
    let registered = metadata
        .post_logout_redirect_uris
        .iter()
        .any(|known| known.admits(uri, metadata.application_type));
    if !registered {
        return Err(Invalid::RedirectUri);
    }
    Ok(Some(ReturnTo {
        uri: uri.to_owned(),
        state: parameters.owned("state"),
        client_name: metadata.client_name.clone(),
    }))
}

/// Ends a session of this browser, and tells the clients that were used in it.
pub async fn sign_out(
    app: &App,
    tenant: &TenantScope,
    accounts: &mut Accounts,
    session: SessionId,
    now: Timestamp,
) -> Result<(), Error> {
    if accounts.find(session).is_none() {
        return Ok(());
    }
    logout::sign_out(app, tenant, session, now).await?;
    accounts.remove(session);
    Ok(())
}
