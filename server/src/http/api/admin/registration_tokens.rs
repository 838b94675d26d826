//! Tokens that allow to register clients.

use std::{sync::Arc, time::Duration};

use poem::{Request, http::header, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, default_limit};
use crate::{
    app::App,
    application::admin::registration_tokens,
    domain::{
        client::initial_access::{InitialAccessState, InitialAccessToken},
        secret::{InitialAccess, OpaqueToken},
        timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{
            administration::Administered,
            body::{FromMembers, JsonBody, Members},
            idempotency_key::IdempotencyKey,
            tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
        },
    },
};

/// Operations on registration tokens.
#[derive(Debug)]
pub struct RegistrationTokensApi;

refusals! {
    /// Refusals of making a registration token.
    CreateTokenRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a list.
    ListTokensRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one registration token.
    TokenRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or registration token.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Clients")]
impl RegistrationTokensApi {
    /// Create a registration token
    ///
    /// An initial access token (RFC 7591 §3): whoever has it may register clients, as often and as long
    /// as it says. It is told this once.
    #[oai(
        path = "/admin/v1/tenants/:tenant/registration-tokens",
        method = "post",
        operation_id = "create_registration_token"
    )]
    async fn create_registration_token(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<RegistrationTokenBody>,
    ) -> Result<Once<201, NewRegistrationTokenView>, Refused<CreateTokenRefusals>> {
        let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        let lifetime = number(body.0.expires_in).map(|n| Duration::from_secs(n.into()));
        let uses = number(body.0.uses);
        let draft = registration_tokens::create(&app, &tenant, uses, lifetime, app.now());
        let render = |(stored, token): &(InitialAccessToken, OpaqueToken<InitialAccess>)| {
            let location = format!(
                "{}/admin/v1/tenants/{}/registration-tokens/{}",
                app.public_url.as_str().trim_end_matches('/'),
                tenant.tenant().slug(),
                stored.id
            );
            Answer::new(NewRegistrationTokenView {
                id: stored.id.as_uuid(),
                token: token.expose().to_owned(),
                uses: uses_of(stored),
                expires_at: Nullable(stored.expires_at.map(DateTime)),
            })
            .header(header::LOCATION, &location)
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List registration tokens
    ///
    /// A page of tokens, the latest first, without the tokens themselves. Those that are used up or expired
    /// stay until they are deleted.
    #[oai(
        path = "/admin/v1/tenants/:tenant/registration-tokens",
        method = "get",
        operation_id = "list_registration_tokens"
    )]
    async fn list_registration_tokens(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many tokens at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<200, RegistrationTokenPage>, Refused<ListTokensRefusals>> {
        let search = Search::of(request, &[])?;
        let after = search.read_cursor(cursor.0.as_deref(), str::parse)?;
        let limit = page::limit(limit.0);
        let page = registration_tokens::page(&app, tenant.tenant(), after, limit).await?;
        let now = app.now();
        let items = page.items.iter();
        Ok(Answer::new(RegistrationTokenPage {
            items: items
                .map(|token| RegistrationTokenView::at(token, now))
                .collect(),
            next_cursor: Nullable(page.next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Read a registration token
    ///
    /// Its state, never the token itself.
    #[oai(
        path = "/admin/v1/tenants/:tenant/registration-tokens/:registration_token_id",
        method = "get",
        operation_id = "get_registration_token"
    )]
    async fn get_registration_token(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The token's id.
        registration_token_id: Segment<6>,
    ) -> Result<Answer<200, RegistrationTokenView>, Refused<TokenRefusals>> {
        let token =
            registration_tokens::find(&app, tenant.tenant(), &registration_token_id.0).await?;
        Ok(Answer::new(RegistrationTokenView::at(&token, app.now())))
    }

    /// Delete a registration token
    ///
    /// It registers nothing any more, at once and on every instance. Clients that it registered stay.
    #[oai(
        path = "/admin/v1/tenants/:tenant/registration-tokens/:registration_token_id",
        method = "delete",
        operation_id = "delete_registration_token"
    )]
    async fn delete_registration_token(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The token's id.
        registration_token_id: Segment<6>,
    ) -> Result<NoContent, Refused<TokenRefusals>> {
        registration_tokens::delete(&app, &tenant, &registration_token_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn uses_of(token: &InitialAccessToken) -> Nullable<i32> {
    let uses = token.remaining_uses;
    Nullable(uses.map(|n| i32::try_from(n).unwrap_or(i32::MAX)))
}

/// A registration token to be made.
#[derive(Debug, Default, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct RegistrationTokenBody {
    /// After how many seconds it ends; never, when missing.
    #[oai(validator(minimum(value = "1")))]
    expires_in: Option<i32>,
    /// How many clients it may register; any number, when missing.
    #[oai(validator(minimum(value = "1")))]
    uses: Option<i32>,
}

impl Example for RegistrationTokenBody {
    fn example() -> Self {
        Self {
            expires_in: Some(86_400),
            uses: Some(1),
        }
    }
}

impl FromMembers for RegistrationTokenBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        let expires_in = members.positive("expires_in");
        let uses = members.positive("uses");
        Some(Self { expires_in, uses })
    }
}

/// A registration token that was just made.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "NewRegistrationToken", example)]
pub struct NewRegistrationTokenView {
    id: uuid::Uuid,
    /// Sent as Bearer token to the registration endpoint. Told this once.
    token: String,
    /// How many clients it may register; null: any number.
    uses: Nullable<i32>,
    /// Null: never.
    expires_at: Nullable<DateTime>,
}

impl Example for NewRegistrationTokenView {
    fn example() -> Self {
        Self {
            id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            token: "tha_…".to_owned(),
            uses: Nullable(Some(1)),
            expires_at: Nullable(None),
        }
    }
}

/// Whether a registration token still registers clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum RegistrationTokenState {
    /// It registers clients.
    Active,
    /// It registered as many clients as it may.
    UsedUp,
    /// Its time is over.
    Expired,
}

