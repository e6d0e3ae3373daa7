//! The network in integers: what the ciphertexts compute, exactly.

use super::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::f64::consts::TAU;

/// Logits of a network: of no and of yes.
pub const LOGITS: usize = 2;

/// A network of one hidden layer over small integers.
///
/// With inputs x, a neuron's sum is s = b + Σ w·x modulo `modulus`, its value h = t(s), a logit c + Σ v·h. The table t is antiperiodic,
/// t(s + modulus/2) = −t(s), as a bootstrap over negacyclic polynomials gives it without losing a bit: a sine. A sum beyond half the
/// modulus wraps around on the torus and here alike, so that no input leaves the network's range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fcnn {
    inputs: usize,
    largest_input: i8,
    modulus: u32,
    /// [hidden, inputs].
    weights: Vec<i8>,
    biases: Vec<i32>,
    /// t on 0..modulus/2.
    table: Vec<i8>,
    /// [LOGITS, hidden].
    output: Vec<i8>,
    output_biases: Vec<i32>,
}

/// The parts of an [`Fcnn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Largest |input|.
    pub largest_input: i8,
    /// Values of a neuron's sum; even.
    pub modulus: u32,
    /// Weights [hidden, inputs].
    pub weights: Vec<i8>,
    /// Biases, one per neuron, in 0..modulus.
    pub biases: Vec<i32>,
    /// Activation of the sums 0..modulus/2; the others are its negatives.
    pub table: Vec<i8>,
    /// Output weights [2, hidden].
    pub output: Vec<i8>,
    /// Output biases, two.
    pub output_biases: Vec<i32>,
}

impl Fcnn {
    /// From its parts.
    ///
    /// # Errors
    /// Parts that do not fit each other, by name.
    pub fn new(parts: Parts) -> Result<Self> {
        let Parts { largest_input, modulus, weights, biases, table, output, output_biases } = parts;
        if !modulus.is_multiple_of(2) || !(4..=1024).contains(&modulus) {
            return Err(Error::setting("modulus", "even and in 4..=1024", modulus));
        }
        if largest_input < 1 {
            return Err(Error::setting("largest input", "at least 1", largest_input));
        }
        let hidden = biases.len();
        if hidden == 0 || weights.is_empty() || !weights.len().is_multiple_of(hidden) {
            return Err(Error::Length {
                what: "weights",
                wanted: weights.len().next_multiple_of(hidden.max(1)),
                found: weights.len(),
            });
        }
        for (what, wanted, found) in [
            ("activation table", modulus as usize / 2, table.len()),
            ("output weights", LOGITS * hidden, output.len()),
            ("output biases", LOGITS, output_biases.len()),
        ] {
            if wanted != found {
                return Err(Error::Length { what, wanted, found });
            }
        }
        if let Some(bias) = biases.iter().find(|bias| !(0..modulus as i32).contains(*bias)) {
            return Err(Error::setting("bias", "in 0..modulus", bias));
        }
        if let Some(bias) = output_biases.iter().find(|bias| bias.unsigned_abs() > 1 << 16) {
            return Err(Error::setting("output bias", "at most 65 536 in size", bias));
        }
        Ok(Self { inputs: weights.len() / hidden, largest_input, modulus, weights, biases, table, output, output_biases })
    }

    /// A sine of `amplitude` over one turn of `modulus` values, its first half.
    pub fn sine(modulus: u32, amplitude: i8) -> Vec<i8> {
        let at = |s: u32| (f64::from(amplitude) * (TAU * f64::from(s) / f64::from(modulus)).sin()).round() as i8;
        (0..modulus / 2).map(at).collect()
    }

    /// The logits of no and yes.
    ///
    /// # Errors
    /// Inputs of another number or size.
    pub fn evaluate(&self, inputs: &[i8]) -> Result<[i32; LOGITS]> {
        self.check(inputs)?;
        let values: Vec<i32> = self.neurons().map(|(weights, bias)| self.activation(bias + dot(weights, inputs))).collect();
        let logit = |(row, bias): (&[i8], &i32)| bias + row.iter().zip(&values).map(|(v, h)| i32::from(*v) * h).sum::<i32>();
        let mut logits = self.output.chunks_exact(self.hidden()).zip(&self.output_biases).map(logit);
        Ok(std::array::from_fn(|_| logits.next().unwrap_or_default()))
    }

