//! `veilray encrypt`, `decrypt` and `inspect`: inference through files, for machines without a network.

use super::classify::{FormArgs, ReadArgs, ResendArgs};
use super::output::{bar, print, report};
use super::settings::{KeyArgs, Settings};
use crate::client::files::expect_output;
use crate::client::images::Tally;
use crate::client::inspect::{self, Inspection};
use crate::client::keyset::KeySet;
use crate::client::row::{Row, Status};
use crate::client::segmentation::OutputKind;
use crate::client::session::Session;
use crate::client::text::harmless;
use crate::client::{Error, Exit, Result, files, images};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use veilray_base::digest::sha256_hex;
use veilray_base::file;
use veilray_imaging::ingest;
use veilray_protocol::container::{self, ContainerError, Head, Kind, Reader};

/// Largest bare reply that is read, bytes.
const MAX_BARE: u64 = 64 << 20;

/// Arguments of `encrypt`.
#[derive(clap::Args)]
pub(crate) struct Encrypt {
    /// Images, folders or patterns: DICOM, PNG or JPEG.
    #[arg(required = true, value_name = "IMAGE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    /// The file of ciphertexts; it numbers the images and names none.
    #[arg(long, value_name = "FILE.vct")]
    out: PathBuf,
    /// Writes only the ciphertexts of one image, one after the other and without a head; `veilrayd infer` reads this form too.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    resend: ResendArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Prints one JSON object per image instead of a line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `decrypt`.
#[derive(clap::Args)]
pub(crate) struct Decrypt {
    /// A file of replies, or the bare reply that `veilrayd infer` wrote.
    #[arg(value_name = "REPLY")]
    reply: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// Arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// A file of ciphertexts, of keys, of a key set or of an interface, or an image.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which image got which number; for the user alone.
#[derive(Debug, Serialize)]
struct Numbered<'p> {
    /// From 1; none for an image that is not in the file.
    number: Option<usize>,
    path: &'p str,
    status: Outcome,
    sha256: String,
    reason: String,
    warnings: Vec<String>,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It is in the file.
    Encrypted,
    /// As in the results of `classify`.
    #[serde(untagged)]
    Not(Status),
}

/// Runs `encrypt`.
///
/// # Errors
/// No keys, no image that can be encrypted, a file that cannot be written.
pub(crate) fn encrypt(args: &Encrypt, settings: &Settings) -> Result<Exit> {
    let entries = images::find(&args.paths)?;
    let tally = Tally::of(&entries);
    if args.raw && tally.images + tally.not_read() != 1 {
        return Err(Error::Usage(format!("--raw writes one image, {} are given", tally.images + tally.not_read())));
    }
    expect_output("--out", &args.out, images::read_of(&entries))?;
    let keys = settings.key_set(&args.keys)?;
    let passphrase = settings.passphrase(args.keys.passphrase_file.as_ref()).existing()?;
    let session = Session::open(keys, passphrase.as_bytes(), args.read.settings())?.resending_refused(args.resend.resend_refused);
    drop(passphrase);

    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || Error::file("write", &args.out);
    // The head says how many follow, so they wait beside the file until that is known.
    let mut body = BufWriter::new(tempfile::tempfile_in(folder).map_err(failed())?);
    let bar = bar(entries.len() as u64, "{bar:30} {pos}/{len} images, {eta} left", settings.quiet || entries.len() == 1);
    let (mut images, mut per_image) = (0, 0);
    let mut counts = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = entry.path.to_string_lossy();
        let status = Outcome::Encrypted;
        let mut line =
            Numbered { number: None, path: &path, status, sha256: String::new(), reason: String::new(), warnings: vec![] };
        let encrypted = match &entry.left_out {
            Some(why) => {
                line.status = Outcome::Not(why.status());
                line.reason = why.reason();
                bar.suspend(|| report(args.json, &line, || text(&line)))?;
                bar.inc(1);
                continue;
            }
            None => encrypt_one(&session, &entry.path, &mut line),
        };
        match encrypted {
            Ok((ciphertexts, cautions)) => {
                for caution in &cautions {
                    bar.suspend(|| eprintln!("veilray: image {} of {}: {caution}", index + 1, entries.len()));
                }
                images += 1;
                per_image = ciphertexts.len();
                line.number = Some(images);
                for ciphertext in &ciphertexts {
                    if args.raw {
                        body.write_all(ciphertext).map_err(failed())?;
                    } else {
                        container::write_ciphertext(&mut body, ciphertext)?;
                    }
                }
            }
            Err(error @ Error::Blocked { .. }) => return Err(error),
            Err(error) => {
                line.status = Outcome::Not(Status::of(&error));
                line.reason = error.to_string();
            }
        }
        *counts.entry(line.status).or_insert(0) += 1;
        bar.suspend(|| report(args.json, &line, || text(&line)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    let withheld = count(Outcome::Not(Status::ReplyRefused));
    if !settings.quiet && entries.len() > 1 {
        let (refused, failed) = (count(Outcome::Not(Status::Refused)), count(Outcome::Not(Status::Failed)));
        let replies = if withheld > 0 { format!("{withheld} with a refused reply, ") } else { String::new() };
        eprintln!("{images} encrypted, {refused} refused, {replies}{failed} failed{tally}");
    }
    if images == 0 && withheld > 0 {
        return Ok(Exit::ReplyRefused);
    }
    if images == 0 {
        return Err(Error::Usage(format!("no image was encrypted, so no file was written{tally}")));
    }
    let record = session.keys().record();
    let head = Head {
        kind: Kind::Request,
        model: record.model.clone(),
        manifest_sha256: record.manifest_sha256.clone(),
        params: record.params.clone(),
        keys_sha256: record.evaluation_keys_sha256.clone(),
        images,
        ciphertexts_per_image: per_image,
    };
    let mut body = body.into_inner().map_err(|e| failed()(e.into_error()))?;
    body.rewind().map_err(failed())?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed())?;
    if !args.raw {
        container::write_head(&mut file, &head)?;
    }
    std::io::copy(&mut body, &mut file).and_then(|_| file.as_file().sync_all()).map_err(failed())?;
    file.persist(&args.out).map_err(|e| failed()(e.error))?;
    file::synchronise_parent(&args.out)?;
    Ok(if withheld > 0 {
        Exit::ReplyRefused
    } else if images < tally.images + tally.not_read() {
        Exit::SomeImages
    } else {
        Exit::Done
    })
}

/// An image's ciphertexts and what the user should consider before they leave.
fn encrypt_one(session: &Session, path: &Path, line: &mut Numbered<'_>) -> Result<(Vec<Vec<u8>>, Vec<String>)> {
    let file = images::read(path, session.settings().limits.file_bytes)?;
    line.sha256 = sha256_hex(&file);
    session.expect_sendable(Some(&line.sha256))?;
    let compressed = session.compress(&file)?;
    line.warnings = compressed.warnings;
    Ok((session.encrypt(&compressed.latent)?, compressed.cautions))
}

fn text(line: &Numbered<'_>) -> String {
    let path = harmless(line.path);
    match line.number {
        Some(number) => format!("image {number}  {path}"),
        None if line.status == Outcome::Not(Status::Skipped) => format!("skipped  {path}: {}", harmless(&line.reason)),
        None => format!("left out  {path}: {}", harmless(&line.reason)),
    }
}

/// Runs `decrypt`.
///
/// # Errors
/// A file that is no reply, no keys for it.
pub(crate) fn decrypt(args: &Decrypt, settings: &Settings) -> Result<Exit> {
    let (mut replies, keys) = Replies::open(args, settings)?;
    OutputKind::Labels.require(keys.interface())?;
    let passphrase = settings.passphrase(args.keys.passphrase_file.as_ref()).existing()?;
    let session = Session::open(keys, passphrase.as_bytes(), ingest::Settings::default())?;
    drop(passphrase);
    let interface = session.keys().interface();
    let (form, point) = (args.form.form(), &interface.operating_point);
    print(&form.head(&point.thresholds.labels)?)?;
    let (mut number, mut exit) = (0, Exit::Done);
    while let Some(bytes) = replies.next(session.largest_reply()?)? {
        number += 1;
        let name = format!("image {number}");
        let row = match session.findings(&bytes, None) {
            Ok(labels) => Row { path: name, status: Status::Answered, labels, ..Row::blank(interface) },
            Err(error @ Error::Blocked { .. }) => return Err(error),
            Err(error) => {
                exit = exit.max(if error.exit() == Exit::ReplyRefused { Exit::ReplyRefused } else { Exit::SomeImages });
                Row::without(name, String::new(), interface, &error)
            }
        };
        print(&form.row(&row, point)?)?;
    }
    print(&form.foot())?;
    Ok(exit)
}

/// Where replies come from.
enum Replies {
    /// A file of ciphertexts.
    File(Reader<BufReader<File>>),
    /// One bare ciphertext, as `veilrayd infer` writes it.
    Bare(Option<Vec<u8>>),
}

impl Replies {
    /// The replies and the key set that reads them: a file of ciphertexts names it, a bare ciphertext is taken for the newest active one.
    fn open(args: &Decrypt, settings: &Settings) -> Result<(Self, KeySet)> {
        let bare = inspect::file(&args.reply).is_ok_and(|found| matches!(found, Inspection::Object { .. }));
        if bare {
            let bytes = files::read_limited(&args.reply, MAX_BARE)?;
            return Ok((Self::Bare(Some(bytes)), settings.key_set(&args.keys)?));
        }
        let file = File::open(&args.reply).map_err(Error::file("read", &args.reply))?;
        let reader = Reader::open(BufReader::new(file))?;
        let head = reader.head();
        if head.kind != Kind::Reply {
            return Err(ContainerError::Format("it holds images, not replies: have the server evaluate it first".into()).into());
        }
        if head.ciphertexts_per_image != 1 {
            let why = format!("{} ciphertexts per reply, where one belongs", head.ciphertexts_per_image);
            return Err(ContainerError::Format(why).into());
        }
        let keys = KeySet::of_digest(&settings.keys(args.keys.keys.as_ref())?, &head.keys_sha256)?;
        if keys.record().manifest_sha256 != head.manifest_sha256 {
            return Err(Error::Mismatch {
                what: "the model's manifest digest",
                wanted: keys.record().manifest_sha256.clone(),
                found: head.manifest_sha256.chars().filter(|c| !c.is_control()).take(64).collect(),
                fix: "the replies come from another version of the model; encrypt the images for that one",
            });
        }
        Ok((Self::File(reader), keys))
    }

    fn next(&mut self, limit: usize) -> Result<Option<Vec<u8>>> {
        match self {
            Self::File(reader) => Ok(reader.next_ciphertext(limit)?),
            Self::Bare(bytes) => Ok(bytes.take()),
        }
    }
}

/// Runs `inspect`.
///
/// # Errors
/// A file that cannot be read, or is nothing of Veilray's.
pub(crate) fn inspect(args: &Inspect) -> Result<Exit> {
    let inspection: Inspection = inspect::file(&args.file)?;
    report(args.json, &inspection, || inspection.to_string())?;
    Ok(Exit::Done)
}
