//! Single layers, with the settings that the named networks give them.

use crate::spec::{Activation, AvgPool, Conv, Dropout, Empty, Form, Layer, Linear};

pub(super) fn conv(out: usize, kernel: usize, stride: usize, padding: usize, groups: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, padding, groups, bias: true })
}

/// A convolution before a batch norm, which makes its bias useless.
pub(super) fn bare_conv(out: usize, kernel: usize, stride: usize, padding: usize, groups: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, padding, groups, bias: false })
}

pub(super) fn act(form: Form) -> Layer {
    Layer::Activation(Activation { form, shared: false })
}

pub(super) fn hermite() -> Layer {
    act(Form::Hermite)
}

pub(super) fn pool2() -> Layer {
    Layer::AvgPool(AvgPool { kernel: 2, stride: 2, padding: 0 })
}

pub(super) fn batch_norm() -> Layer {
    Layer::BatchNorm(Empty {})
}

pub(super) fn linear(out: usize) -> Layer {
    Layer::Linear(Linear { out })
}

pub(super) fn flatten() -> Layer {
    Layer::Flatten(Empty {})
}

pub(super) fn global() -> Layer {
    Layer::GlobalAvgPool(Empty {})
}

pub(super) fn dropout() -> Layer {
    Layer::Dropout(Dropout { probability: 0.3 })
}

pub(super) fn square() -> Layer {
    act(Form::Square)
}
