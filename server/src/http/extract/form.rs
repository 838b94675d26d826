//! Forms of the OAuth endpoints: bounded, and refused in their dialect.

use std::marker::PhantomData;

use poem::{Request, RequestBody, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};

use super::body::read;
use crate::{domain::authorization::Parameters, http::respond::oauth::OAuthProblem};

/// A form (`application/x-www-form-urlencoded`) whose members the document shows as `T`.
pub struct FormBody<T> {
    pub parameters: Parameters,
    documented: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for FormBody<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parameters.fmt(f)
    }
}

impl<'a, T: Type> ApiExtractor<'a> for FormBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/x-www-form-urlencoded",
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self {
            parameters: read_form(request, body).await?,
            documented: PhantomData,
        })
    }
}

/// Reads a form. An empty body is an empty form, whatever it calls itself.
pub async fn read_form(
    request: &Request,
    body: &mut RequestBody,
) -> Result<Parameters, OAuthProblem> {
    let bytes = read(request, body)
        .await
        .map_err(|problem| OAuthProblem::from_problem(&problem))?;
    if !bytes.is_empty() && !is_form(request) {
        return Err(OAuthProblem::invalid_request(
            "Send the body as Content-Type: application/x-www-form-urlencoded.",
        ));
    }
    if std::str::from_utf8(&bytes).is_err() {
        return Err(OAuthProblem::invalid_request("The form is not UTF-8."));
    }
    Parameters::parse(&bytes)
        .ok_or_else(|| OAuthProblem::invalid_request("The form has too many parameters."))
}

/// Whether the body says that it is a form.
pub fn is_form(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<mime::Mime>().ok())
        .is_some_and(|mime| mime.essence_str() == mime::APPLICATION_WWW_FORM_URLENCODED)
}
