use super::*;
use candle_core::{Device, Var};
use veilray_classifier::networks::UNet;
use veilray_classifier::spec::{NetworkSpec, Shape};
use veilray_nn::ParamStore;

const SIDE: usize = 16;

/// A bright disc on noise; its mask.
fn samples(count: usize, seed: u64) -> MaskSamples {
    let mut rng = Rng::new(seed, "discs");
    let (mut images, mut masks) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let [x, y] = [0, 1].map(|_| 5.0 + 6.0 * rng.uniform());
        let radius = 2.5 + 2.0 * rng.uniform();
        for at in 0..SIDE * SIDE {
            let (dx, dy) = ((at % SIDE) as f64 - x, (at / SIDE) as f64 - y);
            let inside = dx * dx + dy * dy < radius * radius;
            masks.push(u8::from(inside));
            images.push((90.0 + if inside { 60.0 } else { 0.0 } + 20.0 * rng.normal()).clamp(0.0, 255.0) as u8);
        }
    }
    MaskSamples::new(SIDE, images, masks, "disc", (0..count).map(|i| format!("p{i}")).collect()).unwrap()
}

fn student() -> Student {
    let layers = UNet { patch: 2, widths: vec![4, 6] }.layers();
    Student::new(NetworkSpec { name: "tiny".into(), labels: SIDE * SIDE, input: Shape::new(1, SIDE, SIDE), layers }).unwrap()
}

fn config() -> SegmentConfig {
    let images = ImageAugmentation { flip: true, shift: 0.1, contrast: 0.1, ..ImageAugmentation::default() };
    let range = RangePenalty { weight: 0.01, target: 4.0, relative: false, ..RangePenalty::default() };
    SegmentConfig { epochs: 30, batch: 8, average: Some(0.9), checkpoint_every: 7, images, range, ..SegmentConfig::default() }
}

#[test]
fn a_run_finds_discs_and_is_resumed_to_the_same_bits() {
    let (training, validation) = (samples(64, 1), samples(24, 2));
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |folder: &Path, stop: bool| {
        let stop = AtomicBool::new(stop);
        train_segmenter(&student(), &config(), &training, &validation, folder, Some(&stop)).unwrap()
    };
    let trained = run(whole.path(), false);
    let network = crate::frozen(&student(), &trained.tensors).unwrap();
    let logits = predict(network.as_ref(), validation.images(), 5, false).unwrap();
    let threshold = validation.best_threshold(&logits);
    let dice = |threshold: f32| Overlap::mean(&validation.overlaps(&logits, threshold), Overlap::dice);
    assert!(dice(threshold) >= dice(0.0) && dice(threshold) > 0.85, "{} at {threshold}", dice(threshold));

    let mut stops = 0;
    let resumed = loop {
        let done = run(parts.path(), stops < 3);
        stops += 1;
        if !done.outcome.stopped {
            break done;
        }
    };
    assert_eq!((stops, resumed.outcome.steps), (4, 240));
    for (name, tensor) in &trained.tensors {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(tensor), values(&resumed.tensors[name]), "{name}");
    }
    let other = SegmentConfig { dice: 0.3, ..config() };
    assert!(train_segmenter(&student(), &other, &training, &validation, whole.path(), None).is_err(), "another run's folder");
}

#[test]
fn norms_before_squares_start_shifted_and_branches_share_the_shift() {
    let params = ParamStore::seeded(1, &Device::Cpu);
    student().build(&params.root()).unwrap();
    let mut tensors = params.tensors();
    start::shift_norms(student().spec(), &mut tensors).unwrap();
    let first = |name: &str| tensors[name].to_vec1::<f32>().unwrap()[0];
    assert_eq!([first("layers.1.batch_norm.weight"), first("layers.1.batch_norm.bias")], [0.5, 1.0]);
    let inside = "layers.3.residual.";
    let norms = ["body.2.batch_norm.bias", "body.5.batch_norm.bias", "body.8.batch_norm.bias", "shortcut.1.batch_norm.bias"];
    assert_eq!(norms.map(|norm| first(&format!("{inside}{norm}"))), [1.0, 1.0, 0.5, 0.5]);
}

#[test]
fn the_loss_is_what_its_definition_says_and_its_slope_is_finite_far_out() {
    let (logits, masks) = ([0.3f32, -1.2, 2.0, -0.4, 0.9, -3.0], [1f32, 0.0, 1.0, 0.0, 0.0, 1.0]);
    let tensor = |values: &[f32]| Tensor::from_slice(values, (2, 3), &Device::Cpu).unwrap();
    let found = f64::from(loss(&tensor(&logits), &tensor(&masks), 0.3).unwrap().to_scalar::<f32>().unwrap());
    let sigmoid = |z: f32| 1.0 / (1.0 + f64::from(-z).exp());
    let (mut entropy, mut dice) = (0.0, 0.0);
    for (row, mask) in logits.chunks(3).zip(masks.chunks(3)) {
        let pairs = || row.iter().zip(mask).map(|(z, y)| (sigmoid(*z), f64::from(*y)));
        entropy -= pairs().map(|(p, y)| if y == 1.0 { p.ln() } else { (1.0 - p).ln() }).sum::<f64>() / 6.0;
        let sums = pairs().fold((1.0, 1.0), |(both, sizes), (p, y)| (both + 2.0 * p * y, sizes + p + y));
        dice += sums.0 / sums.1 / 2.0;
    }
    assert!((found - (0.7 * entropy + 0.3 * (1.0 - dice))).abs() < 1e-6, "{found}");

    let far = Var::from_slice(&[500f32, -500.0], (1, 2), &Device::Cpu).unwrap();
    let wrong = Tensor::from_slice(&[0f32, 1.0], (1, 2), &Device::Cpu).unwrap();
    let gradients = loss(&far, &wrong, 0.5).unwrap().backward().unwrap();
    let slope = gradients.get(&far).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(slope, [[0.25, -0.25]]);
}

#[test]
fn masks_move_with_their_images() {
    // A mask that is its image: whatever moves, they must stay alike.
    let mut rng = Rng::new(3, "moves");
    let plane: Vec<u8> =
        (0..SIDE * SIDE).map(|at| u8::from((4..12).contains(&(at % SIDE)) && (3..9).contains(&(at / SIDE)))).collect();
    let samples = MaskSamples::new(SIDE, plane.iter().map(|v| v * 255).collect(), plane, "box", vec!["p".into()]).unwrap();
    let augmentation = ImageAugmentation { flip: true, shift: 0.2, rotate: 20.0, scale: 0.2, ..ImageAugmentation::default() };
    for _ in 0..20 {
        let (images, masks) = samples.batch(&[0], &augmentation, &mut rng).unwrap();
        let (image, mask) = (images.flatten_all().unwrap().to_vec1::<f32>().unwrap(), masks.to_vec2::<f32>().unwrap().remove(0));
        assert!(image.iter().zip(&mask).all(|(level, inside)| (*level > 1e-5) == (*inside == 1.0) || level.abs() < 1e-4));
    }
    assert!(MaskSamples::new(2, vec![0; 4], vec![0, 1, 2, 0], "box", vec!["p".into()]).is_err());
    assert!(MaskSamples::new(2, vec![0; 4], vec![0, 1, 1], "box", vec!["p".into()]).is_err());
}
