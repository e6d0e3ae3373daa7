//! Names, seeds, files and frozen copies of parameters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use veilray_base::Rng;
use veilray_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, HermiteActivation, Linear, Mode, Polynomial2};
use veilray_nn::ops::Conv2dConfig;
use veilray_nn::{Ema, Error, Init, ParamStore, Result, Scope};

struct Net {
    conv: Conv2d,
    norm: BatchNorm,
    activation: HermiteActivation,
    up: ConvTranspose2d,
    polynomial: Polynomial2,
}

impl Net {
    fn new(scope: &Scope) -> Result<Self> {
        Ok(Self {
            conv: Conv2d::new(&scope.enter("conv"), 2, 4, 3, Conv2dConfig::new(1, 1))?,
            norm: BatchNorm::new(&scope.enter("norm"), 4, 1e-5, 0.1)?,
            activation: HermiteActivation::new(&scope.enter("activation"), 4, 1e-5, 0.1)?,
            up: ConvTranspose2d::new(&scope.enter("up"), 4, 2, 2, Conv2dConfig::new(2, 0), 0)?,
            polynomial: Polynomial2::new(&scope.enter("polynomial"), 2, [0.1, 1.0, 0.2])?,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = self.norm.forward(&self.conv.forward(x)?, mode)?;
        self.polynomial.forward(&self.up.forward(&self.activation.forward(&x, mode)?)?)
    }
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn image() -> Tensor {
    veilray_nn::normal_tensor(&mut Rng::new(8, "image"), (3, 2, 5, 5), &Device::Cpu).unwrap()
}

#[test]
fn names_are_stable_and_values_depend_on_seed_and_name_alone() {
    let params = ParamStore::seeded(1, &Device::Cpu);
    let net = Net::new(&params.root()).unwrap();
    let names: Vec<String> = params.tensors().into_keys().collect();
    assert_eq!(
        names,
        [
            "activation.basis",
            "activation.bias",
            "activation.mean",
            "activation.variance",
            "conv.bias",
            "conv.weight",
            "norm.bias",
            "norm.mean",
            "norm.variance",
            "norm.weight",
            "polynomial.coefficients",
            "up.bias",
            "up.weight",
        ]
    );
    assert_eq!(params.count(), 12 + 76 + 8 + 6 + 34);
    let other = ParamStore::seeded(1, &Device::Cpu);
    Linear::new(&other.root().enter("first"), 9, 9).unwrap();
    let alone = Conv2d::new(&other.root().enter("conv"), 2, 4, 3, Conv2dConfig::new(1, 1)).unwrap();
    assert_eq!(values(alone.weight()), values(net.conv.weight()));
    let third = ParamStore::seeded(2, &Device::Cpu);
    let reseeded = Conv2d::new(&third.root().enter("conv"), 2, 4, 3, Conv2dConfig::new(1, 1)).unwrap();
    assert_ne!(values(reseeded.weight()), values(net.conv.weight()));
    assert!(matches!(Linear::new(&other.root().enter("first"), 9, 9), Err(Error::DuplicateParameter { .. })));
}

#[test]
fn saved_weights_give_the_same_outputs_trained_and_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let params = ParamStore::seeded(1, &Device::Cpu);
    let net = Net::new(&params.root()).unwrap();
    // Moves the running statistics.
    net.forward(&image(), Mode::Train).unwrap();
    let expected = values(&net.forward(&image(), Mode::Evaluate).unwrap());
    params.write(&path).unwrap();

    let frozen = ParamStore::open(&path, &Device::Cpu).unwrap();
    let copy = Net::new(&frozen.root()).unwrap();
    frozen.expect_all_taken().unwrap();
    let output = copy.forward(&image(), Mode::Evaluate).unwrap();
    assert_eq!(values(&output), expected);
    assert!(!output.track_op(), "a frozen network records no graph");

    let again = ParamStore::seeded(3, &Device::Cpu);
    let reloaded = Net::new(&again.root()).unwrap();
    again.read(&path).unwrap();
    assert_eq!(values(&reloaded.forward(&image(), Mode::Evaluate).unwrap()), expected);
}

#[test]
fn files_of_another_network_are_refused_whole() {
    let net = |params: &ParamStore| Linear::new(&params.root().enter("fc"), 3, 2);
    let params = ParamStore::seeded(1, &Device::Cpu);
    let linear = net(&params).unwrap();
    let before = values(linear.weight());
    let with = |name: &str, shape: &[usize]| {
        let mut tensors = params.tensors();
        tensors.insert(name.into(), Tensor::ones(shape, candle_core::DType::F32, &Device::Cpu).unwrap());
        tensors
    };
    assert!(matches!(params.assign(&BTreeMap::new()), Err(Error::MissingTensor { .. })));
    assert!(matches!(params.assign(&with("fc.extra", &[1])), Err(Error::UnexpectedTensor { .. })));
    assert!(matches!(params.assign(&with("fc.weight", &[2, 4])), Err(Error::TensorShape { .. })));
    assert_eq!(values(linear.weight()), before);
    assert!(matches!(net(&ParamStore::frozen(BTreeMap::new(), &Device::Cpu)), Err(Error::MissingTensor { .. })));
    assert!(matches!(net(&ParamStore::frozen(with("fc.weight", &[2, 4]), &Device::Cpu)), Err(Error::TensorShape { .. })));
    let left = ParamStore::frozen(with("fc.extra", &[1]), &Device::Cpu);
    net(&left).unwrap();
    assert!(matches!(left.expect_all_taken(), Err(Error::UnexpectedTensor { .. })));
}

#[test]
fn a_frozen_copy_follows_training_and_an_average_lags_behind() {
    let params = ParamStore::seeded(1, &Device::Cpu);
    let weight = params.root().parameter("w", &[2], Init::ZEROS).unwrap();
    let mut ema = Ema::new(0.5, &params).unwrap();
    let live = params.freeze().root().parameter("w", &[2], Init::ZEROS).unwrap();
    let average = ema.params().root().parameter("w", &[2], Init::ZEROS).unwrap();
    params.variables()["w"].set(&Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap()).unwrap();
    ema.update(&params).unwrap();
    assert_eq!(values(&weight), values(&live));
    // The first update keeps 2/11.
    let expected = [9.0 / 11.0, 18.0 / 11.0];
    assert!(values(&average).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", values(&average));
}

#[test]
fn running_statistics_converge_to_the_batch_and_evaluation_equals_training() {
    let params = ParamStore::seeded(1, &Device::Cpu);
    let scope = params.root();
    let norm = BatchNorm::new(&scope.enter("norm"), 2, 1e-5, 0.5).unwrap();
    let hermite = HermiteActivation::new(&scope.enter("hermite"), 2, 1e-5, 0.5).unwrap();
    let x = image().affine(3.0, 1.0).unwrap();
    let last = |f: &dyn Fn(Mode) -> Tensor| {
        (0..60).for_each(|_| drop(f(Mode::Train)));
        let (train, evaluate) = (values(&f(Mode::Train)), values(&f(Mode::Evaluate)));
        train.iter().zip(&evaluate).fold(0f32, |m, (a, b)| m.max((a - b).abs()))
    };
    // The running variance is the unbiased one: 75 values a channel, so outputs up to 5 differ by 5 (1 - sqrt(74/75)) = 0.034.
    assert!(last(&|mode| norm.forward(&x, mode).unwrap()) < 0.034);
    assert!(last(&|mode| hermite.forward(&x, mode).unwrap()) < 0.034);
}
