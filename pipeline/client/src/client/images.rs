//! Which images a command line means: files, folders and patterns.

mod gzip;
mod left_out;
mod pattern;
mod search;

pub(crate) use left_out::LeftOut;
pub(crate) use search::{HEAD, Seen, seen};

use super::{Error, Result, files};
use search::Search;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use veilray_imaging::ingest;
use veilray_imaging::ingest::{MemoryBudget, Reserved};

/// A path that a command line means, and why it is not read, if it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As found on the command line, or below what stands there.
    pub path: PathBuf,
    /// None for an image to read.
    pub left_out: Option<LeftOut>,
}

/// The paths that `arguments` mean, each once, in order: a file as it is; of a folder everything in it, through its subfolders, by name; of
/// a pattern (`*`, `?`, `[…]`, `**`) everything that matches, a folder with all that lies in it. What is no image is among them, with the
/// reason why it is left out.
///
/// # Errors
/// [`Error::Usage`] for an argument that means no path; it names the argument as it was typed.
pub(crate) fn find(arguments: &[PathBuf]) -> Result<Vec<Entry>> {
    let mut search = Search::default();
    for argument in arguments {
        search.argument(argument).map_err(|why| Error::Usage(format!("{}: {why}", shown(argument))))?;
    }
    Ok(search.finish())
}

/// The paths of the images that are to be read.
pub(crate) fn read_of(entries: &[Entry]) -> impl Iterator<Item = &Path> {
    entries.iter().filter(|entry| entry.left_out.is_none()).map(|entry| entry.path.as_path())
}

/// How many paths were left out, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that are to be read.
    pub images: usize,
    skipped: BTreeMap<&'static str, usize>,
    not_read: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Counts the entries.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut tally = Self::default();
        for entry in entries {
            let counts = match &entry.left_out {
                None => {
                    tally.images += 1;
                    continue;
                }
                Some(left_out) if left_out.is_failure() => (&mut tally.not_read, left_out.kind()),
                Some(left_out) => (&mut tally.skipped, left_out.kind()),
            };
            *counts.0.entry(counts.1).or_default() += 1;
        }
        tally
    }

    /// Paths of which something may be missing from the results.
    pub(crate) fn not_read(&self) -> usize {
        self.not_read.values().sum()
    }

    /// Refuses a run in which there is nothing to read and nothing that failed.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn expect_any(&self) -> Result<()> {
        if self.images + self.not_read() > 0 {
            return Ok(());
        }
        Err(Error::Usage(format!("none of what was named is an image to read{self}")))
    }
}

impl fmt::Display for Tally {
    /// `, 2 skipped (DICOMDIR: 1, Structured Report: 1), 1 not read (empty file: 1)`; nothing of what is zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (counts, word) in [(&self.skipped, "skipped"), (&self.not_read, "not read")] {
            if !counts.is_empty() {
                let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
                write!(f, ", {} {word} ({})", counts.values().sum::<usize>(), kinds.join(", "))?;
            }
        }
        Ok(())
    }
}

/// A path without the control characters that would steer a terminal.
fn shown(path: &Path) -> String {
    super::text::path(path)
}

/// An image file's bytes, at most `limit`; of a DICOM file under gzip what it holds. The error does not name it.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    if let Some(mut file) = packed(path)? {
        let length = gzip::unpacked_len(&mut file, limit)?;
        return gzip::read(&mut file, length);
    }
    read_plain(path, limit)
}

fn packed(path: &Path) -> Result<Option<File>> {
    gzip::opened(path).map_err(|why| Error::Unreadable(why.to_string()))
}

fn read_plain(path: &Path, limit: u64) -> Result<Vec<u8>> {
    files::read_limited(path, limit).map_err(|error| match error {
        Error::File { why, .. } => Error::Unreadable(why),
        error => error,
    })
}

