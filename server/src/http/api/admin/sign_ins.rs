//! Sessions, grants and consents of a tenant's users.

use std::sync::Arc;

use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, default_limit};
use crate::{
    app::App,
    application::{
        admin::sign_ins,
        page::Page,
        ports::{GrantFilter, SessionFilter},
    },
    domain::{
        client::ClientId, consent::Consent, grant::GrantSummary, id::UserId, session::Session,
        timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{administration::Administered, tenant::Segment},
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            problem::{Kind, Problem},
        },
    },
};

/// Operations on sessions, grants and consents.
#[derive(Debug)]
pub struct SignInsApi;

refusals! {
    /// Refusals of a list.
    ListSignInsRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one session, grant or consent.
    SignInRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such object in this tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::SignIns")]
impl SignInsApi {
    /// List sessions
    ///
    /// A page of sign-ins, the latest first; ended ones too.
    #[oai(
        path = "/admin/v1/tenants/:tenant/sessions",
        method = "get",
        operation_id = "list_sessions"
    )]
    async fn list_sessions(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many sessions at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only those of this user.
        user_id: Query<Option<uuid::Uuid>>,
    ) -> Result<Answer<200, SessionPage>, Refused<ListSignInsRefusals>> {
        let search = Search::of(request, &["user_id"])?;
        let filter = SessionFilter {
            user: user_id.0.map(UserId::from_uuid),
        };
        let after = search.read_cursor(cursor.0.as_deref(), str::parse)?;
        let limit = page::limit(limit.0);
        let Page { items, next } = sign_ins::sessions(&app, &tenant, filter, after, limit).await?;
        Ok(Answer::new(SessionPage {
            items: items.iter().map(SessionView::from).collect(),
            next_cursor: Nullable(next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Read a session
    ///
    /// Ended ones too, until they are forgotten.
    #[oai(
        path = "/admin/v1/tenants/:tenant/sessions/:session_id",
        method = "get",
        operation_id = "get_session"
    )]
    async fn get_session(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The session: the `sid` of its tokens.
        session_id: Segment<6>,
    ) -> Result<Answer<200, SessionView>, Refused<SignInRefusals>> {
        let session = sign_ins::session(&app, &tenant, &session_id.0).await?;
        Ok(Answer::new(SessionView::from(&session)))
    }

    /// End a session
    ///
    /// Its refresh tokens end on every instance within a second, and its applications are told where they
    /// registered a back-channel address. Ending one that has ended is no error.
    #[oai(
        path = "/admin/v1/tenants/:tenant/sessions/:session_id",
        method = "delete",
        operation_id = "delete_session"
    )]
    async fn delete_session(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The session: the `sid` of its tokens.
        session_id: Segment<6>,
    ) -> Result<NoContent, Refused<SignInRefusals>> {
        sign_ins::end_session(&app, &tenant, &session_id.0, app.now()).await?;
        Ok(NoContent::default())
    }

    /// End all sessions of a user
    ///
    /// Also what outlives a session: nothing that the user granted until now counts any more.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users/:user_id/end-sessions",
        method = "post",
        operation_id = "end_user_sessions"
    )]
    async fn end_user_sessions(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The user.
        user_id: Segment<6>,
    ) -> Result<NoContent, Refused<SignInRefusals>> {
        sign_ins::end_sessions_of(&app, &tenant, &user_id.0, app.now()).await?;
        Ok(NoContent::default())
    }

    /// List grants
    ///
    /// A page of what users granted clients, the latest first; revoked ones too.
    #[oai(
        path = "/admin/v1/tenants/:tenant/grants",
        method = "get",
        operation_id = "list_grants"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter")]
    async fn list_grants(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many grants at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only those of this user.
        user_id: Query<Option<uuid::Uuid>>,
        /// Only those that this client has.
        #[oai(validator(max_length = 64))]
        client_id: Query<Option<String>>,
        /// Only those that were made in this session.
        session_id: Query<Option<uuid::Uuid>>,
    ) -> Result<Answer<200, GrantPage>, Refused<ListSignInsRefusals>> {
        let search = Search::of(request, &["user_id", "client_id", "session_id"])?;
        let filter = GrantFilter {
            session: session_id.0.map(crate::domain::id::SessionId::from_uuid),
            ..filter(user_id.0, client_id.0.as_deref())?
        };
        let after = search.read_cursor(cursor.0.as_deref(), str::parse)?;
        let limit = page::limit(limit.0);
        let Page { items, next } = sign_ins::grants(&app, &tenant, &filter, after, limit).await?;
        Ok(Answer::new(GrantPage {
            items: items.iter().map(GrantView::from).collect(),
            next_cursor: Nullable(next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Read a grant
    ///
    /// Revoked ones too, until they are forgotten. Never a token.
    #[oai(
        path = "/admin/v1/tenants/:tenant/grants/:grant_id",
        method = "get",
        operation_id = "get_grant"
    )]
    async fn get_grant(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The grant.
        grant_id: Segment<6>,
    ) -> Result<Answer<200, GrantView>, Refused<SignInRefusals>> {
        let grant = sign_ins::grant(&app, &tenant, &grant_id.0).await?;
        Ok(Answer::new(GrantView::from(&grant)))
    }

    /// Revoke a grant
    ///
    /// Its refresh token and everything it could become count no more; access tokens are refused wherever
    /// this server is asked. Revoking twice is no error.
    #[oai(
        path = "/admin/v1/tenants/:tenant/grants/:grant_id",
        method = "delete",
        operation_id = "revoke_grant"
    )]
    async fn revoke_grant(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The grant.
        grant_id: Segment<6>,
    ) -> Result<NoContent, Refused<SignInRefusals>> {
        sign_ins::revoke_grant(&app, &tenant, &grant_id.0, app.now()).await?;
        Ok(NoContent::default())
    }

    /// List consents of all users
    ///
    /// A page of what users allowed clients, the latest first.
    #[oai(
        path = "/admin/v1/tenants/:tenant/consents",
        method = "get",
        operation_id = "list_tenant_consents"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter")]
    async fn list_tenant_consents(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many consents at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only those of this user.
        user_id: Query<Option<uuid::Uuid>>,
        /// Only those for this client.
        #[oai(validator(max_length = 64))]
        client_id: Query<Option<String>>,
    ) -> Result<Answer<200, TenantConsentPage>, Refused<ListSignInsRefusals>> {
        let search = Search::of(request, &["user_id", "client_id"])?;
        let filter = filter(user_id.0, client_id.0.as_deref())?;
        let after = search.read_cursor(cursor.0.as_deref(), str::parse)?;
        let limit = page::limit(limit.0);
        let Page { items, next } = sign_ins::consents(&app, &tenant, &filter, after, limit).await?;
        Ok(Answer::new(TenantConsentPage {
            items: items.iter().map(TenantConsentView::from).collect(),
            next_cursor: Nullable(next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Withdraw a user's consent
    ///
    /// The client has to ask again, and every token that it has of the user ends.
    #[oai(
        path = "/admin/v1/tenants/:tenant/consents/:consent_id",
        method = "delete",
        operation_id = "delete_tenant_consent"
    )]
    async fn delete_tenant_consent(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The consent.
        consent_id: Segment<6>,
    ) -> Result<NoContent, Refused<SignInRefusals>> {
        sign_ins::withdraw_consent(&app, &tenant, &consent_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn filter(user: Option<uuid::Uuid>, client: Option<&str>) -> Result<GrantFilter, Problem> {
    let client = client
        .map(ClientId::parse)
        .transpose()
        .map_err(|_| Problem::new(Kind::InvalidParameter).detail("`client_id` is no client id."))?;
    Ok(GrantFilter {
        user: user.map(UserId::from_uuid),
        client,
        session: None,
    })
}

/// A sign-in of a user.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Session", example)]
pub struct SessionView {
    /// The `sid` of its tokens.
    session_id: uuid::Uuid,
    user_id: uuid::Uuid,
    /// When the user proved who they are, the last time.
    authenticated_at: DateTime,
    /// How (RFC 8176), such as `pwd`.
    amr: Vec<String>,
    /// When its browser was seen last, to the minute; null for sign-ins through the session API.
    seen_at: Nullable<DateTime>,
    /// Null: it has not ended.
    ended_at: Nullable<DateTime>,
    created_at: DateTime,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            session_id: session.id.as_uuid(),
            user_id: session.user_id.as_uuid(),
            authenticated_at: DateTime(session.authenticated_at),
            amr: session.amr.clone(),
            seen_at: Nullable(session.seen_at.map(DateTime)),
            ended_at: Nullable(session.ended_at.map(DateTime)),
            created_at: DateTime(session.created_at),
        }
    }
}

impl Example for SessionView {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        Self {
            session_id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            user_id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5f"),
            authenticated_at: at,
            amr: vec!["pwd".to_owned()],
            seen_at: Nullable(None),
            ended_at: Nullable(None),
            created_at: at,
        }
    }
}

/// A page of sessions.
#[derive(Debug, Object, Serialize)]
pub struct SessionPage {
    items: Vec<SessionView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

/// What a user granted a client in a session.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Grant")]
pub struct GrantView {
    grant_id: uuid::Uuid,
    session_id: uuid::Uuid,
    user_id: uuid::Uuid,
    client_id: String,
    /// With spaces between.
    scope: String,
    /// Whom its tokens are for.
    audience: Vec<String>,
    /// It outlives its session.
    offline: bool,
    /// When its refresh token ends, whatever happens.
    expires_at: DateTime,
    /// Null: it was not revoked.
    revoked_at: Nullable<DateTime>,
    created_at: DateTime,
}

impl From<&GrantSummary> for GrantView {
    fn from(grant: &GrantSummary) -> Self {
        Self {
            grant_id: grant.id.as_uuid(),
            session_id: grant.session_id.as_uuid(),
            user_id: grant.user_id.as_uuid(),
            client_id: grant.client_id.to_string(),
            scope: grant.scope.to_string(),
            audience: grant.audience.iter().map(str::to_owned).collect(),
            offline: grant.offline,
            expires_at: DateTime(grant.absolute_end),
            revoked_at: Nullable(grant.revoked_at.map(DateTime)),
            created_at: DateTime(grant.created_at),
        }
    }
}

/// A page of grants.
#[derive(Debug, Object, Serialize)]
pub struct GrantPage {
    items: Vec<GrantView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

/// What a user allowed a client.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "TenantConsent")]
pub struct TenantConsentView {
    consent_id: uuid::Uuid,
    user_id: uuid::Uuid,
    client_id: String,
    /// With spaces between.
    scope: String,
    created_at: DateTime,
    updated_at: DateTime,
}

impl From<&Consent> for TenantConsentView {
    fn from(consent: &Consent) -> Self {
        Self {
            consent_id: consent.id.as_uuid(),
            user_id: consent.user_id.as_uuid(),
            client_id: consent.client_id.to_string(),
            scope: consent.scope.to_string(),
            created_at: DateTime(consent.created_at),
            updated_at: DateTime(consent.updated_at),
        }
    }
}

/// A page of consents.
#[derive(Debug, Object, Serialize)]
pub struct TenantConsentPage {
    items: Vec<TenantConsentView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}
