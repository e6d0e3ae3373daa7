//! `evaluate-encoder`: how well a released encoder keeps the images of a data set.

use crate::command::arguments::Common;
use crate::command::error::Result;
use crate::command::output;
use crate::data::{Dataset, Split};
use indicatif::ProgressBar;
use serde::Serialize;
use std::fmt;
use veilray_base::release::find;
use veilray_encoder::evaluate::{Evaluation, Quality};
use veilray_encoder::release::Released;

/// Measures a released encoder on one split of a data set.
#[derive(Debug, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The encoder: a folder, or its name in `weights/`.
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// The data set: a known name, or a folder with a `labels.csv`.
    #[arg(long, value_name = "DIR")]
    pub data: String,
    /// Split whose images are measured: train, val or test.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Evaluates the first images only.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// What the command prints.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The encoder's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Split whose images were measured.
    pub split: Split,
    /// Means over its images.
    #[serde(flatten)]
    pub quality: Quality,
}

/// Runs the command, with a progress bar on stderr.
///
/// # Errors
/// An encoder or a data set that cannot be opened, an image that cannot be read.
pub fn run(args: &Args) -> Result<Report> {
    let encoder = Released::open(&find(&args.model)?)?;
    let set = Dataset::find(&args.data, args.common.data_root.as_deref())?;
    let indices: Vec<usize> = set.split(args.split).map(|(index, _)| index).take(args.limit.unwrap_or(usize::MAX)).collect();
    let bar = ProgressBar::new(indices.len() as u64);
    let mut evaluation = Evaluation::new(&encoder);
    for index in indices {
        evaluation.add(&set.image(index)?.image)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let quality = evaluation.finish()?;
    Ok(Report { model: encoder.manifest().name.clone(), dataset: set.name, split: args.split, quality })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let q = &self.quality;
        writeln!(f, "{} on {} {}, {} images", self.model, self.dataset, self.split, q.n)?;
        writeln!(f, "                PSNR dB    SSIM  MS-SSIM")?;
        writeln!(f, "  continuous    {:7.2} {:7.4}  {:7.4}", q.psnr, q.ssim, q.ms_ssim)?;
        writeln!(f, "  quantised     {:7.2} {:7.4}", q.psnr_quantised, q.ssim_quantised)?;
        writeln!(f, "  codebook      {:.1} % used, perplexity {:.0}", 100.0 * q.codebook_use, q.codebook_perplexity)?;
        write!(f, "  encoding      {:.1} ms median, {:.1} ms 95th percentile", q.encode_ms.median, q.encode_ms.p95)
    }
}
