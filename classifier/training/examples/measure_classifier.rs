//! How good are these scores? Ranking with intervals over patients, and a threshold and temperature chosen on one split for another.
//!
//! ```text
//! cargo run --release -p veilray-training --example measure_classifier
//! ```

use veilray_base::Rng;
use veilray_training::metrics::{Bootstrap, Criterion, Result, Scored, SplitReport, choose_operating_point};

/// Logits of 400 images for one finding that three in ten have: higher where it is present.
fn split(seed: u64) -> Result<Scored> {
    let mut rng = Rng::new(seed, "scores");
    let labels: Vec<u8> = (0..400).map(|_| u8::from(rng.uniform() < 0.3)).collect();
    let logits = labels.iter().map(|label| (2.0 * f64::from(*label) - 1.5 + rng.normal()) as f32).collect();
    Scored::new(logits, labels, vec!["finding".into()])
}

fn main() -> Result<()> {
    let (validation, test) = (split(1)?, split(2)?);
    // Two images of each patient: they are drawn together in the bootstrap.
    let patients: Vec<String> = (0..400).map(|image| format!("patient {}", image / 2)).collect();
    let views: Vec<String> = (0..400).map(|image| if image % 2 == 0 { "PA" } else { "AP" }.to_string()).collect();

    let point = choose_operating_point(&validation, Criterion::F1);
    let report = SplitReport::of("test", &test, &patients, &views, &point, &Bootstrap::default())?;

    if let Some(auc) = report.ranking.roc_auc.macro_mean {
        let [low, high] = auc.interval.map_or([f64::NAN; 2], |interval| [interval.low, interval.high]);
        println!("ROC-AUC               {:.3} (95 % interval {low:.3} to {high:.3})", auc.value);
    }
    for label in &report.decisions.labels {
        println!(
            "{} at {:.2}       sensitivity {:.2?}, specificity {:.2?}",
            label.label, label.threshold, label.sensitivity, label.specificity
        );
    }
    println!("calibration error     {:.3}, after the temperature {:.3}", report.uncalibrated.error, report.calibrated.error);
    println!("views reported apart  {}", report.within_view.keys().cloned().collect::<Vec<_>>().join(", "));
    Ok(())
}
