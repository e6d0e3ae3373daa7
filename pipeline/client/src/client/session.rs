//! One key set, unsealed, with its encoder: what turns files into ciphertexts and replies into findings.

use super::findings::{self, Finding};
use super::keyset::KeySet;
use super::segmentation::{self, OutputKind, Segmented};
use super::{Error, Result};
use veilray_classifier::execute::ExecuteError;
use veilray_classifier::execute::client;
use veilray_classifier::interface::Interface;
use veilray_encoder::input::InputEncoder;
use veilray_he::wire::ciphertext_bytes;
use veilray_he::{Ciphertext, Decryptor, Encryptor, SecretKey};
use veilray_imaging::ingest;
use veilray_imaging::ingest::{Ingested, MemoryBudget, Settings, Warning};

/// A key set in use.
pub(crate) struct Session {
    keys: KeySet,
    secret: SecretKey,
    encoder: InputEncoder,
    settings: Settings,
}

/// An image that was read and compressed. Its latent never leaves this machine.
#[derive(Clone, PartialEq)]
pub(crate) struct Compressed {
    /// [channel, height, width] row by row.
    pub latent: Vec<f64>,
    /// What the user should know; nothing in it tells whose image it is.
    pub warnings: Vec<String>,
    /// Those of them that ask for a decision: not what merely every PNG and JPEG file leaves unsaid.
    pub cautions: Vec<String>,
}

impl Session {
    /// Unseals `keys` and opens the encoder they belong to, at the same time.
    ///
    /// # Errors
    /// A wrong passphrase; an encoder that is missing or not the one that the model reads.
    pub(crate) fn open(keys: KeySet, passphrase: &[u8], settings: Settings) -> Result<Self> {
        let (secret, encoder) = rayon::join(|| keys.secret(passphrase), || open_encoder(keys.interface()));
        Ok(Self { secret: secret?, encoder: encoder?, keys, settings })
    }

    /// The key set.
    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// How image files are read.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads, checks and compresses an image file's bytes.
    ///
    /// # Errors
    /// An image that is refused, or what the encoder says.
    pub(crate) fn compress(&self, file: &[u8]) -> Result<Compressed> {
        Ok(self.read_and_compress(file)?.1)
    }

    /// The same for one of several threads, which share the memory for decoding.
    ///
    /// # Errors
    /// As [`Session::compress`], and an image that needs more memory than there is for all.
    pub(crate) fn compress_within(&self, file: &[u8], budget: &MemoryBudget) -> Result<Compressed> {
        Ok(self.compressed(ingest::read_bytes_within(file, &self.settings, budget)?)?.1)
    }

    /// [`Session::compress`], with the image that was read and what is known of it.
    ///
    /// # Errors
    /// As [`Session::compress`].
    pub(crate) fn read_and_compress(&self, file: &[u8]) -> Result<(Ingested, Compressed)> {
        self.compressed(ingest::read_bytes(file, &self.settings)?)
    }

    fn compressed(&self, read: Ingested) -> Result<(Ingested, Compressed)> {
        let (latent, warnings) = self.encoder.encode_checked(&read.image)?;
        let found = || read.report.warnings.iter().chain(&warnings);
        let caution = |warning: &&Warning| !matches!(warning, Warning::NotStated { .. });
        let compressed = Compressed {
            latent: latent.into_iter().map(f64::from).collect(),
            warnings: found().map(ToString::to_string).collect(),
            cautions: found().filter(caution).map(ToString::to_string).collect(),
        };
        Ok((read, compressed))
    }

    /// A latent's ciphertexts, as they travel.
    ///
    /// # Errors
    /// What the engine refuses.
    pub(crate) fn encrypt(&self, latent: &[f64]) -> Result<Vec<Vec<u8>>> {
        let ends = &self.keys.interface().io;
        let encrypted = client::encrypt(ends, self.keys.params(), &Encryptor::new(&self.secret), latent)?;
        Ok(encrypted.iter().map(Ciphertext::to_bytes).collect::<veilray_he::Result<_>>()?)
    }

    /// Decrypts a reply and judges it; one that cannot be the model's answer to a sound image is refused.
    ///
    /// # Errors
    /// Bytes that are no such ciphertext, a reply beyond the bounds, or a model that gives masks.
    pub(crate) fn findings(&self, reply: &[u8]) -> Result<Vec<Finding>> {
        OutputKind::Labels.require(self.keys.interface())?;
        Ok(findings::of(&self.logits(reply)?, &self.keys.interface().operating_point))
    }

    /// Decrypts a reply that is a mask; one that cannot be the model's answer to a sound image is refused.
    ///
    /// # Errors
    /// Bytes that are no such ciphertext, a reply beyond the bounds, or a model that gives labels.
    pub(crate) fn mask(&self, reply: &[u8]) -> Result<Segmented> {
        OutputKind::Masks.require(self.keys.interface())?;
        segmentation::of(&self.logits(reply)?, self.keys.interface())
    }

    fn logits(&self, reply: &[u8]) -> Result<Vec<f64>> {
        let (interface, params) = (self.keys.interface(), self.keys.params());
        let limit = self.largest_reply()?;
        if reply.len() > limit {
            let (wanted, found) = (format!("at most {limit} bytes"), format!("{} bytes", reply.len()));
            return Err(ExecuteError::Reply { what: "size", wanted, found }.into());
        }
        let reply = Ciphertext::from_bytes(params, reply, limit)?;
        Ok(client::decrypt_logits(&interface.io, &Decryptor::new(&self.secret), &reply, &interface.bounds())?)
    }

    /// Most bytes of a reply's ciphertext, which is at level 0.
    ///
    /// # Errors
    /// None is expected.
    pub(crate) fn largest_reply(&self) -> Result<usize> {
        Ok(ciphertext_bytes(self.keys.params(), 0, false)?)
    }
}

/// The encoder that a model reads, checked to be that one.
///
/// # Errors
/// Its encoder is missing here, or another one of the same name is.
pub(crate) fn open_encoder(interface: &Interface) -> Result<InputEncoder> {
    let encoder = InputEncoder::open(&interface.encoder)?;
    if encoder.digest() != interface.encoder_sha256 {
        return Err(Error::Mismatch {
            what: "the encoder's manifest digest",
            wanted: interface.encoder_sha256.clone(),
            found: encoder.digest().into(),
            fix: "install the encoder that belongs to this model, or VEILRAY_WEIGHTS=FOLDER where it is",
        });
    }
    let (values, wanted) = (encoder.shape().iter().product::<usize>(), interface.io.input().values());
    if values != wanted {
        return Err(Error::Mismatch {
            what: "values of a latent",
            wanted: wanted.to_string(),
            found: values.to_string(),
            fix: "the model's interface is not sound; ask its provider",
        });
    }
    Ok(encoder)
}
