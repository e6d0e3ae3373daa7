//! Why a command of the client failed, and the exit code that says so to a script.

use std::path::{Path, PathBuf};
use veilray_base::file::FileError;
use veilray_base::release::FindError;
use veilray_imaging::seg;
use veilray_protocol::container::ContainerError;

/// Result of every fallible operation of [`super`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the program ends. The numbers are part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The command failed for a reason that no other code names.
    Failed = 1,
    /// The command line or the configuration was not understood.
    Usage = 2,
    /// The run went through, but some images were refused or failed.
    SomeImages = 3,
    /// Encrypted and clear results disagree, or a self-test failed.
    Disagreement = 4,
    /// The server cannot be reached, is busy, or refused.
    Server = 5,
    /// The keys or the passphrase are missing, wrong or not protected.
    Keys = 6,
    /// A reply was refused. Repeating the command would tell the server about the secret key.
    ReplyRefused = 7,
}

impl Exit {
    /// What every code means, as `--help` and the handbook state it.
    pub const HELP: &str = "Exit codes:
  0  done
  1  failed; the reason is on standard error
  2  the command line or the configuration file was not understood
  3  some images were refused or failed; the others were answered
  4  encrypted and clear results disagree, or a self-test failed
  5  the server cannot be reached, is busy, or refused
  6  keys or passphrase: missing, wrong, readable by others, or blocked (veilray keys rotate)
  7  a reply was refused, now or earlier: do not repeat; see the handbook";
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command of the client failed. No variant holds an image's path, its contents or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the client's own, never an image.
    #[error("cannot {doing} {}: {why}", super::text::path(path))]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// What the user asked for does not hold together.
    #[error("{0}")]
    Usage(String),
    /// A file of the key set, of the passphrase or of the token can be read by others: narrow its mode.
    #[error(
        "{} has mode {found:04o}, wanted {wanted:04o}: other users can read it; run `chmod {wanted:o}` on it, and replace the secret in it if they may have read it",
        super::text::path(path)
    )]
    Permissions {
        /// The file or folder.
        path: PathBuf,
        /// The mode it has.
        found: u32,
        /// The widest mode allowed.
        wanted: u32,
    },
    /// The sealed secret key cannot be opened: a wrong passphrase, or a damaged file.
    #[error(transparent)]
    Vault(#[from] super::vault::VaultError),
    /// No passphrase was given, or one that cannot be used: give it by file, variable or terminal.
    #[error("{0}")]
    Passphrase(String),
    /// A key set that is missing, damaged, ambiguous or not for this use.
    #[error("{}: {why}", super::text::path(path))]
    Keys {
        /// The key folder or set.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A key set under which too many replies were refused, or whose count of them cannot be read.
    #[error(
        "the keys {set} are blocked: {why}. They encrypt, send and decrypt nothing more: tell the server's provider and your \
             security officer, then make new keys with `veilray keys rotate {set}`"
    )]
    Blocked {
        /// The set's name.
        set: String,
        /// Why it is blocked.
        why: String,
    },
    /// A reply that is not believed. It is counted.
    #[error("the reply was refused, do not send this image again: {why}")]
    ReplyRefused {
        /// What is wrong with it.
        why: Box<Error>,
    },
    /// A reply or image of which a reply was refused before. Nothing was sent or decrypted.
    #[error("{what} was refused on {time}: not {done} again, see the handbook (The client, Replies that are refused)")]
    RefusedBefore {
        /// What: `this reply` or `a reply to this image`.
        what: &'static str,
        /// When.
        time: String,
        /// What was not done: `decrypted` or `sent`.
        done: &'static str,
    },
    /// The server's URL, its token or its certificate authorities cannot be used.
    #[error("{0}")]
    ServerUrl(String),
    /// The server does not answer: it does not run, or the URL is wrong.
    #[error("{address} does not answer ({why}): is veilrayd running there, and is the URL right?")]
    Unreachable {
        /// Scheme, host and port.
        address: String,
        /// What the system or the HTTP library reported.
        why: String,
    },
    /// A server that cannot prove who it is.
    #[error("{address} is not trusted ({why}): name the PEM file of the authority that signed its certificate with --ca")]
    Certificate {
        /// Scheme, host and port.
        address: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The server answered with an error; its hint says what to do.
    #[error("the server refused: {message} ({status} {code}){}{}", suffix("; ", hint), suffix("; request ", request_id))]
    Server {
        /// HTTP status, 400 to 599.
        status: u16,
        /// The server's code, such as `busy`.
        code: String,
        /// What the server says went wrong.
        message: String,
        /// What it advises.
        hint: String,
        /// By which its operator finds the request.
        request_id: String,
        /// Seconds after which to ask again, where it says so.
        retry_after: Option<u64>,
    },
    /// The server's answer is not what the protocol says.
    #[error("the server's {what} is not usable: {why}")]
    Reply {
        /// Which answer, such as `list of models`.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Model, encoder and keys that do not belong together.
    #[error("{what}: {wanted} is wanted, {found} found; {fix}")]
    Mismatch {
        /// What is compared.
        what: &'static str,
        /// The value that the model or the keys state.
        wanted: String,
        /// The value that was met instead.
        found: String,
        /// What to do.
        fix: &'static str,
    },
    /// A model that gives something else than the command is for.
    #[error("{model} gives {gives}: use `veilray {command}`, or name another model with --model")]
    OtherKind {
        /// Its name.
        model: String,
        /// What it gives.
        gives: &'static str,
        /// The command for such models.
        command: &'static str,
    },
    /// A file of ciphertexts that is not one.
    #[error(transparent)]
    Container(ContainerError),
    /// An image file that the system does not give.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// A DICOM file that holds no image: name the film instead.
    #[error("the file is {0}")]
    NoImage(String),
    /// An image is not classified: the file cannot be read as one, or does not pass the checks.
    #[error(transparent)]
    Image(#[from] veilray_imaging::ingest::Error),
    /// A mask that is not written as a DICOM Segmentation.
    #[error("--seg: {0}")]
    Seg(#[from] seg::Error),
    /// The encoder cannot be opened, or does not compress the image.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
    /// The encryption engine refused parameters, keys or a ciphertext.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
    /// Packing, or a reply that is not believed.
    #[error(transparent)]
    Execute(#[from] veilray_classifier::execute::ExecuteError),
    /// A model or encoder that is not here.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The folder of a released classifier is damaged or incomplete: fetch it again.
    #[error(transparent)]
    Release(#[from] veilray_classifier::release::Error),
    /// No plan of the model keeps the limits that were asked for; the message names a change that would.
    #[error(transparent)]
    Plan(#[from] veilray_classifier::plan::PlanError),
    /// The daemon of `demo` could not be started, or stopped before it listened.
    #[error("the daemon did not start: {0}")]
    Daemon(String),
    /// A self-test failed, or an encrypted result differs from the one in clear by more than the tolerance.
    #[error("{0}")]
    Disagreement(String),
    /// What standard output or a results file answered.
    #[error("cannot write the results: {0}")]
    Output(#[from] std::io::Error),
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File { doing: error.doing, path: error.path, why: error.source.to_string() }
    }
}

impl From<ContainerError> for Error {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::Write(error) => Self::Output(error),
            error => Self::Container(error),
        }
    }
}

impl Error {
    /// An error of reading or writing `path`.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File { doing, path, why: error.to_string() }
    }

    /// The exit code it ends the program with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::OtherKind { .. } => Exit::Usage,
            // What the options ask for goes neither with such a file nor with such a model.
            Self::Seg(seg::Error::NotDicom { .. } | seg::Error::Structure { .. }) => Exit::Usage,
            Self::Permissions { .. } | Self::Vault(_) | Self::Passphrase(_) | Self::Keys { .. } | Self::Blocked { .. } => {
                Exit::Keys
            }
            Self::ReplyRefused { .. } | Self::RefusedBefore { .. } => Exit::ReplyRefused,
            Self::ServerUrl(_)
            | Self::Certificate { .. }
            | Self::Unreachable { .. }
            | Self::Server { .. }
            | Self::Reply { .. } => Exit::Server,
            Self::Disagreement(_) => Exit::Disagreement,
            _ => Exit::Failed,
        }
    }
}

/// `text` after a separator, or nothing.
fn suffix(separator: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{separator}{text}") }
}
