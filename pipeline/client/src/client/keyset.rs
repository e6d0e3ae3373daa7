//! A key set on disk: one folder per model and key, in the user's folder of key sets.
//!
//! ```text
//! ~/.veilray/keys/nih14-f8-3f2a91c0d4e7/
//!   key.toml          what the set is: model, parameters, digests, state (public)
//!   interface.json    what the client must know of the model (public)
//!   secret.sealed     the secret key under the passphrase: super::vault
//!   evaluation.keys   what the server gets, as veilray_he writes it
//!   refusals.jsonl    replies that were refused, if any: super::refusals
//! ```
//!
//! A set is made in a temporary folder and renamed: there is never half a set. Everything is its owner's alone, and refused otherwise.

use super::{Error, Result, files, vault};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use veilray_base::clock;
use veilray_base::digest::{hex, sha256_hex};
use veilray_base::file;
use veilray_classifier::interface::Interface;
use veilray_he::{EvaluationKeys, Params, SecretKey};

/// The format of `key.toml` this program writes and reads.
pub const FORMAT: u32 = 1;
/// Bytes of evaluation keys that are made unless the user allows more.
pub const MAX_KEY_BYTES: usize = 2_000_000_000;
/// Largest interface, bytes.
pub const MAX_INTERFACE: u64 = 16 << 20;

pub(crate) const RECORD: &str = "key.toml";
const INTERFACE: &str = "interface.json";
const SECRET: &str = "secret.sealed";
const EVALUATION: &str = "evaluation.keys";

/// Where a key set is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Commands may use it.
    Active,
    /// Replaced by a newer one; still decrypts replies to what it encrypted.
    Rotated,
    /// Its evaluation keys were deleted at the server.
    Revoked,
    /// Its secret key is gone.
    Destroyed,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Rotated => "rotated",
            Self::Revoked => "revoked",
            Self::Destroyed => "destroyed",
        })
    }
}

/// What a key set is: `key.toml`. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// The model it is for.
    pub model: String,
    /// SHA-256 of the model's manifest.
    pub manifest_sha256: String,
    /// The parameter set.
    pub params: String,
    /// When it was made, seconds since 1970.
    pub created_unix: u64,
    /// SHA-256 of `evaluation.keys`: their name at the server.
    pub evaluation_keys_sha256: String,
    /// Size of `evaluation.keys`, bytes.
    pub evaluation_keys_bytes: u64,
    /// SHA-256 of `interface.json`.
    pub interface_sha256: String,
    /// Where it is in its life.
    pub state: State,
}

impl Record {
    /// A digest of all but the state, which is bound to the sealed secret key: whoever alters the model's interface and its digest here, or
    /// names other evaluation keys, keeps the set from being opened.
    fn bound(&self) -> vault::Bound {
        let mut hash = Sha256::new();
        for text in [&self.model, &self.manifest_sha256, &self.params, &self.evaluation_keys_sha256, &self.interface_sha256] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        for number in [u64::from(self.format), self.created_unix, self.evaluation_keys_bytes] {
            hash.update(number.to_le_bytes());
        }
        hash.finalize().into()
    }
}

/// A key set that was found sound; the secret key is still sealed.
#[derive(Debug)]
pub struct KeySet {
    folder: PathBuf,
    record: Record,
    interface: Interface,
    params: Params,
}

impl KeySet {
    /// Makes keys for a model in a new folder below `root`, the secret one sealed by `passphrase`.
    ///
    /// # Errors
    /// An interface that is not sound or wants more than `max_key_bytes`; a folder that cannot be written to.
    pub fn create(
        root: &Path,
        interface: &Interface,
        passphrase: &[u8],
        cost: vault::Cost,
        max_key_bytes: usize,
    ) -> Result<Self> {
        let params = checked(interface, max_key_bytes)?;
        files::private_folder(root)?;
        let new = files::private_temporary(".new-", root)?;
        let secret = SecretKey::generate(&params)?;
        let (sha256, bytes) = write_evaluation_keys(&new.path().join(EVALUATION), &secret, interface)?;
        let json = serde_json::to_vec_pretty(interface).map_err(|e| Error::File {
            doing: "write",
            path: new.path().join(INTERFACE),
            why: e.to_string(),
        })?;
        file::write_private(&new.path().join(INTERFACE), &json)?;
        let record = Record {
            format: FORMAT,
            model: interface.model.clone(),
            manifest_sha256: interface.manifest_sha256.clone(),
            params: interface.params.clone(),
            created_unix: clock::now(),
            evaluation_keys_sha256: sha256.clone(),
            evaluation_keys_bytes: bytes,
            interface_sha256: sha256_hex(&json),
            state: State::Active,
        };
        let sealed = vault::seal(&secret.to_bytes()?, passphrase, cost, &record.bound())?;
        file::write_private(&new.path().join(SECRET), &sealed)?;
        write_record(new.path(), &record)?;
        let folder = root.join(format!("{}-{}", record.model, sha256.get(..12).unwrap_or_default()));
        let made = new.keep();
        file::rename(&made, &folder)?;
        Ok(Self { folder, record, interface: interface.clone(), params })
    }

