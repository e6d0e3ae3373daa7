//! A released model that gives masks, on one split of a data set with masks: in clear on all images, encrypted on some of them.

use super::{Args, BATCH, OutOfRange, Session};
use crate::command::error::{Error, Result};
use crate::data::{Dataset, Masked, Split};
use crate::train_segmenter::Figures;
use serde::Serialize;
use std::fmt;
use veilray_classifier::release::Model;
use veilray_encoder::evaluate::Times;
use veilray_encoder::input::InputEncoder;
use veilray_imaging::ingest::{Placement, SIDE};
use veilray_imaging::mask::MaskShape;
use veilray_training::metrics::Overlap;
use veilray_training::{MaskSamples, network_of, predict};

/// What a split gave.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The model.
    pub model: String,
    /// The data set.
    pub dataset: String,
    /// The split.
    pub split: Split,
    /// Images with masks, evaluated in clear.
    pub n: usize,
    /// Images evaluated encrypted too, without those whose replies were refused.
    pub n_encrypted: usize,
    /// Images that leave the range that the model was trained for.
    #[serde(flatten)]
    pub range: OutOfRange,
    /// Mean Dice coefficient in clear on all images.
    pub dice: f64,
    /// Mean intersection over union in clear on all images.
    pub iou: f64,
    /// Masks in clear that a client would mark as none of the lungs; nothing is asked of other structures.
    pub implausible: usize,
    /// What encryption changes.
    #[serde(flatten)]
    pub agreement: Option<Agreement>,
    /// Largest resident size of this process, MB (10^6 bytes).
    pub peak_rss_mb: Option<f64>,
    /// Threads of the evaluation.
    pub threads: usize,
    /// The parameter set.
    pub params: String,
    /// All figures in clear.
    pub figures: Figures,
    /// Images without a mask, which count nowhere.
    pub without_mask: usize,
    /// Images that ingest refused, with the reasons.
    pub refused: Vec<String>,
}

/// Encrypted against clear on the same images.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Images.
    #[serde(skip)]
    pub images: usize,
    /// Replies that the client refused; they count in no other figure but the time.
    pub refused_replies: usize,
    /// Mean Dice coefficient in clear on these images.
    pub dice_clear_same: f64,
    /// Mean Dice coefficient of the decrypted masks.
    pub dice_encrypted: f64,
    /// Mean intersection over union of the decrypted masks.
    pub iou_encrypted: f64,
    /// The mean Dice coefficient encrypted less that in clear, on the same images.
    pub dice_difference: f64,
    /// Largest |encrypted − clear| of an image's Dice coefficient.
    pub max_abs_dice_difference: f64,
    /// Largest |encrypted − clear| of a logit.
    pub max_abs_logit_error: f64,
    /// Pixels decided otherwise.
    pub pixels_flipped: usize,
    /// Pixels compared.
    pub pixels: usize,
    /// Time of an image on the ciphertext.
    pub server_ms: Times,
    /// Bytes of an image's ciphertexts.
    pub upload_bytes: usize,
    /// Bytes of the reply, one ciphertext.
    pub reply_bytes: usize,
    /// Bytes of the evaluation keys.
    pub key_bytes: usize,
}

/// Runs `evaluate` for a model that gives masks.
///
/// # Errors
/// A model that does not see pixels, a data set without masks.
pub(super) fn run(args: &Args, model: &Model) -> Result<Report> {
    let encoder = super::input_encoder(model)?;
    let InputEncoder::Pixels(pixels) = &encoder else { return Err(Error::MaskOfLatent { model: model.manifest().name.clone() }) };
    let set = Dataset::find(&args.data, args.common.data_root.as_deref())?;
    let name = model.labels().first().map_or("mask", String::as_str);
    let threshold = model.manifest().operating_point.thresholds.values.first().copied().unwrap_or(0.0);
    let Masked { samples, refused, without } = Masked::read(&set, args.split, pixels, name, args.limit)?;
    let logits = predict(network_of(model)?.as_ref(), samples.images(), BATCH, false)?;
    let figures = Figures::of(args.split.name(), &samples.overlaps(&logits, threshold));
    let implausible = implausible(model, &logits, threshold);
    let range = OutOfRange::of(model, samples.images(), &logits, args.encrypted)?;
    let agreement = match args.encrypted {
        0 => None,
        count => Some(Agreement::measure(model, &samples, &logits, threshold, count)?),
    };
    Ok(Report {
        model: model.manifest().name.clone(),
        dataset: set.name,
        split: args.split,
        n: figures.images,
        n_encrypted: agreement.as_ref().map_or(0, |a| a.images),
        range,
        dice: figures.dice,
        iou: figures.iou,
        implausible,
        agreement,
        peak_rss_mb: veilray_nn::memory::peak_resident_bytes().map(|bytes| bytes as f64 / 1e6),
        threads: rayon::current_num_threads(),
        params: model.manifest().params.clone(),
        figures,
        without_mask: without,
        refused,
    })
}

