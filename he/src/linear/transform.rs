//! Diagonals split into baby and giant steps, and encoded for one level.

use super::Diagonals;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::keys::KeySpec;
use crate::par;
use crate::params::Params;
use crate::pool::Buffer;
use crate::rns::{Eval, Poly};
use crate::simd::RUN;
use std::collections::BTreeSet;

/// How diagonals are split: index = giant + baby, baby below `width`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Giant steps are multiples of this.
    pub width: usize,
    /// Rotations that share one decomposition.
    pub baby_steps: usize,
    /// Rotations that cost a key switch each.
    pub giant_steps: usize,
}

impl Split {
    /// The split of those diagonals that costs least at a level, counting in transforms of one limb.
    pub fn cheapest(params: &Params, level: usize, period: usize, indices: &[usize]) -> Self {
        let (l, k, d) = (params.limbs(level) as f64, params.special().len() as f64, params.digits(level) as f64);
        // Measured beside the transform on the reference machine: a multiply-accumulate of one limb takes 0.25 of it.
        let baby = 0.25 * 2.0 * (l + k) * (d + 1.0);
        let giant = k + l + (d + 1.0) * (l + k) + baby;
        let splits = (0..=period.trailing_zeros()).map(|j| 1usize << j).flat_map(|w| [w, 3 * w / 2]).filter(|w| *w > 0);
        let split = |width: usize| {
            let baby_steps: BTreeSet<usize> = indices.iter().map(|d| d % width).filter(|b| *b != 0).collect();
            let giant_steps: BTreeSet<usize> = indices.iter().map(|d| d / width).filter(|g| *g != 0).collect();
            Self { width, baby_steps: baby_steps.len(), giant_steps: giant_steps.len() }
        };
        let cost = |s: &Self| baby * s.baby_steps as f64 + giant * s.giant_steps as f64;
        splits.map(split).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(Self { width: 1, baby_steps: 0, giant_steps: 0 })
    }
}

/// One giant step: its rotation, the places of the baby steps it sums, ascending, and their diagonals.
#[derive(Debug)]
pub(super) struct GiantStep {
    pub steps: usize,
    pub baby_steps: Vec<usize>,
    /// By limb, as `Backend::dot_diagonals` reads them: half of each diagonal, in one stream through memory. Their lengths do not depend
    /// on the level, so that maps of one level reuse what those of another leave.
    pub packed: Vec<Buffer>,
}

impl GiantStep {
    /// Puts a diagonal in its place among the others.
    #[allow(clippy::indexing_slicing, reason = "runs partition limbs, limbs partition the packed buffers")]
    fn put(&mut self, term: usize, diagonal: &Poly<Eval>) {
        let terms = self.baby_steps.len();
        par::each(&mut self.packed, |i, packed| {
            for (row, run) in packed.chunks_exact_mut(terms * RUN).zip(diagonal.limb(i).chunks_exact(RUN)) {
                row[term * RUN..(term + 1) * RUN].copy_from_slice(run);
            }
        });
    }
}

/// A linear map encoded for evaluation at one level.
#[derive(Debug)]
pub struct LinearTransform {
    pub(super) params: Params,
    pub(super) level: usize,
    pub(super) scale: f64,
    split: Split,
    /// Rotations of the baby steps, ascending.
    pub(super) baby_steps: Vec<usize>,
    /// Ascending by rotation.
    pub(super) giant_steps: Vec<GiantStep>,
}

impl LinearTransform {
    /// Diagonals that are encoded at once, on up to as many threads: each is a whole polynomial until it is packed.
    pub const BATCH: usize = 16;

    /// Encodes the diagonals for inputs at `level`, at the scale that rescaling divides away again: the output has its input's scale.
    ///
    /// # Errors
    /// As [`LinearTransform::with_scale`].
    pub fn new(params: &Params, diagonals: &Diagonals, level: usize) -> Result<Self> {
        Self::with_scale(params, diagonals, level, params.rescale_factor(level), None)
    }

