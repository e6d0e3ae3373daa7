//! What the operations on ciphertexts cost: numbers that the layout search and the plan share.

use serde::{Deserialize, Serialize};

/// Costs of one level, in milliseconds on one thread unless said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelCost {
    /// A product with one diagonal inside a linear map.
    pub diagonal: f64,
    /// A baby step: a rotation that shares the decomposition of its input.
    pub baby: f64,
    /// A giant step: a rotation with a key switch of its own inside a linear map.
    pub giant: f64,
    /// What a linear map costs before its first step, per input ciphertext: the decomposition.
    pub input: f64,
    /// What a linear map costs after its last step, per output ciphertext: the divisions by P and the level's primes.
    pub output: f64,
    /// A rotation.
    pub rotate: f64,
    /// A product of two ciphertexts or a square, relinearised and rescaled.
    pub product: f64,
    /// A sum of two ciphertexts.
    pub add: f64,
    /// Bytes of one Galois key, as sent, in MB (10^6 bytes).
    pub key_megabytes: f64,
}

/// Costs by level, and what a key's bytes weigh against time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// Level 0 first; a level beyond the last counts as the last.
    pub levels: Vec<LevelCost>,
    /// Milliseconds that a megabyte of keys is worth; raise it for fewer keys.
    pub ms_per_key_megabyte: f64,
}

impl CostModel {
    /// The costs at a level.
    pub fn at(&self, level: usize) -> LevelCost {
        let zero = LevelCost {
            diagonal: 0.0,
            baby: 0.0,
            giant: 0.0,
            input: 0.0,
            output: 0.0,
            rotate: 0.0,
            product: 0.0,
            add: 0.0,
            key_megabytes: 0.0,
        };
        self.levels.get(level).or(self.levels.last()).copied().unwrap_or(zero)
    }

    /// Costs counted in transforms of one limb, `transform_ms` each: 0.0155 at N = 2^14 on the reference machine.
    ///
    /// With l primes of the level, k special ones and d digits, a key switch raises d digits to l + k limbs and divides twice by P; a
    /// product of two limbs in an inner product takes a quarter of a transform. Hoisting and giant steps as in `veilray_he::Split`.
    pub fn counted(params: &veilray_he::Params, transform_ms: f64) -> Self {
        let n = params.n() as f64;
        let levels = (0..=params.max_level()).map(|level| {
            let (l, k, d) = (params.limbs(level) as f64, params.special().len() as f64, params.digits(level) as f64);
            let ms = |transforms: f64| transforms * transform_ms;
            let diagonal = 0.5 * (l + k);
            let baby = diagonal * (d + 1.0);
            let raise = l + d * (l + k);
            let divide = 2.0 * (k + l);
            LevelCost {
                diagonal: ms(diagonal),
                baby: ms(baby),
                giant: ms(k + l + (d + 1.0) * (l + k) + baby),
                input: ms(raise),
                output: ms(divide),
                rotate: ms(raise + baby + divide),
                product: ms(raise + baby + divide + l),
                add: ms(0.2 * l),
                key_megabytes: d * (l + k) * n * 30.0 / 8e6,
            }
        });
        Self { levels: levels.collect(), ms_per_key_megabyte: 0.5 }
    }

    /// [`CostModel::counted`] with the time that a transform takes on the reference machine.
    pub fn reference(params: &veilray_he::Params) -> Self {
        let n = params.n() as f64;
        Self::counted(params, 0.0155 * n * n.log2() / (16384.0 * 14.0))
    }
}
