//! Linear maps of encrypted slots by their diagonals: baby-step giant-step with double hoisting.
//!
//! y_i = Σ_d diagonal_d[i] · x_{i+d}. With d = g + b the rotations by b (baby steps) share one decomposition of the input and stay
//! modulo QP, where products with the diagonals are summed; each giant step g then costs one key switch and everything is divided by P
//! once at the end (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021, "Efficient bootstrapping for approximate homomorphic encryption
//! with non-sparse keys", §4).

use crate::ciphertext::Ciphertext;
use crate::encode::Encoder;
use crate::evaluate::{Evaluator, SCALE_TOLERANCE};
use crate::galois;
use crate::keys::{ExpandedKeys, KeySpec};
use crate::keyswitch::{Decomposed, p_mod};
use crate::par;
use crate::params::Params;
use crate::pool::Buffer;
use crate::rns::{Eval, Poly};
use crate::simd::RUN;
use crate::{Error, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The non-zero diagonals of a square matrix that acts on slots, cyclically over a period: y_i = Σ_d diagonal_d[i] · x_{(i+d) mod period}.
///
/// A period below the number of slots supposes an input that repeats with it; the output then does, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonals {
    period: usize,
    diagonals: BTreeMap<usize, Vec<f64>>,
}

impl Diagonals {
    /// No diagonals yet, over a power-of-two period.
    ///
    /// # Errors
    /// [`Error::Period`] if it is none.
    pub fn new(period: usize) -> Result<Self> {
        if period.is_power_of_two() {
            Ok(Self { period, diagonals: BTreeMap::new() })
        } else {
            Err(Error::Period { found: period, slots: 0 })
        }
    }

    /// The diagonals of a dense square matrix, row by row; zero ones are left out.
    ///
    /// # Errors
    /// [`Error::Period`] if the number of rows is no power of two, [`Error::Diagonal`] if a row has another length.
    pub fn from_matrix(rows: &[Vec<f64>]) -> Result<Self> {
        let mut out = Self::new(rows.len())?;
        let period = rows.len();
        for (i, row) in rows.iter().enumerate() {
            if row.len() != period {
                return Err(Error::Diagonal { index: i, found: row.len(), period });
            }
            for (j, value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                let diagonal = out.diagonals.entry((j + period - i) % period).or_insert_with(|| vec![0.0; period]);
                if let Some(place) = diagonal.get_mut(i) {
                    *place = *value;
                }
            }
        }
        Ok(out)
    }

    /// Adds `values` to diagonal `index`, taken modulo the period (−1 is the one below the main diagonal).
    ///
    /// # Errors
    /// [`Error::Diagonal`] if there are not `period` values.
    pub fn add(&mut self, index: i64, values: &[f64]) -> Result<()> {
        let at = index.rem_euclid(self.period as i64) as usize;
        if values.len() != self.period {
            return Err(Error::Diagonal { index: at, found: values.len(), period: self.period });
        }
        let diagonal = self.diagonals.entry(at).or_insert_with(|| vec![0.0; self.period]);
        diagonal.iter_mut().zip(values).for_each(|(x, y)| *x += y);
        Ok(())
    }

    /// The period.
    pub fn period(&self) -> usize {
        self.period
    }

    /// Indices of the diagonals, ascending.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        self.diagonals.keys().copied()
    }

    /// The map in clear, on a vector of one period: the oracle of the encrypted one.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let term = |i: usize| {
            let product = |(d, v): (&usize, &Vec<f64>)| Some(v.get(i)? * x.get((i + d) % self.period)?);
            self.diagonals.iter().filter_map(product).sum()
        };
        (0..self.period).map(term).collect()
    }
}

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
            let babies: BTreeSet<usize> = indices.iter().map(|d| d % width).filter(|b| *b != 0).collect();
            let giants: BTreeSet<usize> = indices.iter().map(|d| d / width).filter(|g| *g != 0).collect();
            Self { width, baby_steps: babies.len(), giant_steps: giants.len() }
        };
        let cost = |s: &Self| baby * s.baby_steps as f64 + giant * s.giant_steps as f64;
        splits.map(split).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(Self { width: 1, baby_steps: 0, giant_steps: 0 })
    }
}