    /// Opens a key set; the secret key stays sealed.
    ///
    /// # Errors
    /// A set that others may read, that is incomplete, damaged or of another format.
    pub fn open(folder: &Path) -> Result<Self> {
        files::expect_private(folder)?;
        let refuse = |why: String| Error::Keys { path: folder.into(), why };
        let read = |name: &str, limit| {
            let path = folder.join(name);
            files::expect_private(&path)?;
            files::read_limited(&path, limit)
        };
        let text = String::from_utf8(read(RECORD, 64 << 10)?).map_err(|_| refuse(format!("{RECORD} is not text")))?;
        let record: Record = toml::from_str(&text).map_err(|e| refuse(format!("{RECORD}: {}", e.message())))?;
        if record.format != FORMAT {
            let found = record.format;
            return Err(refuse(format!(
                "{RECORD} has format {found}, this program reads {FORMAT}: use the release that wrote it"
            )));
        }
        let json = read(INTERFACE, MAX_INTERFACE)?;
        if sha256_hex(&json) != record.interface_sha256 {
            return Err(refuse(format!("{INTERFACE} is not the one of {RECORD}: it was altered; make new keys")));
        }
        let interface: Interface = serde_json::from_slice(&json).map_err(|e| refuse(format!("{INTERFACE}: {e}")))?;
        // What was allowed when the keys were made stays allowed.
        let params = checked(&interface, usize::MAX)?;
        if (&interface.model, &interface.manifest_sha256, &interface.params)
            != (&record.model, &record.manifest_sha256, &record.params)
        {
            return Err(refuse(format!("{RECORD} and {INTERFACE} are of different models")));
        }
        Ok(Self { folder: folder.into(), record, interface, params })
    }

    /// The key sets below `root`, or `root` itself if it is one, oldest first. A set that is not sound is left out with a warning on standard
    /// error.
    ///
    /// # Errors
    /// A folder that cannot be read, or `root` itself is a set that is not sound.
    pub fn list(root: &Path) -> Result<Vec<Self>> {
        if root.join(RECORD).exists() {
            return Ok(vec![Self::open(root)?]);
        }
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(Error::file("read", root)(error)),
        };
        let mut out = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::file("read", root))?.path();
            // A set that is being made has a name with a dot.
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.join(RECORD).exists() {
                match Self::open(&path) {
                    Ok(set) => out.push(set),
                    // Left out, not in the way of the others.
                    Err(error) => eprintln!(
                        "veilray: warning: the key set {} cannot be used and is left out: {error}; if it is the newest of its model, an \
                         older one may be used instead",
                        name(&path)
                    ),
                }
            }
        }
        out.sort_by(|a, b| (a.record.created_unix, &a.folder).cmp(&(b.record.created_unix, &b.folder)));
        Ok(out)
    }

    /// The newest active key set below `root`, of `model` where that is given. A blocked one is not passed over for an older one.
    ///
    /// # Errors
    /// None, or several models to choose from.
    pub fn select(root: &Path, model: Option<&str>) -> Result<Self> {
        let refuse = |why: String| Error::Keys { path: root.into(), why };
        let mut fitting: Vec<Self> = Self::list(root)?;
        fitting.retain(|set| set.record.state == State::Active && model.is_none_or(|model| set.record.model == model));
        let mut models: Vec<&str> = fitting.iter().map(|set| set.record.model.as_str()).collect();
        models.dedup();
        models.sort_unstable();
        models.dedup();
        if models.len() > 1 {
            return Err(refuse(format!("keys for several models ({}): choose one with --model", models.join(", "))));
        }
        let of = model.map(|model| format!(" for {model}")).unwrap_or_default();
        fitting.pop().ok_or_else(|| refuse(format!("no active keys{of} here: make some with `veilray keygen`")))
    }

    /// The key set below `root` that made the evaluation keys of that digest, whatever its state.
    ///
    /// # Errors
    /// There is none.
    pub fn of_digest(root: &Path, evaluation_keys_sha256: &str) -> Result<Self> {
        let found = Self::list(root)?.into_iter().find(|set| set.record.evaluation_keys_sha256 == evaluation_keys_sha256);
        found.ok_or_else(|| {
            let start = evaluation_keys_sha256.get(..12).unwrap_or(evaluation_keys_sha256);
            Error::Keys { path: root.into(), why: format!("no key set {start}… here: it belongs to other keys") }
        })
    }

    /// The folder that its files lie in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What the client must know of the model.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The encryption parameters that the keys are made for.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The file of evaluation keys.
    pub fn evaluation_keys(&self) -> PathBuf {
        self.folder.join(EVALUATION)
    }

    /// Unseals the secret key: a fraction of a second, by design.
    ///
    /// # Errors
    /// The wrong passphrase, a damaged file, one that others may read.
    pub fn secret(&self, passphrase: &[u8]) -> Result<SecretKey> {
        let path = self.folder.join(SECRET);
        if self.record.state == State::Destroyed {
            return Err(Error::Keys { path: self.folder.clone(), why: "its secret key was destroyed".into() });
        }
        files::expect_private(&path)?;
        let bytes = vault::open(&files::read_limited(&path, 2 << 20)?, passphrase, &self.record.bound())?;
        Ok(SecretKey::from_bytes(&self.params, &bytes, vault::MAX_SECRET)?)
    }

    /// Notes a new state.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn mark(&mut self, state: State) -> Result<()> {
        self.record.state = state;
        write_record(&self.folder, &self.record)
    }

    /// Overwrites and removes the secret key. What was encrypted under it can never be read again.
    ///
    /// # Errors
    /// The system's.
    pub fn destroy(&mut self) -> Result<()> {
        files::shred(&self.folder.join(SECRET))?;
        self.mark(State::Destroyed)
    }
}

