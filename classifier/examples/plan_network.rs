//! What an encrypted network will cost, before any key exists: levels, keys, bytes, memory, predicted time.
//!
//! ```text
//! cargo run --release -p veilray-classifier --example plan_network
//! ```

use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::pack::CostModel;
use veilray_classifier::plan::{Limits, PlanError, PlanOptions, fit};
use veilray_classifier::{networks, weights::Weights};
use veilray_he::ParamsLiteral;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = networks::default_for("veilnet-xs")?;
    let circuit = fold(&network, &Weights::random(&network, 1)?, &FoldOptions::default())?;
    let params = ParamsLiteral::named("n13")?.check()?;
    // Times of the reference machine; `CostModel::measured` times this one.
    let options = PlanOptions { precision: false, ..PlanOptions::new(CostModel::reference(&params)) };

    let (_, fastest) = fit(&circuit, &params, &options, &Limits::default())?;
    println!("{fastest}\n");

    // Fewer bytes of keys cost time.
    let keys = fastest.bytes.evaluation_keys * 9 / 10;
    let (_, smaller) = fit(&circuit, &params, &options, &Limits { keys: Some(keys), memory: None })?;
    println!("keys of {} instead of {} bytes", smaller.bytes.evaluation_keys, fastest.bytes.evaluation_keys);
    println!("take {:.1} ms instead of {:.1} ms\n", smaller.predicted_ms, fastest.predicted_ms);

    // What does not fit is refused with a change that would fit.
    let limits = Limits { keys: None, memory: Some(fastest.memory.peak / 2) };
    match fit(&circuit, &params, &options, &limits) {
        Err(refused @ PlanError::Memory { .. }) => println!("{refused}"),
        other => println!("half of the memory is enough: {} bytes", other?.1.memory.peak),
    }
    Ok(())
}