/// How many of the masks that `logits` stand for cannot be ones of the lungs, each of a picture that fills its canonical image.
fn implausible(model: &Model, logits: &[f32], threshold: f32) -> usize {
    let Some(mask) = model.manifest().mask.filter(|_| model.labels().first().is_some_and(|name| name == "lung")) else {
        return 0;
    };
    let whole = Placement { left: 0, top: 0, width: SIDE, height: SIDE };
    let is_implausible = |logits: &&[f32]| {
        let inside: Vec<bool> = logits.iter().map(|logit| *logit >= threshold).collect();
        let shape = MaskShape::measure([mask.height, mask.width], &inside, &whole);
        shape.is_none_or(|shape| !shape.implausible().is_empty())
    };
    logits.chunks(mask.height * mask.width).filter(is_implausible).count()
}

impl Agreement {
    /// Evaluates `count` of the samples on ciphertexts; `clear` holds the logits in clear of all.
    fn measure(model: &Model, samples: &MaskSamples, clear: &[f32], threshold: f32, count: usize) -> Result<Self> {
        let encrypted = Session::new(model)?.run(samples.images(), count)?;
        let pixels = samples.pixels();
        let same = samples.select(&encrypted.images)?;
        let rows = encrypted.images.iter().filter_map(|image| clear.get(image * pixels..(image + 1) * pixels));
        let clear: Vec<f32> = rows.flatten().copied().collect();
        let overlaps = [&clear, &encrypted.logits].map(|logits| same.overlaps(logits, threshold));
        let [before, after] = &overlaps;
        let mean = |overlaps: &[Overlap], of: fn(&Overlap) -> f64| Overlap::mean(overlaps, of);
        let (dice_clear_same, dice_encrypted) = (mean(before, Overlap::dice), mean(after, Overlap::dice));
        let pairs = || clear.iter().zip(&encrypted.logits);
        Ok(Self {
            images: encrypted.images.len(),
            refused_replies: encrypted.refused_replies,
            dice_clear_same,
            dice_encrypted,
            iou_encrypted: mean(after, Overlap::iou),
            dice_difference: dice_encrypted - dice_clear_same,
            max_abs_dice_difference: before.iter().zip(after).map(|(a, b)| (a.dice() - b.dice()).abs()).fold(0.0, f64::max),
            max_abs_logit_error: pairs().map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max),
            pixels_flipped: pairs().filter(|(a, b)| (**a >= threshold) != (**b >= threshold)).count(),
            pixels: clear.len(),
            server_ms: encrypted.server_ms,
            upload_bytes: encrypted.upload_bytes,
            reply_bytes: encrypted.reply_bytes,
            key_bytes: encrypted.key_bytes,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {} {}, {} images with masks in clear", self.model, self.dataset, self.split, self.n)?;
        if !self.refused.is_empty() {
            writeln!(f, "  {} images were refused, the first at {}", self.refused.len(), self.refused.first().map_or("", |r| r))?;
        }
        writeln!(f, "  beyond the bounds       {} images, which the client would refuse", self.range.beyond_bounds)?;
        let least = (self.figures.dice_fifth_percentile, self.figures.dice_least);
        writeln!(f, "  Dice                    {:.4} (95 % of images from {:.4}, the least {:.4})", self.dice, least.0, least.1)?;
        writeln!(f, "  IoU                     {:.4}", self.iou)?;
        writeln!(f, "  implausible             {} masks, which the client would mark", self.implausible)?;
        if let Some(a) = &self.agreement {
            writeln!(f, "  encrypted on {} of them under {}, {} threads:", self.n_encrypted, self.params, self.threads)?;
            writeln!(f, "    replies refused       {}{}", a.refused_replies, self.range.of_encrypted())?;
            writeln!(f, "    Dice                  {:.4}, in clear {:.4}", a.dice_encrypted, a.dice_clear_same)?;
            writeln!(f, "    largest change        {:.2e} of an image's Dice", a.max_abs_dice_difference)?;
            writeln!(f, "    largest logit error   {:.2e}", a.max_abs_logit_error)?;
            writeln!(f, "    pixels decided otherwise {} of {}", a.pixels_flipped, a.pixels)?;
            let times = (a.server_ms.median, a.server_ms.p95);
            writeln!(f, "    server                {:.1} ms median, {:.1} ms 95th percentile", times.0, times.1)?;
            let [up, down, keys] = [a.upload_bytes, a.reply_bytes, a.key_bytes].map(|bytes| bytes as f64 / 1e6);
            writeln!(f, "    bytes                 {up:.3} MB up, {down:.3} MB down, {keys:.1} MB of keys")?;
        }
        write!(f, "  peak memory             {:.0} MB", self.peak_rss_mb.unwrap_or(f64::NAN))
    }
}
