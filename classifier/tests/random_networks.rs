//! Random small networks: as its layers are defined, folded and packed, a network gives the same logits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use veilray_classifier::circuit::Circuit;
use veilray_classifier::execute::ClearExecutor;
use veilray_classifier::fold::{FoldOptions, WideShift, fold};
use veilray_classifier::pack::{CostModel, LevelCost, PackOptions, pack};
use veilray_classifier::spec::{
    Activation, AvgPool, Conv, ConvTranspose, Empty, Form, Gated, Layer, Linear, NetworkSpec, Residual, Shape, Squeeze,
};
use veilray_classifier::{reference, weights::Weights};

/// Costs in proportions as they are found on ciphertexts, falling with the level.
fn costs() -> CostModel {
    let level = |l: usize| {
        let limbs = (l + 6) as f64;
        let [diagonal, baby, giant] = [0.01, 0.03, 0.1].map(|ms| ms * limbs);
        let rotate = 0.15 * limbs;
        LevelCost {
            diagonal,
            baby,
            baby_of_many: 1.5 * baby,
            giant,
            input: baby,
            output: baby,
            rotate,
            product: rotate,
            add: 0.01,
            key_megabytes: 0.1 * limbs,
        }
    };
    CostModel { levels: (0..40).map(level).collect(), ms_per_key_megabyte: 0.1, threads: 1 }
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Hermite), Just(Form::Polynomial), Just(Form::Square)]
}

fn conv() -> impl Strategy<Value = Layer> {
    // Groups that do not divide the channels are mended when the network is put together.
    (1usize..9, 1usize..6, 1usize..4, 0usize..3, prop_oneof![Just(1usize), Just(2), Just(4)], any::<bool>()).prop_map(
        |(out, kernel, stride, padding, groups, bias)| {
            Layer::Conv(Conv { out, kernel, stride, padding: padding.min(kernel - 1), groups, bias })
        },
    )
}

fn simple() -> impl Strategy<Value = Layer> {
    prop_oneof![
        6 => conv(),
        4 => (form(), any::<bool>()).prop_map(|(form, shared)| {
            Layer::Activation(Activation { form, shared: shared && form == Form::Polynomial })
        }),
        1 => Just(Layer::BatchNorm(Empty {})),
        2 => (1usize..4, 1usize..4, 0usize..2).prop_map(|(kernel, stride, padding)| {
            Layer::AvgPool(AvgPool { kernel, stride, padding: padding.min(kernel - 1) })
        }),
        2 => Just(Layer::AvgPool(AvgPool { kernel: 2, stride: 2, padding: 0 })),
        1 => (1usize..5, 1usize..4, 1usize..3).prop_map(|(out, kernel, stride)| {
            Layer::ConvTranspose(ConvTranspose { out, kernel, stride, padding: 0, groups: 1 })
        }),
        1 => (form(), 1usize..4).prop_map(|(form, reduction)| Layer::Se(Squeeze { reduction, form })),
        1 => (form(), 1usize..4).prop_map(|(form, reduction)| Layer::Cbam(Squeeze { reduction, form })),
    ]
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        8 => simple(),
        1 => prop::collection::vec(simple(), 1..3).prop_map(|body| Layer::Residual(Residual { body, shortcut: vec![] })),
        1 => (prop::collection::vec(simple(), 1..3), 1usize..3).prop_map(|(body, degree)| Layer::Gated(Gated { body, degree })),
    ]
}

/// The layers that fit one behind the other, groups made to divide, shapes kept small; branches that differ get a shortcut that is
/// the body without its activations.
fn fitting(layers: Vec<Layer>, input: Shape, depth: usize) -> (Vec<Layer>, Shape) {
    let mut shape = input;
    let mut out = Vec::new();
    for layer in layers {
        let layer = match layer {
            Layer::Conv(c) if !c.out.is_multiple_of(c.groups) || !shape.channels.is_multiple_of(c.groups) => {
                Layer::Conv(Conv { groups: 1, ..c })
            }
            Layer::Residual(r) if depth == 0 => {
                let (body, _) = fitting(r.body, shape, 1);
                let linear = |l: &&Layer| matches!(l, Layer::Conv(_) | Layer::ConvTranspose(_) | Layer::AvgPool(_));
                let shortcut = body.iter().filter(linear).cloned().collect();
                Layer::Residual(Residual { body, shortcut })
            }
            Layer::Gated(g) if depth == 0 => Layer::Gated(Gated { body: fitting(g.body, shape, 1).0, ..g }),
            other => other,
        };
        match layer.output("layer", shape) {
            Ok(next) if next.len() <= 1024 => {
                shape = next;
                out.push(layer);
            }
            _ => {}
        }
    }
    (out, shape)
}

fn network() -> impl Strategy<Value = NetworkSpec> {
    let input = (1usize..5, 1usize..10, 1usize..10).prop_map(|(c, h, w)| Shape::new(c, h, w));
    (input, prop::collection::vec(layer(), 1..6), 1usize..6, any::<bool>(), form()).prop_map(
        |(input, layers, labels, global, last)| {
            let (mut layers, _) = fitting(layers, input, 0);
            layers.push(if global { Layer::GlobalAvgPool(Empty {}) } else { Layer::Flatten(Empty {}) });
            layers.extend([Layer::Linear(Linear { out: 5 }), Layer::Activation(Activation { form: last, shared: false })]);
            layers.push(Layer::Linear(Linear { out: labels }));
            NetworkSpec { name: "random".into(), labels, input, layers }
        },
    )
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = a.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

fn check(spec: &NetworkSpec, log_slots: u32, passes: usize, seed: u64) -> Result<(), TestCaseError> {
    spec.check().map_err(|e| TestCaseError::fail(e.to_string()))?;
    let weights = Weights::random(spec, seed).unwrap();
    let options = FoldOptions { wide_shift: WideShift::KeepLinearTerm, ..FoldOptions::default() };
    let circuit: Circuit = fold(spec, &weights, &options).unwrap();
    let image: Vec<f64> = (0..spec.input.len()).map(|i| ((i * 37 + seed as usize) % 23) as f64 / 11.0 - 1.0).collect();
    let wanted = reference::evaluate(spec, &weights, &image).unwrap();
    let folded = circuit.evaluate(&image);
    prop_assert!(largest_difference(&wanted, &folded) < 1e-7, "folded {wanted:?} {folded:?}");
    let options = PackOptions { slots: 1 << log_slots, level: circuit.depth(), costs: costs(), passes, key_budget: None };
    let packed = pack(&circuit, &options).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let executor = ClearExecutor::new(&packed).unwrap();
    let mut last = Vec::new();
    let found = executor.run_traced(&image, |traced| last = traced.slots.to_vec());
    prop_assert!(largest_difference(&folded, &found) < 1e-7, "packed {folded:?} {found:?}");
    let stray = packed.logits(&last[0]).1;
    prop_assert!(stray < 1e-9, "slots beside the logits hold {stray}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn folded_and_packed_is_as_defined(spec in network(), log_slots in 5u32..11, passes in 0usize..3, seed in 0u64..1000) {
        check(&spec, log_slots, passes, seed)?;
    }
}
