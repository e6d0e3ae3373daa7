//! `veilray segment`: one image to a mask, written as an overlay, a PNG file or a DICOM Segmentation.

use super::classify::{ReadArgs, ResendArgs};
use super::output::report;
use super::settings::{KeyArgs, ServerArgs, Settings};
use crate::client::batch::{Batch, Concurrency};
use crate::client::files::expect_output;
use crate::client::findings::NOT_FOR_DIAGNOSIS;
use crate::client::segmentation::{self, OutputKind, Segmented};
use crate::client::session::Session;
use crate::client::{Error, Exit, Result, images};
use serde::Serialize;
use std::path::{Path, PathBuf};
use veilray_base::digest::sha256_hex;
use veilray_imaging::mask::Implausible;

/// Arguments of `segment`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One image: DICOM, PNG or JPEG.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the image with the mask on it goes: a PNG of 256 × 256 in colour.
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// Where the mask alone goes: a grey PNG of its own extents, 255 inside and 0 outside.
    #[arg(long, value_name = "FILE.png")]
    mask: Option<PathBuf>,
    /// Where the mask goes as a DICOM Segmentation of the film's own extents, filed with its study. It names the patient as the film does,
    /// which must be DICOM.
    #[arg(long, value_name = "FILE.dcm")]
    seg: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    resend: ResendArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What is printed of an image's mask. It is for the user alone: paths may name patients.
#[derive(Debug, Serialize)]
struct Line {
    path: String,
    sha256: String,
    model: String,
    manifest_sha256: String,
    /// What the mask shows.
    name: String,
    height: usize,
    width: usize,
    /// The logit from which on a pixel belongs to it.
    threshold: f64,
    /// Pixels that do.
    pixels: usize,
    /// The part of all pixels that they are.
    fraction: f64,
    /// Whether the mask can be one of what it shows; the warnings say why not.
    plausible: bool,
    warnings: Vec<String>,
    server_ms: f64,
    sent: usize,
    received: usize,
}

/// Runs `segment`.
///
/// # Errors
/// A model that gives labels, an image that is refused or of which no DICOM Segmentation can be made where one is asked for, no
/// keys, no server, a reply that is not believed.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    expect_outputs(args)?;
    let remote = settings.remote(&args.server)?;
    let keys = settings.key_set(&args.keys)?;
    OutputKind::Masks.require(keys.interface())?;
    let passphrase = settings.passphrase(args.keys.passphrase_file.as_ref()).existing()?;
    let session = Session::open(keys, passphrase.as_bytes(), args.read.settings())?.resending_refused(args.resend.resend_refused);
    drop(passphrase);
    let file = images::read_named(&args.file, session.settings().limits.file_bytes)?;
    let sha256 = sha256_hex(&file);
    session.expect_sendable(Some(&sha256))?;
    let (read, seen) = session.read_and_compress(&file)?;
    let film = |_: &PathBuf| segmentation::film(&file, &read.report, session.keys().interface());
    let film = args.seg.as_ref().map(film).transpose()?;
    drop(file);
    seen.cautions.iter().for_each(|caution| eprintln!("veilray: {caution}"));
    let batch = Batch {
        session: &session,
        remote: &remote,
        concurrency: Concurrency { prepare: 1, requests: 1, ..Concurrency::default() },
    };
    let answer = batch.reply(&session.encrypt(&seen.latent)?, Some(&sha256))?;
    let found = session.mask(&answer.logits, Some(&sha256))?;
    segmentation::write(&args.out, &found.overlay(&read.image)?)?;
    if let Some(path) = &args.mask {
        segmentation::write(path, &found.to_png()?)?;
    }
    let interface = session.keys().interface();
    let implausible = found.implausible(&read.report.placement);
    let mut warnings = seen.warnings;
    let mut warn = |warning: String| {
        eprintln!("veilray: {warning}");
        warnings.push(warning);
    };
    for why in &implausible {
        warn(format!("implausible: {why}; look at the picture with the mask on it"));
    }
    let mut exit = Exit::Done;
    match (&args.seg, &film) {
        // In an archive it would say of a patient that there is no lung.
        (Some(_), Some(_)) if implausible.contains(&Implausible::Empty) => {
            warn("--seg: no DICOM Segmentation was written of an empty mask".into());
            exit = Exit::SomeImages;
        }
        (Some(path), Some(film)) => segmentation::write(path, &found.to_dicom(film, interface, !implausible.is_empty())?)?,
        _ => {}
    }
    let fraction = found.fraction();
    let pixels = found.inside.iter().filter(|inside| **inside).count();
    let Segmented { name, height, width, threshold, .. } = found;
    let line = Line {
        path: args.file.to_string_lossy().into_owned(),
        sha256,
        model: interface.model.clone(),
        manifest_sha256: interface.manifest_sha256.clone(),
        name,
        height,
        width,
        threshold,
        pixels,
        fraction,
        plausible: implausible.is_empty(),
        warnings,
        server_ms: answer.times.server_ms,
        sent: answer.sent,
        received: answer.received,
    };
    report(args.json, &line, || text(&line))?;
    Ok(exit)
}

/// Refuses outputs that cannot be written, or of which one would replace another or the image.
fn expect_outputs(args: &Args) -> Result<()> {
    let outputs = [("--out", Some(&args.out)), ("--mask", args.mask.as_ref()), ("--seg", args.seg.as_ref())];
    let mut before: Vec<&Path> = Vec::new();
    for (flag, path) in outputs.into_iter().filter_map(|(flag, path)| Some((flag, path?.as_path()))) {
        expect_output(flag, path, [args.file.as_path()])?;
        if before.contains(&path) {
            let path = crate::client::text::path(path);
            return Err(Error::Usage(format!("{flag} {path}: another output has that name: choose another one")));
        }
        before.push(path);
    }
    Ok(())
}

fn text(line: &Line) -> String {
    let warnings: String = line.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!(
        "{warnings}{}: {:.1} % of the image, {} of {} × {} pixels; {:.1} s at the server, {:.2} MB sent, {:.2} MB received\n\
         {NOT_FOR_DIAGNOSIS}\n",
        line.name,
        line.fraction * 100.0,
        line.pixels,
        line.height,
        line.width,
        line.server_ms / 1e3,
        line.sent as f64 / 1e6,
        line.received as f64 / 1e6
    )
}
