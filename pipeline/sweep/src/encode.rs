//! `veilray-sweep encode`: a data set through an encoder into a file of latents.

mod pass;
mod summary;

pub use pass::{LatentEncoder, Options, encode};
pub use summary::Summary;

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Split, Variant};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use veilray_encoder::input::InputEncoder;

/// Encodes a data set to a file of latents (HDF5) that classifiers train on.
///
/// A run that was interrupted goes on where it was when started again with the same arguments. Images that are refused are left out and
/// listed at the end by their place in the table.
#[derive(Debug, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// A known data set (nih14, nih_cxr14_256, nih_cxr14_128, rsna_normal, kermany_pneumonia, tb_nlm_cxr, kidney_ct, pneumoniamnist) or a folder with a
    /// labels.csv.
    #[arg(long, value_name = "NAME|DIR")]
    pub data: String,
    /// The encoder: a folder, its name in `weights/`, or `pixels-SIDE` for the image itself at that side.
    #[arg(long, value_name = "NAME|DIR")]
    pub model: String,
    /// The file to write; the folder FILE.parts holds what is done until then.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Splits to encode, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "train,val,test", value_name = "SPLITS")]
    pub splits: Vec<Split>,
    /// Also encodes each training image mirrored left to right.
    #[arg(long)]
    pub flips: bool,
    /// Changes every image at random before it is encoded, by amounts as in an experiment's `images = { … }`; for `--splits train` alone.
    /// Several files of other seeds beside the one of unchanged images make a larger training split; `teach` shows a teacher the same images.
    #[arg(long, value_name = "TOML")]
    pub augment: Option<String>,
    /// Seed of the random changes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Images encoded at a time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Rows after which what was encoded is written to disk; an interrupted run loses fewer than that.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub flush: u32,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// Runs the command, with a progress bar on stderr.
///
/// # Errors
/// A data set, an encoder or an output file that cannot be used.
pub fn run(args: &Args) -> Result<Summary> {
    let dataset = Dataset::find(&args.data, args.common.data_root.as_deref())?;
    let mut encoder = InputEncoder::open(&args.model)?;
    let options = Options {
        splits: args.splits.clone(),
        flips: args.flips,
        variant: args.augment.as_deref().map(|amounts| variant(amounts, args)).transpose()?,
        batch: args.batch.into(),
        flush: usize::try_from(args.flush).unwrap_or(usize::MAX),
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} images, {per_sec}, eta {eta}") {
        bar.set_style(style);
    }
    let summary = encode(&dataset, &mut encoder, &args.out, &options, &bar);
    bar.finish_and_clear();
    summary
}

/// The variant that the amounts in `text` and the seed make.
fn variant(text: &str, args: &Args) -> Result<Variant> {
    if args.splits != [Split::Train] {
        return Err(Error::Augment { why: "only training images may be changed; add --splits train".into() });
    }
    Variant::read(text, args.seed).map_err(|why| Error::Augment { why })
}
