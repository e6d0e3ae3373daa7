//! The layers of the named networks that give labels.

use super::parts::{act, bare_conv, batch_norm, conv, dropout, flatten, global, hermite, linear, pool2, square};
use crate::spec::{Form, Gated, Layer, Residual, Squeeze};

/// The gate that stands in a network behind its last convolution, or in each of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    None,
    Se,
    Cbam,
}

impl Gate {
    fn layers(self) -> Vec<Layer> {
        let squeeze = Squeeze { reduction: 16, form: Form::Hermite };
        match self {
            Self::None => vec![],
            Self::Se => vec![Layer::Se(squeeze)],
            Self::Cbam => vec![Layer::Cbam(squeeze)],
        }
    }
}

/// One hidden layer of 32 values.
pub(super) fn fcnn(labels: usize) -> Vec<Layer> {
    vec![flatten(), linear(32), hermite(), dropout(), linear(labels)]
}

pub(super) fn lenet5(gate: Gate, labels: usize) -> Vec<Layer> {
    let mut layers =
        vec![conv(32, 5, 1, 2, 1), hermite(), pool2(), conv(64, 5, 1, 2, 4), hermite(), pool2(), conv(128, 5, 1, 2, 1)];
    layers.extend(gate.layers());
    layers.extend([hermite(), global(), linear(64), hermite(), dropout(), linear(labels)]);
    layers
}

pub(super) fn vgg5(gate: Gate, labels: usize) -> Vec<Layer> {
    let mut layers = vec![];
    for (out, groups) in [(32, 1), (64, 8), (128, 8)] {
        layers.extend([conv(out, 3, 1, 1, groups), hermite(), pool2()]);
    }
    layers.extend([conv(256, 3, 1, 1, 8), hermite()]);
    layers.extend(gate.layers());
    layers.extend([pool2(), flatten(), dropout(), linear(labels)]);
    layers
}

/// No padding anywhere and batch norm before each activation, as published.
pub(super) fn hefnet(gate: Gate, labels: usize) -> Vec<Layer> {
    let polynomial = || act(Form::Polynomial);
    let mut layers = vec![bare_conv(64, 3, 1, 0, 1), batch_norm(), polynomial()];
    for out in [128, 256] {
        layers.extend([bare_conv(out, 3, 1, 0, 8), batch_norm(), polynomial(), pool2()]);
    }
    layers.push(conv(256, 3, 1, 0, 8));
    layers.extend(gate.layers());
    layers.extend([batch_norm(), polynomial(), pool2()]);
    layers.extend([flatten(), dropout(), linear(labels)]);
    layers
}

/// Two 3 x 3 convolutions per block; a strided 1 x 1 convolution beside those that halve the side.
pub(super) fn resnet20(gate: Gate, labels: usize) -> Vec<Layer> {
    let mut layers = vec![conv(16, 3, 1, 1, 1), hermite()];
    for (stage, width) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..3 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let mut body = vec![conv(width, 3, stride, 1, 1), hermite(), bare_conv(width, 3, 1, 1, 1), batch_norm()];
            body.extend(gate.layers());
            let shortcut = if stride == 2 { vec![conv(width, 1, 2, 0, 1)] } else { vec![] };
            layers.push(Layer::Residual(Residual { body, shortcut }));
        }
    }
    layers.extend([global(), linear(labels)]);
    layers
}

pub(super) fn veilnet_xs(labels: usize) -> Vec<Layer> {
    vec![conv(16, 4, 2, 1, 1), hermite(), conv(64, 4, 2, 1, 1), hermite(), flatten(), dropout(), linear(labels)]
}

pub(super) fn veilnet(third: Layer, labels: usize) -> Vec<Layer> {
    let first = vec![conv(32, 4, 2, 1, 1), hermite(), conv(64, 4, 2, 1, 1), hermite()];
    let last = [hermite(), flatten(), dropout(), linear(labels)];
    first.into_iter().chain([third]).chain(last).collect()
}

pub(super) fn conv_block(kernel: usize, stride: usize, padding: usize, out: usize) -> Layer {
    conv(out, kernel, stride, padding, 1)
}

pub(super) fn cheap_gate(kernel: usize, stride: usize, padding: usize, out: usize) -> Layer {
    Layer::Gated(Gated { body: vec![conv_block(kernel, stride, padding, out)], degree: 2 })
}

pub(super) fn tenseal_mnist(labels: usize) -> Vec<Layer> {
    vec![conv(4, 7, 3, 0, 1), square(), flatten(), linear(64), square(), linear(labels)]
}

/// A residual network on pixels. Each square of 8 x 8 of them is read at once by 32 filters: windows that do not overlap are the client's
/// to arrange, so that four ciphertexts of 16 384 slots hold a 256 x 256 image and the first map has a diagonal per pair of channels.
/// Two blocks follow that halve the side; activations stand behind the additions, where they cost no level beyond the square's.
pub(super) fn pixel_resnet(labels: usize) -> Vec<Layer> {
    let mut layers = vec![bare_conv(32, 8, 8, 0, 1), batch_norm(), hermite()];
    for width in [64, 128] {
        let body = vec![bare_conv(width, 3, 2, 1, 1), batch_norm(), hermite(), bare_conv(width, 3, 1, 1, 4), batch_norm()];
        let shortcut = vec![pool2(), bare_conv(width, 1, 1, 0, 1), batch_norm()];
        layers.extend([Layer::Residual(Residual { body, shortcut }), hermite()]);
    }
    layers.extend([global(), dropout(), linear(labels)]);
    layers
}
