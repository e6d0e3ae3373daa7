//! A classifier on ciphertexts, client and server in one process.

use super::Result;
use indicatif::ProgressBar;
use std::time::Instant;
use veilray_classifier::execute::EncryptedCircuit;
use veilray_classifier::execute::client::{self, Bounds};
use veilray_classifier::release::Model;
use veilray_classifier::train::{Inputs, Samples};
use veilray_encoder::evaluate::Times;
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, SecretKey};

/// What some images gave on ciphertexts.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// The images, by their place among the samples.
    pub images: Vec<usize>,
    /// Logits [image, label].
    pub logits: Vec<f32>,
    /// Time of each image on the ciphertext.
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

impl Session {
    /// Encodes the circuit and makes keys.
    ///
    /// # Errors
    /// A network that does not fit its parameters, no randomness.
    pub fn new(model: &Model) -> Result<Self> {
        let circuit = model.circuit()?;
        let secret = SecretKey::generate(model.params())?;
        let sent = EvaluationKeys::generate(&secret, circuit.key_spec())?;
        let key_bytes = veilray_he::wire::evaluation_keys_bytes(model.params(), circuit.key_spec())?;
        let keys = ExpandedKeys::new(&sent)?;
        Ok(Self { circuit, secret, keys, key_bytes, bounds: Bounds::of(&model.manifest().range) })
    }

    /// `count` images, spread evenly over all samples, encrypted, evaluated and decrypted one after the other.
    ///
    /// # Errors
    /// Samples of another shape than the network reads, a reply that cannot be believed.
    pub fn run(&self, samples: &Samples, count: usize) -> Result<Encrypted> {
        let count = count.min(samples.len());
        let images: Vec<usize> = (0..count).map(|i| i * samples.len() / count.max(1)).collect();
        let (encryptor, decryptor) = (Encryptor::new(&self.secret), Decryptor::new(&self.secret));
        let values = match samples.inputs() {
            Inputs::Latents(values) => values.as_slice(),
            Inputs::Images(_) => &[],
        };
        let size: usize = samples.shape().iter().product();
        let (mut logits, mut times) = (Vec::new(), Vec::with_capacity(count));
        let (mut upload_bytes, mut reply_bytes) = (0, 0);
        let bar = ProgressBar::new(count as u64);
        for image in &images {
            let latent: Vec<f64> = values.iter().skip(image * size).take(size).map(|v| f64::from(*v)).collect();
            let sent = client::encrypt(self.circuit.circuit(), self.circuit.params(), &encryptor, &latent)?;
            let start = Instant::now();
            let reply = self.circuit.run(&sent, &self.keys)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            if reply_bytes == 0 {
                upload_bytes = sent.iter().map(|c| Ok(c.to_bytes()?.len())).sum::<Result<_>>()?;
                reply_bytes = reply.to_bytes()?.len();
            }
            logits.extend(client::read(self.circuit.circuit(), &decryptor, &reply, &self.bounds)?.iter().map(|v| *v as f32));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Encrypted { images, logits, server_ms: Times::of(times), upload_bytes, reply_bytes, key_bytes: self.key_bytes })
    }
}
