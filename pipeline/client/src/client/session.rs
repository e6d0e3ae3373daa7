//! One key set, unsealed, with its encoder: what turns files into ciphertexts and replies into findings.

use super::findings::{self, Finding};
use super::keyset::KeySet;
use super::segmentation::{self, OutputKind, Segmented};
use super::{Error, Result, refusals};
use std::path::Path;
use veilray_base::digest::sha256_hex;
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
    resend_refused: bool,
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
    /// A blocked set; a wrong passphrase; an encoder that is missing or not the one that the model reads.
    pub(crate) fn open(keys: KeySet, passphrase: &[u8], settings: Settings) -> Result<Self> {
        refusals::expect_unblocked(keys.folder())?;
        let (secret, encoder) = rayon::join(|| keys.secret(passphrase), || open_encoder(keys.interface()));
        Ok(Self { secret: secret?, encoder: encoder?, keys, settings, resend_refused: false })
    }

    /// Whether images whose replies were refused are sent again, which tells the server of each that its reply was refused.
    pub(crate) fn resending_refused(self, resend_refused: bool) -> Self {
        Self { resend_refused, ..self }
    }

    /// Refuses what may not be sent: with a blocked set nothing, otherwise an image file to which a reply was refused, under whatever keys
    /// for this model.
    ///
    /// # Errors
    /// [`Error::Blocked`], [`Error::RefusedBefore`].
    pub(crate) fn expect_sendable(&self, image_sha256: Option<&str>) -> Result<()> {
        refusals::expect_unblocked(self.keys.folder())?;
        let Some(image) = image_sha256.filter(|_| !self.resend_refused) else { return Ok(()) };
        let root = self.keys.folder().parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match refusals::of_image(root, &self.keys.record().model, image) {
            Some(time) => Err(Error::RefusedBefore { what: "a reply to this image", time, done: "sent" }),
            None => Ok(()),
        }
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
    /// A blocked set; what the engine refuses.
    pub(crate) fn encrypt(&self, latent: &[f64]) -> Result<Vec<Vec<u8>>> {
        refusals::expect_unblocked(self.keys.folder())?;
        let ends = &self.keys.interface().io;
        let encrypted = client::encrypt(ends, self.keys.params(), &Encryptor::new(&self.secret), latent)?;
        Ok(encrypted.iter().map(Ciphertext::to_bytes).collect::<veilray_he::Result<_>>()?)
    }

    /// Decrypts a reply and judges it; one that cannot be the model's answer to a sound image is refused and counted, with its image
    /// file's digest where that is known.
    ///
    /// # Errors
    /// Bytes that are no such ciphertext, a reply beyond the bounds or refused before, a blocked set, or a model that gives masks.
    pub(crate) fn findings(&self, reply: &[u8], image_sha256: Option<&str>) -> Result<Vec<Finding>> {
        OutputKind::Labels.require(self.keys.interface())?;
        Ok(findings::of(&self.judged(reply, image_sha256)?, &self.keys.interface().operating_point))
    }

    /// Decrypts a reply that is a mask, as [`Session::findings`] does.
    ///
    /// # Errors
    /// As [`Session::findings`], or a model that gives labels.
    pub(crate) fn mask(&self, reply: &[u8], image_sha256: Option<&str>) -> Result<Segmented> {
        OutputKind::Masks.require(self.keys.interface())?;
        segmentation::of(&self.judged(reply, image_sha256)?, self.keys.interface())
    }

    /// The one way to a reply's logits: under the set's lock, and a refusal is on disk before anyone hears of it.
    fn judged(&self, reply: &[u8], image_sha256: Option<&str>) -> Result<Vec<f64>> {
        let mut refused = refusals::Refusals::locked(self.keys.folder())?;
        let digest = sha256_hex(reply);
        if let Some(before) = refused.of_reply(&digest) {
            return Err(Error::RefusedBefore { what: "this reply", time: before.time.clone(), done: "decrypted" });
        }
        self.logits(reply).or_else(|why| {
            let kind = match &why {
                Error::Execute(ExecuteError::Reply { .. }) => "form",
                Error::Execute(_) => "values",
                _ => "bytes",
            };
            let count = refused.add(&digest, image_sha256, kind)?;
            eprintln!("veilray: {}", refusals::warning(count));
            Err(Error::ReplyRefused { why: Box::new(why) })
        })
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
