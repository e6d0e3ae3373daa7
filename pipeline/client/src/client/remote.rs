//! The daemon as the client sees it: requests, limits on answers, and errors with the daemon's own advice.

use super::server_error::{answered, reply, unreachable};
use super::server_url::{Access, ServerUrl, Waits, agent};
use super::{Error, Result};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use ureq::http::Response;
use ureq::{Agent, Body};
use veilray_classifier::interface::Interface;
use veilray_protocol::body;
use veilray_protocol::body::{INPUT, OUTPUT};
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;
use veilray_protocol::messages::{InferParameters, InferRequest, InferResponse, InferTimes, KeyStatus};
use zeroize::Zeroizing;

/// Largest JSON answer, bytes.
const MAX_JSON: u64 = 16 << 20;
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Attempts at a server that cannot be reached: a restart is waited for, a wrong URL reported soon.
const UNREACHABLE_ATTEMPTS: u32 = 4;

/// A connection to a daemon; clones share it.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(super) agent: Agent,
    pub(super) base: String,
    token: Option<Zeroizing<String>>,
    retry_for: Duration,
    pub(super) waits: Waits,
}

/// The answer to one image.
#[cfg_attr(not(feature = "demo"), allow(dead_code, reason = "only the demo shows the times of each step"))]
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The encrypted logits.
    pub logits: Vec<u8>,
    /// What the daemon took.
    pub times: InferTimes,
    /// Bytes of the request's body.
    pub sent: usize,
    /// Bytes of the answer's body.
    pub received: usize,
    /// From the first byte sent until the answer began, less the daemon's own time, ms.
    pub upload_ms: f64,
    /// Reading the answer, ms.
    pub download_ms: f64,
    /// From the first byte sent to the last received, ms.
    pub total_ms: f64,
}

impl Remote {
    /// Prepares for `url`; nothing is sent yet.
    ///
    /// # Errors
    /// A certificate or token file that cannot be read, a URL that is not allowed.
    pub(crate) fn new(url: &ServerUrl, access: &Access) -> Result<Self> {
        let (agent, token) = agent(url, access)?;
        Ok(Self { agent, base: url.base().into(), token, retry_for: access.retry_for, waits: access.waits })
    }

    /// The models it serves.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Server`], [`Error::Reply`]; as for all that follow.
    #[cfg(feature = "demo")]
    pub(crate) fn models(&self) -> Result<Vec<veilray_protocol::messages::ModelEntry>> {
        json(&mut self.get("/v1/models")?, "list of models")
    }

    /// What a client must know of a model; not yet checked.
    ///
    /// # Errors
    /// As [`Remote::models`].
    pub(crate) fn interface(&self, model: &str) -> Result<Interface> {
        json(&mut self.get(&format!("/v1/models/{}/manifest", plain(model)?))?, "interface")
    }

