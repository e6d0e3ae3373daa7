//! What a file is, by its first bytes and its size; of a sealed secret only that it is one.

use super::keyset::Record;
use super::{Error, Result, images, vault};
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use veilray_classifier::interface::Interface;
use veilray_he::ParamsLiteral;
use veilray_he::wire::{self, HEADER_BYTES};
use veilray_protocol::container::{self, Head, Reader};

/// What is looked at of a file that has no head of its own, bytes.
const TEXT_LIMIT: u64 = super::keyset::MAX_INTERFACE;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub(crate) enum Inspection {
    /// An object of the engine: a ciphertext, keys, parameters.
    Object {
        /// Which kind of object, as the engine's wire format calls it.
        object: String,
        /// Its parameter set, if it is a named one.
        params: Option<String>,
        /// Level of a ciphertext, highest of keys.
        level: usize,
        /// log2 of a ciphertext's scale.
        log2_scale: Option<f64>,
        /// Bytes that belong to it.
        bytes: u64,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// A file of ciphertexts.
    Container {
        /// What it says of itself.
        #[serde(flatten)]
        head: HeadView,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// A sealed secret key.
    SealedSecret {
        /// Memory of Argon2id, KiB.
        memory_kib: u32,
        /// Passes of Argon2id.
        passes: u32,
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The description of a key set.
    KeySet(Record),
    /// What a client must know of a model.
    Interface {
        /// The model's name.
        model: String,
        /// SHA-256 of its manifest.
        manifest_sha256: String,
        /// Name of the encoder whose latents it reads.
        encoder: String,
        /// Its parameter set.
        params: String,
        /// Names of the labels, in the order of the logits.
        labels: Vec<String>,
        /// Keys it needs.
        keys: usize,
    },
    /// An image; nothing more is said of it.
    Image {
        /// The file's format, such as `DICOM`.
        format: String,
        /// Whether it is compressed by gzip.
        packed: bool,
        /// What a DICOM object is that holds no image, such as `Structured Report`.
        object: Option<&'static str>,
        /// Bytes of the file.
        file_bytes: u64,
    },
}

/// A container's head and its kind under a name of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct HeadView {
    /// Requests or replies.
    pub content: container::Kind,
    /// Name of the model that the ciphertexts are for or from.
    pub model: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// The parameter set.
    pub params: String,
    /// SHA-256 of the evaluation keys.
    pub keys_sha256: String,
    /// Number of images.
    pub images: usize,
    /// Ciphertexts of each.
    pub ciphertexts_per_image: usize,
}

impl From<Head> for HeadView {
    fn from(head: Head) -> Self {
        let Head { kind, model, manifest_sha256, params, keys_sha256, images, ciphertexts_per_image } = head;
        Self { content: kind, model, manifest_sha256, params, keys_sha256, images, ciphertexts_per_image }
    }
}

/// Looks at a file.
///
/// # Errors
/// One that cannot be read, or is nothing that this program knows.
pub(crate) fn file(path: &Path) -> Result<Inspection> {
    let failed = || Error::file("read", path);
    let refuse = |why: &str| Error::File { doing: "identify", path: path.into(), why: why.into() };
    let opened = File::open(path).map_err(failed())?;
    let metadata = opened.metadata().map_err(failed())?;
    if metadata.is_dir() {
        let record = path.join(super::keyset::RECORD);
        return if record.is_file() { file(&record) } else { Err(refuse("it is a folder and no key set: name a file in it")) };
    }
    if !metadata.is_file() {
        return Err(refuse("it is a pipe, socket or device, not a file"));
    }
    let file_bytes = metadata.len();
    let mut head = Vec::new();
    opened.take(images::HEAD.max(HEADER_BYTES as u64)).read_to_end(&mut head).map_err(failed())?;
    if head.starts_with(&container::MAGIC) {
        let reader = Reader::open(BufReader::new(File::open(path).map_err(failed())?))?;
        return Ok(Inspection::Container { head: reader.head().clone().into(), file_bytes });
    }
    if head.starts_with(b"VEILSEAL") {
        let (cost, _) = vault::inspect(&head)?;
        return Ok(Inspection::SealedSecret { memory_kib: cost.memory_kib, passes: cost.passes, file_bytes });
    }
    if head.starts_with(b"VEILRAY\0") || head.starts_with(b"!SECRET!") {
        let header = wire::inspect(&head)?;
        return Ok(Inspection::Object {
            object: header.object.to_string(),
            params: set_of(&header.digest),
            level: header.level,
            log2_scale: (header.scale > 0.0).then(|| header.scale.log2()),
            bytes: header.total_bytes(),
            file_bytes,
        });
    }
    if let Some(images::Seen { format, packed, object }) = images::seen(&head) {
        return Ok(Inspection::Image { format: format.to_string(), packed, object, file_bytes });
    }
    let text = super::files::read_limited(path, TEXT_LIMIT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(text) = text else { return Err(refuse("it is nothing that Veilray writes or reads")) };
    if let Ok(record) = toml::from_str::<Record>(&text) {
        return Ok(Inspection::KeySet(record));
    }
    match serde_json::from_str::<Interface>(&text) {
        Ok(interface) => Ok(Inspection::Interface {
            keys: interface.keys.len(),
            model: interface.model,
            manifest_sha256: interface.manifest_sha256,
            encoder: interface.encoder,
            params: interface.params,
            labels: interface.operating_point.thresholds.labels,
        }),
        Err(_) => Err(refuse("it is nothing that Veilray writes or reads")),
    }
}

/// The named parameter set of a digest.
fn set_of(digest: &[u8; 32]) -> Option<String> {
    let has = |name: &&str| {
        let params = ParamsLiteral::named(name).and_then(|literal| literal.check());
        params.is_ok_and(|params| params.digest() == digest)
    };
    ParamsLiteral::names().find(has).map(str::to_owned)
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = super::text::harmless;
        match self {
            Self::Object { object, params, level, log2_scale, bytes, file_bytes } => {
                let params = params.as_deref().unwrap_or("no named set");
                write!(f, "{object}\n  parameters  {params}\n  level       {level}")?;
                if let Some(scale) = log2_scale {
                    write!(f, "\n  scale       2^{scale:.3}")?;
                }
                write!(f, "\n  bytes       {bytes}")?;
                if bytes != file_bytes {
                    write!(f, ", but the file has {file_bytes}: it is cut off, or holds more than this")?;
                }
                Ok(())
            }
            Self::Container { head, file_bytes } => {
                let what = match head.content {
                    container::Kind::Request => "encrypted images",
                    container::Kind::Reply => "encrypted replies",
                };
                let (model, params) = (clean(&head.model), clean(&head.params));
                write!(f, "{what}\n  model       {model}, manifest {}\n  parameters  {params}", clean(&head.manifest_sha256))?;
                write!(f, "\n  keys        {}", clean(&head.keys_sha256))?;
                write!(f, "\n  images      {}, {} ciphertexts each", head.images, head.ciphertexts_per_image)?;
                write!(f, "\n  bytes       {file_bytes}")
            }
            Self::SealedSecret { memory_kib, passes, file_bytes } => write!(
                f,
                "a secret key, sealed by a passphrase\n  Argon2id    {} MiB, {passes} passes\n  bytes       {file_bytes}",
                memory_kib / 1024
            ),
            Self::KeySet(record) => write!(
                f,
                "a key set for {}, parameters {}, {}\n  manifest    {}\n  keys        {}, {} bytes",
                clean(&record.model),
                clean(&record.params),
                record.state,
                clean(&record.manifest_sha256),
                clean(&record.evaluation_keys_sha256),
                record.evaluation_keys_bytes
            ),
            Self::Interface { model, manifest_sha256, encoder, params, labels, keys } => write!(
                f,
                "what a client must know of {}\n  manifest    {}\n  encoder     {}\n  parameters  {}, {keys} keys\n  labels      {}",
                clean(model),
                clean(manifest_sha256),
                clean(encoder),
                clean(params),
                clean(&labels.join(", "))
            ),
            Self::Image { format, packed, object, file_bytes } => {
                match object {
                    Some(object) => write!(f, "a {format} object without an image: {object}")?,
                    None => write!(f, "an image: {format}")?,
                }
                write!(f, "{}\n  bytes       {file_bytes}", if *packed { ", compressed by gzip" } else { "" })
            }
        }
    }
}
