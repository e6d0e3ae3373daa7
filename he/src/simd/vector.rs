//! The small vocabulary in which every kernel is written once, for any width of vector.

/// A vector of `LANES` `u32` lanes, also read as `LANES / 2` `u64` lanes.
///
/// # Safety
/// Every method requires that the CPU has the implementor's instruction set, and pointer methods that `LANES` elements (or as many
/// as said) are readable or writable at the pointer; no alignment is required.
pub(super) trait Vector: Copy {
    /// Number of `u32` lanes.
    const LANES: usize;
    /// log2 of `LANES`.
    const LOG_LANES: u32;

    unsafe fn load(p: *const u32) -> Self;
    unsafe fn store(self, p: *mut u32);
    unsafe fn splat(v: u32) -> Self;
    unsafe fn splat64(v: u64) -> Self;

    /// Asks for the cache line at `p`, which need not be mapped.
    unsafe fn prefetch(p: *const u32);

    /// Lane-wise wrapping sum.
    unsafe fn add(self, o: Self) -> Self;
    /// Lane-wise wrapping difference.
    unsafe fn sub(self, o: Self) -> Self;
    /// Lane-wise unsigned minimum.
    unsafe fn min(self, o: Self) -> Self;
    /// Lane-wise low half of the product.
    unsafe fn mul_low(self, o: Self) -> Self;
    /// 64-bit products of the even lanes.
    unsafe fn mul_even(self, o: Self) -> Self;
    /// Odd lanes moved to the even places (the odd places hold anything).
    unsafe fn odd(self) -> Self;
    /// High halves of 64-bit lanes: `even`'s go to the even places, `odd`'s to the odd places.
    unsafe fn high(even: Self, odd: Self) -> Self;
    /// Low halves of 64-bit lanes: `even`'s go to the even places, `odd`'s to the odd places.
    unsafe fn low(even: Self, odd: Self) -> Self;
    /// Wrapping sum of 64-bit lanes.
    unsafe fn add64(self, o: Self) -> Self;
    /// 64-bit lanes shifted right by `n`.
    unsafe fn shr64(self, n: u32) -> Self;

    /// Splits the pair's runs of T lanes: the first result holds the runs that are first of two, the second those that are second,
    /// in an order of runs that is the implementor's own and the same for [`Vector::expand`].
    unsafe fn deinterleave<const T: usize>(a: Self, b: Self) -> (Self, Self);
    /// Undoes [`Vector::deinterleave`].
    unsafe fn interleave<const T: usize>(lo: Self, hi: Self) -> (Self, Self);
    /// Spreads `LANES / T` consecutive twiddles over the lanes that [`Vector::deinterleave`] gives to their runs.
    unsafe fn expand<const T: usize>(p: *const u32) -> Self;
    /// Lane i receives lane `index[i] mod LANES`.
    unsafe fn permute(self, index: Self) -> Self;
    /// The lanes in reverse order.
    unsafe fn reverse(self) -> Self;
}

/// The modulus and its multiples, spread over the lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes<V> {
    pub q: V,
    pub q2: V,
    /// q^−1 mod 2^32.
    pub inv: V,
}

impl<V: Vector> Lanes<V> {
    #[inline(always)]
    pub(super) unsafe fn new(m: &crate::modulus::Modulus) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe { Self { q: V::splat(m.value()), q2: V::splat(m.value() << 1), inv: V::splat(m.inverse_mod_word()) } }
    }

    /// x or x − m, whichever is in [0, m), for x in [0, 2m).
    #[inline(always)]
    pub(super) unsafe fn fold(x: V, m: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe { x.min(x.sub(m)) }
    }

    /// Shoup's product in [0, 2q) of any 32-bit x with w of quotient wq.
    #[inline(always)]
    pub(super) unsafe fn shoup_lazy(self, x: V, w: V, wq: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let h = V::high(x.mul_even(wq), x.odd().mul_even(wq.odd()));
            x.mul_low(w).sub(h.mul_low(self.q))
        }
    }

    /// As [`Lanes::shoup_lazy`] where all lanes of wq are equal.
    #[inline(always)]
    pub(super) unsafe fn shoup_lazy_splat(self, x: V, w: V, wq: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let h = V::high(x.mul_even(wq), x.odd().mul_even(wq));
            x.mul_low(w).sub(h.mul_low(self.q))
        }
    }

    /// Montgomery reduction to [0, 4q) of two vectors of 64-bit sums below 2^32 · 3q (12 products), the even and the odd places' ones.
    #[inline(always)]
    pub(super) unsafe fn montgomery_lazy(self, even: V, odd: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let mq = V::high(even.mul_even(self.inv).mul_even(self.q), odd.mul_even(self.inv).mul_even(self.q));
            V::high(even, odd).add(self.q.sub(mq))
        }
    }

    /// Montgomery reduction to [0, q) of two vectors of 64-bit sums below 2^32 · 4q, the even and the odd places' ones.
    #[inline(always)]
    pub(super) unsafe fn montgomery(self, even: V, odd: V) -> V {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let hi = V::high(even, odd);
            let mq = V::high(even.mul_even(self.inv).mul_even(self.q), odd.mul_even(self.inv).mul_even(self.q));
            let t = Self::fold(hi, self.q2).add(self.q.sub(mq)); // (0, 3q)
            Self::fold(Self::fold(t, self.q2), self.q)
        }
    }
}
