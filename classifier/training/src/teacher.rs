//! The teacher: a network on pixels that is never encrypted, from whose probabilities the student learns.

use crate::error::{Result, setting};
use crate::network::{Architecture, Network, Pass};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use veilray_nn::Scope;
use veilray_nn::layers::{BatchNorm, Conv2d, Linear};
use veilray_nn::ops::{self, Activation, Conv2dConfig};

/// A residual network (He et al. 2016) of basic blocks with ReLU and batch norm on grey-scale images.
///
/// The stem moves squares of `unshuffle` x `unshuffle` pixels into channels, then convolves 3 x 3 to `stem` channels. Each stage
/// halves height and width in its first block; behind the last one stand global average pooling, dropout and a linear layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// [channel, height, width] of an image.
    pub input: [usize; 3],
    /// Side of the squares that become channels.
    pub unshuffle: usize,
    /// Channels behind the stem.
    pub stem: usize,
    /// Channels of each stage.
    pub widths: Vec<usize>,
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
    /// Dropout before the linear layer.
    pub dropout: f64,
    /// Number of logits, one per label.
    pub labels: usize,
}

impl ResNetConfig {
    fn check(&self) -> Result<()> {
        let [channels, height, width] = self.input;
        let down = self.unshuffle << self.widths.len().min(16);
        if channels == 0 || self.unshuffle == 0 || height == 0 || width == 0 || height % down != 0 || width % down != 0 {
            return setting(
                "teacher input",
                format!("[channels, a multiple of {down}, a multiple of {down}]"),
                format!("{:?}", self.input),
            );
        }
        if self.widths.is_empty()
            || self.widths.len() != self.blocks.len()
            || self.widths.contains(&0)
            || self.blocks.contains(&0)
        {
            let found = format!("{:?} and {:?}", self.widths, self.blocks);
            return setting("teacher widths and blocks", "one positive number each per stage", found);
        }
        if self.labels == 0 || self.stem == 0 {
            return setting("teacher labels and stem", "at least 1", format!("{} and {}", self.labels, self.stem));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return setting("teacher dropout", "in [0, 1)", self.dropout);
        }
        Ok(())
    }
}

impl Architecture for ResNetConfig {
    fn build(&self, scope: &Scope) -> Result<Box<dyn Network>> {
        self.check()?;
        let [channels, _, _] = self.input;
        let stem = Unit::new(&scope.enter("stem"), channels * self.unshuffle * self.unshuffle, self.stem, 3, 1)?;
        let (mut blocks, mut inputs) = (Vec::new(), self.stem);
        for (stage, (&width, &count)) in self.widths.iter().zip(&self.blocks).enumerate() {
            for block in 0..count {
                let scope = scope.enter(format!("stage{stage}.block{block}"));
                blocks.push(Block::new(&scope, inputs, width, if block == 0 { 2 } else { 1 })?);
                inputs = width;
            }
        }
        let head = Linear::new(&scope.enter("head"), inputs, self.labels)?;
        Ok(Box::new(ResNet { unshuffle: self.unshuffle, stem, blocks, dropout: self.dropout, head }))
    }

    fn input(&self) -> [usize; 3] {
        self.input
    }

