//! What is served.

use crate::engine::Hosted;
use crate::error::ApiError;
use crate::http::app::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use veilray_protocol::body::{INPUT, OUTPUT};
use veilray_protocol::messages::ModelEntry;

/// The daemon, as the Open Inference Protocol describes a server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

/// A tensor, as the Open Inference Protocol describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    shape: [usize; 1],
}

/// A model, as the Open Inference Protocol describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelMetadata {
    name: String,
    /// SHA-256 of its manifest.
    versions: [String; 1],
    platform: &'static str,
    inputs: [TensorMetadata; 1],
    outputs: [TensorMetadata; 1],
}

/// Whether a model can be asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelReady {
    name: String,
    ready: bool,
}

/// A model by the name in a path.
pub(crate) fn find<'a>(app: &'a App, name: &str) -> Result<&'a Arc<Hosted>, ApiError> {
    app.engine.model(name).ok_or_else(|| ApiError::not_found("model", "GET /v1/models lists those there are"))
}

/// Name, version and extensions of the daemon.
#[utoipa::path(get, path = "/v2", tag = "Open Inference Protocol", responses((status = 200, body = ServerMetadata)))]
pub(crate) async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata { name: "veilrayd", version: env!("CARGO_PKG_VERSION"), extensions: ["binary_tensor_data"] })
}

/// Inputs and outputs of a model.
#[utoipa::path(get, path = "/v2/models/{model}", tag = "Open Inference Protocol", security(("token" = [])),
    params(("model" = String, Path)), responses((status = 200, body = ModelMetadata)))]
pub(crate) async fn metadata(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ModelMetadata>, ApiError> {
    app.admit(&headers, None)?;
    let model = find(&app, &name)?;
    let blocks = model.served.interface.io.input().layout().blocks();
    let tensor = |name, count| [TensorMetadata { name, datatype: "BYTES", shape: [count] }];
    Ok(Json(ModelMetadata {
        name: model.name().into(),
        versions: [model.served.interface.manifest_sha256.clone()],
        platform: "veilray_ckks",
        inputs: tensor(INPUT, blocks),
        outputs: tensor(OUTPUT, 1),
    }))
}

/// Whether a model can be asked.
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "Open Inference Protocol", security(("token" = [])),
    params(("model" = String, Path)), responses((status = 200, body = ModelReady), (status = 503, body = ModelReady)))]
pub(crate) async fn ready(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.admit(&headers, None)?;
    let model = find(&app, &name)?;
    let ready = app.check_ready().is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(ModelReady { name: model.name().into(), ready })).into_response())
}

/// The models that can be asked.
#[utoipa::path(get, path = "/v1/models", tag = "models", security(("token" = [])),
    responses((status = 200, body = Vec<ModelEntry>)))]
pub(crate) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Vec<ModelEntry>>, ApiError> {
    app.admit(&headers, None)?;
    let entry = |model: &Arc<Hosted>| ModelEntry {
        name: model.name().into(),
        manifest_sha256: model.served.interface.manifest_sha256.clone(),
        params: model.served.interface.params.clone(),
        labels: model.served.model.labels().to_vec(),
    };
    Ok(Json(app.engine.models().map(entry).collect()))
}

/// What a client must know of a model; no weights.
#[utoipa::path(get, path = "/v1/models/{model}/manifest", tag = "models", security(("token" = [])),
    params(("model" = String, Path)),
    responses((status = 200, body = Object, description = "The model's interface: parameters, labels, thresholds, ranges, keys, packing"),
        (status = 304, description = "The manifest is the one in If-None-Match")))]
pub(crate) async fn manifest(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.admit(&headers, None)?;
    let model = find(&app, &name)?;
    let tag = format!("\"{}\"", model.served.interface.manifest_sha256);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Json(&model.served.interface).into_response() };
    let tag = HeaderValue::from_str(&tag).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
