//! The daemon's configuration: a TOML file, checked as a whole before anything is opened.

mod error;
mod memory;
mod ranges;
mod token_entry;
pub mod tokens;

pub use error::ConfigError;
pub use memory::{Available, Memory};
pub use token_entry::{Scope, TokenEntry};

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon's configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens and keeps its files.
    pub server: Server,
    /// The models it serves.
    pub models: Vec<ModelPath>,
    /// What it may use.
    pub limits: Limits,
    /// Who may ask. None: on loopback, one tenant `local` with every scope.
    pub tokens: Vec<TokenEntry>,
}

/// Where the daemon listens and keeps its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Certificate and key; without it, plain HTTP on loopback.
    pub tls: Option<Tls>,
    /// Names, beside `localhost`, `127.0.0.1` and `[::1]`, that requests may give as `Host` where neither tokens nor TLS are set: those of
    /// a proxy on this machine. Without port.
    pub hosts: Vec<String>,
    /// Keys, jobs, metadata and the audit log.
    pub data_dir: PathBuf,
    /// Threads of the encrypted computation; 0 takes all cores.
    pub threads: usize,
    /// Seconds that requests in flight get to finish after SIGTERM.
    pub drain_seconds: f64,
}

impl Default for Server {
    fn default() -> Self {
        let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);
        Self { bind, tls: None, hosts: Vec::new(), data_dir: "veilrayd-data".into(), threads: 0, drain_seconds: 60.0 }
    }
}

/// Files of the TLS certificate and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that sign it, the server's own first.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// A released model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPath {
    /// Its name or its folder.
    pub path: PathBuf,
}

/// What the daemon may use. Bytes are bytes, times are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory of models, expanded keys and requests together; 0 takes three quarters of what machine and container have, at most 8 GiB.
    pub memory_bytes: u64,
    /// Disk of keys and unfinished uploads of all tenants together.
    pub disk_bytes: u64,
    /// Largest body of an inference or a job.
    pub body_bytes: u64,
    /// Largest set of evaluation keys.
    pub key_bytes: u64,
    /// Connections that may be open at one time.
    pub connections: usize,
    /// Connections of one peer, an IPv4 address or a /64 of IPv6; 0 sets no bound of its own. A proxy in front is one peer.
    pub connections_per_peer: usize,
    /// From accepting a connection to the head of its first request, TLS handshake included; and for the header lines of each later one.
    pub header_seconds: f64,
    /// Longest pause between two pieces of a body; and longest time a connection is kept without a request.
    pub idle_seconds: f64,
    /// Slowest body, bytes per second, beside `idle_seconds` of grace.
    pub min_bytes_per_second: u64,
    /// Longest inference, waiting included.
    pub request_seconds: f64,
    /// Longest wait for memory before 429.
    pub queue_seconds: f64,
    /// Requests that may wait for memory at one time, of all tenants together.
    pub queue_length: usize,
    /// Requests of one tenant that may wait for memory at one time; 0 takes half of `queue_length`.
    pub tenant_queue_length: usize,
    /// Inferences computed at one time; each uses every thread as far as it can.
    pub evaluations: usize,
    /// Keys that nobody used for so long are removed.
    pub key_ttl_seconds: f64,
    /// Unfinished uploads that did not go on for so long are removed.
    pub part_ttl_seconds: f64,
    /// Finished jobs are removed after so long.
    pub job_ttl_seconds: f64,
    /// Jobs of one tenant on disk, finished ones included.
    pub max_jobs: usize,
    /// Unfinished jobs of all tenants together; 0 takes four times `max_jobs`.
    pub max_waiting_jobs: usize,
    /// Unfinished uploads of one tenant.
    pub max_uploads: usize,
    /// Disk that uploads and jobs leave free, so that the audit log can grow; 0 leaves none.
    pub reserve_bytes: u64,
}

impl Limits {
    /// Requests of one tenant that may wait for memory, of `tenants` in all.
    pub(super) fn tenant_queue(&self, tenants: usize) -> usize {
        match self.tenant_queue_length {
            0 if tenants > 1 => self.queue_length.div_ceil(2),
            0 => self.queue_length,
            length => length.min(self.queue_length),
        }
    }

    /// Unfinished jobs of all tenants together.
    pub(super) fn waiting_jobs(&self) -> usize {
        if self.max_waiting_jobs == 0 { self.max_jobs.saturating_mul(4) } else { self.max_waiting_jobs }
    }
}

