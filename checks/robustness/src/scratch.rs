//! A folder of each thread for readers that want files. `TMPDIR` says where; in memory it is faster.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// A path of that name in this thread's folder.
///
/// # Errors
/// The system's.
pub(crate) fn path(name: &str) -> Result<PathBuf, String> {
    FOLDER.with(|cell| {
        if cell.get().is_none() {
            let made = tempfile::tempdir().map_err(|e| e.to_string())?;
            // Taken by nobody else: the cell is this thread's.
            let _ = cell.set(made);
        }
        let folder = cell.get().ok_or("no folder")?;
        Ok(folder.path().join(name))
    })
}

/// Writes a file of that name.
///
/// # Errors
/// The system's.
pub(crate) fn file(name: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = path(name)?;
    write(&path, bytes)?;
    Ok(path)
}

/// Writes a file, its folder too, for its owner alone.
///
/// # Errors
/// The system's.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(path.parent().unwrap_or(path)).map_err(|e| e.to_string())?;
            options.open(path)
        }
        opened => opened,
    };
    opened.and_then(|mut file| file.write_all(bytes)).map_err(|e| e.to_string())
}
