//! How the diagonals of a linear map are split into rotations.

/// How diagonals are split into three rotations, index = giant + copy + baby: baby below `width`, copy a multiple of it below `stride`, giant
/// a multiple of that. Fewer keys than with two: of n diagonals about 3·n^(1/3) instead of 2·n^(1/2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Pass it to [`veilray_he::LinearTransform::with_scale`].
    pub width: usize,
    /// A multiple of `width`; equal to it where the input is not copied.
    pub stride: usize,
    /// Whether each copy is rotated from the one before instead of from the input: a key for every difference, usually one, instead of
    /// one for every copy, at the price of a decomposition each.
    pub chained: bool,
}

impl Steps {
    /// A rotation for every diagonal.
    pub(super) const NONE: Self = Self { width: 1, stride: 1, chained: false };

    /// The baby step, the copy and the giant step of a diagonal.
    pub fn of(self, diagonal: usize) -> [usize; 3] {
        let (baby, below) = (diagonal % self.width.max(1), diagonal % self.stride.max(1));
        [baby, below - baby, diagonal - below]
    }
}

/// Steps of a linear map's evaluation, folds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCounts {
    /// Baby steps other than 0.
    pub baby_steps: usize,
    /// Rotated copies of input ciphertexts.
    pub copies: usize,
    /// Giant steps other than 0.
    pub giant_steps: usize,
    /// Decompositions inside the map: one per output ciphertext and copy it reads.
    pub parts: usize,
    /// Decompositions before it: one per input ciphertext that is copied, or per copy where these are chained.
    pub sources: usize,
}
