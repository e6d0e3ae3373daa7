//! Trains a small polynomial network on made-up images and turns it into a circuit that ciphertexts can evaluate.
//!
//! ```text
//! cargo run --release -p veilray-training --example train_and_fold
//! ```

use veilray_base::Rng;
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::{Tensor, Weights};
use veilray_training::metrics::Evaluation;
use veilray_training::{Inputs, Samples, Student, TrainConfig, TrainingData, frozen, predict, reported, train};

const NETWORK: &str = r#"
name = "tiny"
labels = 1
input = { channels = 1, height = 8, width = 8 }
layers = [
    { kind = "conv", out = 4, kernel = 4, stride = 4 }, { kind = "activation", form = "hermite" },
    { kind = "flatten" }, { kind = "linear", out = 1 },
]
"#;

/// Images of noise; those with the label "bright" have a brighter right half.
fn images(count: usize, seed: u64) -> veilray_training::Result<Samples> {
    let mut rng = Rng::new(seed, "images");
    let labels: Vec<u8> = (0..count).map(|_| rng.below(2) as u8).collect();
    let lift = |label: u8, at: usize| if label == 1 && at % 8 >= 4 { 60.0 } else { 0.0 };
    let pixels = labels.iter().flat_map(|label| (0..64).map(|at| lift(*label, at)).collect::<Vec<f64>>());
    let pixels = pixels.map(|lift| (90.0 + lift + 25.0 * rng.normal()).clamp(0.0, 255.0) as u8).collect();
    let (names, empty) = (vec!["bright".to_string()], vec![String::new(); count]);
    Samples::new(Inputs::Images(pixels), [1, 8, 8], labels, names, empty.clone(), empty)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let student = Student::new(NetworkSpec::from_toml(NETWORK)?)?;
    let (training, validation) = (images(256, 1)?, images(128, 2)?);
    let data = TrainingData { train: &training, validation: &validation, reported: 1, teacher: None, start: None };
    // A run resumes what its folder holds; this one starts anew.
    let folder = std::env::temp_dir().join(format!("veilray-example-{}", std::process::id()));
    let trained = train(&student, &TrainConfig { epochs: 10, batch: 16, ..TrainConfig::default() }, data, &folder, None)?;
    std::fs::remove_dir_all(&folder)?;

    let logits = predict(frozen(&student, &trained.tensors)?.as_ref(), &validation, 64, false)?;
    let auc = Evaluation::of(&reported(&validation, &logits, 1)?).roc_auc.macro_mean;
    println!("ROC-AUC on validation images: {:.3}", auc.map_or(f64::NAN, |mean| mean.value));

    let tensor = |(name, tensor): (_, &candle_core::Tensor)| -> Result<_, Box<dyn std::error::Error>> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        Ok((String::clone(name), Tensor::new(name, tensor.dims().to_vec(), values)?))
    };
    let weights = Weights::new(trained.tensors.iter().map(tensor).collect::<Result<_, _>>()?);
    let circuit = fold(student.spec(), &weights, &FoldOptions::default())?;
    println!("as a circuit: {} nodes, {} levels", circuit.nodes().len(), circuit.depth());
    Ok(())
}
