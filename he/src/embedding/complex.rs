//! Complex numbers, roots of unity and butterflies.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};
use std::ops::{Add, Mul, Sub};

#[derive(Debug, Clone, Copy)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    #[inline(always)]
    pub(super) fn mul_conj(self, w: Self) -> Self {
        Self { re: self.re * w.re + self.im * w.im, im: self.im * w.re - self.re * w.im }
    }

    /// self + i·other.
    #[inline(always)]
    pub(super) fn add_i(self, other: Self) -> Self {
        Self { re: self.re - other.im, im: self.im + other.re }
    }

    /// self − i·other.
    #[inline(always)]
    pub(super) fn sub_i(self, other: Self) -> Self {
        Self { re: self.re + other.im, im: self.im - other.re }
    }
}

impl Add for Complex {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;
    #[inline(always)]
    fn mul(self, w: Self) -> Self {
        Self { re: self.re * w.re - self.im * w.im, im: self.re * w.im + self.im * w.re }
    }
}

impl Mul<f64> for Complex {
    type Output = Self;
    #[inline(always)]
    fn mul(self, by: f64) -> Self {
        Self { re: self.re * by, im: self.im * by }
    }
}

/// One step: transforms of even and odd terms → slots j, j + L. The inverse is times 2.
#[inline(always)]
pub(super) fn butterfly2<const INVERSE: bool>(a: [Complex; 2], w: Complex) -> [Complex; 2] {
    if INVERSE {
        [a[0] + a[1], (a[0] - a[1]).mul_conj(w)]
    } else {
        let odd = a[1] * w;
        [a[0] + odd, a[0] - odd]
    }
}

/// Two steps at once: transforms of the terms 0, 2, 1, 3 mod 4 → slots j, j + L, j + 2L, j + 3L; `w` is u², u, u³. The inverse is times 4.
#[inline(always)]
pub(super) fn butterfly4<const INVERSE: bool>(a: [Complex; 4], w: [Complex; 3]) -> [Complex; 4] {
    if INVERSE {
        // Twice the e, g, f of the other direction, and −2i times its h.
        let (e, g, f, d) = (a[0] + a[2], a[0] - a[2], a[1] + a[3], a[1] - a[3]);
        [e + f, (e - f).mul_conj(w[0]), g.add_i(d).mul_conj(w[1]), g.sub_i(d).mul_conj(w[2])]
    } else {
        let (t1, t2, t3) = (a[1] * w[0], a[2] * w[1], a[3] * w[2]);
        let (e, f, g, h) = (a[0] + t1, a[0] - t1, t2 + t3, t2 - t3);
        [e + g, f.sub_i(h), e - g, f.add_i(h)]
    }
}

/// exp(2πi · k / 2^`log_order`), each from one sine and one cosine of an angle in [0, π/4].
pub(super) fn unit_root(k: u64, log_order: u32) -> Complex {
    let order = 1u64 << log_order;
    let k = k & (order - 1);
    // Eighths of the circle, and the angle from the nearer axis in units of 2π / 8·order.
    let (octant, within) = (8 * k / order, 8 * k % order);
    let from_axis = if octant % 2 == 0 { within } else { order - within };
    let (sin, cos) = match from_axis {
        // The double nearest π/4 has a sine and a cosine that differ.
        diagonal if diagonal == order => (FRAC_1_SQRT_2, FRAC_1_SQRT_2),
        _ => (from_axis as f64 / order as f64 * FRAC_PI_4).sin_cos(),
    };
    let (re, im) = match octant {
        0 => (cos, sin),
        1 => (sin, cos),
        2 => (-sin, cos),
        3 => (-cos, sin),
        4 => (-cos, -sin),
        5 => (-sin, -cos),
        6 => (sin, -cos),
        _ => (cos, -sin),
    };
    Complex { re, im }
}

/// 5^j for j = 0, 1, …; wraps modulo 2^64, which every order divides.
pub(super) fn powers_of_five() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1u64), |p| Some(p.wrapping_mul(5)))
}
