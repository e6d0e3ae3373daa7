//! The named networks.
//!
//! `configs/networks/` holds the same as TOML, at the usual input and number of labels.

use crate::spec::{
    Activation, AvgPool, Conv, Dropout, Empty, Form, Gated, Layer, Linear, NetworkSpec, Residual, Shape, SpecError, Squeeze,
};
use crate::unet::UNet;

/// The latent of a 256 x 256 image at f = 8.
pub const LATENT_F8: Shape = Shape::new(4, 32, 32);

/// An image as it is: what `pixel-resnet` reads.
pub const PIXELS_256: Shape = Shape::new(1, 256, 256);

/// Every name that [`named`] knows, with the input and the number of labels it is usually given.
pub const NAMES: &[(&str, Shape, usize)] = &[
    ("lenet5", LATENT_F8, 14),
    ("lenet5-se", LATENT_F8, 14),
    ("lenet5-cbam", LATENT_F8, 14),
    ("vgg5", LATENT_F8, 14),
    ("vgg5-se", LATENT_F8, 14),
    ("vgg5-cbam", LATENT_F8, 14),
    ("hefnet", LATENT_F8, 14),
    ("hefnet-se", LATENT_F8, 14),
    ("hefnet-cbam", LATENT_F8, 14),
    ("resnet20", LATENT_F8, 14),
    ("resnet20-se", LATENT_F8, 14),
    ("resnet20-cbam", LATENT_F8, 14),
    ("veilnet-xs", LATENT_F8, 14),
    ("veilnet-s", LATENT_F8, 14),
    ("veilnet-se", LATENT_F8, 14),
    ("tenseal-mnist", Shape::new(1, 28, 28), 10),
    ("fcnn", Shape::new(1, 28, 28), 1),
    ("unet-lung-64", Shape::new(1, 64, 64), 64 * 64),
    ("unet-lung-128", Shape::new(1, 128, 128), 128 * 128),
    ("pixel-resnet", PIXELS_256, 14),
];

/// The network of that name for any input and number of labels.
///
/// # Errors
/// [`SpecError::Unknown`] lists the names; otherwise as [`NetworkSpec::check`], for an input too small for the network.
pub fn named(name: &str, input: Shape, labels: usize) -> Result<NetworkSpec, SpecError> {
    let (backbone, gate) = match name.rsplit_once('-') {
        Some((backbone, "se")) if backbone != "veilnet" => (backbone, Gate::Se),
        Some((backbone, "cbam")) => (backbone, Gate::Cbam),
        _ => (name, Gate::None),
    };
    let layers = match (backbone, gate) {
        ("lenet5", gate) => lenet5(gate, labels),
        ("vgg5", gate) => vgg5(gate, labels),
        ("hefnet", gate) => hefnet(gate, labels),
        ("resnet20", gate) => resnet20(gate, labels),
        ("veilnet-xs", Gate::None) => veilnet_xs(labels),
        ("veilnet-s", Gate::None) => veilnet(conv_block(3, 2, 1, 128), labels),
        ("veilnet-se", Gate::None) => veilnet(cheap_gate(3, 2, 1, 128), labels),
        ("tenseal-mnist", Gate::None) => tenseal_mnist(labels),
        ("fcnn", Gate::None) => vec![flatten(), linear(32), hermite(), dropout(), linear(labels)],
        ("unet-lung-64", Gate::None) => UNet { patch: 2, widths: vec![8, 16, 32] }.layers(),
        ("unet-lung-128", Gate::None) => UNet { patch: 2, widths: vec![8, 16, 32, 32] }.layers(),
        ("pixel-resnet", Gate::None) => pixel_resnet(labels),
        _ => {
            let known: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
            return Err(SpecError::Unknown { found: name.into(), known: known.join(", ") });
        }
    };
    let spec = NetworkSpec { name: name.into(), labels, input, layers };
    spec.check()?;
    Ok(spec)
}

/// The network of that name for its usual input and labels.
///
/// # Errors
/// [`SpecError::Unknown`] lists the names.
pub fn usual(name: &str) -> Result<NetworkSpec, SpecError> {
    match NAMES.iter().find(|(known, ..)| *known == name) {
        Some((_, input, labels)) => named(name, *input, *labels),
        None => named(name, LATENT_F8, 14),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
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

fn conv(out: usize, kernel: usize, stride: usize, padding: usize, groups: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, padding, groups, bias: true })
}

/// A convolution before a batch norm, which makes its bias useless.
pub(crate) fn bare_conv(out: usize, kernel: usize, stride: usize, padding: usize, groups: usize) -> Layer {
    Layer::Conv(Conv { out, kernel, stride, padding, groups, bias: false })
}

pub(crate) fn act(form: Form) -> Layer {
    Layer::Activation(Activation { form, shared: false })
}

fn hermite() -> Layer {
    act(Form::Hermite)
}

pub(crate) fn pool2() -> Layer {
    Layer::AvgPool(AvgPool { kernel: 2, stride: 2, padding: 0 })
}

pub(crate) fn batch_norm() -> Layer {
    Layer::BatchNorm(Empty {})
}

fn linear(out: usize) -> Layer {
    Layer::Linear(Linear { out })
}

fn flatten() -> Layer {
    Layer::Flatten(Empty {})
}

fn global() -> Layer {
    Layer::GlobalAvgPool(Empty {})
}

fn dropout() -> Layer {
    Layer::Dropout(Dropout { probability: 0.3 })
}

