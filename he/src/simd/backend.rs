//! The backends: which this CPU can run, and a safe method for each kernel.

use crate::error::{Error, Result};
use crate::modulus::{Modulus, Shoup};
use crate::ntt::NttTable;
#[cfg(target_arch = "x86_64")]
use crate::ntt::{MIN_LOG_N, WideTwiddles};
use crate::permutation::Permutation;
use crate::simd::run::Source;
use crate::simd::scalar;
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2, avx512, ifma, kernels, ntt};

/// Which instruction set the kernels use.
///
/// A value exists only where the CPU can run it, so holding one is the proof that the kernels' `unsafe` relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backend(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with a forward transform that uses IFMA.
    #[cfg(target_arch = "x86_64")]
    Avx512Ifma,
}

/// A piece of safe code to be compiled once per instruction set; mark [`Vectorize::run`] `#[inline(always)]`.
pub(crate) trait Vectorize {
    /// What the code returns.
    type Output;
    /// Runs the code once, on this instruction set.
    fn run(self) -> Self::Output;
}

impl Backend {
    /// The portable backend.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The backends this CPU can run, slowest first.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
            {
                all.push(Self(Kind::Avx512));
                if is_x86_feature_detected!("avx512ifma") {
                    all.push(Self(Kind::Avx512Ifma));
                }
            }
        }
        all
    }

    /// The fastest backend, or the one that the environment variable `VEILRAY_SIMD` (`scalar`, `avx2`, `avx512`, `avx512ifma`) forces.
    ///
    /// # Errors
    /// [`Error::Backend`] if the variable names no backend or one that this CPU lacks.
    pub fn detect() -> Result<Self> {
        let available = Self::available();
        let Some(wanted) = std::env::var_os("VEILRAY_SIMD") else {
            return Ok(available.last().copied().unwrap_or(Self::SCALAR));
        };
        let found = wanted.to_string_lossy().into_owned();
        available.iter().copied().find(|b| b.name() == found).ok_or_else(|| Error::Backend {
            reason: if ["scalar", "avx2", "avx512", "avx512ifma"].contains(&found.as_str()) {
                "this CPU cannot run it"
            } else {
                "there is no such backend"
            },
            found,
            available: available.iter().map(|b| b.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The backend's name, as `VEILRAY_SIMD` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => "avx512ifma",
        }
    }

    /// Runs safe code compiled for this backend's instruction set. No fused multiply-add is ever formed, so results agree bit for bit.
    #[inline]
    pub(crate) fn vectorize<V: Vectorize>(self, op: V) -> V::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn on_avx2<V: Vectorize>(op: V) -> V::Output {
            op.run()
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
        fn on_avx512<V: Vectorize>(op: V) -> V::Output {
            op.run()
        }
        match self.0 {
            Kind::Scalar => op.run(),
            // SAFETY: this kind is only constructed after the CPU has shown the feature.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { on_avx2(op) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Ifma => unsafe { on_avx512(op) },
        }
    }
}

/// Defines a method of [`Backend`] per kernel: safe to call, because a `Backend` proves its instruction set.
macro_rules! dispatch {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*);)*) => {
        impl Backend {
            $(
                $(#[$doc])*
                #[allow(clippy::too_many_arguments)]
                pub(crate) fn $name(self, $($arg: $ty),*) {
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx2")]
                    fn on_avx2($($arg: $ty),*) {
                        // SAFETY: this function only runs where AVX2 is.
                        unsafe { kernels::$name::<avx2::U32x8>($($arg),*) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
                    fn on_avx512($($arg: $ty),*) {
                        // SAFETY: this function only runs where AVX-512 is.
                        unsafe { kernels::$name::<avx512::U32x16>($($arg),*) }
                    }
                    match self.0 {
                        Kind::Scalar => scalar::$name($($arg),*),
                        // SAFETY: this kind is only constructed after the CPU has shown the feature.
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx2 => unsafe { on_avx2($($arg),*) },
                        // SAFETY: as above.
                        #[cfg(target_arch = "x86_64")]
                        Kind::Avx512 | Kind::Avx512Ifma => unsafe { on_avx512($($arg),*) },
                    }
                }
            )*
        }
    };
}

dispatch! {
    /// x + y mod q.
    fn add_assign(m: &Modulus, x: &mut [u32], y: &[u32]);
    /// x − y mod q.
    fn sub_assign(m: &Modulus, x: &mut [u32], y: &[u32]);
    /// −x mod q.
    fn neg_assign(m: &Modulus, x: &mut [u32]);
    /// x · y mod q, y in Montgomery form.
    fn mul_montgomery_assign(m: &Modulus, x: &mut [u32], y: &[u32]);
    /// x · 2^32 mod q: enters Montgomery form.
    fn to_montgomery(m: &Modulus, x: &mut [u32]);
    /// x · w mod q, for any 32-bit x.
    fn mul_scalar_assign(m: &Modulus, x: &mut [u32], w: Shoup);
    /// (y − x) · w mod q.
    fn sub_from_mul_scalar(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup);
    /// x + y · w mod q, for any 32-bit y.
    fn add_mul_scalar_assign(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup);
    /// One limb of Σ digits[d] · key[d], both halves: left (+)= φ(Σ digits · b + plus.0 · plus.1), right (+)= φ(Σ digits · a).
    ///
    /// `key` is packed by runs of [`RUN`](crate::simd::run::RUN) evaluations, in Montgomery form: for every run b and a of digit 0, of digit 1, …; it may have more
    /// digits than are given. φ is the permutation, or the identity.
    fn dot_key(m: &Modulus, digits: &[&[u32]], key: &[u32], left: &mut [u32], right: &mut [u32], plus: Option<(&[u32], Shoup)>, permutation: Option<&Permutation>, accumulate: bool);
    /// left (+)= Σ a[t] · diagonal[t], right (+)= Σ b[t] · diagonal[t], for the evaluations of `range`, within the first half, and those
    /// of its mirror image.
    ///
    /// Diagonals are palindromic (real slots), so only their first half is there: packed by runs of [`RUN`](crate::simd::run::RUN), in Montgomery form, for every
    /// run that of term 0, of term 1, …; the first `skip` terms are passed over.
    fn dot_diagonals(m: &Modulus, packed: &[u32], skip: usize, a: &[&[u32]], b: &[&[u32]], range: std::ops::Range<usize>, left: &mut [u32], right: &mut [u32], accumulate: bool);
    /// (a0 + a1·s)(b0 + b1·s) = d0 + d1·s + d2·s².
    fn tensor(m: &Modulus, a: [&[u32]; 2], b: [&[u32]; 2], d: &mut [&mut [u32]; 3]);
    /// out[i] = x[index[i]], where every aligned run of 16 indices stays within one aligned run of 16.
    fn permute(index: &[u32], x: &[u32], out: &mut [u32]);
    /// First half of a basis extension: y_j = x_j · factor_j mod q_j, v = round(Σ y_j / q_j).
    fn extend_prepare(sources: &[Source], xs: &[&[u32]], ys: &mut [u32], v: &mut [u32]);
    /// Second half, for several targets t with their constants, one limb of `out` each: Σ y_j · hats_j + v · hats_last mod t, hats in
    /// Montgomery form; the result is congruent and in [0, 4t), as the transform takes it.
    fn extend_targets(targets: &[(&Modulus, &[u32])], ys: &[u32], v: &[u32], out: &mut [u32]);
    /// x mod q for |x| < 2^62.
    fn reduce_i64(m: &Modulus, x: &[i64], out: &mut [u32]);
}

impl Backend {
    /// N values in [0, 4q), natural order → evaluations in [0, q), bit-reversed order.
    pub(crate) fn ntt_forward(self, t: &NttTable, x: &mut [u32]) {
        assert_eq!(x.len(), 1 << t.log_n, "the table is for another ring");
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn on_avx2(t: &NttTable, x: &mut [u32]) {
            // SAFETY: AVX2 is here, the length is checked by the caller.
            unsafe { ntt::ntt_forward::<avx2::U32x8, 8>(t, x) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
        fn on_avx512(t: &NttTable, x: &mut [u32]) {
            // SAFETY: AVX-512 is here, the length is checked by the caller.
            unsafe { ntt::ntt_forward::<avx512::U32x16, 16>(t, x) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512ifma")]
        fn on_ifma(t: &NttTable, wide: &WideTwiddles, x: &mut [u32]) {
            // SAFETY: AVX-512 and IFMA are here, the length is checked by the caller.
            unsafe { ifma::ntt_forward(t, wide, x) }
        }
        match (self.0, &t.wide) {
            // SAFETY: these kinds are only constructed after the CPU has shown the feature; the size suits the kernel.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, _) if t.log_n >= ntt::min_log_n::<avx2::U32x8>() => unsafe { on_avx2(t, x) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512Ifma, Some(wide)) if t.log_n >= MIN_LOG_N => unsafe { on_ifma(t, wide, x) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512 | Kind::Avx512Ifma, _) if t.log_n >= ntt::min_log_n::<avx512::U32x16>() => unsafe { on_avx512(t, x) },
            _ => scalar::ntt_forward(t, x),
        }
    }

    /// N evaluations in [0, 2q), bit-reversed order → coefficients in [0, q), natural order.
    pub(crate) fn ntt_inverse(self, t: &NttTable, x: &mut [u32]) {
        assert_eq!(x.len(), 1 << t.log_n, "the table is for another ring");
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn on_avx2(t: &NttTable, x: &mut [u32]) {
            // SAFETY: AVX2 is here, the length is checked by the caller.
            unsafe { ntt::ntt_inverse::<avx2::U32x8, 8>(t, x) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
        fn on_avx512(t: &NttTable, x: &mut [u32]) {
            // SAFETY: AVX-512 is here, the length is checked by the caller.
            unsafe { ntt::ntt_inverse::<avx512::U32x16, 16>(t, x) }
        }
        match self.0 {
            // SAFETY: as in `ntt_forward`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 if t.log_n >= ntt::min_log_n::<avx2::U32x8>() => unsafe { on_avx2(t, x) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Ifma if t.log_n >= ntt::min_log_n::<avx512::U32x16>() => unsafe { on_avx512(t, x) },
            _ => scalar::ntt_inverse(t, x),
        }
    }
}
