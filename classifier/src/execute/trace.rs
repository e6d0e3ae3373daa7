//! What every node of an encrypted run held, against the run in clear: a researcher's tool, for it needs the secret key.

use super::clear::ClearExecutor;
use super::encrypted::EncryptedCircuit;
use super::error::ExecuteError;
use serde::Serialize;
use std::fmt;
use veilray_he::{Ciphertext, Decryptor, Encoder, ExpandedKeys, SecretKey};

/// One node of a traced run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceRow {
    /// Path of the layer.
    pub name: String,
    /// What the node does.
    pub op: &'static str,
    /// Level of its ciphertexts.
    pub level: usize,
    /// Number of its ciphertexts.
    pub ciphertexts: usize,
    /// Smallest value of the tensor, in clear.
    pub least: f64,
    /// Largest value of the tensor, in clear.
    pub largest: f64,
    /// log2 of the largest error of the tensor's values against clear.
    pub log2_max_error: f64,
    /// log2 of their root mean square error.
    pub log2_rms_error: f64,
    /// Wall time, ms.
    pub ms: f64,
}

/// A traced run: the reply, and a row per node.
#[derive(Debug)]
pub struct Trace {
    /// The encrypted logits.
    pub reply: Ciphertext,
    /// One row for each node, in order.
    pub rows: Vec<TraceRow>,
}

/// Runs the circuit on an image's encrypted values and decrypts every node.
///
/// # Errors
/// As [`EncryptedCircuit::run`]; a secret key of other parameters.
pub fn trace(
    server: &EncryptedCircuit,
    keys: &ExpandedKeys,
    secret: &SecretKey,
    image: &[f64],
    sent: &[Ciphertext],
) -> Result<Trace, ExecuteError> {
    let (decryptor, encoder) = (Decryptor::new(secret), Encoder::new(server.params()));
    let mut wanted: Vec<(&'static str, Vec<f64>)> = Vec::new();
    let clear = ClearExecutor::new(server.circuit())?;
    let _logits = clear.run_traced(image, |node| wanted.push((node.node.op.kind(), node.values())));
    let (mut rows, mut failure) = (Vec::with_capacity(wanted.len()), None);
    let reply = server.run_traced(sent, keys, |step| {
        let slots = step.ciphertexts.iter().map(|c| encoder.decode(&decryptor.decrypt_raw(c)?)).collect::<Result<Vec<_>, _>>();
        let slots = match slots {
            Ok(slots) => slots,
            Err(error) => {
                failure.get_or_insert(error);
                return;
            }
        };
        let Some((op, wanted)) = wanted.get(step.index) else { return };
        let found = step.node.layout.unpack(&slots);
        let errors = || found.iter().zip(wanted).map(|(f, w)| f - w);
        let squares: f64 = errors().map(|e| e * e).sum();
        rows.push(TraceRow {
            name: step.node.name.clone(),
            op,
            level: step.ciphertexts.first().map_or(0, Ciphertext::level),
            ciphertexts: step.ciphertexts.len(),
            least: wanted.iter().copied().fold(f64::INFINITY, f64::min),
            largest: wanted.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            log2_max_error: errors().fold(0.0f64, |m, e| m.max(e.abs())).log2(),
            log2_rms_error: (squares / wanted.len().max(1) as f64).sqrt().log2(),
            ms: step.ms,
        });
    })?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(Trace { reply, rows }),
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9} {:>6} {:>4} {:>10} {:>10} {:>9} {:>9}  layer",
            "ms", "level", "ct", "least", "largest", "log2 max", "log2 rms"
        )?;
        for r in &self.rows {
            write!(
                f,
                "\n{:9.2} {:6} {:4} {:10.4} {:10.4} {:9.2} {:9.2}  {} ({})",
                r.ms, r.level, r.ciphertexts, r.least, r.largest, r.log2_max_error, r.log2_rms_error, r.name, r.op
            )?;
        }
        Ok(())
    }
}