/// One giant step: its rotation, the places of the baby steps it sums, ascending, and their diagonals.
#[derive(Debug)]
struct Giant {
    steps: usize,
    babies: Vec<usize>,
    /// Limb by limb, as `Backend::dot_diagonals` reads them: half of each, in one stream through memory.
    packed: Buffer,
}

impl Giant {
    #[allow(clippy::indexing_slicing, reason = "runs partition limbs, limbs partition the packed buffer")]
    fn new(steps: usize, mut terms: Vec<(usize, Poly<Eval>)>) -> Option<Self> {
        terms.sort_unstable_by_key(|(baby, _)| *baby);
        let first = &terms.first()?.1;
        let (ring, limbs, n) = (Arc::clone(&first.ring), first.basis.len(), first.ring.n());
        let limb_len = terms.len() * n / 2;
        let mut packed = ring.pool.take(limbs * limb_len);
        par::chunks(&mut packed, limb_len, |i, packed| {
            for (t, (_, diagonal)) in terms.iter().enumerate() {
                for (row, run) in packed.chunks_exact_mut(terms.len() * RUN).zip(diagonal.limb(i).chunks_exact(RUN)) {
                    row[t * RUN..(t + 1) * RUN].copy_from_slice(run);
                }
            }
        });
        Some(Self { steps, babies: terms.iter().map(|(baby, _)| *baby).collect(), packed })
    }
}

/// A linear map encoded for evaluation at one level.
#[derive(Debug)]
pub struct LinearTransform {
    params: Params,
    level: usize,
    scale: f64,
    split: Split,
    babies: Vec<usize>,
    giants: Vec<Giant>,
}

impl LinearTransform {
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
        let babies: BTreeSet<usize> = indices.iter().map(|d| d % split.width).collect();
        let babies: Vec<usize> = babies.into_iter().collect();
        let encoder = Encoder::new(params);
        let encode = |(index, values): (&usize, &Vec<f64>)| -> Result<(usize, usize, Poly<Eval>)> {
            if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite { index: bad });
            }
            let (baby, giant) = (index % split.width, index / split.width * split.width);
            // The giant step rotates afterwards, so the diagonal is rotated back beforehand.
            let turned = values.iter().cycle().skip((period - giant % period) % period);
            let mut re: Vec<f64> = turned.take(period).copied().collect::<Vec<_>>().repeat(slots / period);
            let mut im = vec![0.0; slots];
            let mut poly = encoder.embed_in(&mut re, &mut im, true, params.key_basis(level), params.log_q(level), scale)?;
            poly.to_montgomery();
            Ok((giant, babies.binary_search(&baby).unwrap_or(0), poly))
        };
        let all: Vec<_> = diagonals.diagonals.iter().collect();
        let mut giants: BTreeMap<usize, Vec<(usize, Poly<Eval>)>> = BTreeMap::new();
        for encoded in par::map(all.len(), |i| all.get(i).map(|d| encode(*d))).into_iter().flatten() {
            let (steps, baby, poly) = encoded?;
            giants.entry(steps).or_default().push((baby, poly));
        }
        let giants = giants.into_iter().filter_map(|(steps, terms)| Giant::new(steps, terms)).collect();
        Ok(Self { params: params.clone(), level, scale, split, babies, giants })
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
        let steps = self.babies.iter().copied().chain(self.giants.iter().map(|g| g.steps));
        KeySpec::new().with_rotations(&self.params, steps.map(|s| s as i64), self.level)
    }

    /// Bytes of memory its diagonals take.
    pub fn memory_bytes(&self) -> usize {
        self.giants.iter().map(|g| 4 * g.packed.len()).sum()
    }
}

/// Evaluations per tile, and as many of its mirror image: the baby steps' share of a tile stays in the second-level cache while the giant steps pass over it.
const TILE: usize = 2048;

