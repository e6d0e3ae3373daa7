//! Settings that several commands share, and the configuration file behind them.

use crate::client::keyset::{KeySet, MAX_KEY_BYTES};
use crate::client::passphrase::Source;
use crate::client::remote::Remote;
use crate::client::server_url::{Access, ServerUrl, Waits};
use crate::client::{Error, Result, files};
use clap::Args;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a daemon listens by default.
const SERVER: &str = "http://127.0.0.1:8480";
/// Seconds for which requests are repeated to a server that is busy.
const RETRY_FOR: f64 = 300.0;

/// Settings of every command.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Global {
    /// Configuration file; default ~/.veilray/config.toml.
    #[arg(long, global = true, env = "VEILRAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Shows no progress on standard error.
    #[arg(long, global = true)]
    quiet: bool,
}

/// Which keys, and how to unseal them. The passphrase itself comes from VEILRAY_PASSPHRASE, a file or the terminal, never from a flag.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct KeyArgs {
    /// Folder of key sets, or one key set; default ~/.veilray/keys.
    #[arg(long, env = "VEILRAY_KEYS", value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// The model whose newest active key set is used; default the only model that there are keys for.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// File whose first line is the passphrase; mode 0600.
    #[arg(long, env = "VEILRAY_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Which server is asked, and how it is reached.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ServerArgs {
    /// The server: https://host:port, or http:// on this machine; default http://127.0.0.1:8480.
    #[arg(long, env = "VEILRAY_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// PEM file of the certificate authorities to trust; default the system's.
    #[arg(long, env = "VEILRAY_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with the access token, mode 0600; or VEILRAY_TOKEN.
    #[arg(long, env = "VEILRAY_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Allows http:// to other machines.
    #[arg(long)]
    insecure_http: bool,
    /// How long requests are repeated to a server that is busy or starting; default 300.
    #[arg(long, alias = "patience", value_name = "SECONDS")]
    retry_for: Option<f64>,
}

/// The configuration file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    keys: Option<PathBuf>,
    model: Option<String>,
    passphrase_file: Option<PathBuf>,
    server: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    insecure_http: bool,
    #[serde(alias = "patience")]
    retry_for: Option<f64>,
    max_key_bytes: Option<usize>,
    prepare: Option<usize>,
    requests: Option<usize>,
    image_memory_bytes: Option<u64>,
    quiet: bool,
}

/// Global flags and the configuration file.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// No progress on standard error.
    pub quiet: bool,
    file: File,
}

impl Settings {
    /// Reads the configuration file, which must exist only if it is named.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub(crate) fn load(global: Global) -> Result<Self> {
        let (path, named) = match global.config {
            Some(path) => (Some(path), true),
            None => (home().map(|home| home.join("config.toml")), false),
        };
        let file = match path {
            Some(path) if named || path.exists() => read(&path)?,
            _ => File::default(),
        };
        Ok(Self { quiet: global.quiet || file.quiet, file })
    }

    /// The folder of key sets.
    ///
    /// # Errors
    /// None is named and there is no home folder.
    pub(crate) fn keys(&self, named: Option<&PathBuf>) -> Result<PathBuf> {
        let found = named.cloned().or_else(|| self.file.keys.clone()).or_else(|| home().map(|home| home.join("keys")));
        found.ok_or_else(|| Error::Usage("there is no home folder: name the folder of key sets with --keys".into()))
    }

    /// The model, where one is named.
    pub(crate) fn model(&self, named: Option<&String>) -> Option<String> {
        named.or(self.file.model.as_ref()).cloned()
    }

    /// The newest active key set.
    ///
    /// # Errors
    /// As [`KeySet::select`].
    pub(crate) fn key_set(&self, args: &KeyArgs) -> Result<KeySet> {
        KeySet::select(&self.keys(args.keys.as_ref())?, self.model(args.model.as_ref()).as_deref())
    }

    /// Where the passphrase comes from.
    pub(crate) fn passphrase(&self, named: Option<&PathBuf>) -> Source {
        Source { file: named.or(self.file.passphrase_file.as_ref()).cloned() }
    }

    /// Whether a server is named anywhere.
    pub(crate) fn names_server(&self, args: &ServerArgs) -> bool {
        args.server.is_some() || self.file.server.is_some()
    }

    /// The server; nothing is sent yet.
    ///
    /// # Errors
    /// A URL, certificate or token that cannot be used.
    pub(crate) fn remote(&self, args: &ServerArgs) -> Result<Remote> {
        let text = args.server.as_deref().or(self.file.server.as_deref()).unwrap_or(SERVER);
        let url = ServerUrl::parse(text, args.insecure_http || self.file.insecure_http)?;
        let seconds = args.retry_for.or(self.file.retry_for).unwrap_or(RETRY_FOR);
        let retry_for = Duration::try_from_secs_f64(seconds)
            .map_err(|_| Error::Usage(format!("--retry-for {seconds}: wanted seconds, 0 or more")))?;
        let access = Access {
            ca: args.ca.as_ref().or(self.file.ca.as_ref()).cloned(),
            token_file: args.token_file.as_ref().or(self.file.token_file.as_ref()).cloned(),
            retry_for,
            waits: Waits::default(),
        };
        Remote::new(&url, &access)
    }

    /// Most bytes of evaluation keys to make.
    pub(crate) fn max_key_bytes(&self, named: Option<usize>) -> usize {
        named.or(self.file.max_key_bytes).unwrap_or(MAX_KEY_BYTES)
    }

    /// How much at once.
    pub(crate) fn concurrency(&self, prepare: Option<usize>, requests: Option<usize>) -> crate::client::batch::Concurrency {
        let default = crate::client::batch::Concurrency::default();
        let within = |n: usize| n.clamp(1, 64);
        crate::client::batch::Concurrency {
            prepare: prepare.or(self.file.prepare).map_or(default.prepare, within),
            requests: requests.or(self.file.requests).map_or(default.requests, within),
            image_memory: self.file.image_memory_bytes.unwrap_or(default.image_memory),
        }
    }
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".veilray"))
}

fn read(path: &Path) -> Result<File> {
    let bytes = files::read_limited(path, 1 << 20)?;
    let refuse = |why: String| Error::Usage(format!("{}: {why}", crate::client::text::path(path)));
    let text = std::str::from_utf8(&bytes).map_err(|_| refuse("it is not text".into()))?;
    toml::from_str(text).map_err(|e| refuse(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_images_is_set_in_the_file() {
        let file: File = toml::from_str("image_memory_bytes = 300000000").unwrap();
        let concurrency = Settings { quiet: true, file }.concurrency(None, None);
        assert_eq!(concurrency.image_memory, 300_000_000);
        let default = Settings { quiet: true, file: File::default() }.concurrency(None, None).image_memory;
        // Room for the largest file and the largest decoding that one image is allowed.
        let limits = veilray_imaging::ingest::Limits::default();
        assert!(default / 3 >= limits.file_bytes && default - default / 3 >= limits.memory_bytes);
    }
}