/// [`read`] for one of several threads: the memory of the file's bytes is taken of `budget` first, which may mean to wait for others.
///
/// # Errors
/// [`Error::Unreadable`], or a file that is larger than what there is for all.
pub(crate) fn read_within<'b>(path: &Path, limit: u64, budget: &'b MemoryBudget) -> Result<(Vec<u8>, Reserved<'b>)> {
    if let Some(mut file) = packed(path)? {
        let length = gzip::unpacked_len(&mut file, limit)?;
        let held = budget.reserve_file(length)?;
        return Ok((gzip::read(&mut file, length)?, held));
    }
    // Of what is no plain file, the length shows only at its end; of what is none at all, reading says so.
    let length = std::fs::metadata(path).map_or(0, |found| if found.is_file() { found.len() } else { limit });
    let within = length.min(limit);
    let held = budget.reserve_file(within)?;
    // A file that has grown since is found out.
    Ok((read_plain(path, if length <= limit { within } else { limit })?, held))
}

/// [`read`] for a file that the person named alone: a path where nothing is gets the words that a list of paths gives it.
///
/// # Errors
/// [`Error::Usage`], [`Error::Unreadable`].
pub(crate) fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let usage = |why: &str| Err(Error::Usage(format!("{}: {why}", shown(path))));
    match std::fs::metadata(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return usage("there is no such file"),
        Ok(found) if found.is_dir() => return usage("a folder, where one image is wanted: name a file in it"),
        _ => {}
    }
    let file = read(path, limit)?;
    match ingest::object_without_image(&file) {
        Some(kind) => Err(Error::NoImage(LeftOut::Object(kind).reason())),
        None => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    /// The paths that are read.
    fn images(arguments: &[PathBuf]) -> Vec<PathBuf> {
        read_of(&find(arguments).unwrap()).map(Path::to_path_buf).collect()
    }

    /// What became of each path below a folder.
    fn reasons(root: &Path, arguments: &[PathBuf]) -> Vec<(String, Option<LeftOut>)> {
        let name = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        find(arguments).unwrap().into_iter().map(|entry| (name(&entry.path), entry.left_out)).collect()
    }

    /// The beginning of a DICOM file of a SOP class.
    fn dicom(class: &[u8]) -> Vec<u8> {
        let length = (class.len() as u16).to_le_bytes();
        [&[0; 128], b"DICM\x02\0\x02\0UI".as_slice(), &length, class].concat()
    }

    #[test]
    fn files_folders_and_patterns_give_each_image_once_in_order() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("deep")).unwrap();
        for name in ["b.png", "a.png", "deep/c", "notes.txt"] {
            fs::write(path(name), if name == "notes.txt" { b"text" } else { PNG }).unwrap();
        }
        let dicom = [&[0; 128], b"DICM".as_slice()].concat();
        fs::write(path("d.dcm"), dicom).unwrap();
        let all: Vec<PathBuf> = ["a.png", "b.png", "d.dcm", "deep/c"].iter().map(|n| path(n)).collect();
        assert_eq!(images(&[root.path().into()]), all);
        // A file that is named is taken whatever it is: the checks of the image say why not.
        assert_eq!(images(&[path("notes.txt"), path("a.png"), path("*.png")]), [path("notes.txt"), path("a.png"), path("b.png")]);
        assert_eq!(images(&[path("**/c")]), [path("deep/c")]);
        // Letters of either case, and folders with all that lies in them.
        assert_eq!(images(&[path("*.DCM"), path("**/*.PnG")]), [path("d.dcm"), path("a.png"), path("b.png")]);
        assert_eq!(images(&[path("de*")]), [path("deep/c")]);
        assert_eq!(images(&[path("**")]), all);
        assert_eq!(images(&[path("*")]), all);
    }

    #[test]
    fn nothing_in_a_folder_is_left_out_without_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["CD", "CD/DICOM", "CD/EMPTY", "elsewhere"] {
            fs::create_dir(path(name)).unwrap();
        }
        let packed = |bytes: &[u8]| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap()
        };
        let film = dicom(b"1.2.840.10008.5.1.4.1.1.1.1\0");
        for (name, bytes) in [
            ("CD/DICOMDIR", dicom(b"1.2.840.10008.1.3.10")),
            ("CD/DICOM/IM1", film.clone()),
            ("CD/DICOM/IM2.dcm.gz", packed(&film)),
            ("CD/DICOM/IM3", vec![]),
            ("CD/DICOM/IM4.gif", b"GIF89a\0".to_vec()),
            ("CD/DICOM/PR1", dicom(b"1.2.840.10008.5.1.4.1.1.11.1")),
            ("CD/DICOM/SR1", dicom(b"1.2.840.10008.5.1.4.1.1.88.11\0")),
            ("CD/DICOM/SR2.dcm.gz", packed(&dicom(b"1.2.840.10008.5.1.4.1.1.88.22\0"))),
            ("CD/README.TXT", b"Films of a medium".to_vec()),
            ("elsewhere/x.dcm", film),
        ] {
            fs::write(path(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink("../elsewhere", path("CD/link")).unwrap();
        std::os::unix::fs::symlink("DICOM", path("CD/link_within")).unwrap();
        std::os::unix::fs::symlink("nothing", path("CD/link_dead")).unwrap();
        std::os::unix::fs::symlink("../CD/DICOM/IM1", path("CD/link_file")).unwrap();
        let cd = [
            ("CD/DICOM/IM1", None),
            ("CD/DICOM/IM2.dcm.gz", None),
            ("CD/DICOM/IM3", Some(LeftOut::EmptyFile)),
            ("CD/DICOM/IM4.gif", Some(LeftOut::Format("GIF"))),
            ("CD/DICOM/PR1", Some(LeftOut::Object("Presentation State"))),
            ("CD/DICOM/SR1", Some(LeftOut::Object("Structured Report"))),
            ("CD/DICOM/SR2.dcm.gz", Some(LeftOut::Object("Structured Report"))),
            ("CD/DICOMDIR", Some(LeftOut::Object("DICOMDIR"))),
            ("CD/EMPTY", Some(LeftOut::EmptyFolder)),
            ("CD/README.TXT", Some(LeftOut::Other("text"))),
            ("CD/link", Some(LeftOut::Link)),
            ("CD/link_dead", Some(LeftOut::DeadLink)),
            ("CD/link_file", Some(LeftOut::Twice(path("CD/DICOM/IM1")))),
            ("CD/link_within", Some(LeftOut::LinkWithin)),
        ];
        let mut wanted = cd.clone().map(|(name, why)| (name.to_string(), why)).to_vec();
        assert_eq!(reasons(root.path(), &[path("CD")]), wanted);
        assert_eq!(reasons(root.path(), &[path("c*")]), wanted, "a pattern");
        let tally = Tally::of(&find(&[path("CD")]).unwrap());
        assert_eq!((tally.images, tally.not_read()), (2, 4));
        assert_eq!(
            tally.to_string(),
            ", 8 skipped (DICOMDIR: 1, Presentation State: 1, Structured Report: 2, empty folder: 1, given twice: 1, link to a folder: 1, \
             not an image: 1), 4 not read (empty file: 1, link to a folder: 1, link to nothing: 1, unknown format: 1)"
        );
        // Once the folder behind the link is named too, nothing is missing.
        wanted[10].1 = Some(LeftOut::LinkWithin);
        wanted.push(("elsewhere/x.dcm".into(), None));
        assert_eq!(reasons(root.path(), &[path("CD"), path("elsewhere")]), wanted);
        // What a shell makes of CD/*: each path by its name.
        let named = ["CD/DICOMDIR", "CD/DICOM/SR1", "CD/DICOM/IM3", "CD/link_dead"].map(path);
        let why = |name: &str| cd.iter().find(|(known, _)| *known == name).and_then(|(_, why)| why.clone());
        for (name, found) in reasons(root.path(), &named) {
            assert_eq!(found, why(&name), "{name}");
        }
        let only_beside = find(&[path("CD/DICOMDIR"), path("CD/EMPTY/../README.T*")]).unwrap();
        let refused = Tally::of(&only_beside).expect_any().unwrap_err().to_string();
        assert_eq!(refused, "none of what was named is an image to read, 2 skipped (DICOMDIR: 1, not an image: 1)");
    }

    #[test]
    fn links_that_run_in_circles_end_and_pipes_are_not_opened() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir(path("a")).unwrap();
        fs::write(path("a/x.png"), PNG).unwrap();
        for name in ["a/up", "a/up2", "a/up3"] {
            std::os::unix::fs::symlink("..", path(name)).unwrap();
        }
        std::os::unix::fs::symlink("self", path("a/self")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("a/pipe")).status().unwrap();
        assert!(made.success());
        for argument in [root.path().into(), path("**"), path("**/*"), path("*/**/*.*g")] {
            assert_eq!(images(&[argument]), [path("a/x.png")]);
        }
        let all = reasons(root.path(), &[root.path().into()]);
        let of = |name: &str| all.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(of("a/pipe"), Some(LeftOut::Other("a pipe, socket or device")));
        assert_eq!(of("a/up"), Some(LeftOut::LinkWithin));
        assert!(matches!(of("a/self"), Some(LeftOut::Unreadable(_))));
    }

    #[test]
    fn files_under_gzip_are_read_within_their_limit() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            let mut packer = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::best());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap();
            path
        };
        let film = [dicom(b"1.2.840.10008.5.1.4.1.1.1.1\0"), vec![7; 1 << 20]].concat();
        let (good, bomb, other) = (write("a.dcm.gz", &film), write("b.dcm.gz", &vec![0; 1 << 24]), write("c.png.gz", PNG));
        let cut = root.path().join("d.dcm.gz");
        fs::write(&cut, &fs::read(&good).unwrap()[..300]).unwrap();
        let budget = MemoryBudget::new(6 << 20);
        let (bytes, held) = read_within(&good, 2 << 20, &budget).unwrap();
        assert_eq!((bytes, budget.used()), (film.clone(), film.len() as u64));
        drop(held);
        assert_eq!(read(&good, film.len() as u64).unwrap(), film);
        for (path, limit, words) in [
            (&good, film.len() as u64 - 1, "the limit of a file"),
            (&bomb, 2 << 20, "more than 2097152 bytes"),
            (&other, 2 << 20, "holds no DICOM"),
            (&cut, 2 << 20, "damaged or cut off"),
        ] {
            for refused in [read(path, limit).unwrap_err(), read_within(path, limit, &budget).unwrap_err()] {
                assert!(refused.to_string().contains(words), "{refused}");
            }
        }
        // More than a third of what there is for all.
        assert!(read_within(&good, 2 << 20, &MemoryBudget::new(3 << 20)).is_err());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_argument_without_a_file_is_refused_as_it_was_typed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["doe_jane.png", "*.dcm", "**/x", "[", "a**", "", "\u{1b}[2J"] {
            let refused = find(&[root.path().join(name)]).unwrap_err();
            assert_eq!(refused.exit(), crate::client::Exit::Usage);
            let said = refused.to_string();
            let typed = root.path().join(name).display().to_string().replace('\u{1b}', "\u{fffd}");
            assert!(said.starts_with(&format!("{typed}: ")), "{said}");
        }
    }

    #[test]
    fn files_are_read_only_when_there_is_memory_for_their_bytes() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str, bytes: usize| {
            let path = root.path().join(name);
            fs::write(&path, vec![1; bytes]).unwrap();
            path
        };
        let (small, large) = (path("small", 60), path("large", 101));
        // A third of it is for files.
        let budget = MemoryBudget::new(300);
        let (now, most) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    use std::sync::atomic::Ordering::SeqCst;
                    let (bytes, held) = read_within(&small, 1000, &budget).unwrap();
                    most.fetch_max(now.fetch_add(bytes.len(), SeqCst) + bytes.len(), SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    now.fetch_sub(bytes.len(), SeqCst);
                    drop((bytes, held));
                });
            }
        });
        assert_eq!((most.into_inner(), budget.used()), (60, 0));
        let refused = read_within(&large, 1000, &budget).unwrap_err();
        assert!(refused.to_string().contains("101, above the limit of 100"), "{refused}");
        assert!(matches!(read_within(&large, 50, &budget), Err(Error::Unreadable(_))));
        assert!(matches!(read_within(&root.path().join("none"), 50, &budget), Err(Error::Unreadable(_))));
        assert_eq!(budget.used(), 0);
    }
}