    /// Refuses inputs that the network is not made for.
    ///
    /// # Errors
    /// Inputs of another number or size.
    pub fn check(&self, inputs: &[i8]) -> Result<()> {
        if inputs.len() != self.inputs {
            return Err(Error::Length { what: "inputs", wanted: self.inputs, found: inputs.len() });
        }
        match inputs.iter().any(|x| x.unsigned_abs() > self.largest_input.unsigned_abs()) {
            // The value itself is the patient's.
            true => Err(Error::setting("inputs", "at most the network's largest in size", "larger ones")),
            false => Ok(()),
        }
    }

    /// The activation of any sum.
    pub fn activation(&self, sum: i32) -> i32 {
        let (half, sum) = (self.modulus as i32 / 2, sum.rem_euclid(self.modulus as i32));
        let value = self.table.get((sum % half) as usize).copied().map_or(0, i32::from);
        if sum < half { value } else { -value }
    }

    /// Each neuron's weights and bias.
    pub fn neurons(&self) -> impl Iterator<Item = (&[i8], i32)> {
        self.weights.chunks_exact(self.inputs).zip(self.biases.iter().copied())
    }

    /// Each logit's weights and bias.
    pub fn logits(&self) -> impl Iterator<Item = (&[i8], i32)> {
        self.output.chunks_exact(self.hidden()).zip(self.output_biases.iter().copied())
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Largest |input|.
    pub fn largest_input(&self) -> i8 {
        self.largest_input
    }

    /// Neurons of the hidden layer.
    pub fn hidden(&self) -> usize {
        self.biases.len()
    }

    /// Values of a neuron's sum.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// Largest root of a neuron's Σ w²: the standard deviation of a sum's noise, in units of an input's.
    pub fn weight_norm(&self) -> f64 {
        self.neurons().map(|(weights, _)| norm(weights)).fold(0.0, f64::max)
    }

    /// Largest Σ v² of a logit: how much more variance its noise has than that of a bootstrap.
    pub fn output_squares(&self) -> u64 {
        let squares = |(weights, _): (&[i8], i32)| weights.iter().map(|v| u64::from(v.unsigned_abs()).pow(2)).sum();
        self.logits().map(squares).max().unwrap_or_default()
    }

    /// Values that a logit can take: twice its largest size, and zero.
    pub fn output_modulus(&self) -> u32 {
        let top = self.table.iter().map(|value| u32::from(value.unsigned_abs())).max().unwrap_or_default();
        let reach =
            |(row, bias): (&[i8], i32)| bias.unsigned_abs() + top * row.iter().map(|v| u32::from(v.unsigned_abs())).sum::<u32>();
        2 * self.logits().map(reach).max().unwrap_or_default() + 1
    }

    /// As a file of small integers.
    ///
    /// # Errors
    /// None of its own; what the format refuses.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let bytes = |values: &[i8]| values.iter().map(|v| v.to_le_bytes()[0]).collect::<Vec<u8>>();
        let words = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let shape = [i32::from(self.largest_input), self.modulus as i32];
        let entries = [
            ("shape", Dtype::I32, vec![shape.len()], words(&shape)),
            ("hidden.weight", Dtype::I8, vec![self.hidden(), self.inputs], bytes(&self.weights)),
            ("hidden.bias", Dtype::I32, vec![self.hidden()], words(&self.biases)),
            ("activation", Dtype::I8, vec![self.table.len()], bytes(&self.table)),
            ("output.weight", Dtype::I8, vec![LOGITS, self.hidden()], bytes(&self.output)),
            ("output.bias", Dtype::I32, vec![LOGITS], words(&self.output_biases)),
        ];
        let refuse = |e: safetensors::SafeTensorError| Error::Network { why: e.to_string() };
        let views = entries.iter().map(|(name, kind, shape, bytes)| Ok((*name, TensorView::new(*kind, shape.clone(), bytes)?)));
        let views: Vec<_> = views.collect::<std::result::Result<_, _>>().map_err(refuse)?;
        safetensors::serialize(views, None).map_err(refuse)
    }

