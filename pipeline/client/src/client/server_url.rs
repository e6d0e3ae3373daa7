//! Which server, and with what credentials: https anywhere, http only to this machine.

use crate::client::{Error, Result, files};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use zeroize::Zeroizing;

/// The variable that may hold a token.
pub(crate) const TOKEN_VARIABLE: &str = "VEILRAY_TOKEN";
/// Where systems keep the authorities they trust; the first that exists is used unless a file is named.
const SYSTEM_CA: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Longest head of an answer, bytes.
const MAX_HEAD: usize = 64 << 10;
/// Bytes of a request that are given to the system at a time.
const OUTPUT_BUFFER: usize = 64 << 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the client waits for a server that does not go on. No answer of the server can make these longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For the head of an answer that needs no computation.
    pub head: Duration,
    /// For the head of an inference's answer: a large model's evaluation and the queue before it.
    pub inference: Duration,
    /// For a whole body that is small, and beside [`Waits::least`] for one that is not.
    pub body: Duration,
    /// For the server to take the next bytes of a request.
    pub write: Duration,
    /// Slowest body that is read to its end, bytes per second.
    pub least: u64,
}

impl Default for Waits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(60), inference: seconds(900), body: seconds(30), write: seconds(60), least: 16 << 10 }
    }
}

impl Waits {
    /// For the body of an answer of at most `bytes` bytes, in all.
    pub(super) fn body_of(&self, bytes: u64) -> Duration {
        self.body + Duration::from_secs_f64(bytes as f64 / self.least.max(1) as f64)
    }
}

/// A server's URL, found acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    base: String,
    tls: bool,
    loopback: bool,
}

/// What goes with the server's URL.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// File with a token; else `VEILRAY_TOKEN`.
    pub token_file: Option<PathBuf>,
    /// How long requests are repeated to a server that is busy.
    pub retry_for: Duration,
    /// How long one request waits.
    pub waits: Waits,
}

impl ServerUrl {
    /// Reads `https://host:port`, or `http://…` to a loopback address; elsewhere only if `insecure_http`.
    ///
    /// # Errors
    /// [`Error::ServerUrl`].
    pub(crate) fn parse(text: &str, insecure_http: bool) -> Result<Self> {
        let refuse = |why: &str| Error::ServerUrl(format!("{text:?} is no server's URL: {why}, such as https://host:8443"));
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(refuse("wanted https:// or http://")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(refuse("wanted scheme, host and port only"));
        }
        let uri: ureq::http::uri::Authority = authority.parse().map_err(|_| refuse("wanted host and port"))?;
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !tls && !loopback && !insecure_http {
            let why = format!(
                "http://{authority} is not encrypted: anyone between could swap answers and take the token; use https, or allow it \
                 with --insecure-http"
            );
            return Err(Error::ServerUrl(why));
        }
        Ok(Self { base: format!("{}://{authority}", if tls { "https" } else { "http" }), tls, loopback })
    }

    /// Scheme, host and port.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

/// The agent for a server, and the token.
pub(super) fn agent(url: &ServerUrl, access: &Access) -> Result<(Agent, Option<Zeroizing<String>>)> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect could carry the token elsewhere.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(access.waits.head))
        .timeout_recv_body(Some(access.waits.body))
        .timeout_per_write(Some(access.waits.write))
        // The time for a whole body is looked at between buffers: a large one would overrun it.
        .output_buffer_size(OUTPUT_BUFFER)
        .max_response_header_size(MAX_HEAD)
        .max_idle_connections_per_host(16)
        .user_agent(concat!("veilray/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity");
    if url.loopback {
        config = config.proxy(None);
    }
    if url.tls {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(authorities(access.ca.as_deref())?);
        config = config.tls_config(tls.build());
    }
    Ok((config.build().new_agent(), token(access.token_file.as_deref())?))
}

fn authorities(named: Option<&Path>) -> Result<RootCerts> {
    let system = || SYSTEM_CA.iter().map(Path::new).find(|path| path.exists());
    let Some(path) = named.or_else(system) else {
        return Err(Error::ServerUrl(
            "https needs certificate authorities, and this system has none: name a PEM file with --ca".into(),
        ));
    };
    let bytes = files::read_limited(path, 16 << 20)?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Error::File { doing: "use", path: path.into(), why: "it has no certificate in PEM form".into() });
    }
    Ok(RootCerts::from(certificates))
}

fn token(file: Option<&Path>) -> Result<Option<Zeroizing<String>>> {
    let found = match file {
        Some(path) => {
            files::expect_private(path)?;
            let bytes = Zeroizing::new(files::read_limited(path, 64 << 10)?);
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            Some(Zeroizing::new(text.trim().to_owned()))
        }
        None => std::env::var(TOKEN_VARIABLE).ok().map(Zeroizing::new),
    };
    match found {
        Some(token) if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Error::Usage("the token is empty or has characters that a token cannot have".into()))
        }
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_no_further_than_this_machine() {
        for good in
            ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80", "http://127.8.9.1", "https://example.org:8443"]
        {
            assert_eq!(ServerUrl::parse(good, false).unwrap().base(), good.trim_end_matches('/'));
        }
        for remote in ["http://example.org", "http://10.0.0.1:80", "http://localhost.example.org", "http://[2001:db8::1]:80"] {
            let refused = ServerUrl::parse(remote, false).unwrap_err();
            assert!(refused.to_string().contains("--insecure-http"), "{refused}");
            assert!(ServerUrl::parse(remote, true).is_ok());
        }
        for bad in [
            "",
            "example.org",
            "ftp://x",
            "http://",
            "https://user:secret@host",
            "https://host/path",
            "http://127.0.0.1@evil.org",
        ] {
            assert!(matches!(ServerUrl::parse(bad, true), Err(Error::ServerUrl(_))), "{bad}");
        }
    }
}