impl From<InitialAccessState> for RegistrationTokenState {
    fn from(state: InitialAccessState) -> Self {
        match state {
            InitialAccessState::Active => Self::Active,
            InitialAccessState::UsedUp => Self::UsedUp,
            InitialAccessState::Expired => Self::Expired,
        }
    }
}

/// A registration token, without itself.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "RegistrationToken", example)]
pub struct RegistrationTokenView {
    id: uuid::Uuid,
    state: RegistrationTokenState,
    /// How many clients it may still register; null: any number.
    uses_left: Nullable<i32>,
    created_at: DateTime,
    /// Null: never.
    expires_at: Nullable<DateTime>,
}

impl RegistrationTokenView {
    fn at(token: &InitialAccessToken, now: Timestamp) -> Self {
        Self {
            id: token.id.as_uuid(),
            state: token.state(now).into(),
            uses_left: uses_of(token),
            created_at: DateTime(token.created_at),
            expires_at: Nullable(token.expires_at.map(DateTime)),
        }
    }
}

impl Example for RegistrationTokenView {
    fn example() -> Self {
        Self {
            id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            state: RegistrationTokenState::Active,
            uses_left: Nullable(Some(1)),
            created_at: DateTime(Timestamp::from_micros(1_795_000_000_000_000)),
            expires_at: Nullable(None),
        }
    }
}

/// A page of registration tokens.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct RegistrationTokenPage {
    items: Vec<RegistrationTokenView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

impl Example for RegistrationTokenPage {
    fn example() -> Self {
        Self {
            items: vec![RegistrationTokenView::example()],
            next_cursor: Nullable(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let page = RegistrationTokenPage::example();
        assert_eq!(serde_json::to_value(&page).ok(), page.to_json());
    }
}
