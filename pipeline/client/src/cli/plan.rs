//! `veilray plan`: what a model costs, before any key exists.

use super::output::report;
use super::settings::Settings;
use crate::client::{Error, Exit, Result};
use veilray_base::release::find;
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::pack::CostModel;
use veilray_classifier::plan::{Limits, Plan, PlanOptions, fit};
use veilray_classifier::release::{Error as ReleaseError, Model};

/// Arguments of `plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model: its name in the folder of released models, or its folder.
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
    /// Plans for half the bytes of evaluation keys, at the price of time.
    #[arg(long)]
    fewer_keys: bool,
    /// Refuses a plan of more bytes of evaluation keys, after trading keys for time.
    #[arg(long, value_name = "BYTES", conflicts_with = "fewer_keys")]
    max_key_bytes: Option<usize>,
    /// Refuses a plan whose server needs more memory.
    #[arg(long, value_name = "BYTES")]
    max_memory_bytes: Option<usize>,
    /// Threads of the server; default this machine's cores.
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Predicts time for the reference machine, at once, instead of timing the engine's operations on this one for about two seconds.
    #[arg(long)]
    reference: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs `plan`.
///
/// # Errors
/// No such model, or a model that does not fit the limits; the error then names a change that would do.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    let name =
        settings.model(args.model.as_ref()).ok_or_else(|| Error::Usage("name the model, such as --model nih14-f8".into()))?;
    let model = Model::open(&find(&name)?)?;
    let params = model.params();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map(std::num::NonZeroUsize::get).unwrap_or(cores).max(1);
    let costs = if args.reference { CostModel::reference(params) } else { measured(&model, threads.min(cores))? };
    let options = PlanOptions { threads, ..PlanOptions::new(costs) };
    let fitted = |limits| {
        let circuit = fold(model.spec(), model.weights(), &FoldOptions::default()).map_err(ReleaseError::Fold)?;
        Ok::<Plan, Error>(fit(&circuit, params, &options, &limits)?.1)
    };
    let plan = if args.fewer_keys {
        let usual = Plan::new(&model.packed()?, params, &PlanOptions { precision: false, ..options.clone() })?;
        fitted(Limits { keys: Some(usual.bytes.evaluation_keys / 2), memory: args.max_memory_bytes })?
    } else if args.max_key_bytes.is_none() && args.max_memory_bytes.is_none() {
        // As it is served, within the budget of keys that it was released with.
        Plan::new(&model.packed()?, params, &options)?
    } else {
        let released = model.manifest().key_budget.map(|megabytes| (megabytes * 1e6) as usize);
        fitted(Limits { keys: args.max_key_bytes.or(released), memory: args.max_memory_bytes })?
    };
    report(args.json, &plan, || plan.to_string())?;
    Ok(Exit::Done)
}

/// What the engine's operations take on so many threads of this machine.
fn measured(model: &Model, threads: usize) -> Result<CostModel> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::Usage(format!("{threads} threads cannot be started: {e}; ask for fewer")))?;
    let level = model.packed()?.level();
    Ok(pool.install(|| CostModel::measured_up_to(model.params(), level))?)
}
