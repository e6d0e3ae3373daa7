//! `veilray classify`: images, folders and patterns to findings, by an encrypted inference for each image.

use super::output::{bar, print};
use super::settings::{KeyArgs, ServerArgs, Settings};
use crate::client::batch::{self, Event, Summary};
use crate::client::files::expect_output;
use crate::client::images::Tally;
use crate::client::results_file::{Again, ResultsFile};
use crate::client::row::{Form, Row};
use crate::client::segmentation::OutputKind;
use crate::client::session::Session;
use crate::client::{Error, Exit, Result, images};
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use veilray_imaging::ingest;
use veilray_imaging::ingest::Assume;

/// Arguments of `classify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Images, folders, or patterns such as 'scans/**/*.dcm': DICOM, PNG or JPEG.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    form: FormArgs,
    /// Also writes every image's line to this file, *.csv or *.jsonl; images that it answers already are skipped.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Asks again for images that --out answers already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    resend: ResendArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Images being compressed at once; default half the cores.
    #[arg(long, value_name = "N")]
    prepare: Option<NonZeroUsize>,
    /// Requests in flight; default 3.
    #[arg(long, value_name = "N")]
    requests: Option<NonZeroUsize>,
}

/// Whether images whose reply was refused are sent again.
#[derive(clap::Args)]
pub(crate) struct ResendArgs {
    /// Sends images again to which a reply was refused. Risk: the server learns that it was refused, which tells it about your secret key;
    /// a further refusal counts, and the third blocks the keys. Only after its provider has explained the first.
    #[arg(long)]
    pub resend_refused: bool,
}

/// How results are printed.
#[derive(clap::Args)]
pub(crate) struct FormArgs {
    /// One JSON object per image instead of tables.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// One CSV line per image instead of tables.
    #[arg(long)]
    csv: bool,
}

impl FormArgs {
    /// The form that the flags ask for; without one, a table per image.
    pub(crate) fn form(&self) -> Form {
        if self.json {
            Form::Json
        } else if self.csv {
            Form::Csv
        } else {
            Form::Table
        }
    }
}

/// How image files are read.
#[derive(clap::Args)]
pub(crate) struct ReadArgs {
    /// What to take for granted where a file does not say, such as photometric=MONOCHROME1,view=PA,modality=CR.
    #[arg(long, value_name = "KEY=VALUE,…", value_parser = parse_assume)]
    assume: Option<Assume>,
}

fn parse_assume(text: &str) -> std::result::Result<Assume, String> {
    text.parse().map_err(|e: ingest::Error| e.to_string())
}

impl ReadArgs {
    /// The ingest's settings.
    pub(crate) fn settings(&self) -> ingest::Settings {
        ingest::Settings { assume: self.assume.unwrap_or_default(), ..ingest::Settings::default() }
    }
}

/// Runs `classify`.
///
/// # Errors
/// What concerns all images; those that were answered before are printed and in the results file.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    let entries = images::find(&args.paths)?;
    let tally = Tally::of(&entries);
    let remote = settings.remote(&args.server)?;
    let keys = settings.key_set(&args.keys)?;
    OutputKind::Labels.require(keys.interface())?;
    let point = keys.interface().operating_point.clone();
    let labels = &point.thresholds.labels;
    let mut results = match &args.out {
        Some(out) => {
            expect_output("--out", out, images::read_of(&entries))?;
            let names: HashSet<String> = entries.iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect();
            Some(ResultsFile::open(out, labels, &names, Again { answered: args.force, refused: args.resend.resend_refused })?)
        }
        None => None,
    };
    let passphrase = settings.passphrase(args.keys.passphrase_file.as_ref()).existing()?;
    let session = Session::open(keys, passphrase.as_bytes(), args.read.settings())?.resending_refused(args.resend.resend_refused);
    drop(passphrase);
    let manifest = session.keys().record().manifest_sha256.clone();

    let form = args.form.form();
    print(&form.head(labels)?)?;
    let many = entries.len();
    let bar = bar(many as u64, "{bar:30} {pos}/{len} images, {elapsed} elapsed, {eta} left", settings.quiet || many == 1);
    let completed = results.as_ref().map(ResultsFile::completed).unwrap_or_default();
    let is_done = |path: &str, sha256: &str| {
        let refused = || completed.refused(path, sha256, &manifest).then_some(Event::Withheld);
        completed.contains(path, sha256, &manifest).then_some(Event::Completed).or_else(refused)
    };
    let warn = |index: usize, warning: &str| {
        bar.suspend(|| eprintln!("veilray: image {} of {many}: {warning}", index + 1));
    };
    let mut broken_pipe = false;
    let mut emit = |events: Vec<Event>| -> Result<()> {
        bar.inc(events.len() as u64);
        let rows: Vec<Row> = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Row(row) | Event::LeftOut(row) => Some(*row),
                Event::Completed | Event::Withheld => None,
            })
            .collect();
        // On disk first: what is printed is also kept.
        if let Some(results) = &mut results {
            results.append(&rows, &point)?;
        }
        let text = rows.iter().map(|row| form.row(row, &point)).collect::<Result<String>>()?;
        if !text.is_empty() && !broken_pipe {
            match bar.suspend(|| print(&text)) {
                // The results file still wants the rest.
                Err(Error::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe && results.is_some() => broken_pipe = true,
                printed => printed?,
            }
        }
        Ok(())
    };
    let batch = batch::Batch {
        session: &session,
        remote: &remote,
        concurrency: settings.concurrency(args.prepare.map(NonZeroUsize::get), args.requests.map(NonZeroUsize::get)),
    };
    let result = batch.run(&entries, &is_done, &warn, &mut emit);
    bar.finish_and_clear();
    let summary = result?;
    if !broken_pipe {
        print(&form.foot())?;
    }
    if !settings.quiet && many > 1 {
        eprintln!("{}", summary_line(&summary, &tally));
    }
    Ok(if summary.reply_refused > 0 {
        Exit::ReplyRefused
    } else if summary.refused + summary.failed + tally.not_read() > 0 {
        Exit::SomeImages
    } else {
        tally.expect_any()?;
        Exit::Done
    })
}

fn summary_line(summary: &Summary, tally: &Tally) -> String {
    let Summary { answered, refused, reply_refused, failed, answered_before, server_ms, wall_ms, sent, received } = *summary;
    let (wall, server) = (wall_ms / 1e3, server_ms / 1e3);
    let replies = if reply_refused > 0 { format!("{reply_refused} with a refused reply, ") } else { String::new() };
    format!(
        "{answered} answered, {refused} refused, {replies}{failed} failed, {answered_before} answered before{tally}; {wall:.1} s, {server:.1} s of it at the server; \
         {:.1} MB sent, {:.1} MB received",
        sent as f64 / 1e6,
        received as f64 / 1e6
    )
}
