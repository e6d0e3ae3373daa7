//! A classifier on ciphertexts, client and server in one process.

use crate::command::error::Result;
use indicatif::ProgressBar;
use std::time::Instant;
use veilray_classifier::execute::client::{self, Bounds};
use veilray_classifier::execute::{EncryptedCircuit, ExecuteError, Trace, trace};
use veilray_classifier::release::Model;
use veilray_encoder::evaluate::Times;
use veilray_he::{Ciphertext, Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, SecretKey};
use veilray_training::Samples;

/// What some images gave on ciphertexts.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// The images whose replies were believed, by their place among the samples.
    pub images: Vec<usize>,
    /// Replies that were refused for the client's bounds.
    pub refused_replies: usize,
    /// Logits [image, label].
    pub logits: Vec<f32>,
    /// Time of each image on the ciphertext, refused ones among them.
    pub server_ms: Times,
    /// Bytes of an image's ciphertexts.
    pub upload_bytes: usize,
    /// Bytes of the reply.
    pub reply_bytes: usize,
    /// Bytes of the evaluation keys.
    pub key_bytes: usize,
}

/// A model with keys of its own.
pub struct Session {
    circuit: EncryptedCircuit,
    secret: SecretKey,
    keys: ExpandedKeys,
    key_bytes: usize,
    bounds: Bounds,
}

/// What one image gave.
pub struct Answer {
    /// One logit per label, unrounded, so that they show the circuit's error and not the rounding of the clients; or why the reply is not
    /// believed.
    pub logits: Result<Vec<f32>, ExecuteError>,
    /// Time on the ciphertext, ms.
    pub ms: f64,
    /// Bytes of the image's ciphertexts.
    pub upload_bytes: usize,
    /// Bytes of the reply.
    pub reply_bytes: usize,
}

impl Answer {
    /// The logits; none where the reply was refused for the client's bounds.
    ///
    /// # Errors
    /// Anything else for which there are none.
    pub fn believed(self) -> Result<Option<Vec<f32>>> {
        match self.logits {
            Ok(logits) => Ok(Some(logits)),
            Err(ExecuteError::Stray { .. } | ExecuteError::Logit { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Session {
    /// Encodes the circuit and makes keys.
    ///
    /// # Errors
    /// A network that does not fit its parameters, no randomness.
    pub fn new(model: &Model) -> Result<Self> {
        Self::with_circuit(model.circuit()?, model.bounds())
    }

    /// Makes keys for a circuit.
    ///
    /// # Errors
    /// No randomness.
    pub fn with_circuit(circuit: EncryptedCircuit, bounds: Bounds) -> Result<Self> {
        let secret = SecretKey::generate(circuit.params())?;
        let sent = EvaluationKeys::generate(&secret, circuit.key_spec())?;
        let key_bytes = veilray_he::wire::evaluation_keys_bytes(circuit.params(), circuit.key_spec())?;
        let keys = ExpandedKeys::new(&sent)?;
        Ok(Self { circuit, secret, keys, key_bytes, bounds })
    }

    /// Bytes of the evaluation keys.
    pub fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    /// One sample's values, encrypted.
    ///
    /// # Errors
    /// Samples of another shape than the network reads.
    pub fn encrypt(&self, samples: &Samples, image: usize) -> Result<Vec<Ciphertext>> {
        let encryptor = Encryptor::new(&self.secret);
        Ok(client::encrypt(self.circuit.circuit(), self.circuit.params(), &encryptor, &samples.values(image))?)
    }

    /// What the server does with an encrypted image.
    ///
    /// # Errors
    /// Ciphertexts of another model.
    pub fn evaluate(&self, sent: &[Ciphertext]) -> Result<Ciphertext> {
        Ok(self.circuit.run(sent, &self.keys)?)
    }

    /// One sample, encrypted, evaluated and decrypted.
    ///
    /// # Errors
    /// Samples of another shape than the network reads.
    pub fn answer(&self, samples: &Samples, image: usize) -> Result<Answer> {
        let sent = self.encrypt(samples, image)?;
        let start = Instant::now();
        let reply = self.evaluate(&sent)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let logits = client::decrypt_logits_raw(self.circuit.circuit(), &Decryptor::new(&self.secret), &reply, &self.bounds);
        Ok(Answer {
            logits: logits.map(|logits| logits.iter().map(|v| *v as f32).collect()),
            ms,
            upload_bytes: sent.iter().map(|c| Ok(c.to_bytes()?.len())).sum::<Result<_>>()?,
            reply_bytes: reply.to_bytes()?.len(),
        })
    }

    /// One sample with every node decrypted and compared with clear.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub fn trace(&self, samples: &Samples, image: usize) -> Result<Trace> {
        let sent = self.encrypt(samples, image)?;
        Ok(trace(&self.circuit, &self.keys, &self.secret, &samples.values(image), &sent)?)
    }

    /// `count` images, spread evenly over all samples, encrypted, evaluated and decrypted one after the other. Replies that the client's
    /// bounds refuse are counted and left out.
    ///
    /// # Errors
    /// Samples of another shape than the network reads.
    pub fn run(&self, samples: &Samples, count: usize) -> Result<Encrypted> {
        let asked = spread(samples.len(), count);
        let (mut images, mut logits, mut times) = (Vec::new(), Vec::new(), Vec::with_capacity(asked.len()));
        let (mut upload_bytes, mut reply_bytes) = (0, 0);
        let bar = ProgressBar::new(asked.len() as u64);
        for image in &asked {
            let answer = self.answer(samples, *image)?;
            times.push(answer.ms);
            (upload_bytes, reply_bytes) = (answer.upload_bytes, answer.reply_bytes);
            if let Some(believed) = answer.believed()? {
                images.push(*image);
                logits.extend(believed);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let (refused_replies, key_bytes) = (asked.len() - images.len(), self.key_bytes);
        Ok(Encrypted { images, refused_replies, logits, server_ms: Times::of(times), upload_bytes, reply_bytes, key_bytes })
    }
}

/// `count` places, or as many as there are, spread evenly over `all`.
pub fn spread(all: usize, count: usize) -> Vec<usize> {
    let count = count.min(all);
    (0..count).map(|i| i * all / count.max(1)).collect()
}
