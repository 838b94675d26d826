//! The wire: routes, the order of what wraps them, and the two listeners.
//!
//! From the outside in: [`serve`] accepts connections and bounds what a peer may do with one;
//! [`edge`] gives a request its id, span and container, turns every refusal into its dialect and
//! sets the headers that all answers share, and [`host`] finds the custom domain that it came to; the routes of [`public_endpoint`] and
//! [`management_endpoint`] answer.

pub mod api;
mod client_address;
pub mod cookies;
pub mod cors;
pub mod edge;
pub mod extract;
pub mod health;
pub mod host;
mod operation;
pub mod pages;
pub mod problem_pages;
pub mod respond;
pub mod serve;
pub mod spec;
pub mod starting;
pub mod swagger;
mod to_its_end;
mod trace_context;
mod troubles;
mod whose;

use std::sync::Arc;

use poem::{Endpoint, IntoEndpoint, Route, get, post};

use self::pages::{hosted, logout};
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
        .at("/t/:tenant/docs", get(swagger::TenantSwaggerUi))
        .at("/t/:tenant/docs/", get(swagger::TenantSwaggerUi))
        .at("/t/:tenant/docs/*tail", get(swagger::TenantSwaggerUi))
        .at("/favicon.ico", get(hosted::no_icon))
        .at("/t/:tenant/favicon.ico", get(hosted::no_icon))
        .at("/problems/:slug", get(problem_pages::problem_page))
        .at(
            "/t/:tenant/oauth2/authorize",
            get(hosted::authorization).post(hosted::authorize_by_post),
        )
        .at("/t/:tenant/continue", get(hosted::proceed))
        .at(
            "/t/:tenant/login",
            get(hosted::login_page).post(hosted::log_in),
        )
        .at(
            "/t/:tenant/signup",
            get(hosted::signup_page).post(hosted::sign_up),
        )
        .at(
            "/t/:tenant/select-account",
            get(hosted::accounts_page).post(hosted::select_account),
        )
        .at(
            "/t/:tenant/consent",
            get(hosted::consent_page).post(hosted::consent),
        )
        .at("/t/:tenant/signed-in", get(hosted::signed_in))
        .at(
            "/t/:tenant/oauth2/logout",
            get(logout::logout).post(logout::logout_by_post),
        )
        .at("/t/:tenant/logout", post(logout::confirm))
        .at("/t/:tenant/signed-out", get(logout::signed_out))
        .nest_no_strip("/", spec::service());
    edge::Edge::new(routes.into_endpoint(), app, document.methods()).with_custom_domains()
}

/// Everything the management listener answers.
pub fn management_endpoint(app: Arc<App>, readiness: health::Readiness) -> impl Endpoint + 'static {
    let routes = Route::new()
        .at("/livez", get(health::livez))
        .at("/readyz", get(health::Readyz(readiness.clone())))
        .at("/metrics", get(health::Metrics(readiness)));
    edge::Edge::uncounted(routes.into_endpoint(), app)
}
