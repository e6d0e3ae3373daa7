//! The server's part: weighted sums of the encrypted pixels, a bootstrap per hidden neuron, the output layer.

use super::client::{Encoding, Reply, SentImage, cut, whole};
use super::keys::ServerKey;
use super::parameters::{NoiseBudget, TfheParams};
use super::{Error, Fcnn, Result};
use rayon::prelude::*;
use tfhe::core_crypto::algorithms::polynomial_algorithms::polynomial_wrapping_add_mul_assign;
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

/// A network made ready for ciphertexts.
///
/// A sum Σ w·x is the constant coefficient of X(t)·W(1/t), where the pixels x are the coefficients of X: one product of polynomials per
/// ciphertext and neuron, of which one coefficient is extracted. The bootstrap's table holds t(s) at every one of its 2N steps.
#[derive(Debug, Clone)]
pub struct EncryptedFcnn {
    network: Fcnn,
    params: TfheParams,
    encoding: Encoding,
    budget: NoiseBudget,
    /// W(1/t) of each neuron, for each of an image's ciphertexts.
    weights: Vec<Vec<Polynomial<Vec<u64>>>>,
    table: GlweCiphertextOwned<u64>,
}

impl EncryptedFcnn {
    /// Makes a network ready.
    ///
    /// # Errors
    /// [`Error::Failure`] where an image would be decrypted wrongly more often than 2^-64.
    pub fn new(network: Fcnn, params: &TfheParams) -> Result<Self> {
        let budget = NoiseBudget::of(&network, params)?;
        let reversed =
            |(weights, _): (&[i8], i32)| weights.chunks(params.input_polynomial).map(|part| reversed(part, params)).collect();
        let (weights, encoding) = (network.neurons().map(reversed).collect(), Encoding::of(&network));
        let table = table(&network, params, Encoding::step(encoding.output_modulus));
        Ok(Self { network, params: *params, encoding, budget, weights, table })
    }

    /// What the client must know of the network.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The noise along the way.
    pub fn budget(&self) -> &NoiseBudget {
        &self.budget
    }

    /// The network in clear.
    pub fn network(&self) -> &Fcnn {
        &self.network
    }

    /// The parameters that it is evaluated under.
    pub fn params(&self) -> &TfheParams {
        &self.params
    }

    /// Encrypted logits of an encrypted image; hidden neurons are evaluated in parallel.
    ///
    /// # Errors
    /// An image or a key of other parameters.
    pub fn evaluate(&self, key: &ServerKey, image: &SentImage) -> Result<Reply> {
        if key.params != self.params {
            return Err(Error::setting("the key's parameters", "those of the network", key.params.name));
        }
        let pixels = self.grow(image)?;
        let neurons: Vec<usize> = (0..self.network.hidden()).collect();
        let values: Vec<_> = neurons.into_par_iter().map(|at| self.bootstrap(key, self.sum(&pixels, at))).collect();
        let mut logits = self.network.logits().map(|(weights, bias)| self.logit(&values, weights, bias));
        Ok(Reply { logits: std::array::from_fn(|_| logits.next().unwrap_or_default()) })
    }

    /// The image with its masks.
    pub(super) fn grow(&self, image: &SentImage) -> Result<GlweCiphertextListOwned<u64>> {
        if image.bodies.len() != self.network.inputs() {
            return Err(Error::Length { what: "image", wanted: self.network.inputs(), found: image.bodies.len() });
        }
        let mut bodies: Vec<u64> = image.bodies.iter().map(|body| whole(*body)).collect();
        bodies.resize(self.params.ciphertexts(bodies.len()) * self.params.input_polynomial, 0);
        let sent = SeededGlweCiphertextList::from_container(
            bodies,
            GlweDimension(self.params.input_rank).to_glwe_size(),
            PolynomialSize(self.params.input_polynomial),
            Seed(image.seed).into(),
            CiphertextModulus::new_native(),
        );
        Ok(sent.decompress_into_glwe_ciphertext_list())
    }

