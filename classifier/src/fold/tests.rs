use super::*;
use crate::spec::{Activation, Form, Shape};
use crate::weights::Tensor;
use crate::{networks, reference};
use std::collections::BTreeMap;
use veilray_base::Rng;

fn image(shape: Shape, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed, "image");
    (0..shape.len()).map(|_| rng.normal()).collect()
}

/// Largest difference between the network as its layers are defined and its circuit, relative to the largest logit.
fn difference(spec: &NetworkSpec, weights: &Weights, options: &FoldOptions) -> f64 {
    let circuit = fold(spec, weights, options).unwrap();
    let x = image(spec.input, 5);
    let (wanted, found) = (reference::evaluate(spec, weights, &x).unwrap(), circuit.evaluate(&x));
    assert_eq!(wanted.len(), found.len());
    let size = wanted.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    wanted.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

#[test]
fn every_named_network_folded_is_the_network() {
    for (name, usual, labels) in networks::NAMES {
        let side = if name.starts_with("hefnet") { 24 } else { 16 };
        let is_mask = *labels == usual.len();
        let input = match usual.channels {
            1 if is_mask => Shape::new(1, side, side),
            1 if *usual == networks::PIXELS_256 => Shape::new(1, 64, 64),
            1 => *usual,
            channels => Shape::new(channels, side, side),
        };
        let spec = networks::named(name, input, if is_mask { input.len() } else { *labels }).unwrap();
        let difference = difference(&spec, &Weights::random(&spec, 3).unwrap(), &FoldOptions::default());
        assert!(difference < 1e-9, "{name} {difference:e}");
    }
}

#[test]
fn levels_are_those_of_the_tables() {
    let depth = |name: &str| {
        let spec = networks::default_for(name).unwrap();
        fold(&spec, &Weights::random(&spec, 1).unwrap(), &FoldOptions::default()).unwrap().depth()
    };
    let wanted = [
        ("veilnet-xs", 5),
        ("veilnet-s", 7),
        ("veilnet-se", 9),
        ("tenseal-mnist", 5),
        ("lenet5", 9),
        ("lenet5-se", 14),
        ("vgg5", 9),
        ("hefnet", 9),
        ("resnet20", 30),
        ("unet-lung-64", 13),
        ("unet-lung-128", 17),
        // Two blocks of four, with the activations behind the additions.
        ("pixel-resnet", 11),
    ];
    for (name, levels) in wanted {
        assert_eq!(depth(name), levels, "{name}");
    }
}

#[test]
fn a_mask_keeps_its_rows_and_columns_where_they_are_in_the_order_of_the_logits() {
    // Channels, height, width of the mask; extents of the circuit's last tensor.
    let cases = [
        (Shape::new(1, 4, 4), Shape::new(1, 4, 4)),
        (Shape::new(1, 3, 4), Shape::new(1, 3, 4)),
        (Shape::new(3, 4, 4), Shape::new(3, 4, 4)),
        (Shape::new(2, 3, 4), Shape::flat(24)),
        (Shape::new(1, 4, 3), Shape::flat(12)),
    ];
    for (mask, wanted) in cases {
        let Shape { channels, height, width } = mask;
        let text = format!(
            "name = \"m\"\nlabels = {}\n[input]\nchannels = 2\nheight = {height}\nwidth = {width}\n[[layers]]\nkind = \"conv\"\n\
             out = {channels}\nkernel = 3\npadding = 1\n[[layers]]\nkind = \"flatten\"\n",
            mask.len()
        );
        let spec = NetworkSpec::from_toml(&text).unwrap();
        let weights = Weights::random(&spec, 1).unwrap();
        let circuit = fold(&spec, &weights, &FoldOptions::default()).unwrap();
        assert_eq!((circuit.nodes().last().unwrap().shape, circuit.depth()), (wanted, 1));
        assert!(difference(&spec, &weights, &FoldOptions::default()) < 1e-12);
        let options = crate::pack::PackOptions { slots: 64, ..crate::pack::PackOptions::new(&params(), &circuit) };
        let packed = crate::pack::pack(&circuit, &options).unwrap();
        let x = image(spec.input, 5);
        let found = crate::execute::ClearExecutor::new(&packed).unwrap().run(&x);
        let wanted = reference::evaluate(&spec, &weights, &x).unwrap();
        assert!(found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{mask}");
    }
}

fn params() -> veilray_he::Params {
    veilray_he::ParamsLiteral::named("n13").unwrap().check().unwrap()
}

fn one_activation(a: [f32; 3]) -> (NetworkSpec, Weights) {
    let text = "name = \"t\"\nlabels = 2\n[input]\nchannels = 3\nheight = 2\nwidth = 2\n[[layers]]\nkind = \"activation\"\n\
                form = \"polynomial\"\n[[layers]]\nkind = \"flatten\"\n[[layers]]\nkind = \"linear\"\nout = 2\n";
    let spec = NetworkSpec::from_toml(text).unwrap();
    let mut tensors = Weights::random(&spec, 1).unwrap().tensors().clone();
    let coefficients = a.into_iter().chain([0.5, 0.4, -0.3, 0.1, 0.2, 0.3]).collect();
    let name = "layers.0.activation.coefficients";
    tensors.insert(name.into(), Tensor::new(name, vec![3, 3], coefficients).unwrap());
    (spec, Weights::new(tensors))
}

#[test]
fn a_wide_shift_is_refused_by_layer_and_channel_or_keeps_its_linear_term() {
    for small in [1e-3f32, -1e-3, 0.0] {
        let (spec, weights) = one_activation([0.1, small, -0.2]);
        let error = fold(&spec, &weights, &FoldOptions::default()).unwrap_err();
        assert!(matches!(&error, FoldError::Shift { layer, channel: 1, .. } if layer == "layers.0.activation"), "{error}");
        let beside = FoldOptions { wide_shift: WideShift::KeepLinearTerm, ..Default::default() };
        assert!(difference(&spec, &weights, &beside) < 1e-12);
        let depth = fold(&spec, &weights, &beside).unwrap().depth();
        assert_eq!(depth, 3, "one level before the square, one for it, one behind");
    }
    let (spec, weights) = one_activation([0.1, 0.3, -0.2]);
    assert!(difference(&spec, &weights, &FoldOptions::default()) < 1e-12);
}

#[test]
fn a_relu_has_no_circuit() {
    let mut spec = networks::default_for("tenseal-mnist").unwrap();
    spec.layers[1] = Layer::Activation(Activation { form: Form::Relu, shared: false });
    let error = fold(&spec, &Weights::random(&spec, 1).unwrap(), &FoldOptions::default()).unwrap_err();
    assert_eq!(error, FoldError::Relu { layer: "layers.1.activation".into() });
}

#[test]
fn a_gate_without_cubic_term_or_with_signs_both_ways_is_exact() {
    let mut spec = networks::default_for("veilnet-se").unwrap();
    spec.input = Shape::new(4, 16, 16);
    let weights = Weights::random(&spec, 2).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = weights.tensors().clone();
    let name = "layers.4.gated.gate.activation.coefficients";
    let signs = (0..3 * 128).map(|i| if i < 128 && i % 2 == 1 { -0.3 } else { 0.4 }).collect();
    tensors.insert(name.into(), Tensor::new(name, vec![3, 128], signs).unwrap());
    assert!(difference(&spec, &Weights::new(tensors), &FoldOptions::default()) < 1e-9);

    let spec = networks::named("lenet5-se", Shape::new(4, 16, 16), 3).unwrap();
    let mut tensors = Weights::random(&spec, 2).unwrap().tensors().clone();
    let name = "layers.7.se.sigmoid.coefficients";
    tensors.insert(name.into(), Tensor::new(name, vec![3, 1], vec![0.0, 0.2, 0.5]).unwrap());
    assert!(difference(&spec, &Weights::new(tensors), &FoldOptions::default()) < 1e-9);
}
