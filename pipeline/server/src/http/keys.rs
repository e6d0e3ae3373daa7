//! Evaluation keys: uploaded once, named by their digest, resumable.

use super::request::{RequestId, number};
use crate::config::Scope;
use crate::config::tokens::Tenant;
use crate::engine::Hosted;
use crate::engine::{blocking::blocking, key_cache, needs};
use crate::error::ApiError;
use crate::http::app::App;
use crate::http::body::RateLimitedBody;
use crate::storage::audit::{Action, Entry};
use crate::storage::error::StoreError;
use crate::storage::upload::{Begun, Upload};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use std::sync::Arc;
use veilray_protocol::ErrorCode;
use veilray_protocol::KeyDigest;
use veilray_protocol::headers::{MODEL, UPLOAD_LENGTH, UPLOAD_OFFSET};
use veilray_protocol::keys::UPLOAD_PIECE;
use veilray_protocol::messages::KeyStatus;

fn parse_digest(text: &str) -> Result<KeyDigest, ApiError> {
    let refused = || ApiError::new(ErrorCode::Malformed, "the path names no SHA-256", "64 digits in lower case are wanted");
    KeyDigest::parse(text).ok_or_else(refused)
}

/// Uploads keys, or the rest of them.
#[utoipa::path(put, path = "/v1/keys/{sha256}", tag = "keys", security(("token" = [])),
    params(("sha256" = String, Path, description = "SHA-256 of all bytes"),
        ("Upload-Offset" = Option<u64>, Header, description = "Where this request goes on; 0 without"),
        ("Upload-Length" = Option<u64>, Header, description = "Bytes in all; without: offset and body together"),
        ("Veilray-Model" = Option<String>, Header, description = "The model that the keys are for")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = KeyStatus, description = "They were there"), (status = 201, body = KeyStatus),
        (status = 202, body = KeyStatus, description = "Part of them is there"),
        (status = 409, body = veilray_protocol::ErrorBody), (status = 422, body = veilray_protocol::ErrorBody),
        (status = 507, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let tenant = app.admit(&headers, Some(Scope::Keys))?;
    let digest = parse_digest(&sha256)?;
    let outcome = upload(&app, &tenant, &digest, &headers, body).await;
    let code = outcome.as_ref().err().map_or("ok", |failure| failure.code.as_str());
    let bytes = outcome.as_ref().map_or(0, |(_, status)| status.received);
    if !outcome.as_ref().is_err_and(|failure| failure.code.is_temporary()) {
        let (request_id, tenant, object) = (&*request_id, tenant.name.as_str(), digest.as_str());
        app.record(Entry { request_id, tenant, object, bytes, ..Entry::new(Action::KeyUpload, code) }).await?;
    }
    let (status, key) = outcome?;
    Ok((status, [(UPLOAD_OFFSET, HeaderValue::from(key.received))], Json(key)).into_response())
}

async fn upload(
    app: &Arc<App>,
    tenant: &Arc<Tenant>,
    digest: &KeyDigest,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, KeyStatus), ApiError> {
    let offset = number(headers, UPLOAD_OFFSET)?.unwrap_or(0);
    let length = number(headers, header::CONTENT_LENGTH.as_str())?;
    let announced = number(headers, UPLOAD_LENGTH)?.or(length.and_then(|length| offset.checked_add(length)));
    let Some(total) = announced else {
        return Err(ApiError::new(ErrorCode::Malformed, "the length is not announced", "send Upload-Length or Content-Length"));
    };
    if total > app.config.limits.key_bytes {
        return Err(ApiError::too_large(app.config.limits.key_bytes));
    }
    // Before anything is read or touched: what came before this request may be all right.
    if length.is_some_and(|length| offset.saturating_add(length) > total) {
        return Err(StoreError::Excess { wanted: total }.into());
    }
    let _memory =
        app.engine.reserve(&tenant.folder, app.engine.intake, 2 * UPLOAD_PIECE as u64, app.wait_limits().memory).await?;
    let begin = || {
        let (store, who, at) = (Arc::clone(&app.store), Arc::clone(tenant), digest.clone());
        blocking(move || Ok(Upload::begin(&store, &who, &at, offset, total)?))
    };
    let begun = match begin().await {
        // Keys whose time is over make room.
        Err(failure) if failure.code == ErrorCode::QuotaExceeded => {
            app.sweep_once().await?;
            begin().await?
        }
        begun => begun?,
    };
    let upload = match begun {
        Begun::Whole(record) => return Ok((StatusCode::OK, app.store.whole(digest.as_str(), &record))),
        Begun::Upload(upload) => upload,
    };
    let upload = receive(app, upload, body).await?;
    if !upload.is_whole() {
        blocking(move || Ok(upload.keep()?)).await?;
        return Ok((StatusCode::ACCEPTED, there(app, tenant, digest).await?));
    }
    let upload = blocking(move || Ok(upload.verify()?)).await?;
    match conformance(app, &tenant.folder, &upload, headers, total).await {
        Ok((params, memory_bytes)) => blocking(move || Ok(upload.commit(&params, memory_bytes)?)).await?,
        // Whole and sound as far as is known: the next try need not send them again.
        Err(failure) if failure.code.is_temporary() || failure.code == ErrorCode::Internal => return Err(failure),
        Err(failure) => {
            blocking(move || Ok(upload.discard()?)).await?;
            return Err(failure);
        }
    };
    Ok((StatusCode::CREATED, there(app, tenant, digest).await?))
}

