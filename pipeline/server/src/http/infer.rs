//! Inference on ciphertexts.

use super::request::{RequestId, number};
use crate::config::Scope;
use crate::config::tokens::Tenant;
use crate::engine::admission::Permit;
use crate::engine::{Hosted, Input};
use crate::error::ApiError;
use crate::http::app::App;
use crate::http::body::RateLimitedBody;
use crate::storage::audit::{Action, Entry};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use veilray_protocol::ErrorCode;
use veilray_protocol::KeyDigest;
use veilray_protocol::body::{MAX_HEADER, OUTPUT, body, elements, split, tensor};
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;
use veilray_protocol::messages::{InferRequest, InferResponse, InferTimes};

/// A request for inference that was read and checked as far as its bytes go.
pub(crate) struct CheckedRequest {
    /// Whose token the request came with.
    pub(crate) tenant: Arc<Tenant>,
    /// The model that is asked.
    pub(crate) model: Arc<Hosted>,
    /// SHA-256 of the evaluation keys to compute with.
    pub(crate) keys: KeyDigest,
    /// The image's ciphertexts.
    pub(crate) input: Input,
    /// The client's number of it.
    pub(crate) id: Option<String>,
    /// Memory of the body.
    pub(crate) memory: Permit,
}

impl CheckedRequest {
    /// Reads a request: who asks and how much is checked before its body is.
    pub(crate) async fn read(app: &App, name: &str, headers: &HeaderMap, from: Body) -> Result<Self, ApiError> {
        let tenant = app.admit(headers, Some(Scope::Infer))?;
        let model = Arc::clone(super::models::find(app, name)?);
        app.check_ready()?;
        let most = model.needs.body.min(app.config.limits.body_bytes);
        let announced = number(headers, header::CONTENT_LENGTH.as_str())?.unwrap_or(most);
        if announced > most {
            return Err(ApiError::too_large(most));
        }
        let Some(length) = number(headers, INFERENCE_HEADER_LENGTH)? else {
            let hint = "set it to the length of the JSON part: ciphertexts come as binary tensors";
            return Err(ApiError::new(ErrorCode::Malformed, format!("the header {INFERENCE_HEADER_LENGTH} is missing"), hint));
        };
        let memory = app.engine.reserve(&tenant.folder, app.engine.intake, announced, app.wait_limits().memory).await?;
        let body = RateLimitedBody::new(from, app.rate_limit()).whole(announced).await?;
        let skip = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_HEADER + 1);
        let (request, _) = split::<InferRequest>(&body, skip)?;
        if request.parameters.manifest != model.served.interface.manifest_sha256 {
            return Err(ApiError::other_manifest());
        }
        let Some(keys) = KeyDigest::parse(&request.parameters.keys) else {
            let hint = "parameters.keys is the SHA-256 of the uploaded keys, 64 digits in lower case";
            return Err(ApiError::new(ErrorCode::Malformed, "parameters.keys is no SHA-256", hint));
        };
        let input = Input { tensors: request.inputs, body, skip };
        check(&input, &model)?;
        Ok(Self { tenant, model, keys, input, id: request.id, memory })
    }
}

/// Refuses what the headers of the ciphertexts show to be wrong; the rest is checked when they are parsed.
fn check(input: &Input, model: &Hosted) -> Result<(), ApiError> {
    let elements = input.elements()?;
    let wanted = model.served.interface.io.input().layout().blocks();
    if elements.len() != wanted {
        let error = format!("{wanted} ciphertexts are needed, {} came", elements.len());
        return Err(ApiError::new(ErrorCode::NotConformant, error, "encrypt the image with the model's interface"));
    }
    let params = model.served.model.params();
    let level = model.served.interface.io.level();
    for element in elements {
        let header = veilray_he::wire::inspect(element)?;
        if header.digest != *params.digest() {
            let error = format!("a ciphertext is of other parameters than {}", model.served.interface.params);
            return Err(ApiError::new(ErrorCode::ParamsMismatch, error, "make keys and ciphertexts from the model's manifest"));
        }
        // A scale that is nearly right would fail later, where it looks like the circuit's fault.
        if header.level != level || header.scale.to_bits() != params.scale().to_bits() {
            let (scale, found) = (params.scale().log2(), header.scale.log2());
            let error = format!(
                "a ciphertext is at level {} and scale 2^{found}, level {level} and scale 2^{scale} are wanted",
                header.level
            );
            return Err(ApiError::new(ErrorCode::NotConformant, error, "encrypt the image with the model's interface"));
        }
    }
    Ok(())
}

/// The answer to a request for inference: the encrypted logits as a binary body.
pub(crate) fn infer_response(
    model: &str,
    manifest: &str,
    id: Option<String>,
    times: InferTimes,
    reply: Vec<u8>,
) -> Result<Response, ApiError> {
    let bytes = elements(&[reply]);
    let header = InferResponse {
        model_name: model.into(),
        model_version: manifest.into(),
        id,
        parameters: times,
        outputs: vec![tensor(OUTPUT, 1, bytes.len())],
    };
    let (body, length) = body(&header, &bytes).map_err(ApiError::internal)?;
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(INFERENCE_HEADER_LENGTH, length.into());
    Ok(response)
}

/// The encrypted logits of an encrypted image.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "Open Inference Protocol", security(("token" = [])),
    params(("model" = String, Path), ("Inference-Header-Content-Length" = u64, Header, description = "Bytes of the JSON part")),
    request_body(content = InferRequest, content_type = "application/octet-stream",
        description = "JSON part, then the ciphertexts as a BYTES tensor"),
    responses((status = 200, body = InferResponse, content_type = "application/octet-stream",
        description = "JSON part, then the encrypted logits as a BYTES tensor"),
        (status = 400, body = veilray_protocol::ErrorBody), (status = 404, body = veilray_protocol::ErrorBody),
        (status = 409, body = veilray_protocol::ErrorBody), (status = 422, body = veilray_protocol::ErrorBody),
        (status = 429, body = veilray_protocol::ErrorBody), (status = 503, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn infer(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let CheckedRequest { tenant, model, keys, input, id, memory } = CheckedRequest::read(&app, &name, &headers, body).await?;
    let bytes = input.body.len() as u64;
    let outcome = app.engine.evaluate(&tenant.folder, &model, &keys, input, app.wait_limits()).await;
    drop(memory);
    let code = outcome.as_ref().err().map_or("ok", |failure| failure.code.as_str());
    if !outcome.as_ref().is_err_and(|failure| failure.code.is_temporary()) {
        let (request_id, tenant, model, object) = (&*request_id, tenant.name.as_str(), model.name(), keys.as_str());
        app.record(Entry { request_id, tenant, model, object, bytes, ..Entry::new(Action::Infer, code) }).await?;
    }
    let (reply, times) = outcome?;
    infer_response(model.name(), &model.served.interface.manifest_sha256, id, times, reply)
}
