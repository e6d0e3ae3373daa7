//! The cost model calibrated: real operations timed on this machine.

use super::cost::{CostModel, LevelCost};
use super::needs::diagonal_memory;
use rayon::prelude::*;
use std::time::Instant;
use veilray_he::{
    Ciphertext, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform, Params, Result,
    SecretKey,
};

/// Baby steps of the timed maps, and giant steps: with both, the largest reads as much memory as a convolution's row does.
const SIDE: usize = 8;
/// Rows in the timed sum of several: [`super::cost::LONG_ROW`] baby steps. They share their keys, as the parts of a real map do.
const PARTS: usize = 4;
/// Costs that are found, and operations that are timed for it.
const OPERATIONS: usize = 9;
/// Least and most times that everything is timed, and how long it goes on in between. The middle half of the times counts.
const ROUNDS: [usize; 2] = [6, 60];
const SECONDS: f64 = 1.2;

impl CostModel {
    /// [`CostModel::counted`], corrected by what the operations take on this machine, on the threads of the current rayon pool. They are
    /// timed with throw-away keys at three levels, corrections between those levels interpolated: about two seconds at N = 2^14.
    ///
    /// # Errors
    /// The engine's: no randomness, or tables that cannot be built.
    pub fn measured(params: &Params) -> Result<Self> {
        Self::measured_up_to(params, params.max_level())
    }

    /// As [`CostModel::measured`], at levels up to `top`: quicker where a circuit uses few of the parameters' levels.
    ///
    /// # Errors
    /// As [`CostModel::measured`].
    pub fn measured_up_to(params: &Params, top: usize) -> Result<Self> {
        let counted = Self::counted(params, 1.0);
        let top = top.clamp(1, params.max_level());
        let mut levels = vec![1, top.div_ceil(2), top];
        levels.dedup();
        let bench = Bench::new(params, &levels)?;
        let found = bench.measure()?;
        let known: Vec<(usize, [f64; OPERATIONS])> =
            levels.iter().zip(found).map(|(level, found)| (*level, ratios(&found, &operations(&counted.at(*level))))).collect();
        // The timed maps' diagonals stay in the processor's caches; a network's come from memory.
        let far = memory_ms_per_byte();
        let levels = (0..=params.max_level()).map(|level| {
            let cost = counted.at(level);
            let ms: Vec<f64> = operations(&cost).iter().zip(between(&known, level)).map(|(c, r)| c * r).collect();
            let timed = of_operations(&ms, cost.key_megabytes);
            LevelCost { diagonal: timed.diagonal + far * diagonal_memory(params, level) as f64, ..timed }
        });
        Ok(Self { levels: levels.collect(), threads: rayon::current_num_threads(), ..counted })
    }
}

/// Bytes that are read to tell memory from caches.
const FAR: usize = 192 << 20;

/// What reading from memory takes beyond reading from caches, on the threads of the current rayon pool.
fn memory_ms_per_byte() -> f64 {
    let buffer: Vec<u64> = (0..FAR as u64 / 8).collect();
    let read = |words: &[u64], passes: usize| {
        let start = Instant::now();
        let mut sum = 0u64;
        for _ in 0..passes {
            let part = |chunk: &[u64]| chunk.iter().fold(0u64, |a, b| a.wrapping_add(*b));
            sum = sum.wrapping_add(std::hint::black_box(words).par_chunks(1 << 15).map(part).reduce(|| 0, u64::wrapping_add));
        }
        std::hint::black_box(sum);
        start.elapsed().as_secs_f64() * 1e3 / (8 * words.len() * passes) as f64
    };
    let (near, _) = buffer.split_at(buffer.len() / 192);
    let [far, near] =
        [(buffer.as_slice(), 1), (near, 192)].map(|(words, passes)| middle((0..4).map(|_| read(words, passes)).collect()));
    (far - near).max(0.0)
}

fn operations(c: &LevelCost) -> [f64; OPERATIONS] {
    [c.diagonal, c.baby, c.baby_of_many, c.giant, c.input, c.output, c.rotate, c.product, c.add]
}