    /// From a file of small integers.
    ///
    /// # Errors
    /// Bytes that are no such file, parts that do not fit each other.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Network { why: e.to_string() })?;
        let entry = |name: &str, kind: Dtype| {
            let view = file.tensor(name).map_err(|e| Error::Network { why: format!("{name}: {e}") })?;
            match view.dtype() == kind {
                true => Ok(view.data().to_vec()),
                false => Err(Error::Network { why: format!("{name} holds {:?}, {kind:?} is wanted", view.dtype()) }),
            }
        };
        let small =
            |name| Ok::<_, Error>(entry(name, Dtype::I8)?.into_iter().map(|v| i8::from_le_bytes([v])).collect::<Vec<i8>>());
        let words = |name| {
            let bytes = entry(name, Dtype::I32)?;
            Ok::<_, Error>(bytes.as_chunks::<4>().0.iter().map(|v| i32::from_le_bytes(*v)).collect::<Vec<i32>>())
        };
        let shape = words("shape")?;
        let [largest_input, modulus] = shape[..] else {
            return Err(Error::Length { what: "shape", wanted: 2, found: shape.len() });
        };
        let number = |what| move |_| Error::setting(what, "a small positive number", "another");
        Self::new(Parts {
            largest_input: i8::try_from(largest_input).map_err(number("largest input"))?,
            modulus: u32::try_from(modulus).map_err(number("modulus"))?,
            weights: small("hidden.weight")?,
            biases: words("hidden.bias")?,
            table: small("activation")?,
            output: small("output.weight")?,
            output_biases: words("output.bias")?,
        })
    }
}

fn dot(weights: &[i8], inputs: &[i8]) -> i32 {
    weights.iter().zip(inputs).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum()
}

fn norm(weights: &[i8]) -> f64 {
    weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            largest_input: 3,
            modulus: 8,
            weights: vec![1, 0, -1, 0, 1, 1],
            biases: vec![1, 7],
            table: Fcnn::sine(8, 3),
            output: vec![1, -2, 0, 3],
            output_biases: vec![0, 5],
        }
    }

    #[test]
    fn logits_are_those_worked_by_hand() {
        let network = Fcnn::new(parts()).unwrap();
        // t on 0..8: 0 2 3 2 0 -2 -3 -2.
        assert_eq!((-2..9).map(|s| network.activation(s)).collect::<Vec<_>>(), [-3, -2, 0, 2, 3, 2, 0, -2, -3, -2, 0]);
        // Sums 1 + 2 - 3 = 0 and 7 + 1 + 3 = 11, which is 3: values 0 and 2.
        assert_eq!(network.evaluate(&[2, 1, 3]).unwrap(), [-4, 11]);
        assert_eq!((network.hidden(), network.inputs(), network.output_modulus()), (2, 3, 29));
        assert!(network.evaluate(&[4, 0, 0]).is_err());
        assert!(network.evaluate(&[0, 0]).is_err());
    }

    #[test]
    fn the_sine_is_antiperiodic_through_the_table() {
        for modulus in [4, 52, 54, 104] {
            let table = Fcnn::sine(modulus, 7);
            let network = Fcnn::new(Parts { modulus, table, biases: vec![0, 1], ..parts() }).unwrap();
            let half = modulus as i32 / 2;
            assert!((-300..300).all(|s| network.activation(s) == -network.activation(s + half)));
        }
    }

    #[test]
    fn a_file_gives_the_network_back_and_others_are_refused() {
        let network = Fcnn::new(parts()).unwrap();
        let bytes = network.to_safetensors().unwrap();
        assert_eq!(Fcnn::from_safetensors(&bytes).unwrap(), network);
        assert!(Fcnn::from_safetensors(&bytes[..bytes.len() - 1]).is_err());
        for wrong in [
            Parts { modulus: 7, ..parts() },
            Parts { biases: vec![1, 8], ..parts() },
            Parts { table: vec![0; 3], ..parts() },
            Parts { output: vec![0; 3], ..parts() },
            Parts { weights: vec![0; 5], ..parts() },
            Parts { output_biases: vec![0, 1 << 20], ..parts() },
        ] {
            assert!(Fcnn::new(wrong).is_err());
        }
    }
}
