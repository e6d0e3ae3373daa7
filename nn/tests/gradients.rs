//! Every operation against the finite differences and the gradients of candle's own composition in `f64`.
//!
//! The public functions take the composed path for `f64`, so one closure serves as both sides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use candle_core::{DType, Device, Tensor, Var};
use veilray_base::Rng;
use veilray_nn::Result;
use veilray_nn::ops::{self, Activation, Conv2dConfig, Unit};

type Op<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// Largest difference relative to the largest value.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let flat = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let (a, b) = (flat(a), flat(b));
    let scale = b.iter().fold(1e-6f64, |m, x| m.max(x.abs()));
    a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / scale
}

/// The sum of `weights` times the operation's result, an arbitrary scalar function of it.
fn scalar(op: Op, inputs: &[Tensor], weights: &Tensor) -> Tensor {
    let out = op(inputs).unwrap();
    (out * weights).unwrap().sum_all().unwrap()
}

/// Checks value and gradients of `op` at random inputs of the given shapes.
fn check(name: &str, shapes: &[&[usize]], op: Op) {
    let mut rng = Rng::new(11, name);
    let inputs: Vec<Tensor> =
        shapes.iter().map(|shape| veilray_nn::normal_tensor(&mut rng, *shape, &Device::Cpu).unwrap()).collect();
    let exact: Vec<Tensor> = inputs.iter().map(|x| x.to_dtype(DType::F64).unwrap()).collect();
    let expected = op(&exact).unwrap();
    let found = op(&inputs).unwrap();
    assert!(distance(&found, &expected) < 1e-5, "{name}: value off by {:e}", distance(&found, &expected));

    let weights = veilray_nn::normal_tensor(&mut rng, found.shape(), &Device::Cpu).unwrap();
    let weights64 = weights.to_dtype(DType::F64).unwrap();
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let ours = scalar(op, &tensors, &weights).backward().unwrap();
    let vars64: Vec<Var> = exact.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tensors64: Vec<Tensor> = vars64.iter().map(|v| v.as_tensor().clone()).collect();
    let composed = scalar(op, &tensors64, &weights64).backward().unwrap();

    for (i, x) in exact.iter().enumerate() {
        let gradient = ours.get(&tensors[i]).unwrap();
        assert!(gradient.is_contiguous());
        let differences = finite_differences(op, &exact, i, &weights64);
        let off = distance(gradient, &differences);
        assert!(off < 1e-3, "{name}: gradient of input {i} {:?} off by {off:e}", x.dims());
        let off = distance(gradient, composed.get(&tensors64[i]).unwrap());
        assert!(off < 1e-4, "{name}: gradient of input {i} differs from candle's by {off:e}");
    }
}

