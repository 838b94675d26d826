//! The users of a tenant.

use std::sync::Arc;

use poem::{Request, http::header, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, check_query, default_limit};
use crate::{
    app::App,
    application::{
        admin::users,
        page::Page,
        ports::{UserFilter, UserPosition, UserWithHash},
    },
    domain::{
        email::EmailAddress,
        timestamp::Timestamp,
        user::{ExternalId, UserState},
    },
    http::{
        api::{Tag, session::profile_wire::ProfileView},
        extract::{
            administration::Administered, body::JsonBody, idempotency_key::IdempotencyKey,
            if_match::IfMatch, raw_members::RawMembers, tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
            problem::{Kind, Problem},
        },
    },
};

/// Operations on users.
#[derive(Debug)]
pub struct UsersApi;

refusals! {
    /// Refusals of a creation.
    CreateUserRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        409 => "The address or the external id belongs to another user.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "Too many passwords are being hashed, or a store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a list.
    ListUsersRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change.
    ChangeUserRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or user.",
        409 => "The address or the external id belongs to another user.",
        412 => "The user was changed since `If-Match`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one user.
    UserRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or user.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Users")]
impl UsersApi {
    /// Create a user
    ///
    /// With a password, with a hash that another system made, or with neither: such a user can't sign in
    /// with a password.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users",
        method = "post",
        operation_id = "create_user"
    )]
    async fn create_user(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<RawMembers<CreateUserBody>>,
    ) -> Result<Once<201, UserView>, Refused<CreateUserRefusals>> {
        let draft = users::create(&app, &tenant, &body.0.members, app.now());
        let render = |user: &UserWithHash| {
            let location = format!(
                "{}/admin/v1/tenants/{}/users/{}",
                app.public_url.as_str().trim_end_matches('/'),
                tenant.tenant().slug(),
                user.0.id
            );
            answer(user).header(header::LOCATION, &location)
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List users
    ///
    /// A page of users in the order in which they were made; of those that were searched for, in order of
    /// address or name. Its cost does not grow with the number of users.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users",
        method = "get",
        operation_id = "list_users"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter")]
    async fn list_users(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many users at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
        /// Only users whose address begins with this; when there are none, those whose name does.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// Only the user with this address.
        #[oai(validator(max_length = 254))]
        email: Query<Option<String>>,
        /// Only the user whom another system knows by this id.
        #[oai(validator(max_length = 255))]
        external_id: Query<Option<String>>,
        /// Only users in this state.
        state: Query<Option<UserStateView>>,
    ) -> Result<Answer<200, UserPage>, Refused<ListUsersRefusals>> {
        let search = Search::of(request, &["q", "email", "external_id", "state"])?;
        check_query(q.0.as_deref())?;
        let wrong = |what: &str| Problem::new(Kind::InvalidParameter).detail(what.to_owned());
        let email = email.0.as_deref().map(EmailAddress::parse).transpose();
        let external_id = external_id.0.as_deref().map(ExternalId::parse).transpose();
        let filter = UserFilter {
            email: email.map_err(|_| wrong("`email` is no email address."))?,
            external_id: external_id.map_err(|_| wrong("`external_id` is no such id."))?,
            state: state.0.map(UserState::from),
            q: q.0,
        };
        let after = search.read_cursor(cursor.0.as_deref(), read_position)?;
        let limit = page::limit(limit.0);
        let Page { items, next } =
            users::page(&app, tenant.tenant(), &filter, after.as_ref(), limit).await?;
        Ok(Answer::new(UserPage {
            items: items.iter().map(|(_, user)| UserView::from(user)).collect(),
            next_cursor: Nullable(next.map(|at| search.write_cursor(&written_position(&at)))),
        }))
    }

    /// Read a user
    ///
    /// With its profile, roles and state; never what is kept of its password.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users/:user_id",
        method = "get",
        operation_id = "get_user"
    )]
    async fn get_user(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The user: the `sub` of its tokens.
        user_id: Segment<6>,
    ) -> Result<Answer<200, UserView>, Refused<UserRefusals>> {
        let user = users::find(&app, tenant.tenant(), &user_id.0).await?;
        Ok(answer(&user))
    }

    /// Change a user
    ///
    /// A JSON merge patch (RFC 7396): members that are missing stay, null sets a member back. A disabled
    /// user is signed out everywhere within a second and can't sign in; enabling it revives no session.
    /// Passwords are nobody's to set but the user's.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users/:user_id",
        method = "patch",
        operation_id = "update_user"
    )]
    async fn update_user(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The user: the `sub` of its tokens.
        user_id: Segment<6>,
        /// The `ETag` of the user as it was read; without it the change is made whatever the user is.
        #[oai(name = "If-Match")]
        seen: IfMatch,
        body: JsonBody<RawMembers<UserChange>>,
    ) -> Result<Answer<200, UserView>, Refused<ChangeUserRefusals>> {
        let (seen, members) = (seen.0.as_deref(), &body.0.members);
        let user = users::patch(&app, &tenant, &user_id.0, seen, members, app.now()).await?;
        Ok(answer(&user))
    }

    /// Delete a user
    ///
    /// With its sessions, grants and consents. Its id is never used again.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users/:user_id",
        method = "delete",
        operation_id = "delete_user"
    )]
    async fn delete_user(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The user: the `sub` of its tokens.
        user_id: Segment<6>,
    ) -> Result<NoContent, Refused<UserRefusals>> {
        users::delete(&app, &tenant, &user_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn answer<const STATUS: u16>(user: &UserWithHash) -> Answer<STATUS, UserView> {
    Answer::new(UserView::from(user)).header(header::ETAG, &users::version(&user.0))
}

/// An id, an address, or a name and an id. No name has a line break, and no id an `@`.
fn written_position(position: &UserPosition) -> String {
    match position {
        UserPosition::Id(id) => id.to_string(),
        UserPosition::Email(email) => email.clone(),
        UserPosition::Name(name, id) => format!("{name}\n{id}"),
    }
}

fn read_position(text: &str) -> Result<UserPosition, ()> {
    match text.split_once('\n') {
        Some((name, _)) if name.chars().any(char::is_control) => Err(()),
        Some((name, id)) => {
            let id = id.parse().map_err(|_| ())?;
            Ok(UserPosition::Name(name.to_owned(), id))
        }
        None if text.contains('@') => match EmailAddress::parse(text) {
            Ok(email) => Ok(UserPosition::Email(email.as_str().to_owned())),
            Err(_) => Err(()),
        },
        None => text.parse().map(UserPosition::Id).map_err(|_| ()),
    }
}

/// Whether a user may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "UserState", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum UserStateView {
    /// It may.
    Active,
    /// It may not, and nothing that it granted counts.
    Disabled,
}

impl From<UserStateView> for UserState {
    fn from(view: UserStateView) -> Self {
        match view {
            UserStateView::Active => Self::Active,
            UserStateView::Disabled => Self::Disabled,
        }
    }
}

impl From<UserState> for UserStateView {
    fn from(state: UserState) -> Self {
        match state {
            UserState::Active => Self::Active,
            UserState::Disabled => Self::Disabled,
        }
    }
}

/// A user. Its password and what is kept of it are never told.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "User", example, skip_serializing_if_is_none)]
pub struct UserView {
    /// The `sub` of its tokens.
    user_id: uuid::Uuid,
    /// The id by which another system knows the user.
    external_id: Nullable<String>,
    email: String,
    email_verified: bool,
    name: String,
    avatar_url: Nullable<String>,
    state: UserStateView,
    /// Names of roles, as the settings define them.
    roles: Vec<String>,
    /// Whether the user can sign in with a password.
    has_password: bool,
    /// In UTC (RFC 3339).
    created_at: DateTime,
    /// In UTC (RFC 3339).
    updated_at: DateTime,
    #[oai(flatten)]
    #[serde(flatten)]
    profile: ProfileView,
}

impl From<&UserWithHash> for UserView {
    fn from((user, hash): &UserWithHash) -> Self {
        let external_id = user.external_id.as_ref().map(|id| id.as_str().to_owned());
        let avatar_url = user.avatar_url.as_ref().map(|url| url.as_str().to_owned());
        Self {
            user_id: user.id.as_uuid(),
            external_id: Nullable(external_id),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            name: user.name.as_str().to_owned(),
            avatar_url: Nullable(avatar_url),
            state: user.state.into(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            has_password: hash.is_some(),
            created_at: DateTime(user.created_at),
            updated_at: DateTime(user.updated_at),
            profile: ProfileView::from(user.profile.clone()),
        }
    }
}

impl Example for UserView {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        Self {
            user_id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            external_id: Nullable(Some("4711".to_owned())),
            email: "ada@example.com".to_owned(),
            email_verified: true,
            name: "Ada Lovelace".to_owned(),
            avatar_url: Nullable(None),
            state: UserStateView::Active,
            roles: vec!["billing".to_owned()],
            has_password: true,
            created_at: at,
            updated_at: at,
            profile: ProfileView::default(),
        }
    }
}

/// A page of users.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct UserPage {
    items: Vec<UserView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

impl Example for UserPage {
    fn example() -> Self {
        Self {
            items: vec![UserView::example()],
            next_cursor: Nullable(None),
        }
    }
}

/// A user to be made.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct CreateUserBody {
    #[oai(validator(max_length = 254))]
    email: String,
    /// The address when missing.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<Nullable<String>>,
    /// Whether it is known that the address is the user's.
    email_verified: Option<Nullable<bool>>,
    /// Never together with `password_hash`.
    #[oai(validator(max_length = 1024))]
    password: Option<Nullable<String>>,
    /// A hash that another system made: argon2, bcrypt, scrypt, PBKDF2 or firebase-scrypt as a PHC string. It
    /// is replaced by one of ours when the user signs in.
    password_hash: Option<Nullable<String>>,
    /// The id by which another system knows the user; unique within the tenant.
    #[oai(validator(min_length = 1, max_length = 255))]
    external_id: Option<Nullable<String>>,
    avatar_url: Option<Nullable<String>>,
    state: Option<Nullable<UserStateView>>,
    /// Names of roles that the settings define.
    roles: Option<Nullable<Vec<String>>>,
    #[oai(flatten)]
    profile: ProfileView,
}

