//! Linear maps of ciphertexts.

use super::LinearTransform;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluate::Evaluator;
use crate::galois;
use crate::keys::ExpandedKeys;
use crate::keyswitch::{Decomposed, p_mod};
use crate::par;
use crate::params::Params;
use crate::rns::{Eval, Poly};
use crate::scale::{same_level, same_scale};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The sum of some giant steps over QP, each rotated to its place.
struct GiantStepSum {
    /// Giant steps not yet added, ascending: the rotation, and both polynomials of the sum of its products over QP.
    pending: Vec<(usize, Poly<Eval>, Poly<Eval>)>,
    /// Both polynomials of what has been added.
    sum: Option<(Poly<Eval>, Poly<Eval>)>,
    /// Why a giant step could not be added.
    result: Result<()>,
}

impl Default for GiantStepSum {
    fn default() -> Self {
        Self { pending: Vec::new(), sum: None, result: Ok(()) }
    }
}

impl GiantStepSum {
    /// Rotates every pending giant step, one key switch each, and adds it to the sum.
    fn add_pending(&mut self, params: &Params, keys: &ExpandedKeys, level: usize) -> Result<()> {
        for (steps, low, mut high) in self.pending.drain(..) {
            if steps == 0 {
                // The rotation by 0 is the first, so nothing has been added yet.
                self.sum = Some((low, high));
                continue;
            }
            let key = keys.galois(galois::rotation_element(params, steps as i64), level)?;
            let digits = Decomposed::new(params, Cow::Owned(params.tables()?.down.divide(&mut high)))?;
            let (ring, basis) = (Arc::clone(&low.ring), low.basis);
            let accumulate = self.sum.is_some();
            let (left, right) = self.sum.get_or_insert_with(|| (Poly::uninit(&ring, basis), Poly::uninit(&ring, basis)));
            par::chunk_pairs(&mut left.data, &mut right.data, ring.n(), |i, l, r| {
                let one = ring.modulus(ring.id(basis, i)).shoup(1);
                digits.limb_product(key, i, (l, r), Some((low.limb(i), one)), key.permutation.as_ref(), accumulate);
            });
        }
        Ok(())
    }
}

/// Fewest and most evaluations of a tile; as many of its mirror image belong to it.
const TILE_LENS: [usize; 2] = [256, 2048];

/// Bytes of a tile of all baby steps, at most: it has to stay in the second-level cache while the giant steps pass over it.
const L2_BUDGET: usize = 1 << 19;

/// Evaluations per tile for so many baby steps, each two rows of a tile and its mirror image: 16 bytes per evaluation.
fn tile_len(baby_steps: usize) -> usize {
    let [min, max] = TILE_LENS;
    let fits = (L2_BUDGET / (16 * baby_steps.max(1))).max(1);
    (1 << fits.ilog2()).clamp(min, max)
}

impl Evaluator {
    /// The linear map of a ciphertext, rescaled: one level lower, at scale a.scale · transform.scale / rescale factor.
    ///
    /// # Errors
    /// Other parameters, another level than the transform's, or a missing Galois key.
    pub fn linear(&self, a: &Ciphertext, transform: &LinearTransform, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.linear_sum(&[(a, transform)], keys)
    }

    /// Σ transform(a) over several inputs, one row of a block matrix, which costs little more than its products: giant steps of the
    /// same rotation are shared.
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
        let steps: BTreeSet<usize> = inputs.iter().flat_map(|(_, t)| t.giant_steps.iter().map(|g| g.steps)).collect();
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

        // The giant steps are divided among as many partial sums as there are threads; residues add up the same in any order.
        let parts = par::parts().min(steps.len());
        let mut partial_sums: Vec<GiantStepSum> = (0..parts).map(|_| GiantStepSum::default()).collect();
        for (i, (g, sum)) in steps.iter().zip(sums).enumerate() {
            if let Some(partial) = partial_sums.get_mut(i % parts) {
                partial.pending.push((*g, sum.0, sum.1));
            }
        }
        par::each(&mut partial_sums, |_, partial| partial.result = partial.add_pending(self.params(), keys, level));
        let mut sum: Option<(Poly<Eval>, Poly<Eval>)> = None;
        for partial in partial_sums {
            partial.result?;
            match (&mut sum, partial.sum) {
                (Some((left, right)), Some((l, r))) => {
                    left.add_assign(&l);
                    right.add_assign(&r);
                }
                (sum, other) => *sum = other.or(sum.take()),
            }
        }
        let Some((mut left, mut right)) = sum else { return Err(Error::Period { found: 0, slots: params.slots() }) };
        let (c0, c1) = tables.down_rescale(level).divide_pair(&mut left, &mut right);
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
            same_level(level, a.level)?;
            same_level(level, t.level)?;
            same_scale(scale, a.scale * t.scale)?;
            for element in t.key_spec().galois().keys() {
                keys.galois(*element, level)?;
            }
        }
        params.fitting_scale(scale, level)?;
        Ok((level, params.rescaled(scale, level)?))
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
        let count: usize = inputs.iter().map(|(_, t)| t.baby_steps.len()).sum();
        let (mut left, mut right) = (ring.pool.take(count * n), ring.pool.take(count * n));
        let mut rows = left.chunks_exact_mut(n).zip(right.chunks_exact_mut(n));
        for ((a, t), digits) in inputs.iter().zip(digits) {
            for (b, (left, right)) in t.baby_steps.iter().zip(&mut rows) {
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
        let tile = tile_len(count).min(half);
        for at in (0..half).step_by(tile) {
            for (g, (out0, out1)) in steps.iter().zip(giants.iter_mut()) {
                let (mut base, mut accumulate) = (0, false);
                for (_, t) in inputs {
                    if let Some(giant) = t.giant_steps.iter().find(|giant| giant.steps == *g) {
                        let skip = usize::from(!in_chain && giant.baby_steps.first().is_some_and(|b| t.baby_steps[*b] == 0));
                        let row = |b: &usize| (base + b) * n..(base + b + 1) * n;
                        let x: Vec<&[u32]> = giant.baby_steps[skip..].iter().map(|b| &left[row(b)]).collect();
                        let y: Vec<&[u32]> = giant.baby_steps[skip..].iter().map(|b| &right[row(b)]).collect();
                        ring.backend.dot_diagonals(m, &giant.packed[i], skip, &x, &y, at..at + tile, out0, out1, accumulate);
                        accumulate = true;
                    }
                    base += t.baby_steps.len();
                }
            }
        }
    }
}
