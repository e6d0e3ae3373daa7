//! Vector backends, chosen once at run time. The only `unsafe` of the workspace lives in this folder.
#![allow(unsafe_code)]

use crate::{Error, Result};

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
}

/// A piece of safe code to be compiled once per instruction set; mark [`Vectorize::run`] `#[inline(always)]`.
pub trait Vectorize {
    /// What the code returns.
    type Output;
    /// The code.
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
            }
        }
        all
    }

    /// The fastest backend, or the one that the environment variable `VEILRAY_SIMD` (`scalar`, `avx2`, `avx512`) forces.
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
            reason: if ["scalar", "avx2", "avx512"].contains(&found.as_str()) {
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
        }
    }

    /// Runs safe code compiled for this backend's instruction set. No fused multiply-add is ever formed, so results agree bit for bit.
    #[inline]
    pub fn vectorize<V: Vectorize>(self, op: V) -> V::Output {
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
            Kind::Avx512 => unsafe { on_avx512(op) },
        }
    }
}
