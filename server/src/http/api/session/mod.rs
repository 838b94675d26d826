//! The first-party session API: a tenant's users sign up, log in, stay logged in and log out.

pub mod profile_wire;
pub mod wire;

use std::sync::Arc;

use poem::{http::header, web::Data};
use poem_openapi::OpenApi;

use self::profile_wire::ProfileView;
use self::wire::{
    ConsentList, ConsentView, Delivery, LoginBody, RefreshTokenBody, SignedInView, SignupBody,
    UserInfo,
};
use super::Tag;
use crate::{
    app::App,
    application::{
        consents, current_user,
        error::{Error, NotSignedIn},
        login::{self, SignedIn},
        logout, profile, refresh, signup,
    },
    domain::{client::ClientId, user::User},
    http::{
        cookies,
        extract::{
            body::{JsonBody, OptionalJsonBody},
            credentials::{AccessToken, Origin, SessionCookies},
            raw_members::RawMembers,
            tenant::{Segment, TenantPath},
        },
        respond::answer::{Answer, NoContent, Refused, refusals},
    },
};

/// Operations of the session API.
#[derive(Debug)]
pub struct SessionApi;

refusals! {
    /// Refusals of a sign-up.
    SignupRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        403 => "The tenant lets nobody sign up, or nobody who wasn't invited, or the invitation does not count.",
        404 => "No such tenant.",
        409 => "The email address is taken.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "Too busy, or a store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a login.
    LoginRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "Unknown user or wrong password; the answer does not say which.",
        403 => "A page of another origin asked for cookies.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "Too busy, or a store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a refresh.
    RefreshRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "The refresh token is missing, unknown, expired, ended or was used before.",
        403 => "A page of another origin used the cookie.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Send the same request again: it gets the same successor.",
    }
}

refusals! {
    /// Refusals of a logout.
    LogoutRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        403 => "A page of another origin used a cookie.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. The session may live on: try again.",
    }
}

