//! The operations of the server. Every disagreement of level, scale, parameters or keys is an error, never a wrong answer.

use crate::ciphertext::{Ciphertext, Product};
use crate::encode::Plaintext;
use crate::error::{Error, Result};
use crate::galois;
use crate::keys::ExpandedKeys;
use crate::keyswitch::{Decomposed, add_times_p};
use crate::params::Params;
use crate::rns::{Eval, Poly};
use crate::scale::{same_level, same_scale};
use std::borrow::Cow;
use std::sync::Arc;

/// Evaluates on ciphertexts. It holds parameters and nothing else; keys come with the operations that need them.
#[derive(Debug, Clone)]
pub struct Evaluator {
    params: Params,
}

impl Evaluator {
    /// An evaluator for these parameters.
    pub fn new(params: &Params) -> Self {
        Self { params: params.clone() }
    }

    /// The parameters it evaluates under.
    pub fn params(&self) -> &Params {
        &self.params
    }

    fn own(&self, a: &Ciphertext) -> Result<()> {
        self.params.check_same(&a.params)
    }

    fn pair(&self, a: &Ciphertext, b: &Ciphertext) -> Result<()> {
        self.own(a)?;
        self.own(b)?;
        same_level(a.level, b.level)
    }

    fn with_plain(&self, a: &Ciphertext, p: &Plaintext) -> Result<()> {
        self.own(a)?;
        self.params.check_same(&p.params)?;
        if p.level < a.level {
            return Err(Error::LevelMismatch { left: a.level, right: p.level });
        }
        Ok(())
    }

