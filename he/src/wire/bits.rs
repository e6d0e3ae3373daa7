//! Residues ↔ bit-packed bytes, eight at a time: eight residues of w bits are w bytes.

/// Residues per step.
const STEP: usize = 8;
/// Bytes of the two words that a step moves: more than it packs, so that no copy has a variable length.
const WINDOW: usize = 32;

/// Bytes of `count` residues of `bits` bits each; `count` is a multiple of 8.
pub(super) fn packed_bytes(count: usize, bits: u32) -> usize {
    count / STEP * bits as usize
}

/// Replaces `out` by residues below 2^`bits`, 1 ≤ `bits` ≤ 31, packed.
pub(super) fn pack(residues: &[u32], bits: u32, out: &mut Vec<u8>) {
    let four = |r: [u32; 4]| {
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << bits;
        u128::from(two(r[0], r[1])) | u128::from(two(r[2], r[3])) << (2 * bits)
    };
    let packed = packed_bytes(residues.len(), bits);
    out.resize(packed + WINDOW, 0);
    let mut at = 0;
    for [a, b, c, d, e, f, g, h] in residues.as_chunks::<STEP>().0 {
        let (low, high) = (four([*a, *b, *c, *d]), four([*e, *f, *g, *h]));
        let words = [low | high << (4 * bits), high >> (128 - 4 * bits)];
        // What the window has beyond the step is zero, and the next step's to write.
        if let Some(window) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<WINDOW>) {
            *window = bytemuck::cast(words.map(u128::to_le_bytes));
        }
        at += bits as usize;
    }
    out.truncate(packed);
}

/// The buffer from which [`unpack`] takes `count` residues: its first part is for the packed bytes.
pub(super) fn window(count: usize, bits: u32, buffer: &mut Vec<u8>) -> &mut [u8] {
    let packed = packed_bytes(count, bits);
    buffer.resize(packed + WINDOW, 0);
    buffer.get_mut(..packed).unwrap_or_default()
}

/// Inverse of [`pack`], from the buffer of [`window`]: numbers below 2^`bits`, which may still exceed a modulus.
pub(super) fn unpack(buffer: &[u8], bits: u32, out: &mut [u32]) {
    let mask = u32::MAX >> (u32::BITS - bits);
    let mut at = 0;
    for step in out.as_chunks_mut::<STEP>().0 {
        if let Some(window) = buffer.get(at..).and_then(<[u8]>::first_chunk::<WINDOW>) {
            let [low, high] = bytemuck::cast::<_, [[u8; 16]; 2]>(*window).map(u128::from_le_bytes);
            let [[a, b, c, d], [e, f, g, h]] = [low, low >> (4 * bits) | high << (128 - 4 * bits)].map(|half| {
                let (first, second) = (half as u64, (half >> (2 * bits)) as u64);
                [first, first >> bits, second, second >> bits].map(|r| r as u32 & mask)
            });
            *step = [a, b, c, d, e, f, g, h];
        }
        at += bits as usize;
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
                let mut packed = vec![0xAA; 3];
                pack(&residues, bits, &mut packed);
                assert_eq!(packed, naive(&residues, bits), "{bits} bits");
                let mut back = vec![u32::MAX; 64];
                let mut buffer = vec![0xAA; 1000];
                window(64, bits, &mut buffer).copy_from_slice(&packed);
                unpack(&buffer, bits, &mut back);
                assert_eq!(back, residues, "{bits} bits");
            }
        }
    }

    #[test]
    #[ignore = "timing: .ci/tier wire-speed"]
    fn speed_of_packing() {
        let (limbs, n) = (11, 1 << 14);
        for bits in [22, 23, 30] {
            let residues: Vec<u32> = (0..n).map(|i: u32| i.wrapping_mul(2_654_435_761) >> (32 - bits)).collect();
            let mut packed = vec![];
            window(residues.len(), bits, &mut packed).fill(0);
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
            time("unpack", &mut |packed, back| unpack(packed, bits, back));
            time("pack", &mut |packed, _| pack(&residues, bits, packed));
        }
    }
}
