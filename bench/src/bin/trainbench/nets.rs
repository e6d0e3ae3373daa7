//! The two networks, over `veilray-nn`'s operations or stock candle's.

use candle_core::{DType, Tensor};
use candle_nn::Module;
use veilray_nn::ops::{self, Conv2dConfig};
use veilray_nn::{Init, Result, Scope};

/// The operations that both sides implement.
pub(crate) trait Backend {
    fn conv(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize, padding: usize) -> Result<Tensor>;
    fn norm_silu(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize) -> Result<Tensor>;
    fn upsample(&self, x: &Tensor) -> Result<Tensor>;
    /// HerPN of `weight`, 2 × channels, and `bias`, one for each channel.
    fn hermite(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor>;
}

const EPS: f64 = 1e-5;

pub(crate) struct Ours;

impl Backend for Ours {
    fn conv(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
        ops::conv2d(x, weight, Some(bias), Conv2dConfig::new(stride, padding))
    }

    fn norm_silu(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize) -> Result<Tensor> {
        ops::group_norm(x, weight, bias, groups, EPS, true)
    }

    fn upsample(&self, x: &Tensor) -> Result<Tensor> {
        ops::upsample_nearest_x2(x)
    }

    fn hermite(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        Ok(ops::hermite_norm(x, weight, bias, EPS)?.0)
    }
}

/// What candle-nn's layers do.
pub(crate) struct Stock;

impl Backend for Stock {
    fn conv(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
        let config = candle_nn::Conv2dConfig { stride, padding, ..Default::default() };
        Ok(candle_nn::Conv2d::new(weight.clone(), Some(bias.clone()), config).forward(x)?)
    }

    fn norm_silu(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize) -> Result<Tensor> {
        let channels = weight.elem_count();
        let norm = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), channels, groups, EPS)?;
        Ok(candle_nn::ops::silu(&norm.forward(x)?)?)
    }

    fn upsample(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, h, w) = x.dims4()?;
        Ok(x.upsample_nearest2d(2 * h, 2 * w)?)
    }

    fn hermite(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let channels = bias.elem_count();
        let (zeros, ones) = (Tensor::zeros(channels, DType::F32, x.device())?, Tensor::ones(channels, DType::F32, x.device())?);
        let norm = |x: &Tensor, weight: Tensor, bias: &Tensor| {
            candle_nn::BatchNorm::new(channels, zeros.clone(), ones.clone(), weight, bias.clone(), EPS)?.forward_train(x)
        };
        Ok((norm(x, weight.get(0)?, bias)? + norm(&x.sqr()?, weight.get(1)?, &zeros)?)?)
    }
}

struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    padding: usize,
}

