//! What every reply of a model is alike in, and how many bits of a logit are kept.
//!
//! A reply ends at level 0 and at the parameters' own scale. Its logits carry the circuit's noise, which depends on the secret key: they
//! are rounded to a unit of at least [`UNIT_DEVIATIONS`] of the noise's standard deviations.

use super::clear::ClearExecutor;
use super::client::{Bounds, decrypt_logits_raw, encrypt};
use super::encrypted::EncryptedCircuit;
use super::error::ExecuteError;
use super::simulate::simulate;
use crate::mask::Mask;
use crate::pack::{IoLayout, PackedCircuit};
use serde::{Deserialize, Serialize};
use veilray_he::noise::NoiseModel;
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, Params, SecretKey};

/// Least size of the unit that logits are rounded to, in standard deviations of a reply's noise.
pub const UNIT_DEVIATIONS: f64 = 10.0;
/// Fewest bits behind the binary point that a model may keep. With fewer the noise may be so large, a tenth of a unit, that slots that
/// should hold zero exceed what clients bear: sound replies would be refused.
pub const MIN_PRECISION_BITS: u32 = 5;

/// Least part of the slots that hold no label: all but a sixteenth. They hold zeros or copies, so that a reply that was made up shows, and
/// what a made-up reply makes a client print is no more than a sixteenth of what the secret key consists of. The released models have at
/// most 14 labels in 8192 slots. A mask may fill the slots: of each of its logits the client keeps whether it is above the threshold.
const SLOTS_PER_LABEL: usize = 16;

/// What a model fixes of its replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyContract {
    /// Level of the ciphertext: 0.
    pub level: usize,
    /// Scale of the ciphertext: the parameters' own.
    pub scale: f64,
    /// Bits behind the binary point that are kept of a logit.
    pub precision_bits: u32,
}

impl ReplyContract {
    /// That of a model of which so many bits are kept; without a number, as many as the parameters allow.
    #[must_use]
    pub fn new(params: &Params, precision_bits: Option<u32>) -> Self {
        let most = max_precision_bits(params);
        Self { level: 0, scale: params.scale(), precision_bits: precision_bits.map_or(most, |bits| bits.min(most)) }
    }
}

/// Most bits that may be kept of any reply under these parameters, whatever the model states: of the noise, the rounding of one rescaling
/// is always there.
#[must_use]
pub fn max_precision_bits(params: &Params) -> u32 {
    bits_of(NoiseModel::new(params).rescale_floor())
}

/// The bits to keep of logits whose noise has that standard deviation.
#[must_use]
pub fn precision_bits(params: &Params, deviation: f64) -> u32 {
    bits_of(deviation).min(max_precision_bits(params))
}

/// The finest power of two that is as large as [`UNIT_DEVIATIONS`] deviations, in bits behind the binary point; 0 if there is none.
fn bits_of(deviation: f64) -> u32 {
    let bits = -(UNIT_DEVIATIONS * deviation).log2();
    // A conversion that saturates: what is not a number or negative becomes 0.
    bits.floor() as u32
}

/// The most labels that replies under these parameters may hold, where a model has more.
pub(crate) fn too_many_labels(mask: Option<Mask>, io: &IoLayout, params: &Params) -> Option<usize> {
    let most = params.slots() / SLOTS_PER_LABEL;
    (mask.is_none() && io.labels() > most).then_some(most)
}

/// The noise of a reply that the noise model predicts for these images, each with `draws` independent errors: the root mean square error of
/// the label and image where it is largest.
///
/// # Errors
/// As [`simulate`].
pub fn simulated_deviation(
    circuit: &PackedCircuit,
    params: &Params,
    images: &[Vec<f64>],
    draws: usize,
) -> Result<f64, ExecuteError> {
    let mut largest = 0.0f64;
    for (index, image) in images.iter().enumerate() {
        let samples = simulate(circuit, params, &vec![image.clone(); draws], (index * draws) as u64)?.samples;
        let errors = samples.iter().map(|sample| sample.logits.iter().zip(&sample.clear).map(|(a, b)| a - b).collect());
        largest = largest.max(largest_rms(&errors.collect::<Vec<_>>()));
    }
    Ok(largest)
}

/// The noise of a reply that fresh encryptions of these images under a fresh key had, `runs` of each: as [`simulated_deviation`].
///
/// # Errors
/// As [`EncryptedCircuit::run`] and [`decrypt_logits_raw`]; no randomness.
pub fn measured_deviation(
    circuit: &EncryptedCircuit,
    bounds: &Bounds,
    images: &[Vec<f64>],
    runs: usize,
) -> Result<f64, ExecuteError> {
    let (packed, params) = (circuit.circuit(), circuit.params());
    let secret = SecretKey::generate(params)?;
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, circuit.key_spec())?)?;
    let (encryptor, decryptor, clear) = (Encryptor::new(&secret), Decryptor::new(&secret), ClearExecutor::new(packed)?);
    let mut largest = 0.0f64;
    for image in images {
        let wanted = clear.run(image);
        let mut errors = Vec::with_capacity(runs);
        for _ in 0..runs {
            let reply = circuit.run(&encrypt(packed, params, &encryptor, image)?, &keys)?;
            let found = decrypt_logits_raw(packed, &decryptor, &reply, bounds)?;
            errors.push(found.iter().zip(&wanted).map(|(a, b)| a - b).collect());
        }
        largest = largest.max(largest_rms(&errors));
    }
    Ok(largest)
}

/// The largest root mean square of a column of [draw, label].
fn largest_rms(errors: &[Vec<f64>]) -> f64 {
    let labels = errors.iter().map(Vec::len).min().unwrap_or(0);
    let squares = |label: usize| errors.iter().filter_map(|row| row.get(label)).map(|e| e * e).sum::<f64>();
    let largest = (0..labels).map(squares).fold(0.0, f64::max);
    (largest / errors.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilray_he::ParamsLiteral;

    #[test]
    fn the_unit_is_the_finest_of_ten_deviations_and_no_finer_than_a_rescaling_allows() {
        let params = ParamsLiteral::named("n13").unwrap().check().unwrap();
        // √(8192/12 · (1 + 2·8192/3)) / 2^25.3 = 4.68e-5: ten of them are 2^−11.06.
        assert_eq!(max_precision_bits(&params), 11);
        for (deviation, bits) in [(1e-9, 11), (0.1 / 256.0, 8), (0.1001 / 256.0, 7), (0.2, 0), (f64::NAN, 0), (f64::INFINITY, 0)]
        {
            assert_eq!(precision_bits(&params, deviation), bits, "{deviation}");
        }
        assert_eq!(ReplyContract::new(&params, Some(1000)).precision_bits, 11, "a model that asks for more is capped");
        assert_eq!(ReplyContract::new(&params, None).precision_bits, 11);
        assert_eq!(ReplyContract::new(&params, Some(7)).precision_bits, 7);
    }

    #[test]
    fn the_largest_column_counts() {
        assert_eq!(largest_rms(&[vec![3.0, 0.0], vec![-4.0, 1.0]]), 12.5f64.sqrt());
        assert_eq!(largest_rms(&[]), 0.0);
    }
}
