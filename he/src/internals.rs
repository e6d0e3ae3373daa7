//! Parts that benchmarks measure by themselves. **Unstable**: they may change or go in any release.
//!
//! Here only with the feature `internals`, which is off by default.

use crate::error::{Error, Result};
use crate::modulus::Modulus;
use crate::ntt;
use crate::simd::Backend;

/// The tables of one prime's number-theoretic transform.
#[derive(Debug)]
pub struct NttTable(ntt::NttTable);

impl NttTable {
    /// The tables of 2^`log_n` coefficients, 2 ≤ `log_n` ≤ 20.
    ///
    /// # Errors
    /// [`Error::Modulus`] unless the modulus is a prime ≡ 1 mod 2^(`log_n` + 1), [`Error::Length`]
    /// for another `log_n`.
    pub fn new(modulus: Modulus, log_n: u32) -> Result<Self> {
        ntt::NttTable::new(modulus, log_n).map(Self)
    }

    /// 2^`log_n` coefficients in [0, q), natural order → evaluations in [0, q), bit-reversed order; in place.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of them.
    pub fn transform(&self, backend: Backend, x: &mut [u32]) -> Result<()> {
        self.check(x.len())?;
        backend.ntt_forward(&self.0, x);
        Ok(())
    }

    /// 2^`log_n` evaluations in [0, q), bit-reversed order → coefficients in [0, q), natural order; in place.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of them.
    pub fn transform_back(&self, backend: Backend, x: &mut [u32]) -> Result<()> {
        self.check(x.len())?;
        backend.ntt_inverse(&self.0, x);
        Ok(())
    }

    fn check(&self, found: usize) -> Result<()> {
        let wanted = 1 << self.0.log_n;
        if found == wanted { Ok(()) } else { Err(Error::Length { found, wanted }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moduli_without_a_transform_are_refused() {
        assert_eq!(Modulus::new(1 << 30).unwrap_err(), Error::Modulus { found: 1 << 30 });
        // Not prime; prime, but not 1 modulo 2N.
        for q in [(1 << 20) + 1, 998_244_355, 1_073_741_789] {
            assert_eq!(NttTable::new(Modulus::new(q).unwrap(), 10).unwrap_err(), Error::Modulus { found: q });
        }
        let table = NttTable::new(Modulus::new(998_244_353).unwrap(), 10).unwrap();
        for n in [0, 1023, 2048] {
            let refused = Error::Length { found: n, wanted: 1024 };
            assert_eq!(table.transform(Backend::SCALAR, &mut vec![0; n]).unwrap_err(), refused);
            assert_eq!(table.transform_back(Backend::SCALAR, &mut vec![0; n]).unwrap_err(), refused);
        }
        assert!(matches!(NttTable::new(Modulus::new(998_244_353).unwrap(), 1), Err(Error::Length { .. })));
        assert!(matches!(NttTable::new(Modulus::new(998_244_353).unwrap(), 21), Err(Error::Length { .. })));
    }

    #[test]
    fn a_transform_and_its_inverse_change_nothing() {
        let table = NttTable::new(Modulus::new(998_244_353).unwrap(), 10).unwrap();
        let input: Vec<u32> = (0..1024).map(|i| i * i).collect();
        for backend in Backend::available() {
            let mut x = input.clone();
            table.transform(backend, &mut x).unwrap();
            assert_ne!(x, input);
            table.transform_back(backend, &mut x).unwrap();
            assert_eq!(x, input, "{}", backend.name());
        }
    }
}
