//! The interface as OpenAPI, and a page to read it by.

use super::{health, infer, jobs, keys, models};
use crate::server::app::App;
use axum::Router;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

/// The interface.
#[derive(OpenApi)]
#[openapi(
    info(title = "veilrayd", description = "Chest X-rays classified by a server that never sees them. Not for diagnostic use."),
    paths(
        health::live,
        health::ready,
        health::metrics,
        models::server,
        models::metadata,
        models::ready,
        models::list,
        models::manifest,
        infer::infer,
        jobs::submit,
        jobs::status,
        jobs::result,
        jobs::delete,
        keys::put,
        keys::status,
        keys::list,
        keys::delete
    ),
    modifiers(&Token)
)]
pub struct Interface;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// `/docs` and `/openapi.json`.
pub fn router() -> Router<Arc<App>> {
    SwaggerUi::new("/docs").url("/openapi.json", Interface::openapi()).into()
}
