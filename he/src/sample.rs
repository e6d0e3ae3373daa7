//! stand-in
use crate::seed::SecretRng;
pub fn ternary(rng: &mut SecretRng, out: &mut [i8]) {
    let mut b = [0u8; 8];
    for o in out {
        rng.fill(&mut b);
        *o = ((u128::from(u64::from_le_bytes(b)) * 3) >> 64) as i8 - 1;
    }
}
pub fn gaussian(rng: &mut SecretRng, out: &mut [i32]) {
    let mut b = [0u8; 8];
    for o in out {
        rng.fill(&mut b);
        let x = u64::from_le_bytes(b);
        *o = ((x & 0x1fffff).count_ones() as i32) - (((x >> 21) & 0x1fffff).count_ones() as i32);
    }
}
pub const SIGMA: f64 = 3.2;
