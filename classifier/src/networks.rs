//! The named networks.
//!
//! `configs/networks/` holds the same as TOML, for the default input and number of labels.

mod backbones;
mod parts;
mod unet;

pub use unet::UNet;

use crate::spec::{NetworkSpec, Shape, SpecError};
use backbones::{
    Gate, cheap_gate, conv_block, fcnn, hefnet, lenet5, pixel_resnet, resnet20, tenseal_mnist, veilnet, veilnet_xs, vgg5,
};

/// The latent of a 256 x 256 image at f = 8.
pub const LATENT_F8: Shape = Shape::new(4, 32, 32);

/// An image as it is: what `pixel-resnet` reads.
pub const PIXELS_256: Shape = Shape::new(1, 256, 256);

/// Every name that [`named`] knows, with its default input and number of labels.
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
        ("fcnn", Gate::None) => fcnn(labels),
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

/// The network of that name for its default input and number of labels.
///
/// # Errors
/// [`SpecError::Unknown`] lists the names.
pub fn default_for(name: &str) -> Result<NetworkSpec, SpecError> {
    match NAMES.iter().find(|(known, ..)| *known == name) {
        Some((_, input, labels)) => named(name, *input, *labels),
        None => named(name, LATENT_F8, 14),
    }
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
            assert_eq!(NetworkSpec::read(&file(name)).unwrap(), default_for(name).unwrap(), "{name}");
        }
        let files = std::fs::read_dir(file("x").parent().unwrap()).unwrap().count();
        assert_eq!(files, NAMES.len());
    }

    #[test]
    #[ignore = "writes configs/networks anew: .ci/tier write-networks"]
    fn write_files() {
        for (name, input, labels) in NAMES {
            let spec = default_for(name).unwrap();
            let text = format!("# `{name}` for {input} values and {labels} labels, as `networks::named` builds it.\n");
            std::fs::write(file(name), text + &spec.to_toml().unwrap()).unwrap();
        }
    }

    #[test]
    fn shapes_are_those_of_the_published_tables() {
        let shapes = |name| default_for(name).unwrap().check().unwrap();
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