refusals! {
    /// Refusals of a look at the current user.
    CurrentUserRefusals {
        401 => "No access token, or one that does not count (RFC 6750 §3.1).",
        403 => "The token was not granted `profile` and `email`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of withdrawing a consent.
    WithdrawRefusals {
        401 => "No access token of the session API, or one that does not count.",
        403 => "A page of another origin used the cookie.",
        404 => "No such tenant or consent.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of changing a profile.
    ProfileRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No access token of the session API, or one that does not count.",
        403 => "A page of another origin used the cookie.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Session")]
impl SessionApi {
    /// Sign up
    ///
    /// Makes a user of the tenant. It does not sign in: log in next. Who may is the tenant's setting `signup`:
    /// anyone, nobody, or who was invited.
    #[oai(
        path = "/t/:tenant/auth/signup",
        method = "post",
        operation_id = "signup"
    )]
    async fn signup(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        body: JsonBody<SignupBody>,
    ) -> Result<Answer<201, UserInfo>, Refused<SignupRefusals>> {
        let user = signup::signup(&app, &tenant.0, body.0.into(), app.now()).await?;
        Ok(Answer::new(UserInfo::from(&user)))
    }

    /// Log in
    ///
    /// Opens a session. With `delivery: "cookie"` (the default) both tokens are set as HttpOnly
    /// cookies and the body carries none; with `"body"` they are in the body, for apps and scripts.
    #[oai(
        path = "/t/:tenant/auth/login",
        method = "post",
        operation_id = "login"
    )]
    async fn login(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        origin: Origin,
        body: JsonBody<LoginBody>,
    ) -> Result<Answer<200, SignedInView>, Refused<LoginRefusals>> {
        let JsonBody(body) = body;
        let delivery = body.delivery();
        if delivery == Delivery::Cookie {
            origin.check(&tenant.0)?;
        }
        let signed_in = login::login(&app, &tenant.0, body.into(), app.now()).await?;
        Ok(deliver(&tenant, &signed_in, delivery))
    }

    /// Refresh
    ///
    /// Exchanges the refresh token, from the body or else from the cookie, for its successor and a
    /// fresh access token, delivered the way the token came. The old token counts no more; only
    /// within the tenant's retry window (30 s by default) it gives the same successor again, so that
    /// a lost answer can be made up for by sending the same request. Using an older one ends the
    /// session.
    #[oai(
        path = "/t/:tenant/auth/refresh",
        method = "post",
        operation_id = "refresh_session"
    )]
    async fn refresh(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        cookies: SessionCookies,
        body: OptionalJsonBody<RefreshTokenBody>,
    ) -> Result<Answer<200, SignedInView>, Refused<RefreshRefusals>> {
        let (token, delivery) = match body.0.and_then(RefreshTokenBody::into_token) {
            Some(token) => (token, Delivery::Body),
            None => {
                let token = cookies.refresh_token(&tenant.0)?;
                (
                    token.ok_or(Error::Unauthenticated(NotSignedIn::NoCredential))?,
                    Delivery::Cookie,
                )
            }
        };
        let client = ClientId::first_party();
        let signed_in = refresh::refresh(&app, &tenant.0, &client, &token, app.now()).await?;
        Ok(deliver(&tenant, &signed_in, delivery))
    }

    /// Log out
    ///
    /// Ends the session of the refresh token in the body, the cookies or the bearer token, and clears
    /// the cookies. Doing it twice, or without a session, is no error.
    #[oai(
        path = "/t/:tenant/auth/logout",
        method = "post",
        operation_id = "logout"
    )]
    async fn logout(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        cookies: SessionCookies,
        body: OptionalJsonBody<RefreshTokenBody>,
    ) -> Result<NoContent, Refused<LogoutRefusals>> {
        let refresh_token = match body.0.and_then(RefreshTokenBody::into_token) {
            Some(token) => Some(token),
            None => cookies.refresh_token(&tenant.0)?,
        };
        let access_token = cookies.access_token(&tenant.0)?;
        let refresh_token = refresh_token.as_ref().map(|token| token.as_str());
        let access_token = access_token.as_ref().map(|token| token.as_str());
        logout::logout(&app, &tenant.0, refresh_token, access_token, app.now()).await?;
        Ok(NoContent::with_headers(cookies::clear(&tenant.0)))
    }

    /// Current user
    ///
    /// Who the bearer of the access token is. The cookie is looked at only when there is no
    /// `Authorization` header.
    #[oai(
        path = "/t/:tenant/auth/current-user",
        method = "get",
        operation_id = "get_current_user"
    )]
    async fn current_user(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        token: AccessToken,
    ) -> Result<Answer<200, UserInfo>, Refused<CurrentUserRefusals>> {
        let token = token.text(&tenant.0)?;
        let user = current_user::current_user(&app, &tenant.0, &token, app.now()).await?;
        Ok(Answer::new(UserInfo::from(&user)))
    }

    /// Read one's profile
    ///
    /// The standard claims (OIDC Core §5.1) that the user said of itself.
    #[oai(
        path = "/t/:tenant/auth/profile",
        method = "get",
        operation_id = "get_profile"
    )]
    async fn get_profile(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        token: AccessToken,
    ) -> Result<Answer<200, ProfileView>, Refused<CurrentUserRefusals>> {
        let user = own_user(&app, &tenant, &token).await?;
        let profile = profile::read(&app, &tenant.0, &user).await?;
        Ok(Answer::new(ProfileView::from(profile)))
    }

    /// Change one's profile
    ///
    /// A JSON merge patch (RFC 7396): members that are missing stay, null removes one.
    #[oai(
        path = "/t/:tenant/auth/profile",
        method = "patch",
        operation_id = "update_profile"
    )]
    async fn update_profile(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        token: AccessToken,
        origin: Origin,
        body: JsonBody<RawMembers<ProfileView>>,
    ) -> Result<Answer<200, ProfileView>, Refused<ProfileRefusals>> {
        origin.check(&tenant.0)?;
        let user = own_user(&app, &tenant, &token).await?;
        let profile = profile::patch(&app, &tenant.0, &user, &body.0.members, app.now()).await?;
        Ok(Answer::new(ProfileView::from(profile)))
    }

    /// List consents
    ///
    /// What the current user allowed which applications, the latest change first.
    #[oai(
        path = "/t/:tenant/auth/consents",
        method = "get",
        operation_id = "list_consents"
    )]
    async fn list_consents(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        token: AccessToken,
    ) -> Result<Answer<200, ConsentList>, Refused<CurrentUserRefusals>> {
        let user = own_user(&app, &tenant, &token).await?;
        let consents = consents::list(&app, &tenant.0, &user).await?;
        Ok(Answer::new(ConsentList {
            items: consents.iter().map(ConsentView::from).collect(),
        }))
    }

    /// Withdraw a consent
    ///
    /// The application is asked for again, and every token that it has of the user ends.
    #[oai(
        path = "/t/:tenant/auth/consents/:client_id",
        method = "delete",
        operation_id = "withdraw_consent"
    )]
    async fn withdraw_consent(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        /// The application.
        client_id: Segment<5>,
        token: AccessToken,
        origin: Origin,
    ) -> Result<NoContent, Refused<WithdrawRefusals>> {
        origin.check(&tenant.0)?;
        let user = own_user(&app, &tenant, &token).await?;
        let client = ClientId::parse(&client_id.0).map_err(|_| Error::NotFound)?;
        consents::withdraw_own(&app, &tenant.0, user.id, &client, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn deliver(
    tenant: &TenantPath,
    signed_in: &SignedIn,
    delivery: Delivery,
) -> Answer<200, SignedInView> {
    let answer = Answer::new(SignedInView::of(signed_in, delivery));
    match delivery {
        Delivery::Cookie => answer.headers(cookies::set(&tenant.0, &signed_in.tokens)),
        // RFC 6749 §5.1, for caches that know nothing else.
        Delivery::Body => answer.header(header::PRAGMA, "no-cache"),
    }
}

/// The user behind a token of the session API: another application's token must not tell what the
/// user allowed to whom.
async fn own_user(app: &App, tenant: &TenantPath, token: &AccessToken) -> Result<User, Error> {
    let token = token.text(&tenant.0)?;
    current_user::own_user(app, &tenant.0, &token, app.now()).await
}