fn finite_differences(op: Op, inputs: &[Tensor], which: usize, weights: &Tensor) -> Tensor {
    const STEP: f64 = 1e-5;
    let values = inputs[which].flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let at = |i: usize, by: f64| {
        let mut moved = values.clone();
        moved[i] += by;
        let mut inputs = inputs.to_vec();
        inputs[which] = Tensor::from_vec(moved, inputs[which].shape(), &Device::Cpu).unwrap();
        scalar(op, &inputs, weights).to_scalar::<f64>().unwrap()
    };
    let slopes: Vec<f64> = (0..values.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect();
    Tensor::from_vec(slopes, inputs[which].shape(), &Device::Cpu).unwrap()
}

#[test]
fn convolution() {
    // (batch, channels, outputs, height, width, kernel, stride, padding, groups)
    let cases = [
        (2, 3, 4, 5, 6, (3, 3), 1, 1, 1),
        (1, 2, 3, 7, 5, (1, 1), 1, 0, 1),
        (2, 2, 2, 6, 7, (1, 1), 2, 0, 1),
        (2, 4, 6, 7, 5, (3, 3), 2, 1, 2),
        (1, 3, 3, 6, 6, (3, 3), 1, 1, 3),
        (3, 2, 4, 8, 8, (4, 4), 2, 1, 1),
        (1, 1, 2, 9, 8, (5, 5), 3, 2, 1),
        (2, 2, 2, 5, 4, (2, 3), 1, 0, 1),
        (1, 2, 2, 2, 2, (3, 3), 1, 2, 1),
        (1, 1, 1, 3, 3, (3, 3), 1, 0, 1),
        (9, 2, 3, 3, 3, (3, 3), 1, 1, 1),
        (17, 2, 2, 4, 4, (4, 4), 2, 1, 2),
        // Winograd's: eight channels and more.
        (1, 8, 9, 5, 4, (3, 3), 1, 1, 1),
        (2, 9, 8, 3, 7, (3, 3), 1, 0, 1),
        (1, 8, 8, 2, 1, (3, 3), 1, 2, 1),
        (1, 8, 8, 18, 3, (3, 3), 1, 1, 1),
        // Several images to a block, the last block with fewer; runs of more than one register.
        (11, 8, 9, 3, 4, (3, 3), 1, 1, 1),
        (17, 9, 8, 4, 3, (3, 3), 1, 0, 1),
        (9, 8, 8, 7, 9, (3, 3), 1, 1, 1),
        (9, 8, 8, 1, 2, (3, 3), 1, 2, 1),
    ];
    for (b, c, o, h, w, (kh, kw), stride, padding, groups) in cases {
        let config = Conv2dConfig { stride, padding, groups };
        let name = format!("conv2d {c}->{o} {kh}x{kw} s{stride} p{padding} g{groups}");
        let shapes: [&[usize]; 3] = [&[b, c, h, w], &[o, c / groups, kh, kw], &[o]];
        check(&name, &shapes, &|t| ops::conv2d(&t[0], &t[1], Some(&t[2]), config));
        check(&name, &shapes[..2], &|t| ops::conv2d(&t[0], &t[1], None, config));
    }
}

#[test]
fn transposed_convolution() {
    let cases = [
        (2, 3, 2, 4, 5, (2, 2), 2, 0, 0, 1),
        (1, 4, 4, 3, 4, (3, 3), 2, 1, 1, 1),
        (2, 4, 6, 4, 3, (4, 4), 2, 1, 0, 2),
        (1, 2, 3, 5, 5, (3, 3), 1, 1, 0, 1),
        (2, 2, 2, 3, 3, (1, 1), 1, 0, 0, 1),
        (1, 2, 2, 3, 2, (3, 2), 3, 0, 2, 1),
        (1, 8, 9, 3, 4, (3, 3), 1, 1, 0, 1),
        (11, 8, 8, 3, 2, (3, 3), 1, 1, 0, 1),
    ];
    for (b, c, o, h, w, (kh, kw), stride, padding, extra, groups) in cases {
        let config = Conv2dConfig { stride, padding, groups };
        let name = format!("conv_transpose2d {c}->{o} {kh}x{kw} s{stride} p{padding}+{extra} g{groups}");
        let shapes: [&[usize]; 3] = [&[b, c, h, w], &[c, o / groups, kh, kw], &[o]];
        check(&name, &shapes, &|t| ops::conv_transpose2d(&t[0], &t[1], Some(&t[2]), config, extra));
        check(&name, &shapes[..2], &|t| ops::conv_transpose2d(&t[0], &t[1], None, config, extra));
    }
}

#[test]
fn group_norm() {
    for (shape, groups) in [([2, 6, 4, 5], 3), ([1, 4, 3, 3], 1), ([3, 4, 1, 7], 4), ([2, 2, 9, 9], 2)] {
        let c = shape[1];
        for silu in [false, true] {
            let op = |t: &[Tensor]| ops::group_norm(&t[0], &t[1], &t[2], groups, 1e-5, silu);
            check(&format!("group_norm {groups} {silu}"), &[&shape, &[c], &[c]], &op);
        }
    }
}

#[test]
fn batch_norm() {
    check("batch_norm", &[&[3, 4, 3, 5], &[4], &[4]], &|t| Ok(ops::batch_norm(&t[0], &t[1], &t[2], 1e-5)?.0));
    check("batch_norm [batch, channel]", &[&[7, 3], &[3], &[3]], &|t| Ok(ops::batch_norm(&t[0], &t[1], &t[2], 1e-5)?.0));
    check("hermite_norm", &[&[3, 4, 3, 5], &[2, 4], &[4]], &|t| Ok(ops::hermite_norm(&t[0], &t[1], &t[2], 1e-5)?.0));
}

#[test]
fn batch_statistics() {
    let x =
        veilray_nn::normal_tensor(&mut Rng::new(5, "statistics"), (4, 3, 5, 5), &Device::Cpu).unwrap().affine(2.0, 7.0).unwrap();
    let (w, b) = (Tensor::ones((2, 3), DType::F32, &Device::Cpu).unwrap(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    let (_, ours) = ops::hermite_norm(&x, &w, &b, 1e-5).unwrap();
    let to64 = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    let (_, exact) = ops::hermite_norm(&to64(&x), &to64(&w), &to64(&b), 1e-5).unwrap();
    assert!(distance(&ours.mean, &exact.mean) < 1e-6);
    assert!(distance(&ours.variance, &exact.variance) < 1e-5);
}

#[test]
fn polynomial_activation() {
    check("polynomial2", &[&[2, 3, 4, 5], &[3, 3]], &|t| ops::polynomial2(&t[0], &t[1]));
    check("polynomial2 [batch, channel]", &[&[5, 4], &[3, 4]], &|t| ops::polynomial2(&t[0], &t[1]));
}

#[test]
fn excess_over_a_bound() {
    check("excess", &[&[3, 5, 41]], &|x| ops::excess(&x[0], 0.8, Unit::Absolute));
}

/// The unit is a constant to the gradient, so finite differences do not apply: value and gradient are those at the unit measured.
#[test]
fn excess_in_root_mean_squares() {
    let x = Var::from_tensor(&veilray_nn::normal_tensor(&mut Rng::new(3, "excess"), (4, 10_000), &Device::Cpu).unwrap()).unwrap();
    let values: Vec<f64> = x.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|x| f64::from(*x)).collect();
    let unit = (values.iter().map(|x| x * x).sum::<f64>() / 4e4).sqrt();
    let over: Vec<f64> = values.iter().map(|x| (x.abs() / unit - 1.2).max(0.0)).collect();
    for factor in [1.0, -3.0] {
        let cost = (ops::excess(&x, 1.2, Unit::RootMeanSquare).unwrap() * factor).unwrap();
        let expected = factor * over.iter().map(|x| x * x).sum::<f64>() / 4e4;
        assert!((f64::from(cost.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-6);
        let slopes = cost.backward().unwrap().get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for ((slope, over), x) in slopes.iter().zip(&over).zip(&values) {
            assert!((f64::from(*slope) - factor * 2.0 * over / unit * x.signum() / 4e4).abs() < 1e-8);
        }
    }
    let within = ops::excess(&x, 9.0, Unit::RootMeanSquare).unwrap();
    assert_eq!(within.to_scalar::<f32>().unwrap(), 0.0);
    assert!(within.backward().unwrap().get(&x).is_none(), "where nothing is beyond the bound there is nothing to add");
    let zeros = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(ops::excess(&zeros, 1.0, Unit::RootMeanSquare).unwrap().to_scalar::<f32>().unwrap(), 0.0);
    for unit in [Unit::Absolute, Unit::RootMeanSquare] {
        let broken = Var::new(&[[1f32, f32::NAN, 3.0]], &Device::Cpu).unwrap();
        let cost = ops::excess(&broken, 2.0, unit).unwrap();
        assert!(cost.to_scalar::<f32>().unwrap().is_nan(), "a broken activation is no small one");
        assert!(cost.backward().unwrap().get(&broken).unwrap().to_vec2::<f32>().unwrap()[0][1].is_nan());
    }
    assert!(ops::excess(&x, f64::NAN, Unit::Absolute).is_err());
    assert!(ops::excess(&zeros.narrow(0, 0, 0).unwrap(), 1.0, Unit::Absolute).is_err());
}

#[test]
fn bias() {
    check("bias", &[&[2, 3, 4, 5], &[3]], &|t| ops::bias(&t[0], &t[1]));
    check("bias [batch, channel]", &[&[4, 3], &[3]], &|t| ops::bias(&t[0], &t[1]));
}

#[test]
fn activations() {
    for function in [Activation::Relu, Activation::LeakyRelu { slope: 0.25 }, Activation::Silu, Activation::Square] {
        check(&format!("{function:?}"), &[&[2, 3, 4, 5]], &|t| ops::activate(&t[0], function));
    }
}

#[test]
fn upsampling() {
    check("upsample", &[&[2, 3, 4, 5]], &|t| ops::upsample_nearest_x2(&t[0]));
}

#[test]
fn average_pooling() {
    for (kernel, stride) in [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 3), (1, 2)), ((2, 2), (3, 3)), ((7, 5), (1, 1))] {
        check(&format!("avg_pool2d {kernel:?} {stride:?}"), &[&[2, 3, 7, 5]], &|t| ops::avg_pool2d(&t[0], kernel, stride));
    }
    check("global_avg_pool2d", &[&[2, 3, 3, 5]], &|t| ops::global_avg_pool2d(&t[0]));
}

#[test]
fn softmax() {
    check("softmax", &[&[2, 3, 5]], &|t| ops::softmax(&t[0]));
}

type Unary = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Every operation with an image for its first argument and everything else held constant.
fn unary_operations() -> Vec<(&'static str, Unary)> {
    let mut rng = Rng::new(2, "constants");
    // A constant follows the type of the image, so that the same closure runs on both paths.
    let mut constant = |shape: &[usize]| {
        let t = veilray_nn::normal_tensor(&mut rng, shape, &Device::Cpu).unwrap();
        move |x: &Tensor| t.to_dtype(x.dtype()).unwrap()
    };
    let (w, wt, v, v2, p) =
        (constant(&[4, 2, 3, 3]), constant(&[4, 2, 2, 2]), constant(&[4]), constant(&[2, 4]), constant(&[3, 4]));
    let (u, u1) = (v.clone(), v.clone());
    let (u2, u3) = (v.clone(), v.clone());
    vec![
        ("conv2d", Box::new(move |x| ops::conv2d(x, &w(x), None, Conv2dConfig::new(1, 1).groups(2)))),
        ("conv_transpose2d", Box::new(move |x| ops::conv_transpose2d(x, &wt(x), None, Conv2dConfig::new(2, 0), 0))),
        ("group_norm", Box::new(move |x| ops::group_norm(x, &v(x), &v(x), 2, 1e-5, true))),
        ("batch_norm", Box::new(move |x| Ok(ops::batch_norm(x, &u(x), &u(x), 1e-5)?.0))),
        ("hermite_norm", Box::new(move |x| Ok(ops::hermite_norm(x, &v2(x), &u1(x), 1e-5)?.0))),
        ("bias", Box::new(move |x| ops::bias(x, &u2(x)))),
        ("polynomial2", Box::new(move |x| ops::polynomial2(x, &p(x)))),
        ("activate", Box::new(|x| ops::activate(x, Activation::Silu))),
        ("upsample", Box::new(ops::upsample_nearest_x2)),
        ("avg_pool2d", Box::new(|x| ops::avg_pool2d(x, (2, 2), (1, 1)))),
        ("bias of itself", Box::new(move |x| ops::bias(&ops::bias(x, &u3(x))?, &u3(x)))),
    ]
}

#[test]
fn gradients_add_to_those_of_other_consumers() {
    for (name, op) in unary_operations() {
        // x goes into the operation twice and into a product beside it.
        check(name, &[&[2, 4, 6, 5]], &|t| {
            let (one, two) = (op(&t[0])?, op(&t[0].sqr()?)?);
            Ok(((one + two)?.broadcast_mul(&t[0].sum_all()?))?)
        });
    }
}

#[test]
fn inputs_that_are_not_contiguous() {
    for (name, op) in unary_operations() {
        check(name, &[&[4, 2, 5, 6]], &|t| op(&t[0].transpose(0, 1)?.transpose(2, 3)?.narrow(0, 0, 2)?));
        check(name, &[&[3, 4, 6, 5]], &|t| op(&t[0].narrow(0, 1, 2)?));
        // A gradient that is not contiguous.
        check(name, &[&[2, 4, 5, 6]], &|t| Ok(op(&t[0])?.transpose(2, 3)?.contiguous()?));
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // One image to a block, and several.
    for shape in [(3, 16, 33, 31), (20, 16, 6, 5)] {
        let mut rng = Rng::new(4, "threads");
        let x = Var::from_tensor(&veilray_nn::normal_tensor(&mut rng, shape, &Device::Cpu).unwrap()).unwrap();
        let w = Var::from_tensor(&veilray_nn::normal_tensor(&mut rng, (24, 16, 3, 3), &Device::Cpu).unwrap()).unwrap();
        let v = Var::from_tensor(&veilray_nn::normal_tensor(&mut rng, 24, &Device::Cpu).unwrap()).unwrap();
        let run = || {
            let y = ops::conv2d(&x, &w, Some(&v), Conv2dConfig::new(1, 1)).unwrap();
            let y = ops::group_norm(&y, &v, &v, 8, 1e-5, true).unwrap();
            let y = ops::batch_norm(&y, &v, &v, 1e-5).unwrap().0;
            let gradients = y.powf(3.0).unwrap().sum_all().unwrap().backward().unwrap();
            let bits =
                |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|f| f.to_bits()).collect::<Vec<_>>();
            [&x, &w, &v].map(|var| bits(gradients.get(var).unwrap()))
        };
        let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(5));
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_their_names() {
    let t = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let refused = |result: Result<Tensor>, words: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    let config = Conv2dConfig::new(1, 0);
    refused(ops::conv2d(&t(&[1, 3, 4, 4]), &t(&[2, 2, 3, 3]), None, config), "conv2d needs [a multiple of 1, 3 / 1");
    refused(ops::conv2d(&t(&[1, 3, 2, 2]), &t(&[2, 3, 3, 3]), None, config), "at least the kernel's 3 x 3");
    refused(ops::conv2d(&t(&[1, 3, 4, 4]), &t(&[2, 3, 3, 3]), Some(&t(&[3])), config), "bias of shape [3]");
    refused(ops::conv2d(&t(&[3, 4, 4]), &t(&[2, 3, 3, 3]), None, config), "four dimensions");
    refused(ops::conv2d(&t(&[0, 3, 4, 4]), &t(&[2, 3, 3, 3]), None, config), "at least one value");
    refused(ops::conv2d(&t(&[1, 3, 4, 4]), &t(&[2, 3, 3, 3]), None, Conv2dConfig::new(0, 0)), "stride of at least 1");
    refused(ops::conv_transpose2d(&t(&[1, 3, 4, 4]), &t(&[3, 2, 2, 2]), None, Conv2dConfig::new(2, 0), 2), "below the stride");
    refused(ops::group_norm(&t(&[1, 3, 4, 4]), &t(&[3]), &t(&[3]), 2, 1e-5, false), "that 2 divides");
    refused(ops::avg_pool2d(&t(&[1, 3, 4, 4]), (5, 5), (1, 1)), "at least the kernel's");
    refused(ops::polynomial2(&t(&[1, 3, 4, 4]), &t(&[3, 2])), "shape [3, 3]");
}
