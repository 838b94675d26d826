//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use std::sync::Arc;

use poem::{Request, RequestBody, http::header, web::Data};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi,
    registry::{MetaMediaType, MetaRequest, MetaSecurityScheme, Registry},
    types::Type,
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    Tag,
    client_wire::{ClientMetadataView, ClientView},
};
use crate::{
    app::App,
    application::{dynamic_registration, oauth::Refusal},
    domain::{client::Client, tenant::TenantScope},
    http::{
        extract::{
            body::read,
            credentials::BearerToken,
            tenant::{Segment, TenantPath},
        },
        respond::{
            answer::{Answer, NoContent, refusals},
            oauth::{OAuthProblem, OAuthRefused},
        },
    },
};

/// Operations of clients on themselves.
#[derive(Debug)]
pub struct RegistrationApi;

refusals! {
    /// Refusals of a registration.
    RegistrationRefusals {
        400 => "The metadata is not valid; `error` and `error_description` say what (RFC 7591 §3.2.2).",
        401 => "A token is needed, or this one does not count.",
        403 => "The tenant lets no client register itself, or no more of them.",
        404 => "No such tenant.",
        413 => "The body is too large.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of reading and deleting a registration.
    ManagementRefusals {
        401 => "No registration access token, or one of another client.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Registration")]
impl RegistrationApi {
    /// Register a client
    ///
    /// RFC 7591. Whether anybody may, or whoever has an initial access token, is the tenant's policy;
    /// the default is nobody.
    #[oai(
        path = "/t/:tenant/oauth2/register",
        method = "post",
        operation_id = "register_client"
    )]
    async fn register(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        bearer: RegistrationToken,
        body: MetadataBody,
    ) -> Result<Answer<201, ClientView>, OAuthRefused<RegistrationRefusals>> {
        let (bearer, now) = (bearer.text(), app.now());
        let made = dynamic_registration::register(&app, &tenant.0, bearer, &body.0, now).await?;
        let view = ClientView::new(&made.client, made.secret.as_ref());
        let view = view.managed(
            address(&tenant.0, &made.client),
            made.access.expose().to_owned(),
        );
        Ok(Answer::new(view).header(header::CACHE_CONTROL, "no-store"))
    }

    /// Read one's registration
    ///
    /// RFC 7592 §2.1.
    #[oai(
        path = "/t/:tenant/oauth2/register/:client_id",
        method = "get",
        operation_id = "read_registration"
    )]
    async fn read(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        /// The client.
        client_id: Segment<5>,
        bearer: RegistrationToken,
    ) -> Result<Answer<200, ClientView>, OAuthRefused<ManagementRefusals>> {
        let token = bearer.text();
        let client = dynamic_registration::manage(&app, &tenant.0, &client_id.0, token).await?;
        Ok(shown(&tenant.0, &client, token))
    }

    /// Replace one's registration
    ///
    /// RFC 7592 §2.2: members that are missing get their defaults. What an administrator decided
    /// stays.
    #[oai(
        path = "/t/:tenant/oauth2/register/:client_id",
        method = "put",
        operation_id = "replace_registration"
    )]
    async fn replace(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        /// The client.
        client_id: Segment<5>,
        bearer: RegistrationToken,
        body: MetadataBody,
    ) -> Result<Answer<200, ClientView>, OAuthRefused<RegistrationRefusals>> {
        let token = bearer.text();
        let client = dynamic_registration::manage(&app, &tenant.0, &client_id.0, token).await?;
        let now = app.now();
        let client = dynamic_registration::replace(&app, &tenant.0, client, &body.0, now).await?;
        Ok(shown(&tenant.0, &client, token))
    }

    /// Delete one's registration
    ///
    /// RFC 7592 §2.3. Every grant that the client has ends with it.
    #[oai(
        path = "/t/:tenant/oauth2/register/:client_id",
        method = "delete",
        operation_id = "delete_registration"
    )]
    async fn delete(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
        /// The client.
        client_id: Segment<5>,
        bearer: RegistrationToken,
    ) -> Result<NoContent, OAuthRefused<ManagementRefusals>> {
        let token = bearer.text();
        let client = dynamic_registration::manage(&app, &tenant.0, &client_id.0, token).await?;
        dynamic_registration::delete(&app, &tenant.0, &client, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn address(tenant: &TenantScope, client: &Client) -> String {
    format!("{}/oauth2/register/{}", tenant.base(), client.id)
}

/// The registration as its owner sees it: with the token that it sent (RFC 7592 §3).
fn shown(tenant: &TenantScope, client: &Client, token: Option<&str>) -> Answer<200, ClientView> {
    let view = ClientView::new(client, None);
    let token = token.unwrap_or_default().to_owned();
    Answer::new(view.managed(address(tenant, client), token))
        .header(header::CACHE_CONTROL, "no-store")
}

/// An initial access token or a registration access token.
struct RegistrationToken(Option<Zeroizing<String>>);

impl RegistrationToken {
    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|token| token.as_str())
    }
}

impl<'a> ApiExtractor<'a> for RegistrationToken {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "RegistrationToken",
            MetaSecurityScheme {
                ty: "http",
                description: Some(
                    "To register: an initial access token, where the tenant wants one. To manage: the client's own \
                     `registration_access_token`.",
                ),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["RegistrationToken"]
    }

    /// An open tenant wants none.
    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        BearerToken::from_request(request, body, options)
            .await
            .map(|token| Self(token.0))
    }
}

/// The JSON members of a registration.
struct MetadataBody(Map<String, Value>);

impl<'a> ApiExtractor<'a> for MetadataBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        ClientMetadataView::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: ClientMetadataView::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body)
            .await
            .map_err(|problem| OAuthProblem::from_problem(&problem))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => {
                let text = "The body must be a JSON object.".to_owned();
                Err(OAuthProblem::from(Refusal::InvalidClientMetadata(text)).into())
            }
        }
    }
}
