//! Tables of the transform on 64-bit lanes, which AVX-512 IFMA multiplies 52 bits at a time.

#[cfg(target_arch = "x86_64")]
use crate::aligned::Aligned;
use crate::modulus::Modulus;

/// Smallest log2(N) that the transform takes.
#[cfg(target_arch = "x86_64")]
pub(crate) const MIN_LOG_N: u32 = 12;

/// The tables of that transform, where this CPU has IFMA and the size suits it.
#[cfg(target_arch = "x86_64")]
pub(super) fn wide_twiddles(m: &Modulus, log_n: u32, twiddles: &[u32]) -> Option<WideTwiddles> {
    (log_n >= MIN_LOG_N && is_x86_feature_detected!("avx512ifma")).then(|| WideTwiddles::new(m, twiddles))
}

/// There is no such transform on other architectures.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn wide_twiddles(_: &Modulus, _: u32, _: &[u32]) -> Option<WideTwiddles> {
    None
}

/// Never made on other architectures.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Debug)]
pub(crate) enum WideTwiddles {}

/// Twiddles and their quotients ⌊w · 2^52 / q⌋ as 64-bit numbers; those of the last stage in the order in which its lanes want them.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
pub(crate) struct WideTwiddles {
    w: Aligned,
    quotients: Aligned,
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::indexing_slicing, reason = "N twiddles are put in N places")]
impl WideTwiddles {
    fn new(m: &Modulus, twiddles: &[u32]) -> Self {
        let n = twiddles.len();
        let (mut w, mut quotients) = (Aligned::zeroed(2 * n), Aligned::zeroed(2 * n));
        let (wide, wide_quotients) =
            (bytemuck::cast_slice_mut::<u32, u64>(&mut w), bytemuck::cast_slice_mut::<u32, u64>(&mut quotients));
        for (i, t) in twiddles.iter().enumerate() {
            let at = if i >= n / 2 && n >= 16 { i & !7 | LAST_STAGE[i & 7] } else { i };
            wide[at] = u64::from(*t);
            wide_quotients[at] = ((u128::from(*t) << 52) / u128::from(m.value())) as u64;
        }
        Self { w, quotients }
    }

    /// The twiddles and their quotients, N of each.
    pub(crate) fn pointers(&self) -> (*const u64, *const u64) {
        (self.w.as_ptr().cast(), self.quotients.as_ptr().cast())
    }
}

/// Where the last stage's runs lie after two splits of a pair of vectors: run i in lane `LAST_STAGE[i]`.
#[cfg(target_arch = "x86_64")]
const LAST_STAGE: [usize; 8] = [0, 4, 2, 6, 1, 5, 3, 7];
