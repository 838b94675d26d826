//! Invitations to a tenant.

use std::sync::Arc;

use poem::{Request, http::header, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, default_limit};
use crate::{
    app::App,
    application::{admin::invitations, ports::InvitationFilter},
    domain::{
        email::EmailAddress,
        id::{InvitationId, UserId},
        invitation::{Ending, Invitation, InvitationState},
        secret::{Invitation as InvitationToken, OpaqueToken},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{
            administration::Administered, body::JsonBody, idempotency_key::IdempotencyKey,
            raw_members::RawMembers, tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
            problem::{Kind, Problem},
        },
    },
};

/// Operations on invitations.
#[derive(Debug)]
pub struct InvitationsApi;

refusals! {
    /// Refusals of an invitation.
    CreateInvitationRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only; or the tenant's sign-up is closed.",
        404 => "No such tenant.",
        409 => "The address belongs to a user, or too many invitations wait.",
        412 => "The address was invited by others at the same moment.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "The `Idempotency-Key` was used for another request.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a list.
    ListInvitationsRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of reading one.
    InvitationRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant or invitation.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of taking one back.
    RevokeInvitationRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or invitation.",
        409 => "It was accepted: there is a user now.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Users")]
impl InvitationsApi {
    /// Invite somebody
    ///
    /// The answer has, this once, the link that lets the address become a user with these roles. Sending it is
    /// yours to do. An older invitation of the same address that waits is revoked. It works while the setting
    /// `signup` is `invitation` or `open`. Whoever follows the link proved to have the link, not the address:
    /// the new user's `email_verified` is false.
    #[oai(
        path = "/admin/v1/tenants/:tenant/invitations",
        method = "post",
        operation_id = "create_invitation"
    )]
    async fn create_invitation(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<RawMembers<CreateInvitationBody>>,
    ) -> Result<Once<201, CreatedInvitationView>, Refused<CreateInvitationRefusals>> {
        let now = app.now();
        let draft = invitations::create(&app, &tenant, &body.0.members, now);
        let render = |(invitation, token): &(Invitation, OpaqueToken<InvitationToken>)| {
            let location = format!(
                "{}/admin/v1/tenants/{}/invitations/{}",
                app.public_url.as_str().trim_end_matches('/'),
                tenant.tenant().slug(),
                invitation.id
            );
            let view = CreatedInvitationView::new(tenant.tenant(), invitation, token, now);
            Answer::new(view)
                .header(header::LOCATION, &location)
                .header(header::CACHE_CONTROL, "no-store")
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List invitations
    ///
    /// A page of invitations, the latest first. They are listed for 90 days after they would have expired.
    #[oai(
        path = "/admin/v1/tenants/:tenant/invitations",
        method = "get",
        operation_id = "list_invitations"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter")]
    async fn list_invitations(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many invitations at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only invitations of this address.
        #[oai(validator(max_length = 254))]
        email: Query<Option<String>>,
        /// Only invitations in this state.
        state: Query<Option<InvitationStateView>>,
    ) -> Result<Answer<200, InvitationPage>, Refused<ListInvitationsRefusals>> {
        let wrong = |what: &str| Problem::new(Kind::InvalidParameter).detail(what.to_owned());
        let email = email.0.as_deref().map(EmailAddress::parse).transpose();
        let filter = InvitationFilter {
            email: email.map_err(|_| wrong("`email` is no email address."))?,
            state: state.0.map(InvitationState::from),
        };
        let search = Search::of(request, &["email", "state"])?;
        let after = search.read_cursor(cursor.0.as_deref(), str::parse::<InvitationId>)?;
        let (limit, now) = (page::limit(limit.0), app.now());
        let page = invitations::page(&app, tenant.tenant(), &filter, after, limit, now).await?;
        let items = page.items.iter();
        Ok(Answer::new(InvitationPage {
            items: items.map(|one| InvitationView::new(one, now)).collect(),
            next_cursor: Nullable(page.next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Read an invitation
    ///
    /// Whatever became of it. The token was told when it was made, and never again.
    #[oai(
        path = "/admin/v1/tenants/:tenant/invitations/:invitation_id",
        method = "get",
        operation_id = "get_invitation"
    )]
    async fn get_invitation(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The invitation.
        invitation_id: Segment<6>,
    ) -> Result<Answer<200, InvitationView>, Refused<InvitationRefusals>> {
        let found = invitations::find(&app, tenant.tenant(), &invitation_id.0).await?;
        Ok(Answer::new(InvitationView::new(&found, app.now())))
    }

    /// Revoke an invitation
    ///
    /// Its link counts no more, at once. Doing it twice is no error; one that was accepted is refused, for the
    /// user stays.
    #[oai(
        path = "/admin/v1/tenants/:tenant/invitations/:invitation_id",
        method = "delete",
        operation_id = "revoke_invitation"
    )]
    async fn revoke_invitation(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The invitation.
        invitation_id: Segment<6>,
    ) -> Result<NoContent, Refused<RevokeInvitationRefusals>> {
        invitations::revoke(&app, &tenant, &invitation_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

/// What an invitation is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "InvitationState", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum InvitationStateView {
    /// It can be accepted.
    Pending,
    Accepted,
    Expired,
    /// Taken back, or replaced by a later one.
    Revoked,
}

impl From<InvitationStateView> for InvitationState {
    fn from(view: InvitationStateView) -> Self {
        match view {
            InvitationStateView::Pending => Self::Pending,
            InvitationStateView::Accepted => Self::Accepted,
            InvitationStateView::Expired => Self::Expired,
            InvitationStateView::Revoked => Self::Revoked,
        }
    }
}

impl From<InvitationState> for InvitationStateView {
    fn from(state: InvitationState) -> Self {
        match state {
            InvitationState::Pending => Self::Pending,
            InvitationState::Accepted => Self::Accepted,
            InvitationState::Expired => Self::Expired,
            InvitationState::Revoked => Self::Revoked,
        }
    }
}

/// An invitation. Its token is told by the answer that makes it, and never again.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Invitation", example)]
pub struct InvitationView {
    invitation_id: uuid::Uuid,
    email: String,
    /// What the sign-up page begins with.
    name: Nullable<String>,
    /// Names of roles that the user will hold.
    roles: Vec<String>,
    state: InvitationStateView,
    /// In UTC (RFC 3339).
    created_at: DateTime,
    /// In UTC (RFC 3339).
    expires_at: DateTime,
    accepted_at: Nullable<DateTime>,
    revoked_at: Nullable<DateTime>,
    /// The user that it made.
    user_id: Nullable<uuid::Uuid>,
}

impl InvitationView {
    fn new(invitation: &Invitation, now: Timestamp) -> Self {
        let (accepted, revoked, user) = match invitation.ending {
            None => (None, None, None),
            Some(Ending::Accepted { at, user }) => (Some(at), None, Some(user)),
            Some(Ending::Revoked { at }) => (None, Some(at), None),
        };
        Self {
            invitation_id: invitation.id.as_uuid(),
            email: invitation.email.as_str().to_owned(),
            name: Nullable(
                invitation
                    .name
                    .as_ref()
                    .map(|name| name.as_str().to_owned()),
            ),
            roles: invitation.roles.iter().map(ToString::to_string).collect(),
            state: invitation.state(now).into(),
            created_at: DateTime(invitation.created_at),
            expires_at: DateTime(invitation.expires_at),
            accepted_at: Nullable(accepted.map(DateTime)),
            revoked_at: Nullable(revoked.map(DateTime)),
            user_id: Nullable(user.map(UserId::as_uuid)),
        }
    }
}

impl Example for InvitationView {
    fn example() -> Self {
        Self {
            invitation_id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            email: "ada@example.com".to_owned(),
            name: Nullable(Some("Ada Lovelace".to_owned())),
            roles: vec!["billing".to_owned()],
            state: InvitationStateView::Pending,
            created_at: DateTime(Timestamp::from_micros(1_795_000_000_000_000)),
            expires_at: DateTime(Timestamp::from_micros(1_795_604_800_000_000)),
            accepted_at: Nullable(None),
            revoked_at: Nullable(None),
            user_id: Nullable(None),
        }
    }
}

/// An invitation and its token.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "CreatedInvitation", example)]
pub struct CreatedInvitationView {
    #[oai(flatten)]
    #[serde(flatten)]
    invitation: InvitationView,
    /// Told this once: `invitation` of a sign-up.
    token: String,
    /// The hosted page that accepts it.
    link: String,
}

impl CreatedInvitationView {
    fn new(
        tenant: &TenantScope,
        invitation: &Invitation,
        token: &OpaqueToken<InvitationToken>,
        now: Timestamp,
    ) -> Self {
        let token = token.expose();
        Self {
            invitation: InvitationView::new(invitation, now),
            link: format!("{}/signup?invitation={token}", tenant.base()),
            token: token.to_owned(),
        }
    }
}

impl Example for CreatedInvitationView {
    fn example() -> Self {
        Self {
            invitation: InvitationView::example(),
            token: "thi_…".to_owned(),
            link: "https://id.example.com/t/acme/signup?invitation=thi_…".to_owned(),
        }
    }
}

/// A page of invitations.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct InvitationPage {
    items: Vec<InvitationView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

impl Example for InvitationPage {
    fn example() -> Self {
        Self {
            items: vec![InvitationView::example()],
            next_cursor: Nullable(None),
        }
    }
}

/// Who is invited.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct CreateInvitationBody {
    /// The only address that can accept.
    #[oai(validator(max_length = 254))]
    email: String,
    /// What the sign-up page begins with; the user may change it.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<Nullable<String>>,
    /// Names of roles that the settings define.
    roles: Option<Nullable<Vec<String>>>,
    /// After how many seconds it counts no more: a week when missing, at most 30 days.
    #[oai(validator(minimum(value = "60"), maximum(value = "2592000")))]
    expires_in: Option<Nullable<i32>>,
}

impl Example for CreateInvitationBody {
    fn example() -> Self {
        Self {
            email: "grace@example.com".to_owned(),
            name: Some(Nullable(Some("Grace Hopper".to_owned()))),
            roles: None,
            expires_in: Some(Nullable(Some(86_400))),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let created = CreatedInvitationView::example();
        assert_eq!(serde_json::to_value(&created).ok(), created.to_json());
        let page = InvitationPage::example();
        assert_eq!(serde_json::to_value(&page).ok(), page.to_json());
    }
}