    /// What it has of evaluation keys; none if it has nothing.
    ///
    /// # Errors
    /// As [`Remote::models`].
    pub(crate) fn key_status(&self, sha256: &str) -> Result<Option<KeyStatus>> {
        match self.get(&format!("/v1/keys/{sha256}")) {
            Ok(mut response) => json(&mut response, "status of keys").map(Some),
            Err(Error::Server { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has it delete evaluation keys; whether it had them.
    ///
    /// # Errors
    /// As [`Remote::models`].
    pub(crate) fn delete_keys(&self, sha256: &str) -> Result<bool> {
        let deleted = self.with_retries(|| {
            let request = self.agent.delete(format!("{}/v1/keys/{sha256}", self.base));
            self.answer(self.authorised(request).call())
        });
        match deleted {
            Ok(_) => Ok(true),
            Err(Error::Server { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One image's ciphertexts to encrypted logits of at most `largest_reply` bytes.
    ///
    /// # Errors
    /// As [`Remote::models`]; a daemon that is busy for longer than [`Access::retry_for`].
    pub(crate) fn infer(
        &self,
        model: &str,
        parameters: &InferParameters,
        ciphertexts: &[Vec<u8>],
        largest_reply: usize,
    ) -> Result<Answer> {
        let elements = body::elements(ciphertexts);
        let header = InferRequest {
            id: None,
            parameters: parameters.clone(),
            inputs: vec![body::tensor(INPUT, ciphertexts.len(), elements.len())],
        };
        let (bytes, length) = body::body(&header, &elements).map_err(|e| reply("request", &e))?;
        drop(elements);
        let most = largest_reply + body::MAX_HEADER + 4;
        let url = format!("{}/v2/models/{}/infer", self.base, plain(model)?);
        let (mut response, start, waited) = self.with_retries(|| {
            let start = Instant::now();
            let request = self.agent.post(&url).header(INFERENCE_HEADER_LENGTH, length.to_string());
            let request = self.authorised(request).content_type("application/octet-stream");
            let request = request.config().timeout_recv_response(Some(self.waits.inference));
            let request = request.timeout_send_body(Some(self.waits.body_of(bytes.len() as u64)));
            let request = request.timeout_recv_body(Some(self.waits.body_of(most as u64))).build();
            Ok((self.answer(request.send(bytes.as_slice()))?, start, start.elapsed()))
        })?;
        let header_length = number(&response, INFERENCE_HEADER_LENGTH)
            .ok_or_else(|| reply("answer", &format!("it has no header {INFERENCE_HEADER_LENGTH}")))?;
        let sent = bytes.len();
        let bytes = read(&mut response, most as u64, "answer")?;
        let total = start.elapsed();
        let (total_ms, download_ms) = (total.as_secs_f64() * 1e3, total.saturating_sub(waited).as_secs_f64() * 1e3);
        let (header, rest) = body::split::<InferResponse>(&bytes, header_length as usize).map_err(|e| reply("answer", &e))?;
        if header.model_version != parameters.manifest {
            return Err(reply("answer", &"it comes from another manifest of the model"));
        }
        let logits = match body::ciphertexts(&header.outputs, OUTPUT, rest).map_err(|e| reply("answer", &e))?.as_slice() {
            [one] => one.to_vec(),
            several => return Err(reply("answer", &format!("{} ciphertexts where one belongs", several.len()))),
        };
        let times = header.parameters;
        let upload_ms = (waited.as_secs_f64() * 1e3 - times.server_ms - times.queue_ms).max(0.0);
        Ok(Answer { logits, times, sent, received: bytes.len(), upload_ms, download_ms, total_ms })
    }

    fn get(&self, path: &str) -> Result<Response<Body>> {
        self.with_retries(|| self.answer(self.authorised(self.agent.get(format!("{}{path}", self.base))).call()))
    }

    pub(super) fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.as_str())),
            None => request,
        }
    }

    pub(super) fn answer(&self, result: std::result::Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        answered(result.map_err(|e| unreachable(&self.base, &e))?)
    }

    /// Repeats a request that may succeed later, for [`Access::retry_for`]: when the daemon says so, or when it cannot be reached for a
    /// moment. Every request of this module can be repeated.
    fn with_retries<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let (mut tries, mut lost) = (0u32, 0);
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let backoff = Duration::from_millis(100 << tries.min(8));
            let backoff = backoff.mul_f64(1.0 + jitter());
            let pause = match &error {
                // The server may ask for a longer pause than ours, never for a shorter one.
                Error::Server { status: 408 | 429 | 503, retry_after, .. } => {
                    retry_after.map_or(backoff, |seconds| backoff.max(Duration::from_secs(seconds)))
                }
                Error::Unreachable { .. } if lost + 1 < UNREACHABLE_ATTEMPTS => {
                    lost += 1;
                    backoff
                }
                _ => return Err(error),
            };
            let pause = pause.min(LONGEST_PAUSE);
            if start.elapsed() + pause > self.retry_for {
                return Err(error);
            }
            std::thread::sleep(pause);
            tries += 1;
        }
    }
}

/// From 0 to a half, so that clients that were refused together do not all come back together.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, which does no harm.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 512.0
}

/// A model's name as a part of a path.
fn plain(model: &str) -> Result<&str> {
    let fine = !model.is_empty() && model.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fine { Ok(model) } else { Err(Error::Usage("a model's name has letters, digits, - and _ only".into())) }
}

pub(super) fn number(response: &Response<Body>, header: &str) -> Option<u64> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

fn read(response: &mut Response<Body>, limit: u64, what: &'static str) -> Result<Vec<u8>> {
    response.body_mut().with_config().limit(limit).read_to_vec().map_err(|e| reply(what, &e))
}

fn json<T: DeserializeOwned>(response: &mut Response<Body>, what: &'static str) -> Result<T> {
    serde_json::from_slice(&read(response, MAX_JSON, what)?).map_err(|e| reply(what, &e))
}

#[cfg(test)]
mod tests;