    /// The sum of neuron `at`, as an LWE ciphertext.
    pub(super) fn sum(&self, pixels: &GlweCiphertextListOwned<u64>, at: usize) -> LweCiphertextOwned<u64> {
        let (rank, polynomial) = (GlweDimension(self.params.input_rank), PolynomialSize(self.params.input_polynomial));
        let mut total = GlweCiphertext::new(0u64, rank.to_glwe_size(), polynomial, CiphertextModulus::new_native());
        for (pixels, weights) in pixels.iter().zip(self.weights.get(at).into_iter().flatten()) {
            let mut parts = total.as_mut_polynomial_list();
            for (mut part, pixels) in parts.iter_mut().zip(pixels.as_polynomial_list().iter()) {
                polynomial_wrapping_add_mul_assign(&mut part, &pixels, weights);
            }
        }
        let dimension = LweDimension(self.params.input_dimension());
        let mut sum = LweCiphertext::new(0u64, dimension.to_lwe_size(), CiphertextModulus::new_native());
        extract_lwe_sample_from_glwe_ciphertext(&total, &mut sum, MonomialDegree(0));
        let bias = self.network.neurons().nth(at).map_or(0, |(_, bias)| bias);
        let encoded = (i64::from(bias) as u64).wrapping_mul(Encoding::step(self.encoding.modulus));
        lwe_ciphertext_plaintext_add_assign(&mut sum, Plaintext(encoded));
        sum
    }

    /// The activation of a sum, under the key of the replies.
    ///
    /// The mean of the rounding errors, which the mask shows, is taken out before the rounding to 2N steps (the library's centred modulus
    /// switch): half of the variance that the rounding has otherwise.
    pub(super) fn bootstrap(&self, key: &ServerKey, sum: LweCiphertextOwned<u64>) -> LweCiphertextOwned<u64> {
        let steps = PolynomialSize(self.params.polynomial).to_blind_rotation_input_modulus_log();
        let switched = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(sum, steps);
        let mut rotated = self.table.clone();
        blind_rotate_assign(&switched, &mut rotated, &key.key);
        let dimension = LweDimension(self.params.output_dimension());
        let mut value = LweCiphertext::new(0u64, dimension.to_lwe_size(), CiphertextModulus::new_native());
        extract_lwe_sample_from_glwe_ciphertext(&rotated, &mut value, MonomialDegree(0));
        value
    }

    /// Σ v·h + c, cut to what is sent.
    fn logit(&self, values: &[LweCiphertextOwned<u64>], weights: &[i8], bias: i32) -> Vec<u32> {
        let mut sum = vec![0u64; self.params.output_dimension() + 1];
        for (value, weight) in values.iter().zip(weights) {
            let weight = i64::from(*weight) as u64;
            sum.iter_mut().zip(value.as_ref()).for_each(|(sum, word)| *sum = sum.wrapping_add(word.wrapping_mul(weight)));
        }
        if let Some(body) = sum.last_mut() {
            *body = body.wrapping_add((i64::from(bias) as u64).wrapping_mul(Encoding::step(self.encoding.output_modulus)));
        }
        sum.into_iter().map(cut).collect()
    }
}

/// W(1/t) modulo t^N + 1 of up to N weights: the constant stays, w_i goes to −t^(N − i).
fn reversed(weights: &[i8], params: &TfheParams) -> Polynomial<Vec<u64>> {
    let size = params.input_polynomial;
    let mut coefficients = vec![0u64; size];
    for (at, weight) in weights.iter().enumerate() {
        let weight = i64::from(*weight) as u64;
        let (place, weight) = if at == 0 { (0, weight) } else { (size - at, weight.wrapping_neg()) };
        if let Some(coefficient) = coefficients.get_mut(place) {
            *coefficient = weight;
        }
    }
    Polynomial::from_container(coefficients)
}

/// The polynomial that blind rotation turns: at step i of the first half turn, the activation of the sum whose box holds i + 1/2 (the
/// centred modulus switch rounds half a step lower).
fn table(network: &Fcnn, params: &TfheParams, step: u64) -> GlweCiphertextOwned<u64> {
    let (size, modulus) = (params.polynomial as u64, u64::from(network.modulus()));
    // Round((i + 1/2) modulus / 2N), in halves of 2N.
    let sum = |i: u64| ((2 * i + 1) * modulus + 2 * size) / (4 * size);
    let values = (0..size).map(|i| (i64::from(network.activation(sum(i) as i32)) as u64).wrapping_mul(step));
    let plain = PlaintextList::from_container(values.collect::<Vec<u64>>());
    let rank = GlweDimension(params.rank).to_glwe_size();
    allocate_and_trivially_encrypt_new_glwe_ciphertext(rank, &plain, CiphertextModulus::new_native())
}
