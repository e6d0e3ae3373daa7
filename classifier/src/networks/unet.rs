//! The U-Net (Ronneberger et al. 2015) in a form that suits encryption: a mask from an image of pixels.
//!
//! - The stem reads patches that do not overlap, a convolution whose kernel is its stride. The client arranges the patches, so that the
//!   first map has few diagonals, and no tensor inside is as large as the image.
//! - Activations are squares of normalised values. The shift of the batch norm before a square gives it a linear part, since
//!   (γx + β)² = γ²x² + 2γβx + β²; both fold into the convolution.
//! - Down by mean pooling, which costs rotations and no level; up by a transposed convolution 2 x 2 of stride 2.
//! - A skip connection is an addition: conv(concat(up, skip)) = conv_up(up) + conv_skip(skip). conv_up is 1 x 1 and joined to the transposed
//!   convolution, conv_skip is 3 x 3; each branch has its batch norm, so that the sum is squared as it is. Both branches are one linear
//!   map on two tensors: one level.
//! - The head is a transposed convolution from features to the patches that the stem read: one logit per pixel, all in one ciphertext
//!   where the mask has no more pixels than a ciphertext slots.
//!
//! With d poolings that makes 2d + 2 squares and 4d + 5 levels.

use super::parts::{bare_conv, batch_norm, pool2, square};
use crate::spec::{ConvTranspose, Empty, Layer, Residual};

/// What a U-Net is made of; image and mask may have any side that its patches and poolings divide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UNet {
    /// Height and width of the stem's patches.
    pub patch: usize,
    /// Channels from the finest resolution to the coarsest, each half the one before; at least one.
    pub widths: Vec<usize>,
}

impl UNet {
    /// From an image of one channel to a logit per pixel, row by row.
    pub fn layers(&self) -> Vec<Layer> {
        let first = self.widths.first().copied().unwrap_or(0);
        let mut layers = vec![bare_conv(first, self.patch, self.patch, 0, 1), batch_norm(), square()];
        layers.extend(inside(&self.widths));
        layers.extend([up(1, self.patch), Layer::Flatten(Empty {})]);
        layers
    }
}

/// From a tensor of the first width to another of the same extents, by way of the coarser ones.
fn inside(widths: &[usize]) -> Vec<Layer> {
    match widths {
        [] => vec![],
        [width] => vec![bare_conv(*width, 3, 1, 1, 1), batch_norm(), square()],
        [width, coarser @ ..] => {
            let next = coarser.first().copied().unwrap_or(*width);
            let mut body = vec![pool2(), bare_conv(next, 3, 1, 1, 1), batch_norm(), square()];
            body.extend(inside(coarser));
            body.extend([up(*width, 2), batch_norm()]);
            let shortcut = vec![bare_conv(*width, 3, 1, 1, 1), batch_norm()];
            vec![Layer::Residual(Residual { body, shortcut }), square()]
        }
    }
}

/// Patches of `side` that do not overlap.
fn up(out: usize, side: usize) -> Layer {
    Layer::ConvTranspose(ConvTranspose { out, kernel: side, stride: side, padding: 0, groups: 1 })
}
