//! Answers that are errors, as the client's own errors. Text of the daemon is shortened and cleared of characters that would steer a terminal.

use crate::client::text::shown as clean;
use crate::client::{Error, Result};
use std::fmt::Display;
use ureq::Body;
use ureq::http::{Response, header};
use veilray_protocol::ErrorBody;
use veilray_protocol::headers::REQUEST_ID;

/// Largest error body that is read, bytes.
const MAX_BODY: u64 = 64 << 10;

/// An answer if it is not an error.
pub(super) fn answered(mut response: Response<Body>) -> Result<Response<Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = |name: header::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(clean);
    let retry_after = text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    let id = response.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).map(clean).unwrap_or_default();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec().unwrap_or_default();
    let status = status.as_u16();
    Err(match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => Error::Server {
            status,
            code: body.code.as_str().into(),
            message: clean(&body.error),
            hint: clean(&body.hint),
            request_id: clean(&body.request_id),
            retry_after,
        },
        Err(_) => Error::Server {
            status,
            code: "without a code".into(),
            message: "it gave no reason that this client reads".into(),
            hint: "is this the URL of a veilrayd?".into(),
            request_id: id,
            retry_after,
        },
    })
}

/// A failure below HTTP.
pub(super) fn unreachable(base: &str, error: &ureq::Error) -> Error {
    // rustls reports through the connection's reader and writer.
    let certificate = match error {
        ureq::Error::Rustls(error) => matches!(error, rustls::Error::InvalidCertificate(_)),
        ureq::Error::Io(error) => error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_))),
        _ => false,
    };
    let (address, why) = (base.into(), clean(&error.to_string()));
    if certificate { Error::Certificate { address, why } } else { Error::Unreachable { address, why } }
}

/// An answer that is not what the protocol says.
pub(super) fn reply(what: &'static str, why: &dyn Display) -> Error {
    Error::Reply { what, why: clean(&why.to_string()) }
}