fn of_operations(ms: &[f64], key_megabytes: f64) -> LevelCost {
    let at = |i: usize| ms.get(i).copied().unwrap_or(0.0);
    let [diagonal, baby, baby_of_many, giant, input] = [0, 1, 2, 3, 4].map(at);
    let [output, rotate, product, add] = [5, 6, 7, 8].map(at);
    LevelCost { diagonal, baby, baby_of_many, giant, input, output, rotate, product, add, key_megabytes }
}

fn ratios(found: &[f64; OPERATIONS], counted: &[f64; OPERATIONS]) -> [f64; OPERATIONS] {
    let mut out = *found;
    out.iter_mut().zip(counted).for_each(|(f, c)| *f /= c.max(f64::MIN_POSITIVE));
    out
}

/// The ratios at a level, on the line between the nearest known ones; beyond the ends, the end's.
fn between(known: &[(usize, [f64; OPERATIONS])], level: usize) -> [f64; OPERATIONS] {
    let below = known.iter().rev().find(|(l, _)| *l <= level).or(known.first());
    let above = known.iter().find(|(l, _)| *l >= level).or(known.last());
    let (Some((a, low)), Some((b, high))) = (below, above) else { return [1.0; OPERATIONS] };
    let t = if b > a { (level - a) as f64 / (b - a) as f64 } else { 0.0 };
    let mut out = *low;
    out.iter_mut().zip(high).for_each(|(x, y)| *x += t * (y - *x));
    out
}

/// What is timed at one level.
struct AtLevel {
    x: Ciphertext,
    /// One diagonal; a row of baby steps; a column of giant steps; both.
    maps: [LinearTransform; 4],
}

struct Bench {
    evaluator: Evaluator,
    keys: ExpandedKeys,
    levels: Vec<AtLevel>,
}

impl Bench {
    fn new(params: &Params, levels: &[usize]) -> Result<Self> {
        let secret = SecretKey::generate(params)?;
        let (encoder, encryptor, slots) = (Encoder::new(params), Encryptor::new(&secret), params.slots());
        let values: Vec<f64> = (0..slots).map(|i| ((i * 7919) % 1009) as f64 / 504.5 - 1.0).collect();
        let shapes: [Vec<usize>; 4] =
            [vec![0], (0..SIDE).collect(), (0..SIDE).map(|g| g * SIDE).collect(), (0..SIDE * SIDE).collect()];
        let top = levels.iter().copied().max().unwrap_or(1);
        let mut spec = KeySpec::new().with_relinearisation(top);
        let mut timed = Vec::with_capacity(levels.len());
        for level in levels {
            let map = |diagonals: &Vec<usize>| {
                let mut out = Diagonals::new(slots)?;
                diagonals.iter().try_for_each(|d| out.add(*d as i64, &values))?;
                LinearTransform::with_scale(params, &out, *level, params.rescale_factor(*level), Some(SIDE))
            };
            let [one, row, column, square] = &shapes;
            let maps = [map(one)?, map(row)?, map(column)?, map(square)?];
            for map in &maps {
                let steps = (1..SIDE as i64).chain((1..SIDE as i64).map(|g| g * SIDE as i64));
                spec = spec.union(&map.key_spec()).with_rotations(params, steps, top);
            }
            timed.push(AtLevel { x: encryptor.encrypt(&encoder.encode_at(&values, *level, params.scale())?)?, maps });
        }
        let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, &spec)?)?;
        Ok(Self { evaluator: Evaluator::new(params), keys, levels: timed })
    }

    /// Milliseconds of every operation, in the order of [`operations`], by level. All levels take turns, so that each finds keys and
    /// diagonals as far away in memory as a circuit would.
    fn measure(&self) -> Result<Vec<[f64; OPERATIONS]>> {
        let mut samples: Vec<[Vec<f64>; OPERATIONS]> = self.levels.iter().map(|_| Default::default()).collect();
        let (start, [least, most]) = (Instant::now(), ROUNDS);
        for round in 0..=most {
            if round > least && start.elapsed().as_secs_f64() > SECONDS {
                break;
            }
            for (level, samples) in self.levels.iter().zip(&mut samples) {
                for (sample, ms) in samples.iter_mut().zip(self.once(level)?) {
                    // The first round fills the buffer pool.
                    if round > 0 {
                        sample.push(ms);
                    }
                }
            }
        }
        Ok(samples.into_iter().map(solved).collect())
    }

    /// One time of each: the four maps, a sum of two, of four rows, a rotation, a product, a sum.
    fn once(&self, level: &AtLevel) -> Result<[f64; OPERATIONS]> {
        let (e, x, keys) = (&self.evaluator, &level.x, &self.keys);
        let [one, row, column, square] = &level.maps;
        Ok([
            timed(|| e.linear(x, one, keys))?,
            timed(|| e.linear(x, row, keys))?,
            timed(|| e.linear(x, column, keys))?,
            timed(|| e.linear(x, square, keys))?,
            timed(|| e.linear_sum(&[(x, one); 2], keys))?,
            timed(|| e.linear_sum(&[(x, row); PARTS], keys))?,
            timed(|| e.rotate(x, 1, keys))?,
            timed(|| e.multiply_rescale(x, x, keys))?,
            timed(|| e.add(x, x))?,
        ])
    }
}