impl Evaluator {
    /// The linear map of a ciphertext, rescaled: one level lower, at scale a.scale · transform.scale / rescale factor.
    ///
    /// # Errors
    /// Other parameters, another level than the transform's, or a missing Galois key.
    pub fn linear(&self, a: &Ciphertext, transform: &LinearTransform, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.linear_sum(&[(a, transform)], keys)
    }

    /// Σ transform(a) over several inputs, one row of a block matrix, for little more than the price of its products: giant steps of
    /// the same rotation are shared.
    ///
    /// # Errors
    /// As [`Evaluator::linear`]; also no inputs, or inputs whose levels or resulting scales differ.
    pub fn linear_sum(&self, inputs: &[(&Ciphertext, &LinearTransform)], keys: &ExpandedKeys) -> Result<Ciphertext> {
        let (level, scale) = self.check_linear(inputs, keys)?;
        let params = self.params();
        let tables = params.tables()?;
        let ring = &tables.ring;
        let basis = params.key_basis(level);

        let digits = inputs.iter().map(|(a, _)| Decomposed::new(params, Cow::Borrowed(&a.c1))).collect::<Result<Vec<_>>>()?;
        let steps: BTreeSet<usize> = inputs.iter().flat_map(|(_, t)| t.giants.iter().map(|g| g.steps)).collect();
        let steps: Vec<usize> = steps.into_iter().collect();
        let mut sums: Vec<_> = steps.iter().map(|_| (Poly::uninit(ring, basis), Poly::uninit(ring, basis))).collect();
        {
            // One task per prime: it makes the baby steps of that limb and sums them into every giant step's.
            let n = ring.n();
            let mut tasks: Vec<Vec<(&mut [u32], &mut [u32])>> =
                (0..basis.len()).map(|_| Vec::with_capacity(steps.len())).collect();
            for (left, right) in &mut sums {
                let limbs = left.data.chunks_exact_mut(n).zip(right.data.chunks_exact_mut(n));
                tasks.iter_mut().zip(limbs).for_each(|(task, limbs)| task.push(limbs));
            }
            par::each(&mut tasks, |i, giants| self.sum_limb(inputs, &digits, keys, &steps, i, giants));
        }
        drop(digits);

        let zero = match steps.first() {
            Some(0) => Some(sums.remove(0)),
            _ => None,
        };
        let mut fresh = zero.is_none();
        let (mut left, mut right) = zero.unwrap_or_else(|| (Poly::uninit(ring, basis), Poly::uninit(ring, basis)));
        for (g, (low, mut high)) in steps.iter().filter(|g| **g != 0).zip(sums) {
            let key = keys.galois(galois::rotation_element(params, *g as i64), level)?;
            let digits = Decomposed::new(params, Cow::Owned(tables.down.divide(&mut high)))?;
            par::chunk_pairs(&mut left.data, &mut right.data, ring.n(), |i, l, r| {
                let one = ring.modulus(ring.id(basis, i)).shoup(1);
                digits.limb_product(key, i, (l, r), Some((low.limb(i), one)), key.permutation.as_ref(), !fresh);
            });
            fresh = false;
        }
        let down = tables.down_rescale(level);
        let (c0, c1) = (down.divide(&mut left), down.divide(&mut right));
        Ok(Ciphertext { params: params.clone(), c0, c1, level: level - 1, scale, seed: None })
    }

    /// Level of the inputs and scale of the output, if all agree and every key is there.
    fn check_linear(&self, inputs: &[(&Ciphertext, &LinearTransform)], keys: &ExpandedKeys) -> Result<(usize, f64)> {
        let params = self.params();
        let Some((first, transform)) = inputs.first() else { return Err(Error::Period { found: 0, slots: params.slots() }) };
        params.check_same(keys.params())?;
        let (level, scale) = (transform.level, first.scale * transform.scale);
        for (a, t) in inputs {
            params.check_same(&a.params)?;
            params.check_same(&t.params)?;
            for other in [a.level, t.level] {
                if other != level {
                    return Err(Error::LevelMismatch { left: level, right: other });
                }
            }
            if (a.scale * t.scale / scale - 1.0).abs() > SCALE_TOLERANCE {
                return Err(Error::ScaleMismatch { left: scale, right: a.scale * t.scale });
            }
            for element in t.key_spec().galois().keys() {
                keys.galois(*element, level)?;
            }
        }
        let log_q = params.log_q(level);
        if scale.log2() + 1.0 >= log_q {
            return Err(Error::ScaleTooLarge { log_scale: scale.log2(), log_q, level });
        }
        Ok((level, scale / params.rescale_factor(level)))
    }

