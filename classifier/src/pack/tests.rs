use super::*;
use crate::execute::ClearExecutor;
use crate::fold::{FoldOptions, fold};
use crate::networks;
use crate::spec::NetworkSpec;
use crate::spec::Shape;
use crate::weights::Weights;
use veilray_base::Rng;
use veilray_he::{Params, ParamsLiteral};

fn params(name: &str) -> Params {
    ParamsLiteral::named(name).unwrap().check().unwrap()
}

fn folded(spec: &NetworkSpec) -> Circuit {
    fold(spec, &Weights::random(spec, 1).unwrap(), &FoldOptions::default()).unwrap()
}

/// Largest difference between the circuit and its packed form, relative to the largest logit.
fn difference(circuit: &Circuit, packed: &PackedCircuit, shape: Shape) -> f64 {
    let mut rng = Rng::new(2, "image");
    let image: Vec<f64> = (0..shape.len()).map(|_| rng.normal()).collect();
    let (wanted, found) = (circuit.evaluate(&image), ClearExecutor::new(packed).unwrap().run(&image));
    assert_eq!(wanted.len(), found.len());
    let size = wanted.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

#[test]
fn ours_packed_are_what_they_were_and_within_their_budgets() {
    // Parameter set; bounds on milliseconds of one thread by the reference costs, and on megabytes of Galois keys.
    let wanted = [
        ("tenseal-mnist", "n13", 12.0, 10.0),
        ("veilnet-xs", "n13", 50.0, 25.0),
        ("veilnet-s", "n14", 200.0, 55.0),
        ("veilnet-se", "n14", 330.0, 90.0),
    ];
    for (name, set, ms, megabytes) in wanted {
        let spec = networks::default_for(name).unwrap();
        let circuit = folded(&spec);
        let options = PackOptions { passes: 2, ..PackOptions::new(&params(set), &circuit) };
        let packed = pack(&circuit, &options).unwrap();
        let difference = difference(&circuit, &packed, spec.input);
        assert!(difference < 1e-9, "{name} {difference:e}");
        let (total, keys) = (packed.total_ms(&options.costs), packed.key_megabytes(&options.costs));
        assert!(total < ms && keys < megabytes, "{name}: {total} ms, {keys} MB");
    }
}

#[test]
fn every_named_network_packed_on_several_ciphertexts_is_what_it_was() {
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
        let circuit = folded(&spec);
        let options = PackOptions { slots: 2048, passes: 0, ..PackOptions::new(&params("n14"), &circuit) };
        let difference = difference(&circuit, &pack(&circuit, &options).unwrap(), input);
        assert!(difference < 1e-9, "{name} {difference:e}");
    }
}

#[test]
#[ignore = "minutes: .ci/tier published-networks"]
fn published_networks_at_full_size_are_what_they_were() {
    for (name, usual, _) in networks::NAMES {
        let set = if name.starts_with("resnet20") { "n16" } else { "n15" };
        let spec = networks::default_for(name).unwrap();
        let circuit = folded(&spec);
        let options = PackOptions { passes: 1, ..PackOptions::new(&params(set), &circuit) };
        let packed = pack(&circuit, &options).unwrap();
        let difference = difference(&circuit, &packed, *usual);
        let (ms, keys) = (packed.total_ms(&options.costs), packed.key_megabytes(&options.costs));
        println!("{name} {set}: {ms:.0} ms, {keys:.0} MB of keys, difference {difference:e}");
        assert!(difference < 1e-9, "{name} {difference:e}");
    }
}

#[test]
fn a_client_that_arranges_windows_saves_diagonals() {
    let spec = networks::default_for("tenseal-mnist").unwrap();
    let circuit = folded(&spec);
    let packed = pack(&circuit, &PackOptions::new(&params("n13"), &circuit)).unwrap();
    assert_eq!(packed.input().layout().shape(), Shape::new(49, 8, 8));
    let PackedOp::Linear(first) = &packed.nodes()[1].op else { panic!("the first map is not linear") };
    assert_eq!(first.diagonal_count(), 4, "one per output channel");
    // On half the slots the windows do not fit one ciphertext, and the image stays as it is.
    let narrow = PackOptions { slots: 2048, ..PackOptions::new(&params("n12"), &circuit) };
    let shape = pack(&circuit, &narrow).unwrap().input().layout().shape();
    assert_ne!(shape, Shape::new(49, 8, 8));
}

#[test]
fn rotations_are_those_of_the_steps_at_their_levels() {
    let spec = networks::default_for("veilnet-xs").unwrap();
    let circuit = folded(&spec);
    let packed = pack(&circuit, &PackOptions { passes: 1, ..PackOptions::new(&params("n13"), &circuit) }).unwrap();
    let known = packed.rotations();
    for node in packed.nodes() {
        let PackedOp::Linear(map) = &node.op else { continue };
        let level = packed.level() - node.depth + 1;
        for t in 0..map.terms().len() {
            for (part, diagonals) in map.diagonals(t).unwrap() {
                assert_eq!(diagonals.indices().collect::<Vec<_>>(), map.parts(t)[&part]);
                for index in diagonals.indices() {
                    let width = map.steps().width;
                    for step in [index % width, index / width * width, part.copy].into_iter().filter(|s| *s != 0) {
                        assert!(known[&step] >= level, "{step}");
                    }
                }
            }
        }
        assert!(map.folds().all(|step| known[&step] + 1 >= level));
    }
}

#[test]
fn options_that_do_not_fit_are_refused_with_what_would() {
    let circuit = folded(&networks::default_for("tenseal-mnist").unwrap());
    let options = PackOptions::new(&params("n13"), &circuit);
    let refused = |options: PackOptions| pack(&circuit, &options).unwrap_err();
    assert_eq!(refused(PackOptions { slots: 3000, ..options.clone() }), PackError::Slots { found: 3000, least: 16 });
    assert_eq!(refused(PackOptions { slots: 8, ..options.clone() }), PackError::Slots { found: 8, least: 16 });
    assert_eq!(refused(PackOptions { level: 4, ..options.clone() }), PackError::Levels { found: 4, depth: 5 });
}

#[test]
fn logits_are_read_and_everything_else_must_be_zero_or_a_copy() {
    let circuit = folded(&networks::default_for("tenseal-mnist").unwrap());
    let packed = pack(&circuit, &PackOptions { passes: 0, ..PackOptions::new(&params("n13"), &circuit) }).unwrap();
    let mut slots: Vec<f64> = (0..4096).map(|i| if i % 16 < 10 { (i % 16) as f64 } else { 0.0 }).collect();
    assert_eq!(packed.logits(&slots), ((0..10).map(f64::from).collect(), 0.0));
    slots[12] = 0.5;
    assert_eq!(packed.logits(&slots).1, 0.5);
    slots[12] = 0.0;
    slots[16 + 3] = 1.0;
    assert_eq!(packed.logits(&slots).1, 2.0);
}