    /// a + b.
    ///
    /// # Errors
    /// Other parameters, levels or scales that differ.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        let mut out = a.clone();
        self.add_assign(&mut out, b)?;
        Ok(out)
    }

    /// a ← a + b, without a copy.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<()> {
        self.pair(a, b)?;
        same_scale(a.scale, b.scale)?;
        a.seed = None;
        a.c0.add_assign(&b.c0);
        a.c1.add_assign(&b.c1);
        Ok(())
    }

    /// a − b.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext> {
        self.pair(a, b)?;
        same_scale(a.scale, b.scale)?;
        let mut out = Ciphertext { seed: None, ..a.clone() };
        out.c0.sub_assign(&b.c0);
        out.c1.sub_assign(&b.c1);
        Ok(out)
    }

    /// −a, at the level and scale of a.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] for a ciphertext of other parameters.
    pub fn neg(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.own(a)?;
        let mut out = Ciphertext { seed: None, ..a.clone() };
        out.c0.neg_assign();
        out.c1.neg_assign();
        Ok(out)
    }

    /// a + p; the plaintext may have a higher level than the ciphertext.
    ///
    /// # Errors
    /// Other parameters, a plaintext of lower level, or another scale.
    pub fn add_plain(&self, a: &Ciphertext, p: &Plaintext) -> Result<Ciphertext> {
        self.with_plain(a, p)?;
        same_scale(a.scale, p.scale)?;
        let mut out = a.clone();
        out.c0.add_assign(&p.poly);
        Ok(out)
    }

    /// a − p.
    ///
    /// # Errors
    /// As [`Evaluator::add_plain`].
    pub fn sub_plain(&self, a: &Ciphertext, p: &Plaintext) -> Result<Ciphertext> {
        self.with_plain(a, p)?;
        same_scale(a.scale, p.scale)?;
        let mut out = a.clone();
        out.c0.sub_assign(&p.poly);
        Ok(out)
    }

    /// a · p slot by slot; the scales multiply. Rescale afterwards.
    ///
    /// # Errors
    /// Other parameters, a plaintext of lower level, or a scale that the level cannot hold.
    pub fn mul_plain(&self, a: &Ciphertext, p: &Plaintext) -> Result<Ciphertext> {
        self.with_plain(a, p)?;
        let scale = self.params.fitting_scale(a.scale * p.scale, a.level)?;
        let mut factor = p.poly.restrict(a.c0.basis.q);
        factor.enter_montgomery();
        let mut out = Ciphertext { seed: None, scale, ..a.clone() };
        out.c0.mul_montgomery_assign(&factor);
        out.c1.mul_montgomery_assign(&factor);
        Ok(out)
    }

    /// a · k for an integer k: neither level nor scale change, the noise grows by |k|.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] for a ciphertext of other parameters.
    pub fn mul_integer(&self, a: &Ciphertext, k: i64) -> Result<Ciphertext> {
        self.own(a)?;
        let mut out = Ciphertext { seed: None, ..a.clone() };
        for c in [&mut out.c0, &mut out.c1] {
            c.mul_scalar_assign(|m| m.shoup(m.reduce_i64(k)));
        }
        Ok(out)
    }

    /// a · b slot by slot, before relinearisation; the scales multiply.
    ///
    /// # Errors
    /// Other parameters, levels that differ, or a scale that the level cannot hold.
    pub fn tensor(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Product> {
        self.pair(a, b)?;
        let scale = self.params.fitting_scale(a.scale * b.scale, a.level)?;
        let ring = self.params.ring()?;
        let mut d = [(); 3].map(|()| Poly::uninit(ring, a.c0.basis));
        let n = ring.n();
        let [d0, d1, d2] = &mut d;
        let limbs = d0.data.chunks_exact_mut(n).zip(d1.data.chunks_exact_mut(n)).zip(d2.data.chunks_exact_mut(n));
        let mut tasks: Vec<_> = limbs.map(|((x0, x1), x2)| [x0, x1, x2]).collect();
        crate::par::each(&mut tasks, |i, d| {
            let (x, y) = ([a.c0.limb(i), a.c1.limb(i)], [b.c0.limb(i), b.c1.limb(i)]);
            ring.backend.tensor(ring.modulus(i), x, y, d);
        });
        Ok(Product { params: self.params.clone(), d, level: a.level, scale })
    }

    /// a ← a + b for products.
    ///
    /// # Errors
    /// Other parameters, levels or scales that differ.
    pub fn add_product(&self, a: &mut Product, b: &Product) -> Result<()> {
        self.params.check_same(&a.params)?;
        self.params.check_same(&b.params)?;
        same_level(a.level, b.level)?;
        same_scale(a.scale, b.scale)?;
        a.d.iter_mut().zip(&b.d).for_each(|(x, y)| x.add_assign(y));
        Ok(())
    }

    /// Σ digits·key + P·(d0, d1), over QP.
    fn relinearise_raised(&self, product: Product, keys: &ExpandedKeys) -> Result<(Poly<Eval>, Poly<Eval>)> {
        self.params.check_same(&product.params)?;
        self.params.check_same(keys.params())?;
        let key = keys.relinearisation(product.level)?;
        let [d0, d1, d2] = product.d;
        let (mut left, mut right) = Decomposed::new(&self.params, Cow::Owned(d2))?.inner_product(key);
        add_times_p(&self.params, &mut left, &d0);
        add_times_p(&self.params, &mut right, &d1);
        Ok((left, right))
    }

    /// A product back as a ciphertext of two parts.
    ///
    /// # Errors
    /// Other parameters, or no relinearisation key of that level.
    pub fn relinearise(&self, product: Product, keys: &ExpandedKeys) -> Result<Ciphertext> {
        let (level, scale) = (product.level, product.scale);
        let (mut left, mut right) = self.relinearise_raised(product, keys)?;
        let down = &self.params.tables()?.down;
        let (c0, c1) = down.divide_pair(&mut left, &mut right);
        Ok(Ciphertext { params: self.params.clone(), c0, c1, level, scale, seed: None })
    }

    /// [`Evaluator::relinearise`] and [`Evaluator::rescale`] in one division: faster than both, and one rounding less.
    ///
    /// # Errors
    /// As those two.
    pub fn relinearise_rescale(&self, product: Product, keys: &ExpandedKeys) -> Result<Ciphertext> {
        let level = product.level;
        let scale = self.params.rescaled(product.scale, level)?;
        let (mut left, mut right) = self.relinearise_raised(product, keys)?;
        let down = self.params.tables()?.down_rescale(level);
        let (c0, c1) = down.divide_pair(&mut left, &mut right);
        Ok(Ciphertext { params: self.params.clone(), c0, c1, level: level - 1, scale, seed: None })
    }

    /// a · b slot by slot, relinearised, not rescaled.
    ///
    /// # Errors
    /// As [`Evaluator::tensor`] and [`Evaluator::relinearise`].
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.relinearise(self.tensor(a, b)?, keys)
    }

    /// a · b slot by slot, relinearised and rescaled: one level lower.
    ///
    /// # Errors
    /// As [`Evaluator::tensor`] and [`Evaluator::relinearise_rescale`].
    pub fn multiply_rescale(&self, a: &Ciphertext, b: &Ciphertext, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.relinearise_rescale(self.tensor(a, b)?, keys)
    }

    /// Divides message and scale by the primes of the level, which fall away: one level lower.
    ///
    /// # Errors
    /// [`Error::NoLevelsLeft`] at level 0, [`Error::ScaleTooSmall`] where nothing would be left of the message.
    pub fn rescale(&self, a: &Ciphertext) -> Result<Ciphertext> {
        self.own(a)?;
        let scale = self.params.rescaled(a.scale, a.level)?;
        let rescale = self.params.tables()?.rescale(a.level);
        let (c0, c1) = rescale.divide_pair(&mut a.c0.clone(), &mut a.c1.clone());
        Ok(Ciphertext { params: self.params.clone(), c0, c1, level: a.level - 1, scale, seed: None })
    }

    /// The same message at a lower level: limbs fall away, the scale stays.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] if `level` is above the ciphertext's, [`Error::ScaleTooLarge`] if it cannot hold the scale.
    pub fn drop_to(&self, a: &Ciphertext, level: usize) -> Result<Ciphertext> {
        self.own(a)?;
        if level > a.level {
            return Err(Error::LevelMismatch { left: a.level, right: level });
        }
        self.params.fitting_scale(a.scale, level)?;
        let limbs = self.params.limbs(level);
        Ok(Ciphertext {
            params: self.params.clone(),
            c0: a.c0.restrict(limbs),
            c1: a.c1.restrict(limbs),
            level,
            scale: a.scale,
            seed: a.seed,
        })
    }

    /// Rotates slots left by `steps`: slot i receives slot i + steps, cyclically over all slots.
    ///
    /// # Errors
    /// Other parameters, or no Galois key for that rotation at that level.
    pub fn rotate(&self, a: &Ciphertext, steps: i64, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.automorphism(a, galois::rotation_element(&self.params, steps), keys)
    }

    /// Conjugates every slot.
    ///
    /// # Errors
    /// Other parameters, or no conjugation key at that level.
    pub fn conjugate(&self, a: &Ciphertext, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.automorphism(a, galois::conjugation_element(&self.params), keys)
    }

    fn automorphism(&self, a: &Ciphertext, element: u32, keys: &ExpandedKeys) -> Result<Ciphertext> {
        self.own(a)?;
        if element == 1 {
            return Ok(a.clone());
        }
        self.params.check_same(keys.params())?;
        keys.galois(element, a.level)?;
        self.hoisted(a, &Decomposed::new(&self.params, Cow::Borrowed(&a.c1))?, element, keys)
    }

    /// Rotates by each of `steps`, cutting the ciphertext into digits only once.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`], before any work is done.
    pub fn rotate_hoisted(&self, a: &Ciphertext, steps: &[i64], keys: &ExpandedKeys) -> Result<Vec<Ciphertext>> {
        self.own(a)?;
        self.params.check_same(keys.params())?;
        let elements: Vec<u32> = steps.iter().map(|k| galois::rotation_element(&self.params, *k)).collect();
        for g in elements.iter().filter(|g| **g != 1) {
            keys.galois(*g, a.level)?;
        }
        let digits = Decomposed::new(&self.params, Cow::Borrowed(&a.c1))?;
        elements.iter().map(|g| if *g == 1 { Ok(a.clone()) } else { self.hoisted(a, &digits, *g, keys) }).collect()
    }

    fn hoisted(&self, a: &Ciphertext, digits: &Decomposed, element: u32, keys: &ExpandedKeys) -> Result<Ciphertext> {
        let key = keys.galois(element, a.level)?;
        // c0 enters times P and the automorphism is applied before the division: both ride on the pass over the key.
        let (mut left, mut right) = digits.switch(key, &a.c0);
        let down = &self.params.tables()?.down;
        let (c0, c1) = down.divide_pair(&mut left, &mut right);
        Ok(Ciphertext { params: self.params.clone(), c0, c1, level: a.level, scale: a.scale, seed: None })
    }
}

/// Ciphertexts and evaluators go between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<(Ciphertext, Product, Evaluator, Arc<ExpandedKeys>, Params, Plaintext)>();
};
