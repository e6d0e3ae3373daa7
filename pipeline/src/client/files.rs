//! Files that only their owner may read, written so that a crash leaves the old content or the new.

use super::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Mode of every file of a key set.
pub const FILE_MODE: u32 = 0o600;
/// Mode of the folders around them.
pub const FOLDER_MODE: u32 = 0o700;

/// Creates a folder, and those above it, that only its owner may enter. One that exists is left as it is.
///
/// # Errors
/// The system's.
pub fn private_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
    builder.create(path).map_err(Error::file("create", path))
}

/// A temporary folder in `parent` that only its owner may enter.
///
/// # Errors
/// The system's.
pub fn private_temporary(prefix: &str, parent: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(FOLDER_MODE));
    builder.tempdir_in(parent).map_err(Error::file("create a folder in", parent))
}

/// Writes a file of mode 0600 whole: to a temporary file beside it, flushed to disk and renamed.
///
/// # Errors
/// The system's.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = temporary(path);
    // A leftover of a crash may be of another mode.
    remove_if_there(&beside)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
    let mut file = options.open(&beside).map_err(Error::file("create", &beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::file("write", &beside))?;
    fs::rename(&beside, path).map_err(Error::file("write", path))?;
    sync_folder_of(path);
    Ok(())
}

/// Has a rename or a removal in the folder of `path` reach the disk; where folders cannot be opened (not on Unix) that is the system's affair.
pub fn sync_folder_of(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// The system's, or a larger file.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = || Error::file("read", path);
    let file = File::open(path).map_err(failed())?;
    let announced = file.metadata().map_err(failed())?.len();
    let too_large = |found: u64| {
        let why = format!("it has {found} bytes or more, above the limit of {limit}");
        Error::File { doing: "read", path: path.into(), why }
    };
    if announced > limit {
        return Err(too_large(announced));
    }
    let mut bytes = Vec::with_capacity(announced as usize);
    // One byte more than allowed: a file that grows, or a device, is then found out.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Refuses a file or folder that anyone but its owner may use.
///
/// # Errors
/// [`Error::Permissions`], or the system's.
pub fn expect_private(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(Error::file("look at", path))?;
    #[cfg(unix)]
    {
        let found = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if found & 0o077 != 0 {
            let wanted = if metadata.is_dir() { FOLDER_MODE } else { FILE_MODE };
            return Err(Error::Permissions { path: path.into(), found, wanted });
        }
    }
    let _ = metadata;
    Ok(())
}

/// Overwrites a file with zeros, flushes it and removes it. On copy-on-write file systems and flash the old bytes may live on: what
/// protects a secret key is its passphrase.
///
/// # Errors
/// The system's.
pub fn shred(path: &Path) -> Result<()> {
    let bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("look at", path)(error)),
    };
    let mut file = OpenOptions::new().write(true).open(path).map_err(Error::file("overwrite", path))?;
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut file)
        .and_then(|_| file.sync_all())
        .map_err(Error::file("overwrite", path))?;
    fs::remove_file(path).map_err(Error::file("remove", path))?;
    sync_folder_of(path);
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}
