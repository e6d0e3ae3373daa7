//! The autoencoder's shapes and parts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use candle_core::{Device, Tensor, Var};
use std::collections::BTreeSet;
use std::path::PathBuf;
use veilray_base::Rng;
use veilray_encoder::vqgan::{
    Codebook, Config, Discriminator, DiscriminatorConfig, Error, Judgement, Levels, Norm, Quantizer, Tracker, Vqgan, loss,
};
use veilray_nn::ParamStore;

fn config(name: &str) -> Config {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/encoder/{name}.toml"));
    Config::read(&path).unwrap()
}

fn small(norm: Norm, attention: bool, projection: Option<usize>) -> Config {
    let width = if norm == Norm::Group { 32 } else { 8 };
    let levels = || Levels { channels: vec![width, 2 * width], blocks: vec![1, 1], attention, early: false };
    let codebook = Codebook { size: 16, projection };
    Config { image_channels: 1, unshuffle: 2, latent_channels: 3, norm, encoder: levels(), decoder: levels(), codebook }
}

fn noise(shape: (usize, usize, usize, usize)) -> Tensor {
    veilray_nn::normal_tensor(&mut Rng::new(1, "test"), shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Trained values by hand, layer by layer, from the published description.
mod by_hand {
    fn conv(inputs: usize, outputs: usize, kernel: usize) -> usize {
        inputs * outputs * kernel * kernel + outputs
    }

    fn residual(inputs: usize, outputs: usize) -> usize {
        let shortcut = if inputs == outputs { 0 } else { conv(inputs, outputs, 1) };
        2 * inputs + conv(inputs, outputs, 3) + 2 * outputs + conv(outputs, outputs, 3) + shortcut
    }

    fn middle(channels: usize) -> usize {
        2 * residual(channels, channels) + 2 * channels + 4 * conv(channels, channels, 1)
    }

    pub(crate) fn encoder(widths: &[usize], latent: usize) -> usize {
        let (mut sum, mut inputs) = (conv(3, widths[0], 3), widths[0]);
        for (level, &width) in widths.iter().enumerate() {
            sum += residual(inputs, width) + residual(width, width);
            inputs = width;
            sum += if level + 1 < widths.len() { conv(width, width, 3) } else { 0 };
        }
        sum + middle(inputs) + 2 * inputs + conv(inputs, latent, 3)
    }

    pub(crate) fn decoder(widths: &[usize], latent: usize) -> usize {
        let mut inputs = widths[widths.len() - 1];
        let mut sum = conv(latent, inputs, 3) + middle(inputs);
        for (level, &width) in widths.iter().enumerate().rev() {
            sum += residual(inputs, width) + 2 * residual(width, width);
            inputs = width;
            sum += if level > 0 { conv(width, width, 3) } else { 0 };
        }
        sum + 2 * inputs + conv(inputs, 3, 3)
    }

    pub(crate) fn projection(latent: usize, entry: usize) -> usize {
        conv(latent, entry, 1) + conv(entry, latent, 1)
    }
}

/// Trained values and codebook of a network as it is built.
fn built(config: &Config) -> usize {
    let params = ParamStore::seeded(0, &Device::Cpu);
    Vqgan::new(&params, config).unwrap();
    params.count() + config.codebook.size * config.codebook_dim()
}

#[test]
fn the_published_architectures_have_the_published_parameters() {
    let wanted: [(&str, &[usize], [usize; 3]); 4] = [
        ("paper-f2", &[128, 256], [2, 128, 128]),
        ("paper-f4", &[128, 256, 512], [3, 64, 64]),
        ("paper-f8", &[128, 256, 256, 512], [4, 32, 32]),
        ("paper-f16", &[128, 128, 256, 256, 512], [8, 16, 16]),
    ];
    for (name, widths, latent) in wanted {
        let config = config(name);
        assert_eq!(config.latent_shape(256).unwrap(), latent, "{name}");
        let [z, ..] = latent;
        let counted = by_hand::encoder(widths, z) + by_hand::decoder(widths, z) + by_hand::projection(z, 256) + 1024 * 256;
        assert_eq!(built(&config), counted, "{name}");
    }
}

#[test]
fn with_the_codebook_of_latent_diffusion_f4_has_the_55_32_million_parameters_that_its_authors_state() {
    let mut config = config("paper-f4");
    config.codebook = Codebook { size: 8192, projection: Some(3) };
    let millions = built(&config) as f64 / 1e6;
    assert_eq!(format!("{millions:.2}"), "55.32");
}

#[test]
fn the_released_configurations_have_the_latents_that_the_circuits_expect() {
    for (name, latent) in [("f4", [3, 64, 64]), ("f8", [4, 32, 32]), ("f16", [8, 16, 16])] {
        let config = config(name);
        assert_eq!(config.latent_shape(256).unwrap(), latent);
        let net = Vqgan::new(&ParamStore::seeded(0, &Device::Cpu), &config).unwrap();
        let code = net.encode(&noise((1, 1, 64, 64))).unwrap();
        let [channels, height, width] = config.latent_shape(64).unwrap();
        assert_eq!(code.dims(), [1, channels, height, width]);
        assert_eq!(net.decode(&code).unwrap().dims(), [1, 1, 64, 64]);
        let (image, used) = net.decode_quantized(&code).unwrap();
        assert_eq!((image.dims(), used.len()), (&[1, 1, 64, 64][..], height * width));
    }
}

#[test]
fn without_norm_a_crop_sees_what_the_whole_image_sees() {
    let net = Vqgan::new(&ParamStore::seeded(3, &Device::Cpu), &config("f8")).unwrap();
    let whole = noise((1, 1, 256, 256));
    let crop = whole.narrow(2, 64, 160).unwrap().narrow(3, 32, 160).unwrap();
    let inside = |code: &Tensor, top: usize, left: usize| values(&code.narrow(2, top, 4).unwrap().narrow(3, left, 4).unwrap());
    let (of_whole, of_crop) = (net.encode(&whole).unwrap(), net.encode(&crop.contiguous().unwrap()).unwrap());
    for (a, b) in inside(&of_whole, 8 + 8, 4 + 8).iter().zip(inside(&of_crop, 8, 8)) {
        assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn every_kind_of_configuration_trains_all_of_its_parameters() {
    for (norm, attention, projection) in
        [(Norm::Group, true, Some(5)), (Norm::Group, false, None), (Norm::None, true, None), (Norm::None, false, Some(2))]
    {
        let params = ParamStore::seeded(2, &Device::Cpu);
        let net = Vqgan::new(&params, &small(norm, attention, projection)).unwrap();
        let quantized = net.quantizer().forward(&net.raw_latent(&noise((2, 1, 16, 16))).unwrap()).unwrap();
        let image = net.decoder().forward(&quantized.latent).unwrap();
        let gradients = image.sqr().unwrap().mean_all().unwrap().backward().unwrap();
        for (name, variable) in params.variables() {
            // A bias before softmax cancels, and so does a key's bias.
            if name.contains("attention.key.bias") {
                continue;
            }
            let gradient = gradients.get(variable.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
            assert!(values(gradient).iter().any(|g| *g != 0.0), "{name} has a gradient of zero");
        }
    }
}

#[test]
fn the_gradient_passes_straight_through_the_codebook_and_commitment_pulls_to_the_entry() {
    let params = ParamStore::seeded(4, &Device::Cpu);
    let quantizer = Quantizer::new(&params.root(), &small(Norm::None, false, None)).unwrap();
    let latent = Var::from_tensor(&noise((2, 3, 4, 5))).unwrap();
    let weight = noise((2, 3, 4, 5)).affine(2.0, 0.5).unwrap();
    let out = quantizer.forward(latent.as_tensor()).unwrap();
    let gradients = (&out.latent * &weight).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(&latent).unwrap()), values(&weight));
    let gradients = out.commitment.backward().unwrap();
    let pull = values(gradients.get(&latent).unwrap());
    let (from, to) = (values(latent.as_tensor()), values(&out.latent));
    for ((g, from), to) in pull.iter().zip(&from).zip(&to) {
        assert!((g - 2.0 * (from - to) / from_len(&pull)).abs() < 1e-6);
    }
    // What comes out is made of entries.
    let entries: BTreeSet<Vec<u32>> =
        quantizer.entries().to_vec2::<f32>().unwrap().iter().map(|e| e.iter().map(|v| v.to_bits()).collect()).collect();
    let rows = out.latent.permute((0, 2, 3, 1)).unwrap().reshape(((), 3)).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(rows.len(), out.indices.len());
    for (row, &index) in rows.iter().zip(&out.indices) {
        let entry = quantizer.entries().get(index as usize).unwrap().to_vec1::<f32>().unwrap();
        row.iter().zip(&entry).for_each(|(a, b)| assert!((a - b).abs() < 1e-5));
    }
    assert_eq!(entries.len(), 16);
}

fn from_len(values: &[f32]) -> f32 {
    values.len() as f32
}

#[test]
fn the_tracker_finds_the_clusters_and_revives_dead_entries() {
    let config = small(Norm::None, false, None);
    let quantizer = Quantizer::new(&ParamStore::seeded(6, &Device::Cpu).root(), &config).unwrap();
    let mut tracker = Tracker::new(16, 3, 0.9);
    let mut rng = Rng::new(6, "clusters");
    // 16 tight clusters on a lattice far from the initial entries.
    let centre = |i: usize| [(i % 4) as f32 * 3.0 + 10.0, (i / 4) as f32 * 3.0, -5.0];
    let batch = |rng: &mut Rng| {
        let points: Vec<f32> = (0..256).flat_map(|n| centre(n % 16).map(|c| c + 0.05 * rng.normal() as f32)).collect();
        Tensor::from_vec(points, (16, 16, 3), &Device::Cpu).unwrap().permute((2, 0, 1)).unwrap().unsqueeze(0).unwrap()
    };
    let mut used = BTreeSet::new();
    for step in 0..200 {
        let out = quantizer.forward(&batch(&mut rng)).unwrap();
        used = out.indices.iter().copied().collect();
        tracker.update(&quantizer, &out, step % 5 == 0, &mut rng).unwrap();
    }
    assert!(used.len() >= 14, "{used:?}");
    let out = quantizer.forward(&batch(&mut rng)).unwrap();
    assert!(out.commitment.to_scalar::<f32>().unwrap() < 0.5);
}

#[test]
fn the_discriminator_scores_patches_and_its_losses_are_the_published_ones() {
    let params = ParamStore::seeded(5, &Device::Cpu);
    let net = Discriminator::new(&params.root(), 1, &DiscriminatorConfig::default()).unwrap();
    // The published PatchGAN with 64 channels and 3 layers, for one image channel.
    let convs = [(1, 64, false), (64, 128, true), (128, 256, true), (256, 512, true), (512, 1, false)];
    let count: usize = convs.iter().map(|&(i, o, norm)| 16 * i * o + if norm { 2 * o } else { o }).sum();
    assert_eq!(params.count(), count);
    let judged = net.forward(&noise((1, 1, 256, 256))).unwrap();
    assert_eq!(judged.scores.dims(), [1, 1, 30, 30]);
    assert_eq!(judged.features.len(), 4);

    let tensor = |v: &[f32]| Tensor::new(v, &Device::Cpu).unwrap();
    let hinge = loss::hinge(&tensor(&[2.0, 0.5, -1.0]), &tensor(&[-3.0, 0.0])).unwrap().to_scalar::<f32>().unwrap();
    assert!((hinge - 0.5 * ((0.0 + 0.5 + 2.0) / 3.0 + (0.0 + 1.0) / 2.0)).abs() < 1e-6);
    assert_eq!(loss::adversarial(&tensor(&[1.0, 3.0])).unwrap().to_scalar::<f32>().unwrap(), -2.0);
    let judged = |features: [&[f32]; 2]| Judgement { scores: tensor(&[0.0]), features: features.map(tensor).to_vec() };
    let matching = loss::feature_matching(&judged([&[1.0, 2.0], &[0.0]]), &judged([&[1.0, 4.0], &[3.0]])).unwrap();
    assert_eq!(matching.to_scalar::<f32>().unwrap(), 2.0);
    assert!((loss::adaptive_weight(3.0, 2.0) - 1.5).abs() < 1e-3);
    assert_eq!(loss::adaptive_weight(1e9, 0.0), 1e4);
}

#[test]
fn wrong_images_and_configurations_are_refused() {
    let net = Vqgan::new(&ParamStore::seeded(0, &Device::Cpu), &small(Norm::None, false, None)).unwrap();
    assert!(matches!(net.encode(&noise((1, 3, 16, 16))), Err(Error::Image { wanted: 1, found: 3 })));
    assert!(matches!(net.encode(&noise((1, 1, 18, 16))), Err(Error::Side { found: 18, factor: 4 })));
    let good = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs/encoder/f8.toml")).unwrap();
    for (from, to) in [
        ("image_channels = 1", "image_channels = 2"),
        ("unshuffle = 4", "unshuffle = 3"),
        ("latent_channels = 4", "latent_channels = 0"),
        ("size = 16384", "size = 0"),
        ("norm = \"none\"", "norm = \"batch\""),
        ("blocks = [1, 2]", "blocks = [1]"),
        ("attention = false", "attentive = false"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(matches!(Config::from_toml(&good.replacen(from, to, 1)), Err(Error::Config { .. })), "{to}");
    }
}
