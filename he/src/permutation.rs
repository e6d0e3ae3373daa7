//! How an automorphism of the ring moves the evaluations of a polynomial.

/// How X → X^g permutes evaluations in bit-reversed order: out[i] = in[index[i]].
///
/// Output i is the evaluation at ψ^(2·brv(i)+1); the low bits of brv(i) decide the high bits of the index and are mapped among
/// themselves, so every aligned power-of-two run goes to one aligned run: a vector's worth of evaluations stays together.
#[derive(Debug)]
pub(crate) struct Permutation {
    pub index: Vec<u32>,
    /// Where the run of 8 evaluations number i goes, as a run's number.
    pub runs: Vec<u32>,
}

impl Permutation {
    pub(crate) fn new(log_n: u32, g: u32) -> Self {
        let mask = (2u32 << log_n) - 1;
        let reverse = |x: u32| x.reverse_bits() >> (u32::BITS - log_n);
        let index: Vec<u32> = (0..1u32 << log_n).map(|i| reverse(((2 * reverse(i) + 1).wrapping_mul(g) & mask) >> 1)).collect();
        let mut runs = vec![0; index.len() / 8];
        for (to, from) in index.iter().step_by(8).enumerate() {
            if let Some(run) = runs.get_mut(*from as usize / 8) {
                *run = to as u32;
            }
        }
        Self { index, runs }
    }
}
