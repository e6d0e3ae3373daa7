//! The parts that encoder and decoder share.

use super::config::Norm;
use candle_core::Tensor;
use veilray_nn::layers::{Conv2d, GroupNorm};
use veilray_nn::ops::{self, Activation, Conv2dConfig};
use veilray_nn::{Init, Result, Scope};

/// Groups of the group norm.
pub(super) const GROUPS: usize = 32;
const EPS: f64 = 1e-6;

/// A convolution of odd `kernel` that keeps the size.
pub(super) fn conv(scope: &Scope, inputs: usize, outputs: usize, kernel: usize) -> Result<Conv2d> {
    Conv2d::new(scope, inputs, outputs, kernel, Conv2dConfig::new(1, kernel / 2))
}

/// The same, starting at a small fraction of the usual size.
fn quiet_conv(scope: &Scope, channels: usize) -> Result<Conv2d> {
    let init = Init::KaimingNormal { gain: 0.1 };
    Conv2d::with_init(scope, [channels, channels, 3, 3], Conv2dConfig::new(1, 1), init)
}

/// SiLU, after a group norm where there is one.
#[derive(Debug, Clone)]
pub(super) struct NormSilu(Option<GroupNorm>);

impl NormSilu {
    pub(super) fn new(scope: &Scope, channels: usize, norm: Norm) -> Result<Self> {
        Ok(Self(match norm {
            Norm::Group => Some(GroupNorm::new(scope, GROUPS, channels, EPS)?),
            Norm::None => None,
        }))
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Some(norm) => norm.forward_silu(x),
            None => ops::activate(x, Activation::Silu),
        }
    }
}

/// x + conv(act(conv(act(x)))), the input through a 1×1 convolution where the channels change.
#[derive(Debug, Clone)]
pub(super) struct Residual {
    norms: [NormSilu; 2],
    convs: [Conv2d; 2],
    shortcut: Option<Conv2d>,
}

impl Residual {
    pub(super) fn new(scope: &Scope, inputs: usize, outputs: usize, norm: Norm) -> Result<Self> {
        let last = scope.enter("conv2");
        let last = match norm {
            Norm::Group => conv(&last, outputs, outputs, 3)?,
            Norm::None => quiet_conv(&last, outputs)?,
        };
        let shortcut = if inputs == outputs { None } else { Some(conv(&scope.enter("shortcut"), inputs, outputs, 1)?) };
        Ok(Self {
            norms: [NormSilu::new(&scope.enter("norm1"), inputs, norm)?, NormSilu::new(&scope.enter("norm2"), outputs, norm)?],
            convs: [conv(&scope.enter("conv1"), inputs, outputs, 3)?, last],
            shortcut,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut y = x.clone();
        for (norm, conv) in self.norms.iter().zip(&self.convs) {
            y = conv.forward(&norm.forward(&y)?)?;
        }
        Ok(match &self.shortcut {
            Some(shortcut) => (shortcut.forward(x)? + y)?,
            None => (x + y)?,
        })
    }
}

/// Residual blocks one after the other, the first of which changes the channels.
pub(super) fn residuals(scope: &Scope, count: usize, inputs: usize, outputs: usize, norm: Norm) -> Result<Vec<Residual>> {
    let block = |i: usize| Residual::new(&scope.enter(format!("block{i}")), if i == 0 { inputs } else { outputs }, outputs, norm);
    (0..count).map(block).collect()
}

/// Self-attention over all positions with one head, added to its input.
#[derive(Debug, Clone)]
struct Attention {
    norm: GroupNorm,
    query: Conv2d,
    key: Conv2d,
    value: Conv2d,
    out: Conv2d,
}

impl Attention {
    fn new(scope: &Scope, channels: usize) -> Result<Self> {
        let part = |name: &str| conv(&scope.enter(name), channels, channels, 1);
        // A single group where the channels are too few or not divisible: only configurations without group norm get here.
        let groups = if channels.is_multiple_of(GROUPS) { GROUPS } else { 1 };
        let norm = GroupNorm::new(&scope.enter("norm"), groups, channels, EPS)?;
        Ok(Self { norm, query: part("query")?, key: part("key")?, value: part("value")?, out: part("out")? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let normed = self.norm.forward(x)?;
        let flat =
            |conv: &Conv2d| Ok::<_, veilray_nn::Error>(conv.forward(&normed)?.reshape((batch, channels, height * width))?);
        let (query, key, value) = (flat(&self.query)?, flat(&self.key)?, flat(&self.value)?);
        let scores = (query.transpose(1, 2)?.contiguous()?.matmul(&key)? * (channels as f64).powf(-0.5))?;
        let weights = ops::softmax(&scores)?;
        let mixed = value.matmul(&weights.transpose(1, 2)?.contiguous()?)?.reshape((batch, channels, height, width))?;
        Ok((x + self.out.forward(&mixed)?)?)
    }
}

/// Residual block, attention, residual block.
#[derive(Debug, Clone)]
pub(super) struct Middle {
    first: Residual,
    attention: Attention,
    last: Residual,
}

impl Middle {
    pub(super) fn new(scope: &Scope, channels: usize, norm: Norm) -> Result<Self> {
        Ok(Self {
            first: Residual::new(&scope.enter("block1"), channels, channels, norm)?,
            attention: Attention::new(&scope.enter("attention"), channels)?,
            last: Residual::new(&scope.enter("block2"), channels, channels, norm)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.last.forward(&self.attention.forward(&self.first.forward(x)?)?)
    }
}

/// Blocks of `side` × `side` pixels to channels: [batch, c, h, w] to [batch, c side², h / side, w / side].
pub(super) fn unshuffle(x: &Tensor, side: usize) -> Result<Tensor> {
    if side == 1 {
        return Ok(x.clone());
    }
    let (batch, channels, height, width) = x.dims4()?;
    let (h, w) = (height / side, width / side);
    Ok(x.reshape(&[batch, channels, h, side, w, side][..])?.permute([0, 1, 3, 5, 2, 4])?.reshape((
        batch,
        channels * side * side,
        h,
        w,
    ))?)
}

/// The inverse of [`unshuffle`].
pub(super) fn shuffle(x: &Tensor, side: usize) -> Result<Tensor> {
    if side == 1 {
        return Ok(x.clone());
    }
    let (batch, channels, h, w) = x.dims4()?;
    let channels = channels / (side * side);
    Ok(x.reshape(&[batch, channels, side, side, h, w][..])?.permute([0, 1, 4, 2, 5, 3])?.reshape((
        batch,
        channels,
        h * side,
        w * side,
    ))?)
}
