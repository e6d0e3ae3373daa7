//! Where the passphrase comes from: a file, the environment, or the terminal; never a flag, which every process of the machine could read.

use super::{Error, Result, files};
use std::io::IsTerminal;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The variable that may hold a passphrase.
pub(crate) const VARIABLE: &str = "VEILRAY_PASSPHRASE";
/// Fewest characters of a new passphrase.
pub(crate) const SHORTEST: usize = 8;
/// Largest passphrase file, bytes.
const LIMIT: u64 = 4096;

/// Where the passphrase comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// A file whose first line it is; it must be its owner's alone. Else the environment is asked, then the terminal.
    pub file: Option<PathBuf>,
}

impl Source {
    /// The passphrase of a key that exists.
    ///
    /// # Errors
    /// None is to be had.
    pub(crate) fn existing(&self) -> Result<Zeroizing<String>> {
        match self.given()? {
            Some(given) => Ok(given),
            None => ask("Passphrase of the secret key: "),
        }
    }

    /// A passphrase for a new key: long enough and, from a terminal, typed twice.
    ///
    /// # Errors
    /// None is to be had, or it is too short.
    pub(crate) fn new_one(&self) -> Result<Zeroizing<String>> {
        let passphrase = match self.given()? {
            Some(given) => given,
            None => {
                let first = ask("New passphrase: ")?;
                if *first != *ask("The same again: ")? {
                    return Err(Error::Passphrase("the two passphrases differ: nothing was written".into()));
                }
                first
            }
        };
        if passphrase.chars().count() < SHORTEST {
            let why = format!("a passphrase of fewer than {SHORTEST} characters does not protect a key: choose a longer one");
            return Err(Error::Passphrase(why));
        }
        Ok(passphrase)
    }

    fn given(&self) -> Result<Option<Zeroizing<String>>> {
        if let Some(path) = &self.file {
            files::expect_private(path)?;
            let bytes = Zeroizing::new(files::read_limited(path, LIMIT)?);
            let text = std::str::from_utf8(&bytes).map_err(|_| {
                Error::Passphrase(format!("{}: a passphrase is UTF-8 text, this is not", super::text::path(path)))
            })?;
            return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
        }
        match std::env::var(VARIABLE) {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(error) => Err(Error::Passphrase(format!("{VARIABLE}: {error}"))),
        }
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        let why = format!("no passphrase: there is no terminal to ask on; set {VARIABLE} or --passphrase-file");
        return Err(Error::Passphrase(why));
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|e| Error::Passphrase(format!("no passphrase from the terminal: {e}")))
}
