//! The interface as OpenAPI, and a page to read it by.

use super::{health, infer, jobs, keys, models};
use crate::http::app::App;
use axum::http::header;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

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
pub(crate) struct Interface;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Everything comes from this daemon, also what the page fetches; nothing is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `/openapi.json`, and `/docs/`: a page that draws it and needs no network beside this daemon's.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/openapi.json", get(|| async { Json(Interface::openapi()) }))
        .route("/docs", get(|| async { Redirect::permanent("docs/") }))
        .route("/docs/", get(|| async { file("text/html; charset=utf-8", include_str!("docs/page.html")) }))
        .route("/docs/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("docs/page.css")) }))
        .route("/docs/page.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("docs/page.js")) }))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text)
}
