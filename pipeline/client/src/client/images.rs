//! Which images a command line means: files, folders and patterns.

use super::{Error, Result, files};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use veilray_imaging::ingest;
use veilray_imaging::ingest::{MemoryBudget, Reserved};

/// Bytes by which a format is told.
const HEAD: u64 = ingest::HEAD as u64;

/// The images that `arguments` mean, each once, in order: a file as it is; of a folder all that begin like DICOM, PNG or JPEG, through its
/// subfolders, by name; of a pattern (`*`, `?`, `[…]`, `**`) every file that matches.
///
/// # Errors
/// [`Error::Usage`] for an argument that means no file; it names the argument as it was typed.
pub(crate) fn find(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for argument in arguments {
        let found = expand(argument).map_err(|why| Error::Usage(format!("{}: {why}", shown(argument))))?;
        out.extend(found.into_iter().filter(|path| seen.insert(path.clone())));
    }
    Ok(out)
}

/// A path without the control characters that would steer a terminal.
fn shown(path: &Path) -> String {
    super::text::path(path)
}

/// An image file's bytes, at most `limit`; the error does not name it.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
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
    // Of what is no plain file, the length shows only at its end; of what is none at all, reading says so.
    let length = std::fs::metadata(path).map_or(0, |found| if found.is_file() { found.len() } else { limit });
    let within = length.min(limit);
    let held = budget.reserve_file(within)?;
    // A file that has grown since is found out.
    Ok((read(path, if length <= limit { within } else { limit })?, held))
}

/// [`read`] for a file that the person named alone: a path where nothing is gets the words that a list of paths gives it.
///
/// # Errors
/// [`Error::Usage`], [`Error::Unreadable`].
pub(crate) fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>> {
    if !path.exists() {
        return Err(Error::Usage(format!("{}: there is no such file", shown(path))));
    }
    read(path, limit)
}

fn expand(argument: &Path) -> std::result::Result<Vec<PathBuf>, String> {
    if argument.is_dir() {
        let found = folder(argument);
        return if found.is_empty() { Err("the folder holds no DICOM, PNG or JPEG file".into()) } else { Ok(found) };
    }
    if argument.exists() {
        return Ok(vec![argument.to_path_buf()]);
    }
    let pattern = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(pattern) = pattern else { return Err("there is no such file or folder".into()) };
    let matches = glob::glob(pattern).map_err(|e| format!("the pattern cannot be read: {}", e.msg))?;
    let mut found = Vec::new();
    for path in matches.filter_map(std::result::Result::ok) {
        if path.is_dir() { found.extend(folder(&path)) } else { found.push(path) }
    }
    if found.is_empty() { Err("the pattern matches no file".into()) } else { Ok(found) }
}

/// Links are followed to files, not to folders: a folder may contain itself by a link.
fn folder(path: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(path).sort_by_file_name().into_iter().filter_map(std::result::Result::ok);
    entries.map(walkdir::DirEntry::into_path).filter(|path| path.is_file() && is_image(path)).collect()
}

fn is_image(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.is_ok() && ingest::detect(&head).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

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
        assert_eq!(find(&[root.path().into()]).unwrap(), all);
        // A file that is named is taken whatever it is: the checks of the image say why not.
        assert_eq!(
            find(&[path("notes.txt"), path("a.png"), path("*.png")]).unwrap(),
            [path("notes.txt"), path("a.png"), path("b.png")]
        );
        assert_eq!(find(&[path("**/c")]).unwrap(), [path("deep/c")]);
    }

    #[test]
    fn an_argument_without_a_file_is_refused_as_it_was_typed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["doe_jane.png", "*.dcm", "[", "", "\u{1b}[2J"] {
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