    /// Limb `i` of every giant step's sum over QP.
    #[allow(clippy::indexing_slicing, reason = "tiles and places run below the lengths they are taken from")]
    fn sum_limb(
        &self,
        inputs: &[(&Ciphertext, &LinearTransform)],
        digits: &[Decomposed],
        keys: &ExpandedKeys,
        steps: &[usize],
        i: usize,
        giants: &mut [(&mut [u32], &mut [u32])],
    ) {
        let Some(first) = digits.first() else { return };
        let (ring, basis) = (Arc::clone(first.ring()), first.basis());
        let (id, n) = (ring.id(basis, i), ring.n());
        let m = ring.modulus(id);
        let in_chain = i < basis.q;
        let p = m.shoup(p_mod(self.params(), m));

        // Baby steps of all inputs one after the other; P·x has no special limbs, so the step 0 is absent there.
        let count: usize = inputs.iter().map(|(_, t)| t.babies.len()).sum();
        let (mut left, mut right) = (ring.pool.take(count * n), ring.pool.take(count * n));
        let mut rows = left.chunks_exact_mut(n).zip(right.chunks_exact_mut(n));
        for ((a, t), digits) in inputs.iter().zip(digits) {
            for (b, (left, right)) in t.babies.iter().zip(&mut rows) {
                let key = (*b != 0).then(|| keys.galois(galois::rotation_element(self.params(), *b as i64), t.level));
                match key {
                    Some(Ok(key)) => {
                        let plus = in_chain.then(|| (a.c0.limb(i), p));
                        digits.limb_product(key, i, (left, right), plus, key.permutation.as_ref(), false);
                    }
                    // A missing key was refused before any work began.
                    Some(Err(_)) => {}
                    None if in_chain => {
                        left.copy_from_slice(a.c0.limb(i));
                        right.copy_from_slice(a.c1.limb(i));
                        ring.backend.mul_scalar_assign(m, left, p);
                        ring.backend.mul_scalar_assign(m, right, p);
                    }
                    None => {}
                }
            }
        }

        let half = n / 2;
        let tile = TILE.min(half);
        for at in (0..half).step_by(tile) {
            for (g, (out0, out1)) in steps.iter().zip(giants.iter_mut()) {
                let (mut base, mut accumulate) = (0, false);
                for (_, t) in inputs {
                    if let Some(giant) = t.giants.iter().find(|giant| giant.steps == *g) {
                        let skip = usize::from(!in_chain && giant.babies.first().is_some_and(|b| t.babies[*b] == 0));
                        let row = |b: &usize| (base + b) * n..(base + b + 1) * n;
                        let x: Vec<&[u32]> = giant.babies[skip..].iter().map(|b| &left[row(b)]).collect();
                        let y: Vec<&[u32]> = giant.babies[skip..].iter().map(|b| &right[row(b)]).collect();
                        let limb_len = giant.packed.len() / basis.len();
                        let packed = &giant.packed[i * limb_len..(i + 1) * limb_len];
                        ring.backend.dot_diagonals(m, packed, skip, &x, &y, at..at + tile, out0, out1, accumulate);
                        accumulate |= !x.is_empty();
                    }
                    base += t.babies.len();
                }
                if !accumulate {
                    for out in [&mut **out0, &mut **out1] {
                        out[at..at + tile].fill(0);
                        out[n - at - tile..n - at].fill(0);
                    }
                }
            }
        }
    }
}