const MIB: u64 = 1 << 20;
const DAY: f64 = 86_400.0;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 0,
            disk_bytes: 64 << 30,
            body_bytes: 256 * MIB,
            key_bytes: 1 << 30,
            connections: 1024,
            connections_per_peer: 256,
            header_seconds: 10.0,
            idle_seconds: 15.0,
            min_bytes_per_second: 16 << 10,
            request_seconds: 120.0,
            queue_seconds: 10.0,
            queue_length: 64,
            tenant_queue_length: 0,
            evaluations: 1,
            key_ttl_seconds: 30.0 * DAY,
            part_ttl_seconds: DAY,
            job_ttl_seconds: DAY,
            max_jobs: 1024,
            max_waiting_jobs: 0,
            max_uploads: 64,
            reserve_bytes: 16 * MIB,
        }
    }
}

fn refuse<T>(field: impl Into<String>, found: impl ToString, wanted: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Value { field: field.into(), found: found.to_string(), wanted: wanted.into() })
}

impl Config {
    /// Reads a file; [`Config::check`] follows once flags and environment have had their say.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Toml`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError::Read { path: path.into(), why: e.to_string() })?;
        Self::from_toml(&text)
    }

    /// As [`Config::read`], from the file's text.
    ///
    /// # Errors
    /// [`ConfigError::Toml`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|e| ConfigError::Toml { why: e.to_string() })
    }

    /// Tenants that may ask.
    pub(super) fn tenants(&self) -> usize {
        let names: std::collections::BTreeSet<&str> = self.tokens.iter().map(|token| token.tenant.as_str()).collect();
        names.len().max(1)
    }

    /// Whether all values can be used together.
    ///
    /// # Errors
    /// The first that cannot, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (server, limits) = (&self.server, &self.limits);
        if !server.bind.ip().is_loopback() && (server.tls.is_none() || self.tokens.is_empty()) {
            return Err(ConfigError::Unprotected { bind: server.bind });
        }
        if self.models.is_empty() {
            return refuse(
                "models",
                "empty",
                "name at least one, with --model NAME or in the configuration file as [[models]] path = \"NAME\"",
            );
        }
        ranges::check(server, limits)?;
        for (i, host) in server.hosts.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let address = literal.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
            if !address && (host.is_empty() || !host.chars().all(plain)) {
                let wanted = "a name or an address without port is wanted, such as veilray.example or [fd00::1]";
                return refuse(format!("server.hosts[{i}]"), format!("{host:?}"), wanted);
            }
        }
        self.tokens.iter().enumerate().try_for_each(|(i, token)| token_entry::check(i, token))?;
        token_entry::check_together(&self.tokens)
    }
}

/// A time of the configuration, as [`Config::check`] has bounded it.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Config, ConfigError> {
        let config = Config::from_toml(text)?;
        config.check()?;
        Ok(config)
    }

    const MODEL: &str = "[[models]]\npath = 'm'\n";

    #[test]
    fn defaults_bind_to_this_machine_alone() {
        let config = parsed(MODEL).unwrap();
        assert!(config.server.bind.ip().is_loopback());
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn a_reachable_address_needs_tls_and_tokens() {
        let bind = "[server]\nbind = '0.0.0.0:8480'\n";
        let tls = "tls = { cert = 'c', key = 'k' }\n";
        let token = format!("[[tokens]]\nhash = '{}'\ntenant = 'a'\n", "0".repeat(64));
        for text in [format!("{bind}{MODEL}"), format!("{bind}{tls}{MODEL}"), format!("{bind}{MODEL}{token}")] {
            assert!(matches!(parsed(&text), Err(ConfigError::Unprotected { .. })), "{text}");
        }
        assert!(parsed(&format!("{bind}{tls}{MODEL}{token}")).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            ("", "models"),
            ("[limits]\nidle_seconds = 0.0\n", "limits.idle_seconds"),
            ("[limits]\nbody_bytes = 0\n", "limits.body_bytes"),
            ("[limits]\nmemory = 1\n", "unknown field"),
            ("[limits]\nmax_uploads = 0\n", "limits.max_uploads"),
            ("[limits]\nreserve_bytes = 1073741825\n", "limits.reserve_bytes"),
            ("[[tokens]]\nhash = 'abc'\ntenant = 'a'\n", "tokens[0].hash"),
        ];
        for (text, wanted) in cases {
            let text = if text.is_empty() { String::new() } else { format!("{text}{MODEL}") };
            let refused = parsed(&text).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{refused}");
        }
    }

    #[test]
    fn a_configuration_survives_its_own_text() {
        let text = format!(
            "[server]\nthreads = 3\n{MODEL}[[tokens]]\nhash = '{}'\ntenant = 'a'\nexpires = 2027-01-31\n",
            "a".repeat(64)
        );
        let config = parsed(&text).unwrap();
        assert_eq!(parsed(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
}
