//! A quantised network under TFHE, client and server in one process.

use super::{Agreement, Args, Encrypted, Evaluated, Report, input_encoder_of, spread};
use crate::command::error::Result;
use crate::data::Dataset;
use indicatif::ProgressBar;
use std::path::Path;
use std::time::Instant;
use veilray_encoder::evaluate::Times;
use veilray_fcnn_tfhe::{ClientKey, Error, Fcnn, Quantiser, Released, SentImage, score};
use veilray_training::metrics::{Bootstrap, Scored, SplitReport};
use veilray_training::{Inputs, Samples};

/// Scores the released network in `folder`.
pub(super) fn run(args: &Args, folder: &Path) -> Result<Report> {
    let released = Released::open(folder)?;
    let manifest = released.manifest();
    let point = &manifest.operating_point;
    let encoder = input_encoder_of(&manifest.name, &manifest.encoder, &manifest.encoder_sha256)?;
    let dataset = Dataset::find(&args.data, args.common.data_root.as_deref())?;
    let evaluated = Evaluated::encode(&dataset, args.split, args.limit, &encoder, &manifest.name, &point.thresholds.labels)?;
    let samples = as_levels(evaluated.samples)?;
    let clear = scored(released.network(), &manifest.quantiser, manifest.logit_scale, &samples)?;
    let (patients, views) = (samples.patients(), samples.views());
    let figures = SplitReport::of(args.split.name(), &clear, patients, views, point, &Bootstrap::default())?;
    let agreement = match args.encrypted {
        0 => None,
        count => Some(Agreement::of(encrypted(&released, &samples, count)?, &clear, patients, &point.thresholds)?),
    };
    Ok(Report::new(&manifest.name, &dataset.name, args.split, figures, agreement, evaluated.skipped))
}

/// `count` images, spread evenly over all samples, encrypted, evaluated and decrypted one after the other; replies that the client refuses
/// are counted and left out.
fn encrypted(released: &Released, samples: &Samples, count: usize) -> Result<Encrypted> {
    let (circuit, manifest) = (released.circuit()?, released.manifest());
    let encoding = circuit.encoding();
    let client = ClientKey::generate(released.params());
    let sent_key = client.bootstrap_key();
    let key_bytes = sent_key.to_bytes().len();
    let server = sent_key.expand(released.params())?;
    let asked = spread(samples.len(), count);
    let Inputs::Images(pixels) = samples.inputs() else {
        return Err(Error::Length { what: "images", wanted: 1, found: 0 }.into());
    };
    let size = manifest.quantiser.values();
    let (mut images, mut logits, mut times) = (Vec::new(), Vec::new(), Vec::with_capacity(asked.len()));
    let (mut upload_bytes, mut reply_bytes) = (0, 0);
    let bar = ProgressBar::new(asked.len() as u64);
    for image in &asked {
        let inputs = manifest.quantiser.levels(pixels.get(image * size..(image + 1) * size).unwrap_or_default())?;
        let sent = client.encrypt(&encoding, &inputs)?.to_bytes();
        let start = Instant::now();
        let reply = circuit.evaluate(&server, &SentImage::from_bytes(&encoding, &sent)?)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        (upload_bytes, reply_bytes) = (sent.len(), reply.to_bytes().len());
        match client.decrypt(&encoding, &reply) {
            Ok(believed) => {
                images.push(*image);
                logits.push(score(believed, manifest.logit_scale));
            }
            Err(Error::Residual { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let refused_replies = asked.len() - images.len();
    Ok(Encrypted { images, refused_replies, logits, server_ms: Times::of(times), upload_bytes, reply_bytes, key_bytes })
}

/// Samples of pixels in [−1, 1] as 8-bit images.
pub(crate) fn as_levels(samples: Samples) -> Result<Samples, veilray_training::Error> {
    let Inputs::Latents(values) = samples.inputs() else { return Ok(samples) };
    let levels = values.iter().map(|value| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8).collect();
    let columns = (samples.labels().to_vec(), samples.names().to_vec(), samples.patients().to_vec(), samples.views().to_vec());
    Samples::new(Inputs::Images(levels), samples.shape(), columns.0, columns.1, columns.2, columns.3)
}

/// The table of the network's logits, yes minus no.
pub(crate) fn scored(
    network: &Fcnn,
    quantiser: &Quantiser,
    scale: f32,
    samples: &Samples,
) -> Result<Scored, veilray_fcnn_tfhe::Error> {
    let scores = veilray_fcnn_tfhe::scores(network, quantiser, scale, samples)?;
    Ok(Scored::new(scores, samples.labels().to_vec(), samples.names().to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_as_the_levels_they_were() {
        let levels: Vec<u8> = (0..=255).collect();
        let values = levels.iter().map(|level| f32::from(*level) / 127.5 - 1.0).collect();
        let samples =
            Samples::new(Inputs::Latents(values), [1, 16, 16], vec![1], vec!["a".into()], vec!["p".into()], vec![String::new()]);
        assert_eq!(as_levels(samples.unwrap()).unwrap().inputs(), &Inputs::Images(levels));
    }
}