    fn labels(&self) -> usize {
        self.labels
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

struct ResNet {
    unshuffle: usize,
    stem: Unit,
    blocks: Vec<Block>,
    dropout: f64,
    head: Linear,
}

impl Network for ResNet {
    fn forward(&self, input: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        let mut x = relu(&self.stem.forward(&unshuffle(input, self.unshuffle)?, pass)?)?;
        for block in &self.blocks {
            x = block.forward(&x, pass)?;
        }
        let pooled = ops::global_avg_pool2d(&x)?;
        self.head.forward(&pass.dropout(&pooled, self.dropout)?)
    }
}

fn relu(x: &Tensor) -> veilray_nn::Result<Tensor> {
    ops::activate(x, Activation::Relu)
}

/// [batch, channel, height, width] to [batch, channel x side^2, height / side, width / side].
fn unshuffle(x: &Tensor, side: usize) -> veilray_nn::Result<Tensor> {
    if side == 1 {
        return Ok(x.clone());
    }
    let (batch, channels, height, width) = x.dims4()?;
    let (rows, columns) = (height / side, width / side);
    let split = x.reshape(&[batch, channels, rows, side, columns, side][..])?.permute([0, 1, 3, 5, 2, 4])?;
    Ok(split.reshape((batch, channels * side * side, rows, columns))?)
}

/// A convolution and its batch norm.
struct Unit {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Unit {
    fn new(scope: &Scope, inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Result<Self> {
        let config = Conv2dConfig::new(stride, kernel / 2);
        let conv = Conv2d::without_bias(&scope.enter("conv"), inputs, outputs, kernel, config)?;
        Ok(Self { conv, norm: BatchNorm::new(&scope.enter("norm"), outputs, 1e-5, 0.1)? })
    }

    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> veilray_nn::Result<Tensor> {
        self.norm.forward(&self.conv.forward(x)?, pass.mode())
    }
}

/// Two units, and the input beside them: by average pooling and a 1 x 1 unit where height, width or channels change.
struct Block {
    units: [Unit; 2],
    stride: usize,
    beside: Option<Unit>,
}

impl Block {
    fn new(scope: &Scope, inputs: usize, outputs: usize, stride: usize) -> Result<Self> {
        let beside = match inputs == outputs && stride == 1 {
            true => None,
            false => Some(Unit::new(&scope.enter("beside"), inputs, outputs, 1, 1)?),
        };
        let first = Unit::new(&scope.enter("unit0"), inputs, outputs, 3, stride)?;
        let second = Unit::new(&scope.enter("unit1"), outputs, outputs, 3, 1)?;
        Ok(Self { units: [first, second], stride, beside })
    }

    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> veilray_nn::Result<Tensor> {
        let [first, second] = &self.units;
        let y = second.forward(&relu(&first.forward(x, pass)?)?, pass)?;
        let beside = match &self.beside {
            None => x.clone(),
            Some(unit) if self.stride == 1 => unit.forward(x, pass)?,
            Some(unit) => unit.forward(&ops::avg_pool2d(x, (2, 2), (2, 2))?, pass)?,
        };
        relu(&(y + beside)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use veilray_nn::ParamStore;

    fn config() -> ResNetConfig {
        ResNetConfig {
            input: [1, 16, 16],
            unshuffle: 2,
            stem: 3,
            widths: vec![4, 6],
            blocks: vec![2, 1],
            dropout: 0.3,
            labels: 5,
        }
    }

    #[test]
    fn unshuffling_moves_each_square_into_channels() {
        let x = Tensor::arange(0f32, 32.0, &Device::Cpu).unwrap().reshape((1, 2, 4, 4)).unwrap();
        let y = unshuffle(&x, 2).unwrap();
        assert_eq!(y.dims(), [1, 8, 2, 2]);
        let y = y.squeeze(0).unwrap().to_vec3::<f32>().unwrap();
        for channel in 0..2 {
            for (dy, dx, row, column) in [(0, 0, 0, 0), (1, 0, 1, 1), (0, 1, 1, 0)] {
                let wanted = channel * 16 + (2 * row + dy) * 4 + 2 * column + dx;
                assert_eq!(y[channel * 4 + dy * 2 + dx][row][column], wanted as f32);
            }
        }
    }

    #[test]
    fn one_logit_per_label_and_evaluation_draws_nothing() {
        let params = ParamStore::seeded(1, &Device::Cpu);
        let network = config().build(&params.root()).unwrap();
        let x = veilray_nn::normal_tensor(&mut veilray_base::Rng::new(1, "x"), (3, 1, 16, 16), &Device::Cpu).unwrap();
        let forward = |pass: &mut Pass<'_>| network.forward(&x, pass).unwrap().to_vec2::<f32>().unwrap();
        let first = forward(&mut Pass::evaluate());
        assert_eq!((first.len(), first[0].len()), (3, 5));
        assert_eq!(first, forward(&mut Pass::evaluate()));
        let mut rng = veilray_base::Rng::new(1, "dropout");
        assert_ne!(forward(&mut Pass::train(&mut rng)), forward(&mut Pass::train(&mut rng)));
    }

    #[test]
    fn shapes_that_cannot_be_halved_are_refused() {
        for bad in [
            ResNetConfig { input: [1, 12, 16], ..config() },
            ResNetConfig { blocks: vec![1], ..config() },
            ResNetConfig { labels: 0, ..config() },
            ResNetConfig { dropout: 1.0, ..config() },
        ] {
            assert!(bad.build(&ParamStore::seeded(1, &Device::Cpu).root()).is_err(), "{bad:?}");
        }
    }
}
