//! AVX2: eight lanes.

use super::vector::Vector;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct U32x8(__m256i);

// SAFETY (of every block below): the caller guarantees AVX2 and, for pointers, 8 accessible elements.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Vector for U32x8 {
    const LANES: usize = 8;
    const LOG_LANES: u32 = 3;

    #[inline(always)]
    unsafe fn load(p: *const u32) -> Self {
        unsafe { Self(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u32) {
        unsafe { _mm256_storeu_si256(p.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn splat(v: u32) -> Self {
        unsafe { Self(_mm256_set1_epi32(v as i32)) }
    }
    #[inline(always)]
    unsafe fn splat64(v: u64) -> Self {
        unsafe { Self(_mm256_set1_epi64x(v as i64)) }
    }
    #[inline(always)]
    unsafe fn add(self, o: Self) -> Self {
        unsafe { Self(_mm256_add_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, o: Self) -> Self {
        unsafe { Self(_mm256_sub_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, o: Self) -> Self {
        unsafe { Self(_mm256_min_epu32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn mul_low(self, o: Self) -> Self {
        unsafe { Self(_mm256_mullo_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn mul_even(self, o: Self) -> Self {
        unsafe { Self(_mm256_mul_epu32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn odd(self) -> Self {
        unsafe { Self(_mm256_shuffle_epi32::<0b11_11_01_01>(self.0)) }
    }
    #[inline(always)]
    unsafe fn high(even: Self, odd: Self) -> Self {
        unsafe { Self(_mm256_blend_epi32::<0b1010_1010>(even.odd().0, odd.0)) }
    }
    #[inline(always)]
    unsafe fn low(even: Self, odd: Self) -> Self {
        unsafe { Self(_mm256_blend_epi32::<0b1010_1010>(even.0, _mm256_slli_epi64::<32>(odd.0))) }
    }
    #[inline(always)]
    unsafe fn add64(self, o: Self) -> Self {
        unsafe { Self(_mm256_add_epi64(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn shr64(self, n: u32) -> Self {
        unsafe { Self(_mm256_srl_epi64(self.0, _mm_cvtsi32_si128(n as i32))) }
    }
    #[inline(always)]
    unsafe fn deinterleave<const T: usize>(a: Self, b: Self) -> (Self, Self) {
        unsafe {
            match T {
                4 => (Self(_mm256_permute2x128_si256::<0x20>(a.0, b.0)), Self(_mm256_permute2x128_si256::<0x31>(a.0, b.0))),
                // Within each 128-bit half: runs a0 b0 | a1 b1.
                2 => (Self(_mm256_unpacklo_epi64(a.0, b.0)), Self(_mm256_unpackhi_epi64(a.0, b.0))),
                // Runs a0 a1 b0 b1 | a2 a3 b2 b3.
                _ => {
                    let (x, y) = (_mm256_castsi256_ps(a.0), _mm256_castsi256_ps(b.0));
                    (
                        Self(_mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(x, y))),
                        Self(_mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(x, y))),
                    )
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn interleave<const T: usize>(lo: Self, hi: Self) -> (Self, Self) {
        unsafe {
            match T {
                4 | 2 => Self::deinterleave::<T>(lo, hi),
                _ => {
                    // lo = a0 a2 b0 b2 | a4 a6 b4 b6 and hi likewise with odd places.
                    (Self(_mm256_unpacklo_epi32(lo.0, hi.0)), Self(_mm256_unpackhi_epi32(lo.0, hi.0)))
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn expand<const T: usize>(p: *const u32) -> Self {
        unsafe {
            match T {
                // Runs 0 1.
                4 => {
                    let w = _mm256_castsi128_si256(_mm_loadl_epi64(p.cast()));
                    Self(_mm256_permutevar8x32_epi32(w, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)))
                }
                // Runs 0 2 | 1 3: a holds runs 0 and 1, b holds 2 and 3.
                2 => {
                    let w = _mm256_castsi128_si256(_mm_loadu_si128(p.cast()));
                    Self(_mm256_permutevar8x32_epi32(w, _mm256_setr_epi32(0, 0, 2, 2, 1, 1, 3, 3)))
                }
                // a holds runs 0 to 3, b holds 4 to 7: 0 1 4 5 | 2 3 6 7.
                _ => {
                    let w = _mm256_loadu_si256(p.cast());
                    Self(_mm256_permutevar8x32_epi32(w, _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7)))
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn permute(self, index: Self) -> Self {
        unsafe { Self(_mm256_permutevar8x32_epi32(self.0, index.0)) }
    }
    #[inline(always)]
    unsafe fn reverse(self) -> Self {
        unsafe { self.permute(Self(_mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0))) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const u32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
}