impl Conv {
    fn new(scope: Scope, inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Result<Self> {
        let weight = scope.parameter("weight", &[outputs, inputs, kernel, kernel], Init::HE)?;
        Ok(Self { weight, bias: scope.parameter("bias", &[outputs], Init::ZEROS)?, stride, padding: (kernel - 1) / 2 })
    }

    fn forward(&self, backend: &dyn Backend, x: &Tensor) -> Result<Tensor> {
        backend.conv(x, &self.weight, &self.bias, self.stride, self.padding)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(scope: Scope, channels: usize) -> Result<Self> {
        let weight = scope.parameter("weight", &[channels], Init::ONES)?;
        Ok(Self { weight, bias: scope.parameter("bias", &[channels], Init::ZEROS)? })
    }

    fn forward(&self, backend: &dyn Backend, x: &Tensor) -> Result<Tensor> {
        backend.norm_silu(x, &self.weight, &self.bias, 32)
    }
}

/// Group norm, SiLU, convolution, twice, and the input beside it.
struct Block {
    norms: [Norm; 2],
    convs: [Conv; 2],
    beside: Option<Conv>,
}

impl Block {
    fn new(scope: Scope, inputs: usize, outputs: usize) -> Result<Self> {
        let beside = match inputs == outputs {
            true => None,
            false => Some(Conv::new(scope.enter("beside"), inputs, outputs, 1, 1)?),
        };
        Ok(Self {
            norms: [Norm::new(scope.enter("norm0"), inputs)?, Norm::new(scope.enter("norm1"), outputs)?],
            convs: [
                Conv::new(scope.enter("conv0"), inputs, outputs, 3, 1)?,
                Conv::new(scope.enter("conv1"), outputs, outputs, 3, 1)?,
            ],
            beside,
        })
    }

    fn forward(&self, backend: &dyn Backend, x: &Tensor) -> Result<Tensor> {
        let mut y = x.clone();
        for (norm, conv) in self.norms.iter().zip(&self.convs) {
            y = conv.forward(backend, &norm.forward(backend, &y)?)?;
        }
        let x = self.beside.as_ref().map_or(Ok(x.clone()), |conv| conv.forward(backend, x))?;
        Ok((x + y)?)
    }
}

enum Stage {
    Conv(Conv),
    Block(Block),
    Up,
    Norm(Norm),
}

/// Residual encoder and decoder, 256x256 grey to 4x32x32 and back, 32 channels at full size.
pub(crate) struct Autoencoder {
    stages: Vec<Stage>,
    backend: &'static dyn Backend,
}

impl Autoencoder {
    pub(crate) fn new(scope: &Scope, backend: &'static dyn Backend) -> Result<Self> {
        const CHANNELS: [usize; 4] = [32, 64, 64, 128];
        let mut count = 0;
        let mut next = || {
            count += 1;
            scope.enter(format!("stage{count}"))
        };
        let mut stages = vec![Stage::Conv(Conv::new(next(), 1, CHANNELS[0], 3, 1)?)];
        let mut channels = CHANNELS[0];
        for (level, width) in CHANNELS.into_iter().enumerate() {
            stages.push(Stage::Block(Block::new(next(), channels, width)?));
            if level < 3 {
                stages.push(Stage::Conv(Conv::new(next(), width, width, 3, 2)?));
            }
            channels = width;
        }
        stages.push(Stage::Block(Block::new(next(), channels, channels)?));
        stages.push(Stage::Norm(Norm::new(next(), channels)?));
        stages.push(Stage::Conv(Conv::new(next(), channels, 4, 3, 1)?));
        stages.push(Stage::Conv(Conv::new(next(), 4, channels, 3, 1)?));
        stages.push(Stage::Block(Block::new(next(), channels, channels)?));
        for (level, width) in CHANNELS.into_iter().enumerate().rev() {
            stages.push(Stage::Block(Block::new(next(), channels, width)?));
            if level > 0 {
                stages.push(Stage::Up);
                stages.push(Stage::Conv(Conv::new(next(), width, width, 3, 1)?));
            }
            channels = width;
        }
        stages.push(Stage::Norm(Norm::new(next(), channels)?));
        stages.push(Stage::Conv(Conv::new(next(), channels, 1, 3, 1)?));
        Ok(Self { stages, backend })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.stages.iter().try_fold(x.clone(), |x, stage| match stage {
            Stage::Conv(conv) => conv.forward(self.backend, &x),
            Stage::Block(block) => block.forward(self.backend, &x),
            Stage::Up => self.backend.upsample(&x),
            Stage::Norm(norm) => norm.forward(self.backend, &x),
        })
    }
}

/// Like `veilnet-s`: three strided convolutions with HerPN, then a linear layer to 14 labels.
pub(crate) struct LatentNet {
    convs: Vec<(Conv, Tensor, Tensor)>,
    head: (Tensor, Tensor),
    backend: &'static dyn Backend,
}

impl LatentNet {
    pub(crate) fn new(scope: &Scope, backend: &'static dyn Backend) -> Result<Self> {
        let convs = [(4, 32), (32, 64), (64, 128)].into_iter().enumerate().map(|(i, (inputs, outputs))| {
            let scope = scope.enter(format!("layer{i}"));
            let basis = scope.parameter("basis", &[2, outputs], Init::Rows([0.5, 0.28, 0.0]))?;
            let bias = scope.parameter("shift", &[outputs], Init::Constant(0.4))?;
            Ok((Conv::new(scope, inputs, outputs, 4, 2)?, basis, bias))
        });
        let convs = convs.collect::<Result<_>>()?;
        let head = (
            scope.parameter("head.weight", &[14, 128 * 16], Init::XavierUniform)?,
            scope.parameter("head.bias", &[14], Init::ZEROS)?,
        );
        Ok(Self { convs, head, backend })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, basis, bias) in &self.convs {
            x = self.backend.hermite(&conv.forward(self.backend, &x)?, basis, bias)?;
        }
        let (weight, bias) = &self.head;
        Ok(x.flatten_from(1)?.matmul(&weight.t()?)?.broadcast_add(bias)?)
    }
}
