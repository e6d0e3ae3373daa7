//! Inference that is not waited for.

use super::infer::{CheckedRequest, infer_response};
use super::request::RequestId;
use crate::config::Scope;
use crate::engine::blocking::blocking;
use crate::error::ApiError;
use crate::http::app::App;
use crate::storage::audit::{Action, Entry};
use crate::storage::jobs::JobRecord;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use std::sync::Arc;
use veilray_base::clock;
use veilray_protocol::ErrorCode;
use veilray_protocol::messages::{InferRequest, InferResponse, JobState, JobStatus};

/// Submits an image; the answer is fetched later. The body is that of `infer`; its `id` is not kept.
#[utoipa::path(post, path = "/v1/models/{model}/jobs", tag = "jobs", security(("token" = [])),
    params(("model" = String, Path), ("Inference-Header-Content-Length" = u64, Header, description = "Bytes of the JSON part")),
    request_body(content = InferRequest, content_type = "application/octet-stream"),
    responses((status = 202, body = JobStatus), (status = 429, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let CheckedRequest { tenant, model, keys, input, id: _, memory } = CheckedRequest::read(&app, &name, &headers, body).await?;
    let record = JobRecord {
        tenant: tenant.name.clone(),
        folder: tenant.folder.clone(),
        model: model.name().into(),
        manifest: model.served.interface.manifest_sha256.clone(),
        keys: keys.as_str().into(),
        ciphertexts: input.elements()?.len(),
        request_id: request_id.to_string(),
        state: JobState::Queued,
        error: None,
        times: None,
        created_unix: clock::now(),
        finished_unix: None,
        finished_at: None,
        bytes: 0,
    };
    let (store, jobs, folder, kept) = (Arc::clone(&app.store), Arc::clone(&app.jobs), tenant.folder.clone(), record.clone());
    let (bytes, quota) = (input.body.len() as u64, tenant.quota_bytes);
    let created = blocking(move || {
        let _memory = memory;
        // They are used when the job is: they must not grow old while it waits.
        if !store.touch(&folder, &keys)? {
            return Err(ApiError::unknown_keys());
        }
        Ok(jobs.create(&kept, input.body.get(input.skip..).unwrap_or_default(), quota)?)
    });
    let job = created.await?;
    let folder = tenant.folder.clone();
    let (tenant, model, request_id) = (tenant.name.as_str(), model.name(), &*request_id);
    let entry = Entry { request_id, tenant, model, object: &job, bytes, ..Entry::new(Action::JobSubmit, "ok") };
    if let Err(failure) = app.record(entry).await {
        let (jobs, job) = (Arc::clone(&app.jobs), job.clone());
        blocking(move || Ok(jobs.delete(&job)?)).await?;
        return Err(failure);
    }
    // Deleted by now, it is skipped when its turn comes.
    let status = record.status(&job);
    let location = HeaderValue::from_str(&status.status_url).map_err(ApiError::internal)?;
    app.queue.push(&folder, job);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(status)).into_response())
}

async fn find(app: &Arc<App>, headers: &HeaderMap, job: &str) -> Result<JobRecord, ApiError> {
    let tenant = app.admit(headers, Some(Scope::Infer))?;
    let (jobs, id) = (Arc::clone(&app.jobs), job.to_string());
    let record = blocking(move || Ok(jobs.get(&id, &tenant.folder)?)).await?;
    record.ok_or_else(no_job)
}

fn no_job() -> ApiError {
    ApiError::not_found("job", "it may have been deleted, or finished too long ago")
}

/// Where a job is.
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "jobs", security(("token" = [])), params(("job" = String, Path)),
    responses((status = 200, body = JobStatus), (status = 404, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobStatus>, ApiError> {
    Ok(Json(find(&app, &headers, &job).await?.status(&job)))
}

/// The answer of a job that is done.
#[utoipa::path(get, path = "/v1/jobs/{job}/result", tag = "jobs", security(("token" = [])), params(("job" = String, Path)),
    responses((status = 200, body = InferResponse, content_type = "application/octet-stream"),
        (status = 409, body = veilray_protocol::ErrorBody, description = "Not done; a failed job's own error")))]
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = find(&app, &headers, &job).await?;
    match (record.state, &record.error, record.times) {
        (JobState::Done, _, Some(times)) => {
            let jobs = Arc::clone(&app.jobs);
            // It may be deleted between the two looks.
            let reply = blocking(move || jobs.result(&job)?.ok_or_else(no_job)).await?;
            infer_response(&record.model, &record.manifest, None, times, reply)
        }
        (_, Some(error), _) => Err(ApiError::new(error.code, error.error.clone(), error.hint.clone())),
        _ => Err(ApiError::new(ErrorCode::Conflict, "the job is not done", "ask its status until it says done").retry(1)),
    }
}

/// Deletes a job, its input and its result.
#[utoipa::path(delete, path = "/v1/jobs/{job}", tag = "jobs", security(("token" = [])), params(("job" = String, Path)),
    responses((status = 204, description = "Gone"), (status = 404, body = veilray_protocol::ErrorBody)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(job): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let record = find(&app, &headers, &job).await?;
    let (jobs, id) = (Arc::clone(&app.jobs), job.clone());
    if !blocking(move || Ok(jobs.delete(&id)?)).await? {
        return Err(no_job());
    }
    app.queue.remove(&record.folder, &job);
    let (request_id, tenant, model) = (&*request_id, record.tenant.as_str(), record.model.as_str());
    app.record(Entry { request_id, tenant, model, object: &job, ..Entry::new(Action::JobDelete, "ok") }).await?;
    Ok(StatusCode::NO_CONTENT)
}
