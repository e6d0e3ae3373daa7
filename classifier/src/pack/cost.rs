//! What the operations on ciphertexts cost: numbers that the layout search and the plan share.

use serde::{Deserialize, Serialize};

/// Costs of one level, in milliseconds unless said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelCost {
    /// A product with one diagonal inside a linear map.
    pub diagonal: f64,
    /// A baby step: a rotation that shares the decomposition of its input, in a row of seven of them.
    pub baby: f64,
    /// The same in a row of 28, which the processor's second-level cache does not hold.
    pub baby_of_many: f64,
    /// A giant step: a rotation with a key switch of its own inside a linear map.
    pub giant: f64,
    /// What a linear map costs before its first step, per input ciphertext: the decomposition.
    pub input: f64,
    /// What a linear map costs after its last step, per output ciphertext: the divisions by P and the level's primes.
    pub output: f64,
    /// A rotation of a whole ciphertext.
    pub rotate: f64,
    /// A product of two ciphertexts or a square, relinearised and rescaled.
    pub product: f64,
    /// A sum of two ciphertexts.
    pub add: f64,
    /// Bytes of one Galois key, as sent, in MB (10^6 bytes).
    pub key_megabytes: f64,
}

/// Baby steps of a short row, and of a long one: those of one output ciphertext.
pub(super) const ROW: f64 = 7.0;
pub(super) const LONG_ROW: f64 = 28.0;

impl LevelCost {
    /// A baby step in a row of `steps`: on the line between short and long rows over the logarithm of their length, which goes on to twice
    /// the long one.
    pub fn baby_in_row(&self, steps: f64) -> f64 {
        let place = (steps / ROW).max(1.0).ln() / (LONG_ROW / ROW).ln();
        self.baby + place.min(1.5) * (self.baby_of_many - self.baby)
    }
}

/// Costs by level, and what a key's bytes weigh against time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// Level 0 first; a level beyond the last counts as the last.
    pub levels: Vec<LevelCost>,
    /// Milliseconds that a megabyte of keys is worth; raise it for fewer keys.
    pub ms_per_key_megabyte: f64,
    /// Threads that the costs are of.
    pub threads: usize,
}

/// Share of the work that threads divide among them, by Amdahl's law: two threads were 1.79 to 1.91 times as fast as one at linear maps
/// (README, 128 diagonals at n13 to n15), which is a share of 0.88 to 0.95; whole circuits have small maps, too.
const PARALLEL_SHARE: f64 = 0.88;

impl CostModel {
    /// The costs at a level.
    pub fn at(&self, level: usize) -> LevelCost {
        let zero = LevelCost {
            diagonal: 0.0,
            baby: 0.0,
            baby_of_many: 0.0,
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

    /// What the costs are multiplied by on another number of threads. It knows nothing of what else the machine does: costs measured on
    /// those threads ([`CostModel::measured`]) do.
    pub fn on_threads(&self, threads: usize) -> f64 {
        let relative = |threads: usize| 1.0 - PARALLEL_SHARE + PARALLEL_SHARE / threads.max(1) as f64;
        relative(threads) / relative(self.threads)
    }

    /// Costs counted in transforms of one limb, `transform_ms` each: 0.0155 at N = 2^14 on the reference machine.
    ///
    /// With l primes of the level, k special ones and d digits, a decomposition takes l + d·(l + k) transforms and a division by P
    /// 2·(l + k). The factors were fitted by eye to [`CostModel::measured`] on one thread of a busy two-core machine at n13 and n14, n15
    /// beside them, at lowest, middle and highest level, in transforms timed in the same run. Single operations at single levels lie
    /// up to a factor of two beside them, so plans of times use measured costs; these are for choices that client and server must make
    /// alike.
    pub fn counted(params: &veilray_he::Params, transform_ms: f64) -> Self {
        let levels = (0..=params.max_level()).map(|level| {
            let (l, k, d) = (params.limbs(level) as f64, params.special().len() as f64, params.digits(level) as f64);
            let ms = |transforms: f64| transforms * transform_ms;
            let raise = l + d * (l + k);
            let divide = 2.0 * (k + l);
            let baby = ms((1.0 + 0.25 * d) * (l + k));
            LevelCost {
                diagonal: ms(0.17 * (l + k)),
                baby,
                // Nothing is counted for caches: a choice of layout must not depend on them.
                baby_of_many: baby,
                giant: ms(1.6 * (d + 2.0) * (l + k)),
                input: ms(1.05 * raise),
                output: ms(1.75 * divide),
                rotate: ms(1.45 * (raise + divide)),
                product: ms(1.75 * (raise + divide)),
                add: ms(0.7 * l),
                key_megabytes: veilray_he::wire::galois_key_bytes(params, level).map_or(0.0, |bytes| bytes as f64 / 1e6),
            }
        });
        Self { levels: levels.collect(), ms_per_key_megabyte: 1.0, threads: 1 }
    }

    /// [`CostModel::counted`] with the time that a transform takes on the reference machine.
    pub fn reference(params: &veilray_he::Params) -> Self {
        let n = params.n() as f64;
        Self::counted(params, 0.0155 * n * n.log2() / (16384.0 * 14.0))
    }
}
