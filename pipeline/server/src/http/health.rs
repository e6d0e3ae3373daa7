//! Health and figures.

use crate::config::Scope;
use crate::engine::blocking::blocking;
use crate::error::ApiError;
use crate::http::app::App;
use crate::storage::reserve::Disk;
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
pub(crate) struct Live {
    /// Always true: it answered.
    live: bool,
}

/// Whether the daemon can be asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Whether an encrypted known answer was found on this machine, and the daemon is not stopping.
    ready: bool,
    /// The disk of the data folder: `ok`; `low`, then uploads of keys and jobs are refused and inference goes on; `full`, then
    /// inference is refused, too, because the audit log cannot grow, and the daemon is not ready.
    disk: Disk,
}

/// Whether the daemon lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Live)))]
pub(crate) async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether the daemon can be asked.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let store = Arc::clone(&app.store);
    let disk = blocking(move || Ok(store.disk())).await.unwrap_or(Disk::Full);
    let ready = app.ready.load(Ordering::Acquire) && !app.draining.load(Ordering::Acquire) && disk != Disk::Full;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, disk })).into_response()
}

/// Figures for Prometheus; scope `admin`.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("token" = [])), responses((status = 200, body = String)))]
pub(crate) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    app.admit(&headers, Some(Scope::Admin))?;
    app.engine.observe();
    let text = app.metrics.text().map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
