//! The `Host` of requests to a daemon that asks for no token.
//!
//! A page of the web can let its own name lead to 127.0.0.1 and then send requests from the browser of whoever sits at this machine (DNS
//! rebinding). The browser names the page's host in `Host`: requests that name another than this machine are refused. Where a token is
//! asked for the page has none; where TLS is spoken no certificate fits the page's name. Then nothing is checked.

use crate::error::ApiError;
use axum::http::request::Parts;
use axum::http::{Version, header};
use veilray_protocol::ErrorCode;

const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The name in `host` or `host:port`, an IPv6 address with its brackets.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty() => name,
        _ => authority,
    }
}

/// Whether all hosts that the request names are this machine, or one of `further`.
///
/// # Errors
/// [`ErrorCode::Forbidden`]; [`ErrorCode::Malformed`] if it names none. HTTP/1.0 need not: no browser speaks it.
pub(super) fn check(request: &Parts, further: &[String]) -> Result<(), ApiError> {
    let known = |authority: &str| {
        let name = name(authority).trim_end_matches('.');
        LOCAL.iter().any(|local| name.eq_ignore_ascii_case(local)) || further.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let mut named = request.uri.authority().is_some();
    let mut all_known = request.uri.authority().is_none_or(|authority| known(authority.as_str()));
    for host in request.headers.get_all(header::HOST) {
        named = true;
        all_known &= host.to_str().is_ok_and(known);
    }
    if !all_known {
        let hint = "ask for localhost or 127.0.0.1; the daemon's operator can list further names in server.hosts, or set tokens";
        return Err(ApiError::new(ErrorCode::Forbidden, "the header Host names another machine", hint));
    }
    if !named && request.version > Version::HTTP_10 {
        return Err(ApiError::new(ErrorCode::Malformed, "the header Host is missing", "send Host: localhost"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn status(uri: &str, hosts: &[&str], version: Version) -> u16 {
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, &["veilray.example".into()]).map_or_else(|failure| failure.code.status(), |()| 200)
    }

    #[test]
    fn only_this_machine_and_listed_names_pass() {
        let of = |host: &str| status("/v2", &[host], Version::HTTP_11);
        for good in [
            "localhost",
            "LocalHost:8480",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8480",
            "localhost.",
            "veilray.example:443",
        ] {
            assert_eq!(of(good), 200, "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8480",
            "",
            "::1",
            "[::2]:1",
            "localhost:x",
            "a localhost",
        ] {
            assert_eq!(of(bad), 403, "{bad}");
        }
        assert_eq!(status("/v2", &["localhost", "evil.example"], Version::HTTP_11), 403);
        assert_eq!(status("http://evil.example/v2", &["localhost"], Version::HTTP_11), 403);
        assert_eq!(status("http://localhost:8480/v2", &[], Version::HTTP_2), 200);
        assert_eq!((status("/v2", &[], Version::HTTP_11), status("/v2", &[], Version::HTTP_10)), (400, 200));
    }
}