/// A key set's name: that of its folder.
pub(crate) fn name(folder: &Path) -> String {
    folder.file_name().map(|name| super::text::harmless(&name.to_string_lossy())).unwrap_or_default()
}

/// The model of the key set in a folder, if that much of it can be read.
pub(crate) fn model_of(folder: &Path) -> Option<String> {
    let text = String::from_utf8(files::read_limited(&folder.join(RECORD), 64 << 10).ok()?).ok()?;
    Some(toml::from_str::<Record>(&text).ok()?.model)
}

/// The parameters of an interface that is sound and whose names are harmless in paths and on a terminal.
///
/// # Errors
/// What is wrong with it.
pub fn checked(interface: &Interface, max_key_bytes: usize) -> Result<Params> {
    let refuse = |why: String| Err(Error::Reply { what: "interface", why });
    let plain =
        |name: &str| (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain(&interface.model) || !plain(&interface.encoder) {
        return refuse("the names of model and encoder may have up to 64 letters, digits, - and _".into());
    }
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    if !digest(&interface.manifest_sha256) || !digest(&interface.encoder_sha256) {
        return refuse("its digests are not SHA-256 in hexadecimal".into());
    }
    let labels = &interface.operating_point.thresholds.labels;
    if labels.iter().any(|label| label.is_empty() || label.len() > 128 || label.chars().any(super::text::is_hidden)) {
        return refuse("a label is empty, longer than 128 bytes or has hidden characters".into());
    }
    interface.check(max_key_bytes).map_err(|e| Error::Reply { what: "interface", why: e.to_string() })
}

fn write_record(folder: &Path, record: &Record) -> Result<()> {
    let path = folder.join(RECORD);
    let text = toml::to_string(record).map_err(|e| Error::File { doing: "write", path: path.clone(), why: e.to_string() })?;
    Ok(file::write_private(&path, text.as_bytes())?)
}

/// Makes the evaluation keys and writes them; their digest and size.
fn write_evaluation_keys(path: &Path, secret: &SecretKey, interface: &Interface) -> Result<(String, u64)> {
    let keys = EvaluationKeys::generate(secret, &interface.keys)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, files::FILE_MODE);
    let file = options.open(path).map_err(Error::file("create", path))?;
    let mut out = Hashing { inner: BufWriter::with_capacity(1 << 20, file), hasher: Sha256::new(), bytes: 0 };
    keys.write_to(&mut out)?;
    let Hashing { inner, hasher, bytes } = out;
    let file = inner.into_inner().map_err(|e| Error::file("write", path)(e.into_error()))?;
    file.sync_all().map_err(Error::file("write", path))?;
    Ok((hex(&hasher.finalize()), bytes))
}

/// A writer that digests what passes.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