fn lenet5(gate: Gate, labels: usize) -> Vec<Layer> {
    let mut layers =
        vec![conv(32, 5, 1, 2, 1), hermite(), pool2(), conv(64, 5, 1, 2, 4), hermite(), pool2(), conv(128, 5, 1, 2, 1)];
    layers.extend(gate.layers());
    layers.extend([hermite(), global(), linear(64), hermite(), dropout(), linear(labels)]);
    layers
}

fn vgg5(gate: Gate, labels: usize) -> Vec<Layer> {
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
fn hefnet(gate: Gate, labels: usize) -> Vec<Layer> {
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
fn resnet20(gate: Gate, labels: usize) -> Vec<Layer> {
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

fn veilnet_xs(labels: usize) -> Vec<Layer> {
    vec![conv(16, 4, 2, 1, 1), hermite(), conv(64, 4, 2, 1, 1), hermite(), flatten(), dropout(), linear(labels)]
}

fn veilnet(third: Layer, labels: usize) -> Vec<Layer> {
    let first = vec![conv(32, 4, 2, 1, 1), hermite(), conv(64, 4, 2, 1, 1), hermite()];
    let last = [hermite(), flatten(), dropout(), linear(labels)];
    first.into_iter().chain([third]).chain(last).collect()
}

fn conv_block(kernel: usize, stride: usize, padding: usize, out: usize) -> Layer {
    conv(out, kernel, stride, padding, 1)
}

fn cheap_gate(kernel: usize, stride: usize, padding: usize, out: usize) -> Layer {
    Layer::Gated(Gated { body: vec![conv_block(kernel, stride, padding, out)], degree: 2 })
}

fn tenseal_mnist(labels: usize) -> Vec<Layer> {
    let square = || act(Form::Square);
    vec![conv(4, 7, 3, 0, 1), square(), flatten(), linear(64), square(), linear(labels)]
}

/// A residual network on pixels. Each square of 8 x 8 of them is read at once by 32 filters: windows that do not overlap are the client's
/// to arrange, so that four ciphertexts of 16 384 slots hold a 256 x 256 image and the first map has a diagonal per pair of channels.
/// Two blocks follow that halve the side; activations stand behind the additions, where they cost no level beyond the square's.
fn pixel_resnet(labels: usize) -> Vec<Layer> {
    let mut layers = vec![bare_conv(32, 8, 8, 0, 1), batch_norm(), hermite()];
    for width in [64, 128] {
        let body = vec![bare_conv(width, 3, 2, 1, 1), batch_norm(), hermite(), bare_conv(width, 3, 1, 1, 4), batch_norm()];
        let shortcut = vec![pool2(), bare_conv(width, 1, 1, 0, 1), batch_norm()];
        layers.extend([Layer::Residual(Residual { body, shortcut }), hermite()]);
    }
    layers.extend([global(), dropout(), linear(labels)]);
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/networks/{name}.toml"))
    }

    #[test]
    fn every_name_is_a_file_and_every_file_a_name() {
        for (name, ..) in NAMES {
            assert_eq!(NetworkSpec::read(&file(name)).unwrap(), usual(name).unwrap(), "{name}");
        }
        let files = std::fs::read_dir(file("x").parent().unwrap()).unwrap().count();
        assert_eq!(files, NAMES.len());
    }

    #[test]
    #[ignore = "writes configs/networks anew; run it after a change of a constructor"]
    fn write_files() {
        for (name, input, labels) in NAMES {
            let spec = usual(name).unwrap();
            let text = format!("# `{name}` for {input} values and {labels} labels, as `networks::named` builds it.\n");
            std::fs::write(file(name), text + &spec.to_toml().unwrap()).unwrap();
        }
    }

    #[test]
    fn shapes_are_those_of_the_published_tables() {
        let shapes = |name| usual(name).unwrap().check().unwrap();
        assert!(shapes("hefnet").contains(&Shape::new(64, 30, 30)) && shapes("hefnet-se").contains(&Shape::flat(1024)));
        assert!(shapes("lenet5").contains(&Shape::new(128, 8, 8)));
        assert!(shapes("vgg5").contains(&Shape::flat(1024)));
        assert!(shapes("resnet20").contains(&Shape::new(64, 8, 8)));
        assert!(shapes("veilnet-xs").contains(&Shape::flat(4096)));
        assert!(shapes("veilnet-s").contains(&Shape::flat(2048)));
        assert!(shapes("tenseal-mnist").contains(&Shape::flat(256)));
        assert!(
            shapes("unet-lung-128").contains(&Shape::new(8, 64, 64)) && shapes("unet-lung-64").contains(&Shape::new(1, 64, 64))
        );
        assert!(shapes("pixel-resnet").contains(&Shape::new(128, 8, 8)));
    }

    #[test]
    fn other_inputs_and_labels_give_the_same_layers() {
        for input in [Shape::new(3, 64, 64), Shape::new(8, 16, 16)] {
            let spec = named("veilnet-s", input, 3).unwrap();
            assert_eq!(spec.check().unwrap().last(), Some(&Shape::flat(3)));
        }
        assert!(matches!(named("lenet6", LATENT_F8, 14), Err(SpecError::Unknown { .. })));
        assert!(matches!(named("veilnet-s-cbam", LATENT_F8, 14), Err(SpecError::Unknown { .. })));
        assert!(matches!(named("tenseal-mnist", Shape::new(1, 6, 6), 10), Err(SpecError::Input { .. })));
    }
}
