//! `veilray-sweep reply-bits`: how many bits of a logit clients may keep of a released model's replies.

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Masked, Split};
use crate::evaluate::{Evaluated, input_encoder};
use serde::Serialize;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use veilray_base::release::{find, other_kind};
use veilray_classifier::execute::reply::{max_precision_bits, measured_deviation, simulated_deviation};
use veilray_classifier::known_answer::known_answer_input;
use veilray_classifier::release::Model;
use veilray_encoder::input::InputEncoder;
use veilray_training::Samples;

/// Finds how many bits behind the binary point clients may keep of a released model's logits.
///
/// The unit is at least ten standard deviations of the noise in the replies, which depends on the secret key: as predicted by the noise
/// model and as measured on fresh encryptions, whichever is larger. With `--write` the manifest states the bits; its digest changes, and
/// clients make new keys.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The model: a folder, or its name in `weights/`.
    #[arg(long, value_name = "NAME|DIR")]
    pub model: String,
    /// The data set whose validation split is used: a known name, or a folder with a `labels.csv`. Without it, the input of the self-test.
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Images of the validation split.
    #[arg(long, default_value_t = FOUR, value_name = "N")]
    pub images: NonZeroUsize,
    /// Encryptions of each image, and as many predictions.
    #[arg(long, default_value_t = SIXTEEN, value_name = "N")]
    pub runs: NonZeroUsize,
    /// Writes the bits into the model's manifest.
    #[arg(long)]
    pub write: bool,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();
const SIXTEEN: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// What the command prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model.
    pub model: String,
    /// The parameter set.
    pub params: String,
    /// Images that were evaluated.
    pub images: usize,
    /// Encryptions of each.
    pub runs: usize,
    /// Standard deviation of the noise of the worst logit, predicted.
    pub predicted_deviation: f64,
    /// The same, measured.
    pub measured_deviation: f64,
    /// Bits that the manifest stated.
    pub stated: Option<u32>,
    /// Bits that clients may keep.
    pub reply_bits: u32,
    /// Most bits under the parameter set, whatever the model.
    pub most: u32,
    /// Whether the manifest was written.
    pub written: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, params, images, runs, predicted_deviation, measured_deviation, reply_bits, most, .. } = self;
        let stated = self.stated.map_or("none".into(), |bits| bits.to_string());
        writeln!(f, "{model} under {params}, {images} images, {runs} encryptions of each")?;
        writeln!(f, "noise      {predicted_deviation:.2e} predicted, {measured_deviation:.2e} measured (standard deviation)")?;
        write!(f, "reply_bits {reply_bits} of at most {most}; the manifest stated {stated}")?;
        if self.written { write!(f, " and was written") } else { Ok(()) }
    }
}

/// Runs the command.
///
/// # Errors
/// A model under TFHE, whose replies are exact; a model, data set or manifest that cannot be read or written.
pub fn run(args: &Args) -> Result<Report> {
    let folder = find(&args.model)?;
    if other_kind(&folder).is_some() {
        return Err(Error::ExactReplies { model: args.model.clone() });
    }
    let model = Model::open(&folder)?;
    let images = images(args, &model)?;
    let circuit = model.circuit()?;
    let runs = args.runs.get();
    let refused = veilray_classifier::release::Error::from;
    let predicted = simulated_deviation(circuit.circuit(), model.params(), &images, runs).map_err(refused)?;
    let measured = measured_deviation(&circuit, &model.bounds(), &images, runs).map_err(refused)?;
    let reply_bits = model.reply_bits(predicted.max(measured))?;
    let manifest = model.manifest();
    if args.write && manifest.reply_bits != Some(reply_bits) {
        model.rewrite(Path::new(&folder), reply_bits)?;
    }
    Ok(Report {
        model: manifest.name.clone(),
        params: manifest.params.clone(),
        images: images.len(),
        runs,
        predicted_deviation: predicted,
        measured_deviation: measured,
        stated: manifest.reply_bits,
        reply_bits,
        most: max_precision_bits(model.params()),
        written: args.write,
    })
}

/// The values of the images, as the network sees them.
fn images(args: &Args, model: &Model) -> Result<Vec<Vec<f64>>> {
    let Some(data) = &args.data else {
        return Ok(vec![known_answer_input(&model.manifest().encoder, model.spec().input.len())]);
    };
    let set = Dataset::find(data, args.common.data_root.as_deref())?;
    let (encoder, name) = (input_encoder(model)?, &model.manifest().name);
    let spread = |samples: &Samples| samples.spread_values(args.images.get());
    match (model.manifest().mask, &encoder) {
        (Some(_), InputEncoder::Pixels(pixels)) => {
            let what = model.labels().first().map_or("mask", String::as_str);
            Ok(spread(Masked::read(&set, Split::Val, pixels, what, None)?.samples.images()))
        }
        (Some(_), _) => Err(Error::MaskOfLatent { model: name.clone() }),
        (None, _) => {
            let limit = Some(4 * args.images.get());
            Ok(spread(&Evaluated::encode(&set, Split::Val, limit, &encoder, name, model.labels())?.samples))
        }
    }
}
