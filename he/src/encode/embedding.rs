//! stand-in
use crate::simd::Backend;
#[derive(Debug)]
pub(crate) struct Embedding {
    n: usize,
    rot: Vec<usize>,
    w: Vec<(f64, f64)>,
}
impl Embedding {
    pub fn new(log_n: u32) -> Self {
        let n = 1usize << (log_n - 1);
        let m = 4 * n;
        let mut rot = vec![1usize; n];
        for i in 1..n {
            rot[i] = rot[i - 1] * 5 % m;
        }
        let w = (0..=m)
            .map(|i| {
                let a = 2.0 * std::f64::consts::PI * (i as f64) / (m as f64);
                (a.cos(), a.sin())
            })
            .collect();
        Self { n, rot, w }
    }
    fn rev(&self, re: &mut [f64], im: &mut [f64]) {
        let b = self.n.trailing_zeros();
        for i in 0..self.n {
            let j = i.reverse_bits() >> (usize::BITS - b);
            if i < j {
                re.swap(i, j);
                im.swap(i, j);
            }
        }
    }
    pub fn slots_to_coeffs(&self, _b: Backend, re: &mut [f64], im: &mut [f64]) {
        let n = self.n;
        let m = 4 * n;
        let mut len = n;
        while len >= 2 {
            let lenh = len / 2;
            let lenq = len * 4;
            let gap = m / lenq;
            for i in (0..n).step_by(len) {
                for j in 0..lenh {
                    let (c, s) = self.w[(lenq - (self.rot[j] % lenq)) * gap];
                    let (ur, ui) = (re[i + j] + re[i + j + lenh], im[i + j] + im[i + j + lenh]);
                    let (vr, vi) = (re[i + j] - re[i + j + lenh], im[i + j] - im[i + j + lenh]);
                    re[i + j] = ur;
                    im[i + j] = ui;
                    re[i + j + lenh] = vr * c - vi * s;
                    im[i + j + lenh] = vr * s + vi * c;
                }
            }
            len /= 2;
        }
        self.rev(re, im);
        for x in re.iter_mut().chain(im.iter_mut()) {
            *x /= n as f64;
        }
    }
    pub fn coeffs_to_slots(&self, _b: Backend, re: &mut [f64], im: &mut [f64]) {
        let n = self.n;
        let m = 4 * n;
        self.rev(re, im);
        let mut len = 2;
        while len <= n {
            let lenh = len / 2;
            let lenq = len * 4;
            let gap = m / lenq;
            for i in (0..n).step_by(len) {
                for j in 0..lenh {
                    let (c, s) = self.w[(self.rot[j] % lenq) * gap];
                    let (ur, ui) = (re[i + j], im[i + j]);
                    let (xr, xi) = (re[i + j + lenh], im[i + j + lenh]);
                    let (vr, vi) = (xr * c - xi * s, xr * s + xi * c);
                    re[i + j] = ur + vr;
                    im[i + j] = ui + vi;
                    re[i + j + lenh] = ur - vr;
                    im[i + j + lenh] = ui - vi;
                }
            }
            len *= 2;
        }
    }
}
