//! The routes, and what happens around each of them: a number for the request, a log line, figures, an error's body.

pub(crate) mod app;
pub(crate) mod body;
pub(crate) mod denials;
pub(crate) mod docs;
pub(crate) mod health;
mod host;
pub(crate) mod infer;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod request;
pub(crate) mod unrouted;

use crate::engine::metrics::{Answer, OfCode};
use crate::error::ApiError;
use crate::storage::audit::{Action, Entry};
use crate::storage::jobs::random_id;
use app::App;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use body::{drain, returning};
use futures_util::FutureExt;
use request::{Peer, RequestId};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use veilray_protocol::ErrorCode;
use veilray_protocol::headers::REQUEST_ID;

/// Every path that is answered, with its limits, and the error for those that are not.
pub(crate) fn router(app: Arc<App>) -> Router {
    let key = get(keys::status).put(keys::put).delete(keys::delete);
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v2", get(models::server))
        .route("/v2/health/live", get(health::live))
        .route("/v2/health/ready", get(health::ready))
        .route("/v2/models/{model}", get(models::metadata))
        .route("/v2/models/{model}/ready", get(models::ready))
        .route("/v2/models/{model}/infer", post(infer::infer))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}/manifest", get(models::manifest))
        .route("/v1/models/{model}/jobs", post(jobs::submit))
        .route("/v1/jobs/{job}", get(jobs::status).delete(jobs::delete))
        .route("/v1/jobs/{job}/result", get(jobs::result))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/{sha256}", key)
        .merge(docs::router())
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        // Handlers bound what they read themselves, by what the model needs.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

async fn no_path() -> ApiError {
    ApiError::not_found("path", "the paths are listed at /docs")
}

async fn no_method() -> Response {
    let failure = ApiError::new(ErrorCode::Malformed, "this path does not take that method", "the methods are listed at /docs");
    let mut response = failure.into_response();
    *response.status_mut() = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// Methods are text of the client's choice, too.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id: Arc<str> = random_id().unwrap_or_default().into();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |path| path.as_str()).to_string();
    let method = method(request.method());
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let peer = request.extensions().get::<Peer>().copied();
    let (parts, body) = request.into_parts();
    let host = app.check_host(&parts);
    let (body, left) = returning(body);
    let request = Request::from_parts(parts, body);
    let health = ["/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"].contains(&route.as_str());
    let mut response = if let Err(failure) = host {
        drop(request);
        failure.into_response()
    } else if app.draining.load(Ordering::Acquire) && !health {
        drop(request);
        let hint = "ask another instance, or this one again in a while";
        ApiError::new(ErrorCode::Draining, "the daemon is stopping", hint).retry(30).into_response()
    } else {
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answered.unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response())
    };
    let mut detail = None;
    if response.extensions().get::<ApiError>().is_none()
        && let Some(failure) = unshaped(&response)
    {
        let status = response.status();
        response = failure.into_response();
        *response.status_mut() = status;
    }
    if let Some(failure) = response.extensions_mut().remove::<ApiError>() {
        response = complete(&failure, response, &id);
        app.metrics.errors.get_or_create(&OfCode { code: failure.code.as_str().into() }).inc();
        if matches!(failure.code, ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::RateLimited) {
            note_denial(&app, &failure, peer, &id).await;
        }
        detail = failure.detail;
        if let Ok(rest) = left.await {
            drain(rest).await;
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    if status >= 500 && status != 503 {
        tracing::error!(request_id = %id, method, route, status, ms, detail, "answered");
    } else {
        tracing::info!(request_id = %id, method, route, status, ms, detail, "answered");
    }
    app.metrics.requests.get_or_create(&Answer { route, method: method.into(), status }).inc();
    response
}

/// The error in the place of a refusal that the router or an extractor wrote as text: a path that is no UTF-8, say.
fn unshaped(response: &Response) -> Option<ApiError> {
    let status = response.status();
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status.as_u16() {
        404 => ApiError::not_found("path", "the paths are listed at /docs"),
        413 => ApiError::new(ErrorCode::TooLarge, "the request is too large", "send less at a time"),
        400..=499 => ApiError::new(
            ErrorCode::Malformed,
            "the path, its query or a header line cannot be read",
            "send text in UTF-8, percent-encoded, to a path that /docs lists",
        ),
        _ => ApiError::internal(format!("status {status} without an error")),
    })
}

/// Writes a refusal of the caller to the audit log, at most once a minute for each. It is refused whether or not it can be written down.
async fn note_denial(app: &App, failure: &ApiError, peer: Option<Peer>, request_id: &str) {
    let tenant = failure.tenant.as_ref().map_or("", |tenant| tenant.name.as_str());
    if !app.denials.note(peer, tenant, Instant::now()) {
        return;
    }
    let object = peer.map(|peer| peer.to_string()).unwrap_or_default();
    let entry = Entry { request_id, tenant, object: &object, ..Entry::new(Action::Denied, failure.code.as_str()) };
    if let Err(failure) = app.record(entry).await {
        tracing::error!(detail = failure.detail, "a refusal could not be written to the audit log");
    }
}

/// A failure's response with its body.
fn complete(failure: &ApiError, response: Response, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let mut complete = Json(failure.body(id)).into_response();
    *complete.status_mut() = parts.status;
    complete.headers_mut().extend(parts.headers);
    complete
}
