//! Keys, maps and the comparison of prediction and measurement.

use crate::common::{Kit, named, values};
use veilray_he::noise::{LinearShape, Message, Noise, NoiseModel};
use veilray_he::{
    Ciphertext, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform, Params,
    Plaintext, PrecisionStats, Result, SecretKey,
};

/// Bits by which a prediction may be off: of the root mean square error, and of the largest.
pub(crate) type Tolerance = (f64, f64);

/// Of one operation. A tenth of a bit in the first is a sixth of the variance: every term of every formula that matters shows.
pub(crate) const OPERATION: Tolerance = (0.1, 1.0);

/// Of a whole circuit, where errors of different origin are not as independent as the model has them.
pub(crate) const CIRCUIT: Tolerance = (1.0, 2.0);

pub(crate) fn seed(a: u8, b: u64) -> [u8; 32] {
    let mut out = [a; 32];
    out[..8].copy_from_slice(&b.to_le_bytes());
    out
}

/// A linear map in the clear, encoded, and as the model sees it.
pub(crate) struct Map {
    pub(crate) clear: Diagonals,
    pub(crate) encoded: LinearTransform,
    pub(crate) shape: LinearShape,
}

impl Map {
    /// Random diagonals of those indices with entries in [−bound, bound], each of one period.
    pub(crate) fn new(
        params: &Params,
        indices: &[usize],
        bound: f64,
        level: usize,
        width: Option<usize>,
        scale: Option<f64>,
    ) -> Self {
        let slots = params.slots();
        let diagonals: Vec<(usize, Vec<f64>)> =
            indices.iter().map(|d| (*d, values(slots, 7000 + *d as u64).into_iter().map(|x| x * bound).collect())).collect();
        let mut clear = Diagonals::new(slots).unwrap();
        diagonals.iter().for_each(|(d, v)| clear.add(*d as i64, v).unwrap());
        let scale = scale.unwrap_or(params.rescale_factor(level));
        let encoded = LinearTransform::with_scale(params, &clear, level, scale, width).unwrap();
        let views = diagonals.iter().map(|(d, v)| (*d, v.as_slice()));
        let shape = LinearShape::new(views, encoded.scale(), encoded.split().width);
        Self { clear, encoded, shape }
    }
}

/// One parameter set with keys for everything the tests of it do.
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) kit: Kit,
    pub(crate) model: NoiseModel,
    pub(crate) trials: u64,
    pub(crate) failures: Vec<String>,
}

impl std::ops::Deref for Setup {
    type Target = Kit;
    fn deref(&self) -> &Kit {
        &self.kit
    }
}

impl Setup {
    /// Everything but public keys comes from seeds, so that a figure near its tolerance does not come and go.
    pub(crate) fn new(name: &'static str, trials: u64, spec: impl Fn(&Params) -> KeySpec) -> Self {
        let params = named(name);
        let secret = SecretKey::from_seed(&params, seed(1, 1)).unwrap();
        let keys = EvaluationKeys::from_seeds(&secret, &spec(&params), seed(2, 2), seed(3, 3)).unwrap();
        let keys = ExpandedKeys::new(&keys).unwrap();
        let (encoder, evaluator, model) = (Encoder::new(&params), Evaluator::new(&params), NoiseModel::new(&params));
        Self { name, kit: Kit { params, secret, keys, encoder, evaluator }, model, trials, failures: Vec::new() }
    }

    pub(crate) fn top(&self) -> usize {
        self.params.max_level()
    }

    pub(crate) fn values(&self, seed: u64) -> Vec<f64> {
        values(self.params.slots(), seed)
    }

    pub(crate) fn encrypt_seeded(&self, plain: &Plaintext, k: u64) -> Ciphertext {
        Encryptor::new(&self.secret).encrypt_from_seeds(plain, seed(4, k), seed(5, k)).unwrap()
    }

    pub(crate) fn encrypt_values(&self, values: &[f64], level: usize, scale: f64, k: u64) -> Ciphertext {
        self.encrypt_seeded(&self.encoder.encode_at(values, level, scale).unwrap(), k)
    }

    /// A fresh ciphertext of random values, at the top and the default scale.
    pub(crate) fn fresh(&self, k: u64) -> (Vec<f64>, Ciphertext) {
        let x = self.values(k);
        let c = self.encrypt_values(&x, self.top(), self.params.scale(), k);
        (x, c)
    }

    /// What the model makes of that.
    pub(crate) fn modelled(&self) -> Noise {
        self.model.encrypt(Message::uniform(1.0), self.top(), self.params.scale()).unwrap()
    }

    /// Compares a prediction with the error over `trials` seeds.
    pub(crate) fn check(
        &mut self,
        name: &str,
        tolerance: Tolerance,
        predicted: Result<Noise>,
        run: impl Fn(&Self, u64) -> (Vec<f64>, Ciphertext),
    ) {
        let predicted = predicted.unwrap();
        let stats = (0..self.trials).map(|k| {
            let (wanted, c) = run(self, 100 * k + 100);
            assert_eq!(c.level(), predicted.level(), "{name}: level");
            assert!((c.scale() / predicted.scale() - 1.0).abs() < 1e-12, "{name}: scale {} for {}", c.scale(), predicted.scale());
            PrecisionStats::real(&wanted, &self.decrypt(&c)).unwrap()
        });
        let stats = stats.collect();
        self.compare(name, tolerance, (predicted.log2_rms(), predicted.log2_max()), stats);
    }

    pub(crate) fn compare(&mut self, name: &str, tolerance: Tolerance, predicted: (f64, f64), stats: Vec<PrecisionStats>) {
        let count = stats.len() as f64;
        let rms = (stats.iter().map(|s| s.rms * s.rms).sum::<f64>() / count).sqrt().log2();
        let max = (stats.iter().map(|s| s.max).sum::<f64>() / count).log2();
        let line = format!(
            "{:<10} {name:<34} rms {:>7.2} predicted {rms:>7.2} measured {:>5.2} off   max {:>7.2} predicted {max:>7.2} measured {:>5.2} off",
            self.name,
            predicted.0,
            rms - predicted.0,
            predicted.1,
            max - predicted.1
        );
        println!("{line}");
        if (rms - predicted.0).abs() > tolerance.0 || (max - predicted.1).abs() > tolerance.1 {
            self.failures.push(line);
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.failures.is_empty(), "error far from its prediction:\n{}", self.failures.join("\n"));
    }
}
