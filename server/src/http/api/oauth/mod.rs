//! The endpoints that clients call: token, revocation, introspection, user info.

mod wire;

use std::sync::Arc;

use poem::{
    IntoResponse, Request, RequestBody, Response,
    http::{HeaderValue, header},
    web::Data,
};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};

use self::wire::{
    IntrospectionForm, IntrospectionView, RevocationForm, TokenForm, TokenView, UserInfoClaims,
    UserInfoForm,
};
use super::Tag;
use crate::{
    app::App,
    application::{
        introspect,
        oauth::{OAuthError, Refusal},
        revoke, token,
        userinfo::{self, UserInfo},
    },
    http::{
        extract::{
            client_credentials::ClientBasic,
            credentials::BearerToken,
            form::{FormBody, is_form, read_form},
            tenant::TenantPath,
        },
        respond::{
            answer::{Answer, Done, Refusals, refusals},
            oauth::{OAuthProblem, OAuthRefused},
        },
    },
};

/// Operations of OAuth clients and resource servers.
#[derive(Debug)]
pub struct OAuthApi;

refusals! {
    /// Refusals of the token endpoint.
    TokenRefusals {
        400 => "The request or the grant does not count; `error` says which (RFC 6749 §5.2).",
        401 => "The client is unknown or did not authenticate as registered.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Send the same request again later.",
    }
}

refusals! {
    /// Refusals of user info.
    UserInfoRefusals {
        401 => "No access token, or one that does not count (RFC 6750 §3.1).",
        403 => "The token was not granted `openid`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of user info by POST.
    PostedUserInfoRefusals {
        400 => "The token was sent in more than one way.",
        401 => "No access token, or one that does not count (RFC 6750 §3.1).",
        403 => "The token was not granted `openid`.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::OAuth")]
impl OAuthApi {
    /// Exchange a grant for tokens
    ///
    /// The token endpoint (RFC 6749 §3.2): authorization codes with PKCE, refresh tokens, client
    /// credentials.
    #[oai(
        path = "/t/:tenant/oauth2/token",
        method = "post",
        operation_id = "exchange_token"
    )]
    async fn token(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        client: ClientBasic,
        form: FormBody<TokenForm>,
    ) -> Result<Answer<200, TokenView>, OAuthRefused<TokenRefusals>> {
        let form = form.parameters;
        let tokens = token::exchange(&app, &tenant.0, client.with(&form), &form, app.now()).await?;
        Ok(Answer::new(TokenView::from(tokens))
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::PRAGMA, "no-cache"))
    }

    /// Revoke a token
    ///
    /// RFC 7009. Revoking a refresh token ends its grant and every token of it. An unknown token, and
    /// one of another client, is no error and changes nothing.
    #[oai(
        path = "/t/:tenant/oauth2/revoke",
        method = "post",
        operation_id = "revoke_token"
    )]
    async fn revoke(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        client: ClientBasic,
        form: FormBody<RevocationForm>,
    ) -> Result<Done, OAuthRefused<TokenRefusals>> {
        let form = form.parameters;
        revoke::revoke(&app, &tenant.0, client.with(&form), &form, app.now()).await?;
        Ok(Done)
    }

    /// Introspect a token
    ///
    /// RFC 7662, for confidential clients. A token that is not active, or not the caller's business,
    /// answers `{"active": false}` and nothing else.
    #[oai(
        path = "/t/:tenant/oauth2/introspect",
        method = "post",
        operation_id = "introspect_token"
    )]
    async fn introspect(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        client: ClientBasic,
        form: FormBody<IntrospectionForm>,
    ) -> Result<Answer<200, IntrospectionView>, OAuthRefused<TokenRefusals>> {
        let form = form.parameters;
        let members =
            introspect::introspect(&app, &tenant.0, client.with(&form), &form, app.now()).await?;
        Ok(Answer::new(IntrospectionView::from(members)))
    }

    /// User info
    ///
    /// The claims about the user that the access token allows to see (OIDC Core §5.3).
    #[oai(
        path = "/t/:tenant/oauth2/userinfo",
        method = "get",
        operation_id = "get_userinfo"
    )]
    async fn userinfo(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        bearer: BearerToken,
    ) -> Result<UserInfoAnswer, OAuthRefused<UserInfoRefusals>> {
        answer_userinfo(&app, &tenant, bearer.0.as_deref().map(String::as_str)).await
    }

    /// User info, by POST
    ///
    /// The same, with the token in the `Authorization` header or as `access_token` of a form (RFC 6750
    /// §2.2).
    #[oai(
        path = "/t/:tenant/oauth2/userinfo",
        method = "post",
        operation_id = "post_userinfo"
    )]
    async fn userinfo_by_post(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        bearer: BearerToken,
        form: UserInfoBody,
    ) -> Result<UserInfoAnswer, OAuthRefused<PostedUserInfoRefusals>> {
        let posted = form.0.as_deref();
        let token = match (bearer.0.as_deref(), posted) {
            (Some(_), Some(_)) => {
                let text = "Send the token in one way, not in two.";
                return Err(OAuthProblem::invalid_request(text).into());
            }
            (Some(token), None) => Some(token.as_str()),
            (None, posted) => posted,
        };
        answer_userinfo(&app, &tenant, token).await
    }
}

async fn answer_userinfo<R: Refusals>(
    app: &App,
    tenant: &TenantPath,
    token: Option<&str>,
) -> Result<UserInfoAnswer, OAuthRefused<R>> {
    let token = token.ok_or(OAuthError::Refused(Refusal::NoToken))?;
    let info = userinfo::userinfo(app, &tenant.0, token, app.now()).await?;
    Ok(UserInfoAnswer(info))
}

/// The `access_token` of a form, when the body is one: other bodies say nothing.
struct UserInfoBody(Option<String>);

impl<'a> poem_openapi::ApiExtractor<'a> for UserInfoBody {
    const TYPES: &'static [poem_openapi::ApiExtractorType] = FormBody::<UserInfoForm>::TYPES;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        FormBody::<UserInfoForm>::register(registry);
    }

    fn request_meta() -> Option<poem_openapi::registry::MetaRequest> {
        let mut meta = FormBody::<UserInfoForm>::request_meta()?;
        meta.required = false;
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: poem_openapi::ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_form(request) {
            return Ok(Self(None));
        }
        let form = read_form(request, body).await?;
        Ok(Self(form.owned("access_token")))
    }
}

/// User info as JSON, or as the signed JWT that the client registered for.
#[derive(Debug)]
struct UserInfoAnswer(UserInfo);

impl ApiResponse for UserInfoAnswer {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The claims; a signed JWT when the client registered for one.",
                status: Some(200),
                status_range: None,
                content: vec![
                    MetaMediaType {
                        content_type: "application/json",
                        schema: UserInfoClaims::schema_ref(),
                    },
                    MetaMediaType {
                        content_type: "application/jwt",
                        schema: String::schema_ref(),
                    },
                ],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        UserInfoClaims::register(registry);
    }
}

impl IntoResponse for UserInfoAnswer {
    fn into_response(self) -> Response {
        let (kind, body) = match self.0 {
            UserInfo::Claims(claims) => (
                "application/json",
                serde_json::to_vec(&claims).unwrap_or_default(),
            ),
            UserInfo::Signed(token) => ("application/jwt", token.as_bytes().to_vec()),
        };
        let mut response = Response::from(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
