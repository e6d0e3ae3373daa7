//! AVX-512 (F, DQ, BW, VL): sixteen lanes.

#![allow(clippy::indexing_slicing, reason = "const tables of 16 entries")]

use super::vector::Vector;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct U32x16(__m512i);

/// Lane numbers of the first (or second) runs of T lanes of a pair of vectors.
const fn runs<const T: usize>(second: bool) -> [u32; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = (i / T * 2 * T + i % T + if second { T } else { 0 }) as u32;
        i += 1;
    }
    out
}

/// Lane numbers that undo [`runs`]: half 0 or 1 of the pair restored.
const fn merged<const T: usize>(half: usize) -> [u32; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        let at = half * 16 + i;
        let (run, within) = (at / T, at % T);
        out[i] = (run / 2 * T + within + if run % 2 == 1 { 16 } else { 0 }) as u32;
        i += 1;
    }
    out
}

/// Each of 16 / T twiddles repeated T times.
const fn repeated<const T: usize>() -> [u32; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = (i / T) as u32;
        i += 1;
    }
    out
}

// SAFETY (of every block below): the caller guarantees AVX-512 F/DQ/BW/VL and, for pointers, 16 accessible elements.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Vector for U32x16 {
    const LANES: usize = 16;
    const LOG_LANES: u32 = 4;

    #[inline(always)]
    unsafe fn load(p: *const u32) -> Self {
        unsafe { Self(_mm512_loadu_si512(p.cast())) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u32) {
        unsafe { _mm512_storeu_si512(p.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn splat(v: u32) -> Self {
        unsafe { Self(_mm512_set1_epi32(v as i32)) }
    }
    #[inline(always)]
    unsafe fn splat64(v: u64) -> Self {
        unsafe { Self(_mm512_set1_epi64(v as i64)) }
    }
    #[inline(always)]
    unsafe fn add(self, o: Self) -> Self {
        unsafe { Self(_mm512_add_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, o: Self) -> Self {
        unsafe { Self(_mm512_sub_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn min(self, o: Self) -> Self {
        unsafe { Self(_mm512_min_epu32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn mul_low(self, o: Self) -> Self {
        unsafe { Self(_mm512_mullo_epi32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn mul_even(self, o: Self) -> Self {
        unsafe { Self(_mm512_mul_epu32(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn odd(self) -> Self {
        unsafe { Self(_mm512_shuffle_epi32::<0b11_11_01_01>(self.0)) }
    }
    #[inline(always)]
    unsafe fn high(even: Self, odd: Self) -> Self {
        unsafe { Self(_mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd.0, 0x5555, even.0)) }
    }
    #[inline(always)]
    unsafe fn low(even: Self, odd: Self) -> Self {
        unsafe { Self(_mm512_mask_shuffle_epi32::<0b10_10_00_00>(even.0, 0xAAAA, odd.0)) }
    }
    #[inline(always)]
    unsafe fn add64(self, o: Self) -> Self {
        unsafe { Self(_mm512_add_epi64(self.0, o.0)) }
    }
    #[inline(always)]
    unsafe fn shr64(self, n: u32) -> Self {
        unsafe { Self(_mm512_srl_epi64(self.0, _mm_cvtsi32_si128(n as i32))) }
    }
    #[inline(always)]
    unsafe fn deinterleave<const T: usize>(a: Self, b: Self) -> (Self, Self) {
        unsafe {
            let (first, second) = (const { runs::<T>(false) }, const { runs::<T>(true) });
            (
                Self(_mm512_permutex2var_epi32(a.0, Self::load(first.as_ptr()).0, b.0)),
                Self(_mm512_permutex2var_epi32(a.0, Self::load(second.as_ptr()).0, b.0)),
            )
        }
    }
    #[inline(always)]
    unsafe fn interleave<const T: usize>(lo: Self, hi: Self) -> (Self, Self) {
        unsafe {
            let (first, second) = (const { merged::<T>(0) }, const { merged::<T>(1) });
            (
                Self(_mm512_permutex2var_epi32(lo.0, Self::load(first.as_ptr()).0, hi.0)),
                Self(_mm512_permutex2var_epi32(lo.0, Self::load(second.as_ptr()).0, hi.0)),
            )
        }
    }
    #[inline(always)]
    unsafe fn expand<const T: usize>(p: *const u32) -> Self {
        unsafe {
            match T {
                1 => Self::load(p),
                // Reads exactly the 16 / T twiddles, so that it stays inside the table.
                2 => {
                    let w = _mm512_castsi256_si512(_mm256_loadu_si256(p.cast()));
                    Self(_mm512_permutexvar_epi32(Self::load(const { repeated::<T>() }.as_ptr()).0, w))
                }
                4 => {
                    let w = _mm512_castsi128_si512(_mm_loadu_si128(p.cast()));
                    Self(_mm512_permutexvar_epi32(Self::load(const { repeated::<T>() }.as_ptr()).0, w))
                }
                _ => {
                    let w = _mm512_castsi128_si512(_mm_loadl_epi64(p.cast()));
                    Self(_mm512_permutexvar_epi32(Self::load(const { repeated::<T>() }.as_ptr()).0, w))
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn permute(self, index: Self) -> Self {
        unsafe { Self(_mm512_permutexvar_epi32(index.0, self.0)) }
    }
    #[inline(always)]
    unsafe fn reverse(self) -> Self {
        unsafe { self.permute(Self(_mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const u32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
}