    /// Encodes the diagonals at a scale of the caller's choice, split at a width of the caller's choice or the cheapest one.
    ///
    /// # Errors
    /// A level that is not there or is 0, a period above the number of slots, no diagonals, or values that cannot be encoded.
    pub fn with_scale(params: &Params, diagonals: &Diagonals, level: usize, scale: f64, width: Option<usize>) -> Result<Self> {
        params.check_level(level)?;
        if level == 0 {
            return Err(Error::NoLevelsLeft { max_level: params.max_level() });
        }
        let (slots, period) = (params.slots(), diagonals.period);
        if period > slots || diagonals.diagonals.is_empty() {
            return Err(Error::Period { found: period, slots });
        }
        let indices: Vec<usize> = diagonals.indices().collect();
        let split = match width {
            None => Split::cheapest(params, level, period, &indices),
            Some(width) => {
                let width = width.clamp(1, period);
                let count =
                    |f: &dyn Fn(usize) -> usize| indices.iter().map(|d| f(*d)).filter(|x| *x != 0).collect::<BTreeSet<_>>().len();
                Split { width, baby_steps: count(&|d| d % width), giant_steps: count(&|d| d / width) }
            }
        };
        let baby_steps: BTreeSet<usize> = indices.iter().map(|d| d % split.width).collect();
        let baby_steps: Vec<usize> = baby_steps.into_iter().collect();
        let encoder = Encoder::new(params);
        let encode = |index: usize, values: &Vec<f64>| -> Result<Poly<Eval>> {
            if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite { index: bad });
            }
            let giant = index / split.width * split.width;
            // The giant step rotates afterwards, so the diagonal is rotated back beforehand.
            let turned = values.iter().cycle().skip((period - giant % period) % period);
            let mut re: Vec<f64> = turned.take(period).copied().collect::<Vec<_>>().repeat(slots / period);
            let mut im = vec![0.0; slots];
            let mut poly = encoder.embed_in(&mut re, &mut im, true, params.key_basis(level), params.log_q(level), scale)?;
            poly.enter_montgomery();
            Ok(poly)
        };
        let (ring, limbs) = (params.ring()?, params.key_basis(level).len());
        let mut giant_steps: Vec<GiantStep> = Vec::new();
        // Ascending, so that a giant step's diagonals follow one another, baby steps ascending.
        let mut all: Vec<(usize, usize, &Vec<f64>)> = Vec::with_capacity(indices.len());
        for (index, values) in &diagonals.diagonals {
            let (baby, steps) = (index % split.width, index / split.width * split.width);
            if giant_steps.last().is_none_or(|giant| giant.steps != steps) {
                giant_steps.push(GiantStep { steps, baby_steps: Vec::new(), packed: Vec::new() });
            }
            if let Some(giant) = giant_steps.last_mut() {
                giant.baby_steps.push(baby_steps.binary_search(&baby).unwrap_or(0));
            }
            all.push((giant_steps.len() - 1, *index, values));
        }
        for giant in &mut giant_steps {
            giant.packed = (0..limbs).map(|_| ring.pool.take(giant.baby_steps.len() * ring.n() / 2)).collect();
        }
        let mut before = (0, 0);
        for batch in all.chunks(Self::BATCH) {
            let encoded = par::map(batch.len(), |i| batch.get(i).map(|(_, index, values)| encode(*index, values)));
            for ((giant, ..), diagonal) in batch.iter().zip(encoded.into_iter().flatten()) {
                let term = if before.0 == *giant { before.1 } else { 0 };
                before = (*giant, term + 1);
                if let Some(giant) = giant_steps.get_mut(*giant) {
                    giant.put(term, &diagonal?);
                }
            }
        }
        Ok(Self { params: params.clone(), level, scale, split, baby_steps, giant_steps })
    }

    /// The level of its inputs; outputs are one lower.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The scale of its diagonals.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// How its diagonals are split.
    pub fn split(&self) -> Split {
        self.split
    }

    /// The keys it needs.
    pub fn key_spec(&self) -> KeySpec {
        let steps = self.baby_steps.iter().copied().chain(self.giant_steps.iter().map(|g| g.steps));
        KeySpec::new().with_rotations(&self.params, steps.map(|s| s as i64), self.level)
    }

    /// Bytes of memory its diagonals take.
    pub fn memory_bytes(&self) -> usize {
        self.giant_steps.iter().flat_map(|g| &g.packed).map(|limb| 4 * limb.len()).sum()
    }
}
