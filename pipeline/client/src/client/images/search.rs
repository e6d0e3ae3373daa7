//! From the arguments of a command line to paths, each of which is read or left out for a reason.

use super::left_out::{self, LeftOut};
use super::pattern::Pattern;
use super::{Entry, gzip};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use veilray_imaging::ingest;
use veilray_imaging::ingest::Format;
use walkdir::{DirEntry, WalkDir};

/// Bytes by which a file is told: the file meta group of a DICOM file has fewer.
pub(crate) const HEAD: u64 = 4096;

/// What was found so far.
#[derive(Default)]
pub(super) struct Search {
    entries: Vec<Entry>,
    /// As they are spelled.
    seen: BTreeSet<PathBuf>,
    /// Files that are read, without links, with the path under which they are.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Folders through which the search went, without links.
    folders: Vec<PathBuf>,
    /// Entries that are links to folders, and where they lead.
    links: Vec<(usize, PathBuf)>,
}

impl Search {
    /// Adds what an argument means.
    ///
    /// # Errors
    /// Why it means nothing.
    pub(super) fn argument(&mut self, argument: &Path) -> Result<(), String> {
        match fs::metadata(argument) {
            Ok(found) if found.is_dir() => {
                let empty = fs::read_dir(argument).is_ok_and(|mut entries| entries.next().is_none());
                if empty {
                    return Err("the folder is empty".into());
                }
                self.folder(argument);
            }
            // A file that is named is taken whatever it is: the checks of the image say why not.
            Ok(_) => self.add(argument, contents(argument).filter(LeftOut::is_of_a_named_file)),
            Err(why) => match argument.to_str().map_or(Ok(None), Pattern::read)? {
                _ if argument.is_symlink() => self.add(argument, Some(of_link(why))),
                Some(pattern) => return self.pattern(&pattern),
                None if why.kind() == ErrorKind::NotFound => return Err("there is no such file or folder".into()),
                None => self.add(argument, Some(LeftOut::Unreadable(why.to_string()))),
            },
        }
        Ok(())
    }

    /// All entries, in order.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        for (index, target) in &self.links {
            if let (Some(entry), true) =
                (self.entries.get_mut(*index), self.folders.iter().any(|folder| target.starts_with(folder)))
            {
                entry.left_out = Some(LeftOut::LinkWithin);
            }
        }
        self.entries
    }

    /// Adds all that lies in a folder, by name. Links are followed to files, not to folders: a folder may contain itself by a link.
    fn folder(&mut self, path: &Path) {
        self.folders.extend(fs::canonicalize(path));
        for entry in WalkDir::new(path).sort_by_file_name() {
            match entry {
                Err(error) => self.locked(&error),
                Ok(entry) if entry.depth() == 0 => {}
                Ok(entry) => self.entry(&entry),
            }
        }
    }

    /// Adds what matches a pattern, and all of a folder that does.
    ///
    /// # Errors
    /// Nothing matches.
    fn pattern(&mut self, pattern: &Pattern) -> Result<(), String> {
        let here = Path::new(".");
        let base = if pattern.base.as_os_str().is_empty() { here } else { &pattern.base };
        let mut walk = WalkDir::new(base).sort_by_file_name().into_iter();
        let mut matched = false;
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) if entry.depth() == 0 => continue,
                Ok(entry) => entry,
                Err(error) => {
                    if error.depth() > 0 || error.io_error().is_none_or(|why| why.kind() != ErrorKind::NotFound) {
                        self.locked(&error);
                        matched = true;
                    }
                    continue;
                }
            };
            let found = pattern.matches(entry.path().strip_prefix(base).unwrap_or(entry.path()));
            let (is_folder, is_link) = (entry.file_type().is_dir(), entry.path_is_symlink());
            if is_folder && (found.whole || !found.prefix) {
                walk.skip_current_dir();
            }
            // A link to a folder hides what may match.
            if found.whole || (found.prefix && is_link && entry.path().is_dir()) {
                matched = true;
                let path = entry.path().strip_prefix(here).unwrap_or(entry.path());
                if is_folder { self.folder(path) } else { self.file(path, is_link) }
            }
        }
        if matched { Ok(()) } else { Err("the pattern matches no file".into()) }
    }

    /// Adds what a walk met.
    fn entry(&mut self, entry: &DirEntry) {
        let path = entry.path();
        if !entry.file_type().is_dir() {
            self.file(path, entry.path_is_symlink());
        } else if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
            self.add(path, Some(LeftOut::EmptyFolder));
        }
    }

    /// Adds a file, or a link.
    fn file(&mut self, path: &Path, is_link: bool) {
        if !is_link {
            return self.add(path, contents(path));
        }
        match fs::canonicalize(path) {
            Ok(target) if target.is_dir() => {
                let before = self.entries.len();
                self.add(path, Some(LeftOut::Link));
                if self.entries.len() > before {
                    self.links.push((before, target));
                }
            }
            Ok(_) => self.add(path, contents(path)),
            Err(why) => self.add(path, Some(of_link(why))),
        }
    }

    fn locked(&mut self, error: &walkdir::Error) {
        let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
        self.add(error.path().unwrap_or(Path::new("")), Some(LeftOut::Locked(why)));
    }

    /// Adds a path once, and of several paths to one file the first to be read.
    fn add(&mut self, path: &Path, mut left_out: Option<LeftOut>) {
        if !self.seen.insert(path.to_path_buf()) {
            return;
        }
        if let (None, Ok(file)) = (&left_out, fs::canonicalize(path)) {
            left_out = self.files.get(&file).cloned().map(LeftOut::Twice);
            self.files.entry(file).or_insert_with(|| path.to_path_buf());
        }
        self.entries.push(Entry { path: path.to_path_buf(), left_out });
    }
}

impl LeftOut {
    /// Whether this is said of a file that was named alone too; otherwise it is read, and refused as what it is.
    fn is_of_a_named_file(&self) -> bool {
        matches!(self, Self::Object(_) | Self::EmptyFile | Self::Unreadable(_))
    }
}

/// A link that cannot be followed.
fn of_link(why: std::io::Error) -> LeftOut {
    if why.kind() == ErrorKind::NotFound { LeftOut::DeadLink } else { LeftOut::Unreadable(why.to_string()) }
}

/// Why a file is not read, by its first bytes; none of one that is.
fn contents(path: &Path) -> Option<LeftOut> {
    match fs::metadata(path) {
        // To open one of them may mean to wait for ever.
        Ok(found) if !found.is_file() => return Some(LeftOut::Other("a pipe, socket or device")),
        Ok(_) => {}
        Err(why) => return Some(LeftOut::Unreadable(why.to_string())),
    }
    let mut head = Vec::new();
    if let Err(why) = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)) {
        return Some(LeftOut::Unreadable(why.to_string()));
    }
    match seen(&head) {
        Some(seen) => seen.object.map(LeftOut::Object),
        None => Some(left_out::of_contents(path, &head)),
    }
}

/// What the first bytes of a file show that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its format.
    pub format: Format,
    /// Whether that is under gzip.
    pub packed: bool,
    /// What a DICOM object is that holds no image.
    pub object: Option<&'static str>,
}

/// What the first [`HEAD`] bytes of a file show; none of what is not read.
pub(crate) fn seen(head: &[u8]) -> Option<Seen> {
    let packed = head.starts_with(gzip::MAGIC);
    let unpacked = if packed { &gzip::head(head, HEAD) } else { head };
    let format = ingest::detect(unpacked).filter(|format| !packed || *format == Format::Dicom)?;
    Some(Seen { format, packed, object: ingest::object_without_image(unpacked) })
}
