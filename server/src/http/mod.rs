//! The wire: routes, the order of what wraps them, and the two listeners.
//!
//! From the outside in: [`serve`] accepts connections and bounds what a peer may do with one;
//! [`edge`] gives a request its id, span and container, turns every refusal into its dialect and
//! sets the headers that all answers share; the routes of [`public_endpoint`] and
//! [`management_endpoint`] answer.

pub mod api;
pub mod cookies;
pub mod edge;
pub mod extract;
pub mod health;
pub mod problem_pages;
pub mod respond;
pub mod serve;
pub mod spec;
pub mod swagger;

use std::sync::Arc;

use poem::{Endpoint, IntoEndpoint, Route, get};

use crate::app::App;

/// Everything the public listener answers.
pub fn public_endpoint(app: Arc<App>) -> impl Endpoint + 'static {
    let document = spec::Documents::new(&app.public_url);
    let routes = Route::new()
        .at("/openapi.json", get(spec::OpenApiJson(document.clone())))
        .at("/openapi.yaml", get(spec::OpenApiYaml(document.clone())))
        .at(
            "/t/:tenant/openapi.json",
            get(spec::TenantOpenApiJson(document.clone())),
        )
        .at("/docs", get(swagger::redirect))
        .at("/docs/", get(swagger::SwaggerUi::new()))
        .at("/docs/*tail", get(swagger::SwaggerUi::new()))
        .at("/problems/:slug", get(problem_pages::problem_page))
        .nest_no_strip("/", spec::service());
    edge::Edge::new(routes.into_endpoint(), app, document.methods())
}

/// Everything the management listener answers.
pub fn management_endpoint(app: Arc<App>, readiness: health::Readiness) -> impl Endpoint + 'static {
    let routes = Route::new()
        .at("/livez", get(health::livez))
        .at("/readyz", get(health::Readyz(readiness)));
    edge::Edge::new(routes.into_endpoint(), app, edge::AllowedMethods::default())
}