impl Example for CreateUserBody {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            name: Some(Nullable(Some("Ada Lovelace".to_owned()))),
            email_verified: Some(Nullable(Some(true))),
            password: None,
            password_hash: None,
            external_id: Some(Nullable(Some("4711".to_owned()))),
            avatar_url: None,
            state: None,
            roles: None,
            profile: ProfileView::default(),
        }
    }
}

/// A change of a user: only the members that change. Null sets one back.
#[derive(Debug, Default, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct UserChange {
    /// A new address is unverified unless the change says that it is not.
    #[oai(validator(max_length = 254))]
    email: Option<String>,
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    email_verified: Option<Nullable<bool>>,
    #[oai(validator(min_length = 1, max_length = 255))]
    external_id: Option<Nullable<String>>,
    avatar_url: Option<Nullable<String>>,
    state: Option<Nullable<UserStateView>>,
    /// All roles that the user has from now on.
    roles: Option<Nullable<Vec<String>>>,
    #[oai(flatten)]
    profile: ProfileView,
}

impl Example for UserChange {
    fn example() -> Self {
        Self {
            state: Some(Nullable(Some(UserStateView::Disabled))),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let page = UserPage::example();
        assert_eq!(serde_json::to_value(&page).ok(), page.to_json());
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let id = "01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"
            .parse()
            .expect("an id");
        for position in [
            UserPosition::Id(id),
            UserPosition::Email("ada@example.com".to_owned()),
            UserPosition::Name("ada@lovelace".to_owned(), id),
        ] {
            let text = written_position(&position);
            assert_eq!(read_position(&text), Ok(position));
        }
        for text in ["", "x", "a\nb", "a\n\nb", "@"] {
            assert_eq!(read_position(text), Err(()), "{text:?}");
        }
    }
}
