//! Health and figures.

use crate::server::app::App;
use crate::server::failure::Failure;
use crate::server::tokens::Scope;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// Whether the daemon lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// Always true: it answered.
    live: bool,
}

/// Whether the daemon can be asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Whether an encrypted known answer was found on this machine, and the daemon is not stopping.
    ready: bool,
}

/// Whether the daemon lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Live)))]
pub async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether the daemon can be asked.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let ready = app.ready.load(Ordering::Acquire) && !app.draining.load(Ordering::Acquire);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready })).into_response()
}

/// Figures for Prometheus; scope `admin`.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("token" = [])), responses((status = 200, body = String)))]
pub async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    app.admit(&headers, Some(Scope::Admin))?;
    app.engine.observe();
    let text = app.metrics.text().map_err(Failure::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
