//! Files and folders that only their owner may read.

use super::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::Path;
use veilray_base::file;

/// Mode of every file of a key set.
pub(crate) const FILE_MODE: u32 = 0o600;
/// Mode of the folders around them.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// Creates a folder, and those above it, that only its owner may enter. One that exists is left as it is.
///
/// # Errors
/// The system's.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
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
pub(crate) fn private_temporary(prefix: &str, parent: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(FOLDER_MODE));
    builder.tempdir_in(parent).map_err(Error::file("create a folder in", parent))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// The system's, or a larger file.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
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

/// Refuses an output, before any work is done for it, that cannot be written or would replace one of the inputs. `flag` is what the user
/// named it with.
///
/// # Errors
/// [`Error::Usage`] for one of the inputs, [`Error::File`] for what cannot be written.
pub(crate) fn expect_output<'p>(flag: &str, path: &Path, inputs: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let found = real(path);
    if found.is_some() && inputs.into_iter().any(|input| real(input) == found) {
        let path = super::text::path(path);
        return Err(Error::Usage(format!("{flag} {path}: that file is an input, which would be lost: choose another one")));
    }
    let why = match path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")) {
        _ if path.is_dir() => "it is a folder".into(),
        folder if !folder.is_dir() => "there is no such folder to put it in".into(),
        // The name is a random one, and only the reason is told.
        folder => match tempfile::tempfile_in(folder) {
            Ok(_) => return Ok(()),
            Err(error) => error.kind().to_string(),
        },
    };
    Err(Error::File { doing: "write", path: path.into(), why })
}

/// Warns of a file of results that others can read: it names images.
pub(crate) fn warn_if_wide(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            let path = super::text::harmless(&path.to_string_lossy());
            eprintln!("veilray: {path} has mode {mode:04o}: others can read it, and it names images; run `chmod 600` on it");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Refuses a file or folder that anyone but its owner may use, or whose owner is another user.
///
/// # Errors
/// [`Error::Permissions`], [`Error::Keys`], or the system's.
pub(crate) fn expect_private(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(Error::file("look at", path))?;
    #[cfg(unix)]
    {
        let (owner, user) = (std::os::unix::fs::MetadataExt::uid(&metadata), rustix::process::geteuid().as_raw());
        if owner != user {
            let why = format!(
                "it belongs to user {owner}, who can change it, and not to you (user {user}); run `chown {user}` on it if it is yours"
            );
            return Err(Error::Keys { path: path.into(), why });
        }
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
pub(crate) fn shred(path: &Path) -> Result<()> {
    let bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("look at", path)(error)),
    };
    let mut zeroed = OpenOptions::new().write(true).open(path).map_err(Error::file("overwrite", path))?;
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut zeroed)
        .and_then(|_| zeroed.sync_all())
        .map_err(Error::file("overwrite", path))?;
    Ok(file::remove(path)?)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.toml");
        file::write_private(&path, b"x").unwrap();
        expect_private(&path).unwrap();
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
            eprintln!("skipped: only root can give a file away");
            return;
        }
        assert!(expect_private(&path).unwrap_err().to_string().contains("user 12345"));
    }
}
