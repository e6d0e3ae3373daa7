//! Folders and files of this user alone, and what is in them.

use crate::storage::step::step;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use veilray_base::file::{self, FileError};

/// Whether the system refused for lack of room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A folder that only this user can enter, made if it is not there. One that is there keeps its rights.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// The rights of a folder that users other than its owner have too: its mode; none where it is private, or not there.
pub(crate) fn others(path: &Path) -> io::Result<Option<u32>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata?.permissions().mode() & 0o7777,
        };
        Ok((mode & 0o077 != 0).then_some(mode))
    }
    #[cfg(not(unix))]
    Ok(None)
}

/// Opens a file of this user alone for appending, made if it is not there.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// The names of the plain files in a folder; none where there is no folder.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<String>> {
    names(folder, fs::FileType::is_file)
}

/// The names of the folders in a folder; none where there is no folder.
pub(crate) fn folders(folder: &Path) -> io::Result<Vec<String>> {
    names(folder, fs::FileType::is_dir)
}

fn names(folder: &Path, wanted: fn(&fs::FileType) -> bool) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let (true, Ok(name)) = (wanted(&entry.file_type()?), entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// [`file::remove`].
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    step();
    file::remove(path)
}

/// [`file::rename`].
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    step();
    file::rename(from, to)
}

/// [`file::write_private`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    step();
    file::write_private(path, bytes)
}

/// All of a file; none where there is no such file.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    step();
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
