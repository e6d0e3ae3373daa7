//! How a network is folded.

/// How a network is folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldOptions {
    /// Largest |b/2a| of an activation whose square is completed.
    pub max_shift: f64,
    /// What happens beyond.
    pub wide_shift: WideShift,
}

impl Default for FoldOptions {
    /// Shifts up to 16, beyond an error.
    fn default() -> Self {
        Self { max_shift: 16.0, wide_shift: WideShift::Refuse }
    }
}

/// What happens to an activation whose square cannot be completed within [`FoldOptions::max_shift`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideShift {
    /// [`FoldError::Shift`](super::FoldError::Shift) names layer and channel.
    Refuse,
    /// The next map reads x beside x², for those channels: x² and the linear term are added there.
    KeepLinearTerm,
}
