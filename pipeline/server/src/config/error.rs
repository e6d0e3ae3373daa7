use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The configuration file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The file is not TOML, or has a field that there is not.
    #[error("the configuration cannot be understood: {why}")]
    Toml {
        /// Line, and what was expected there.
        why: String,
    },
    /// A value is out of range, empty or malformed; the message says what would do.
    #[error("{field} is {found}: {wanted}")]
    Value {
        /// Where in the file.
        field: String,
        /// What it is.
        found: String,
        /// What would do.
        wanted: String,
    },
    /// An address that others can reach, without protection.
    #[error(
        "{bind} can be reached from other machines: give [server.tls] and at least one [[tokens]] entry, or bind to 127.0.0.1"
    )]
    Unprotected {
        /// The address and port that were asked for.
        bind: SocketAddr,
    },
}