fn timed<T>(f: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = Instant::now();
    let out = f()?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    drop(out);
    Ok(ms)
}

/// The operations' costs from the maps' times: with o, i, d, b and g for output, input, diagonal, baby and giant step and s = [`SIDE`],
/// one map takes i + o + d, the row i + o + s·d + (s − 1)·b, the column i + o + s·d + (s − 1)·g, the square
/// i + o + s²·d + (s − 1)·(b + g), the sum of two 2·i + o + 2·d, of four rows, with B for a baby step of many, 4·(i + s·d + (s − 1)·B) + o.
fn solved(samples: [Vec<f64>; OPERATIONS]) -> [f64; OPERATIONS] {
    let [one, row, column, square, two, rows, rotate, product, add] = samples.map(middle);
    let steps = (SIDE - 1) as f64;
    let positive = |x: f64| x.max(1e-6);
    let diagonal = positive((square - row - column + one) / (steps * steps));
    let baby = positive((row - one) / steps - diagonal);
    let giant = positive((column - one) / steps - diagonal);
    let input = positive(two - one - diagonal);
    let output = positive(one - input - diagonal);
    let of_many = (rows - output) / PARTS as f64 - input - SIDE as f64 * diagonal;
    let baby_of_many = positive(of_many / steps).max(baby);
    [diagonal, baby, baby_of_many, giant, input, output, rotate, product, add]
}

/// The mean of the middle half: as the median it ignores what was disturbed, and it counts the share of time that a busy machine gives.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let half = values.get(quarter..values.len() - quarter).unwrap_or_default();
    half.iter().sum::<f64>() / half.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_come_back_from_the_maps_times() {
        let [d, b, m, g, i, o] = [0.25, 0.5, 0.75, 2.0, 1.0, 1.5];
        let s = SIDE as f64;
        let times = [
            i + o + d,
            i + o + s * d + (s - 1.0) * b,
            i + o + s * d + (s - 1.0) * g,
            i + o + s * s * d + (s - 1.0) * (b + g),
            2.0 * i + o + 2.0 * d,
            4.0 * (i + s * d + (s - 1.0) * m) + o,
            3.0,
            4.0,
            0.125,
        ];
        let found = solved(times.map(|t| vec![t, 0.0, t, 9.0 * t]));
        assert!(found.iter().zip([d, b, m, g, i, o, 3.0, 4.0, 0.125]).all(|(f, w)| (f - w).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn corrections_are_interpolated_between_levels_and_constant_beyond() {
        let known = [(2, [1.0; OPERATIONS]), (4, [3.0; OPERATIONS])];
        let at = |level| between(&known, level)[0];
        assert_eq!([0, 2, 3, 4, 9].map(at), [1.0, 1.0, 2.0, 3.0, 3.0]);
    }
}
