//! Residues ↔ bit-packed bytes, eight at a time: eight residues of w bits are w bytes.

/// Residues per step.
const STEP: usize = 8;

/// Bytes of `count` residues of `bits` bits each; `count` is a multiple of 8.
pub(super) fn packed_bytes(count: usize, bits: u32) -> usize {
    count / STEP * bits as usize
}

/// Packs residues below 2^`bits`, 1 ≤ `bits` ≤ 31; `out` has [`packed_bytes`] bytes.
pub(super) fn pack(residues: &[u32], bits: u32, out: &mut [u8]) {
    let four = |r: &[u32; 4]| {
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << bits;
        let [a, b, c, d] = *r;
        u128::from(two(a, b)) | u128::from(two(c, d)) << (2 * bits)
    };
    let (steps, _) = residues.as_chunks::<STEP>();
    for (step, out) in steps.iter().zip(out.chunks_exact_mut(bits as usize)) {
        let [a, b, c, d, e, f, g, h] = *step;
        let (low, high) = (four(&[a, b, c, d]), four(&[e, f, g, h]));
        let words = [low | high << (4 * bits), high >> (128 - 4 * bits)];
        for (out, byte) in out.iter_mut().zip(words.iter().flat_map(|w| w.to_le_bytes())) {
            *out = byte;
        }
    }
}

/// Inverse of [`pack`]: numbers below 2^`bits`, which may still exceed a modulus.
pub(super) fn unpack(packed: &[u8], bits: u32, out: &mut [u32]) {
    let mask = u32::MAX >> (u32::BITS - bits);
    let (steps, _) = out.as_chunks_mut::<STEP>();
    for (step, packed) in steps.iter_mut().zip(packed.chunks_exact(bits as usize)) {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(packed).for_each(|(to, from)| *to = *from);
        let [low, high] = bytemuck::cast::<_, [[u8; 16]; 2]>(bytes).map(u128::from_le_bytes);
        let halves = [low, low >> (4 * bits) | high << (128 - 4 * bits)];
        for (out, half) in step.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
            let pairs = [half as u64, (half >> (2 * bits)) as u64];
            let [[a, b], [c, d]] = pairs.map(|pair| [pair as u32 & mask, (pair >> bits) as u32 & mask]);
            *out = [a, b, c, d];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One bit at a time.
    fn naive(residues: &[u32], bits: u32) -> Vec<u8> {
        let mut out = vec![0; packed_bytes(residues.len(), bits)];
        for (i, r) in residues.iter().enumerate() {
            for bit in (0..bits).filter(|bit| r >> bit & 1 == 1) {
                let at = i * bits as usize + bit as usize;
                out[at / 8] |= 1 << (at % 8);
            }
        }
        out
    }

    #[test]
    fn packing_agrees_with_bits_placed_one_by_one_at_every_width() {
        for bits in 1..=31 {
            let mask = u32::MAX >> (32 - bits);
            let mut state = u64::from(bits);
            let mut random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 32) as u32 & mask
            };
            for residues in
                [vec![mask; 64], vec![0; 64], (0..64).map(|i| mask * (i % 2)).collect(), (0..64).map(|_| random()).collect()]
            {
                let mut packed = vec![0xAA; packed_bytes(64, bits)];
                pack(&residues, bits, &mut packed);
                assert_eq!(packed, naive(&residues, bits), "{bits} bits");
                let mut back = vec![u32::MAX; 64];
                unpack(&packed, bits, &mut back);
                assert_eq!(back, residues, "{bits} bits");
            }
        }
    }

    #[test]
    #[ignore = "timing: cargo test --release -p veilray-he wire::bits -- --ignored --nocapture"]
    fn speed_of_packing() {
        let (limbs, n) = (11, 1 << 14);
        for bits in [22, 23, 30] {
            let residues: Vec<u32> = (0..n).map(|i: u32| i.wrapping_mul(2_654_435_761) >> (32 - bits)).collect();
            let mut packed = vec![0; packed_bytes(residues.len(), bits)];
            let mut back = vec![0; residues.len()];
            let mut time = |name: &str, f: &mut dyn FnMut(&mut Vec<u8>, &mut Vec<u32>)| {
                let best = (0..50).map(|_| {
                    let start = std::time::Instant::now();
                    (0..limbs).for_each(|_| f(std::hint::black_box(&mut packed), std::hint::black_box(&mut back)));
                    start.elapsed().as_secs_f64()
                });
                let best = best.fold(f64::MAX, f64::min);
                let rate = f64::from(limbs * n * 4) / best / 1e9;
                println!("{name} {bits} bits, {limbs} limbs of {n}: {:.1} µs, {rate:.2} GB/s of limbs", best * 1e6);
            };
            time("pack", &mut |packed, _| pack(&residues, bits, packed));
            time("unpack", &mut |packed, back| unpack(packed, bits, back));
        }
    }
}
