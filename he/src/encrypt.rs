//! Encryption and decryption.

use crate::ciphertext::Ciphertext;
use crate::encode::{Encoder, Plaintext};
use crate::error::{Error, Result};
use crate::params::Params;
use crate::rns::{Basis, Eval, Extension, Poly};
use crate::sample;
use crate::secret::{SecretKey, error_poly, small_poly};
use crate::seed::{SecretRng, Seed, uniform_limb};
use zeroize::Zeroizing;

/// Encrypts under a secret key. Ciphertexts are seeded: half of each is 32 bytes on the wire.
#[derive(Debug)]
pub struct Encryptor<'k> {
    secret: &'k SecretKey,
}

impl<'k> Encryptor<'k> {
    /// An encryptor for this key.
    pub fn new(secret: &'k SecretKey) -> Self {
        Self { secret }
    }

    /// Encrypts at the plaintext's level.
    ///
    /// # Errors
    /// Other parameters than the key's, or no randomness.
    pub fn encrypt(&self, plaintext: &Plaintext) -> Result<Ciphertext> {
        self.encrypt_with(plaintext, &mut SecretRng::from_os()?, Seed::random()?)
    }

    /// The ciphertext that two seeds determine, for known-answer tests. Never reuse either.
    ///
    /// # Errors
    /// Other parameters than the key's.
    pub fn encrypt_from_seeds(&self, plaintext: &Plaintext, secret_seed: [u8; 32], public_seed: [u8; 32]) -> Result<Ciphertext> {
        self.encrypt_with(plaintext, &mut SecretRng::from_seed(secret_seed), Seed::from_bytes(public_seed))
    }

    fn encrypt_with(&self, plaintext: &Plaintext, rng: &mut SecretRng, seed: Seed) -> Result<Ciphertext> {
        let params = self.secret.params();
        params.check_same(&plaintext.params)?;
        let c1 = expand_seed(params, plaintext.level, &seed)?;
        let mut c0 = error_poly(params.ring()?, params.basis(plaintext.level), rng);
        c0.add_assign(&plaintext.poly);
        let mut mask = c1.secret_copy();
        multiply_by_secret(&mut mask, self.secret);
        c0.sub_assign(&mask);
        c0.data.publish();
        Ok(Ciphertext { params: params.clone(), c0, c1, level: plaintext.level, scale: plaintext.scale, seed: Some(seed) })
    }
}

/// The uniform half that a seed stands for.
pub(crate) fn expand_seed(params: &Params, level: usize, seed: &Seed) -> Result<Poly<Eval>> {
    let mut c1 = Poly::uninit(params.ring()?, params.basis(level));
    c1.for_each(|r, id, limb| uniform_limb(seed, id as u64, r.modulus(id).value(), limb));
    Ok(c1)
}

/// x ← x·s.
fn multiply_by_secret(x: &mut Poly<Eval>, secret: &SecretKey) {
    x.for_each(|r, id, limb| {
        r.backend.to_montgomery(r.modulus(id), limb);
        r.backend.mul_montgomery_assign(r.modulus(id), limb, secret.limb(id));
    });
}

/// A public key, by which third parties can encrypt for the holder of the secret key. It has one special prime beside the chain, so
/// that encryption noise is divided away.
#[derive(Debug, Clone)]
pub struct PublicKey {
    pub(crate) params: Params,
    pub(crate) seed: Seed,
    /// −a·s + e.
    pub(crate) b: Poly<Eval>,
}

impl PublicKey {
    /// The public key of a secret key.
    ///
    /// # Errors
    /// [`crate::Error::Randomness`] if there is none.
    pub fn generate(secret: &SecretKey) -> Result<Self> {
        Self::generate_with(secret, &mut SecretRng::from_os()?, Seed::random()?)
    }

    /// The public key that two seeds determine, for known-answer tests. Never reuse `secret_seed`.
    ///
    /// # Errors
    /// If the parameters' tables cannot be built.
    pub fn from_seeds(secret: &SecretKey, secret_seed: [u8; 32], public_seed: [u8; 32]) -> Result<Self> {
        Self::generate_with(secret, &mut SecretRng::from_seed(secret_seed), Seed::from_bytes(public_seed))
    }

    fn generate_with(secret: &SecretKey, rng: &mut SecretRng, seed: Seed) -> Result<Self> {
        let params = secret.params();
        let mut b = error_poly(params.ring()?, Self::basis(params, params.max_level()), rng);
        let a = Self::uniform_half(params, params.max_level(), &seed)?;
        let mut a = a.secret_copy();
        multiply_by_secret(&mut a, secret);
        b.sub_assign(&a);
        b.data.publish();
        Ok(Self { params: params.clone(), seed, b })
    }

