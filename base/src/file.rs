//! Files written so that a crash, also of the machine, leaves the old content or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file or folder that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} {}: {source}", path.display())]
pub struct FileError {
    /// What was attempted, as a verb that the path can follow: "create", "write", "replace", "rename to", "remove", "synchronise".
    pub doing: &'static str,
    /// The file or folder that it was attempted on.
    pub path: PathBuf,
    /// What the operating system answered.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: a failure of `doing` on `path`.
    pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { doing, path, source }
    }
}

/// Writes `bytes` to `path` so that a reader finds the old content or the new one, also after a crash: first to `path` with
/// `.partial` behind it, synchronised to the disk, then renamed, then the folder synchronised. A failure leaves no `.partial` behind.
///
/// # Errors
/// [`FileError`], also where only the last step failed: the new content is then in place, but a crash of the machine may undo it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, None)
}

/// [`write_atomically`] with mode 0600: a file that only its owner may read. (On systems without modes, the folder's rights decide.)
///
/// # Errors
/// As [`write_atomically`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, Some(0o600))
}

fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), FileError> {
    let beside = partial(path);
    let written = fill(&beside, bytes, mode).and_then(|()| fs::rename(&beside, path).map_err(FileError::at("rename to", path)));
    if let Err(error) = written {
        // What the caller must hear is why the write failed.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    synchronise_parent(path)
}

fn fill(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<(), FileError> {
    // A leftover of a crash may be of another mode, or a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::at("replace", path)(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(mode) = mode {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(FileError::at("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(FileError::at("write", path))
}

/// Renames `from` to `to`, both in one file system, so that the change itself is on the disk when it returns. A file `to` is replaced.
///
/// # Errors
/// [`FileError`], also where only the last step failed: the file then has its new name, but a crash of the machine may undo it.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::at("rename to", to))?;
    synchronise_parent(to)?;
    if from.parent() == to.parent() { Ok(()) } else { synchronise_parent(from) }
}

/// Removes a file, if it is there, so that the change itself is on the disk when it returns.
///
/// # Errors
/// [`FileError`]: no right to remove it, a folder of that name, or no such folder to hold it.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => synchronise_parent(path),
    }
}

/// Synchronises the folder that holds `path`, so that a rename or removal in it reaches the disk. Only Unix can open a folder for that;
/// elsewhere this does nothing.
///
/// # Errors
/// [`FileError`]: the folder is not there or cannot be synchronised.
pub fn synchronise_parent(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::at("synchronise", folder))?;
    }
    Ok(())
}

/// Where [`write_atomically`] writes before it renames: beside `path`, its name with `.partial` behind it (`a.toml.partial`).
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_leftover_is_replaced_and_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(partial(&path), b"torn").unwrap();
        write_atomically(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!partial(&path).exists());
    }

    #[test]
    fn a_failed_write_says_where_and_leaves_no_partial_file() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in the way of the rename: everything before it succeeds.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"").unwrap();
        let refused = write_atomically(&path, b"new").unwrap_err();
        assert_eq!((refused.doing, refused.path.as_path()), ("rename to", path.as_path()));
        assert!(!partial(&path).exists() && path.join("inside").exists());
        let nowhere = folder.path().join("missing").join("a");
        assert_eq!(write_atomically(&nowhere, b"").unwrap_err().doing, "create");
        let text = write_atomically(&nowhere, b"").unwrap_err().to_string();
        assert!(text.starts_with("could not create ") && text.contains("missing/a.partial: "), "{text}");
    }

    #[test]
    fn renaming_replaces_and_says_what_it_could_not_do() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
        fs::write(&old, b"1").unwrap();
        fs::write(&new, b"2").unwrap();
        rename(&old, &new).unwrap();
        assert_eq!((fs::read(&new).unwrap().as_slice(), old.exists()), (&b"1"[..], false));
        let refused = rename(&old, &new).unwrap_err();
        assert_eq!((refused.doing, refused.source.kind()), ("rename to", io::ErrorKind::NotFound));
        fs::create_dir(&old).unwrap();
        assert_eq!(remove(&old).unwrap_err().doing, "remove");
        assert!(old.exists());
        assert_eq!(synchronise_parent(&folder.path().join("missing").join("a")).unwrap_err().doing, "synchronise");
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_private_even_where_a_leftover_was_not() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(partial(&path), b"torn").unwrap();
        fs::set_permissions(partial(&path), fs::Permissions::from_mode(0o666)).unwrap();
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        rename(&path, &folder.path().join("other")).unwrap();
        remove(&folder.path().join("other")).unwrap();
        remove(&folder.path().join("other")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