/// Appends the body. What came of one that breaks off is kept.
async fn receive(app: &App, mut upload: Upload, body: Body) -> Result<Upload, ApiError> {
    let mut body = RateLimitedBody::new(body, app.rate_limit());
    let mut piece: Vec<u8> = Vec::new();
    loop {
        let next = body.next().await;
        let ended = !matches!(next, Ok(Some(_)));
        if let Ok(Some(bytes)) = &next {
            piece.extend_from_slice(bytes);
        }
        if piece.len() >= UPLOAD_PIECE || (ended && !piece.is_empty()) {
            let full = std::mem::take(&mut piece);
            upload = blocking(move || match upload.append(&full) {
                Ok(()) => Ok(upload),
                Err(error @ StoreError::Excess { .. }) => {
                    upload.keep()?;
                    Err(error.into())
                }
                Err(error) => Err(error.into()),
            })
            .await?;
        }
        if ended {
            return match next {
                Ok(_) => Ok(upload),
                Err(failure) => {
                    blocking(move || Ok(upload.keep()?)).await?;
                    Err(failure)
                }
            };
        }
    }
}

/// Parses verified keys under the parameters they name; the parameter set and the memory that they take.
async fn conformance(
    app: &App,
    folder: &str,
    upload: &Upload,
    headers: &HeaderMap,
    total: u64,
) -> Result<(String, u64), ApiError> {
    let path = upload.path();
    let start = path.clone();
    let header = blocking(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(
            &mut std::io::Read::take(std::fs::File::open(start)?, veilray_he::wire::HEADER_BYTES as u64),
            &mut bytes,
        )?;
        veilray_he::wire::inspect(&bytes).map_err(unsound)
    });
    let header = header.await?;
    let named = match headers.get(MODEL) {
        Some(name) => Some(super::models::find(app, name.to_str().unwrap_or_default())?),
        None => None,
    };
    let fits = |model: &&Arc<Hosted>| header.digest == *model.served.model.params().digest();
    let model = match named {
        Some(model) => Some(model).filter(fits),
        None => app.engine.models().find(fits),
    };
    let Some(model) = model.cloned() else {
        let error = "these keys are of a parameter set that no such model here uses";
        return Err(ApiError::new(ErrorCode::ParamsMismatch, error, "generate keys from the model's manifest"));
    };
    let for_model = named.is_some();
    // Residues of up to 30 bits are read into 32.
    let bytes = total.saturating_add(total / 4).saturating_add(1 << 20);
    let permit = app.engine.reserve(folder, model.work, bytes, app.wait_limits().memory).await?;
    let run = move || {
        let _permit = permit;
        let params = model.served.model.params();
        let keys = key_cache::parse(&path, params, total).map_err(|failure| match failure.code {
            ErrorCode::Malformed => ApiError { code: ErrorCode::NotConformant, ..failure },
            _ => failure,
        })?;
        if for_model {
            key_cache::conform(&keys, &model.served)?;
        }
        let memory = needs::expanded(params, &keys.spec());
        Ok((model.served.interface.params.clone(), memory))
    };
    app.engine.compute(run).await
}

/// What is wrong with bytes whose digest is right is that they are no keys.
fn unsound(error: veilray_he::Error) -> ApiError {
    ApiError::new(ErrorCode::NotConformant, error.to_string(), "upload evaluation keys as the client writes them")
}

async fn there(app: &Arc<App>, tenant: &Tenant, digest: &KeyDigest) -> Result<KeyStatus, ApiError> {
    let (store, folder, at) = (Arc::clone(&app.store), tenant.folder.clone(), digest.clone());
    blocking(move || store.status(&folder, &at)?.ok_or_else(ApiError::unknown_keys)).await
}

/// What is there of some keys.
#[utoipa::path(get, path = "/v1/keys/{sha256}", tag = "keys", security(("token" = [])), params(("sha256" = String, Path)),
    responses((status = 200, body = KeyStatus), (status = 404, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tenant = app.admit(&headers, Some(Scope::Keys))?;
    let status = there(&app, &tenant, &parse_digest(&sha256)?).await?;
    Ok(([(UPLOAD_OFFSET, HeaderValue::from(status.received))], Json(status)).into_response())
}

/// All keys of the tenant.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("token" = [])), responses((status = 200, body = Vec<KeyStatus>)))]
pub(crate) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Vec<KeyStatus>>, ApiError> {
    let tenant = app.admit(&headers, Some(Scope::Keys))?;
    let store = Arc::clone(&app.store);
    Ok(Json(blocking(move || Ok(store.list(&tenant.folder)?)).await?))
}

/// Deletes keys and what there is of an unfinished upload.
#[utoipa::path(delete, path = "/v1/keys/{sha256}", tag = "keys", security(("token" = [])), params(("sha256" = String, Path)),
    responses((status = 204, description = "Gone"), (status = 404, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let tenant = app.admit(&headers, Some(Scope::Keys))?;
    let digest = parse_digest(&sha256)?;
    let (store, folder, at) = (Arc::clone(&app.store), tenant.folder.clone(), digest.clone());
    let there = blocking(move || Ok(store.delete(&folder, &at)?)).await?;
    app.engine.cache.forget(&tenant.folder, &digest);
    if !there {
        return Err(ApiError::unknown_keys());
    }
    let (request_id, tenant, object) = (&*request_id, tenant.name.as_str(), digest.as_str());
    app.record(Entry { request_id, tenant, object, ..Entry::new(Action::KeyDelete, "ok") }).await?;
    Ok(StatusCode::NO_CONTENT)
}