    pub(crate) fn basis(params: &Params, level: usize) -> Basis {
        Basis { q: params.limbs(level), p: 1 }
    }

    fn uniform_half(params: &Params, level: usize, seed: &Seed) -> Result<Poly<Eval>> {
        let mut a = Poly::uninit(params.ring()?, Self::basis(params, level));
        a.for_each(|r, id, limb| uniform_limb(seed, id as u64, r.modulus(id).value(), limb));
        Ok(a)
    }

    /// The parameters it belongs to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Encrypts at the plaintext's level.
    ///
    /// # Errors
    /// Other parameters than the key's, or no randomness.
    pub fn encrypt(&self, plaintext: &Plaintext) -> Result<Ciphertext> {
        let params = &self.params;
        params.check_same(&plaintext.params)?;
        let (ring, level) = (params.ring()?, plaintext.level);
        let basis = Self::basis(params, level);
        let mut rng = SecretRng::from_os()?;
        let mut u = Zeroizing::new(vec![0i8; params.n()]);
        sample::ternary(&mut rng, &mut u);
        let mut u = small_poly(ring, basis, &u);
        u.enter_montgomery();
        let divide = Extension::new(ring, &[ring.id(basis, basis.q)]);
        let mut half = |key: &Poly<Eval>| {
            let mut c = u.clone();
            c.mul_montgomery_assign(key);
            c.add_assign(&error_poly(ring, basis, &mut rng));
            divide.divide(&mut c)
        };
        let mut c0 = half(&self.b);
        let mut c1 = half(&Self::uniform_half(params, level, &self.seed)?);
        c0.add_assign(&plaintext.poly);
        c0.data.publish();
        c1.data.publish();
        Ok(Ciphertext { params: params.clone(), c0, c1, level, scale: plaintext.scale, seed: None })
    }
}

/// Most bits after the binary point that [`Decryptor::decrypt`] keeps: a double near 1 has no more.
pub const MAX_PRECISION_BITS: u32 = 52;

/// Decrypts with a secret key.
#[derive(Debug)]
pub struct Decryptor<'k> {
    secret: &'k SecretKey,
}

impl<'k> Decryptor<'k> {
    /// A decryptor for this key.
    pub fn new(secret: &'k SecretKey) -> Self {
        Self { secret }
    }

    /// The real slots, rounded to multiples of 2^−`precision_bits`: what the circuit is known to keep, and no more.
    ///
    /// The digits rounded away are the ones that carry the noise, which a published result must not reveal
    /// (Li and Micciancio 2021, "On the security of homomorphic encryption on approximate numbers"). Zero is always +0: the sign of a
    /// slot that rounds to zero is the noise's.
    ///
    /// # Errors
    /// Other parameters than the key's, or more than [`MAX_PRECISION_BITS`] bits.
    pub fn decrypt(&self, ciphertext: &Ciphertext, precision_bits: u32) -> Result<Vec<f64>> {
        if precision_bits > MAX_PRECISION_BITS {
            return Err(Error::PrecisionBits { found: precision_bits, most: MAX_PRECISION_BITS });
        }
        let unit = f64::from(precision_bits).exp2();
        let mut slots = Encoder::new(self.secret.params()).decode(&self.decrypt_raw(ciphertext)?)?;
        // −0 plus 0 is +0; every other number stays as it is.
        slots.iter_mut().for_each(|x| *x = (*x * unit).round() / unit + 0.0);
        Ok(slots)
    }

    /// Message and noise, unrounded.
    ///
    /// **Do not share the result** with anyone who may also see the ciphertext: the noise in it is a linear equation in the secret key,
    /// and enough of them give the key away (IND-CPA-D). For tests, measurements and further computation by the key's holder.
    ///
    /// # Errors
    /// Other parameters than the key's.
    pub fn decrypt_raw(&self, ciphertext: &Ciphertext) -> Result<Plaintext> {
        let params = self.secret.params();
        params.check_same(&ciphertext.params)?;
        let mut poly = ciphertext.c1.secret_copy();
        multiply_by_secret(&mut poly, self.secret);
        poly.add_assign(&ciphertext.c0);
        Ok(Plaintext { params: params.clone(), poly, level: ciphertext.level, scale: ciphertext.scale })
    }
}
