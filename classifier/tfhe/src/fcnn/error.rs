//! Why a quantised network, a key or a ciphertext was refused.

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a quantised network, a key or a ciphertext was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("{what} must be {wanted}, found {found}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// The range it must lie in.
        wanted: &'static str,
        /// The value given.
        found: String,
    },
    /// A list of another length.
    #[error("{what}: {wanted} values are wanted, found {found}")]
    Length {
        /// The list's name.
        what: &'static str,
        /// The length it must have.
        wanted: usize,
        /// The length it has.
        found: usize,
    },
    /// A file that holds no network.
    #[error("no quantised network: {why}; fetch the model's folder again")]
    Network {
        /// What is wrong with it.
        why: String,
    },
    /// Parameters under which a network would decrypt wrongly too often.
    #[error("{what} fails with probability 2^{found:.0}, at most 2^{wanted:.0} is allowed; take {cure}")]
    Failure {
        /// The step that fails.
        what: &'static str,
        /// log2 of the bound.
        wanted: f64,
        /// log2 of the probability.
        found: f64,
        /// What to change.
        cure: &'static str,
    },
    /// Bytes that are no key or ciphertext of these parameters.
    #[error("{what}: {wanted} bytes are wanted, found {found}; both sides must use one model")]
    Bytes {
        /// Key or ciphertext.
        what: &'static str,
        /// The length it must have.
        wanted: usize,
        /// The length it has.
        found: usize,
    },
    /// A reply whose logits lie between the values that a logit can take.
    #[error(
        "a logit is {found:.1} standard deviations of the noise from the nearest value it can take, at most {most:.0} are allowed: the reply is not this model's answer under these keys; ask again"
    )]
    Residual {
        /// The largest distance of a logit.
        found: f64,
        /// The largest that is allowed.
        most: f64,
    },
    /// Parameters with too little noise.
    #[error("the parameters {name} have less noise than 132 bits of security take; use tfhe-768-2048")]
    Insecure {
        /// The set's name.
        name: &'static str,
    },
    /// A release's folder.
    #[error(transparent)]
    Folder(#[from] veilray_base::release::FolderError),
    /// What training refused.
    #[error(transparent)]
    Train(#[from] veilray_training::Error),
    /// What a metric refused.
    #[error(transparent)]
    Metrics(#[from] veilray_training::metrics::Error),
}

impl Error {
    /// [`Error::Setting`].
    pub(super) fn setting(what: &'static str, wanted: &'static str, found: impl ToString) -> Self {
        Self::Setting { what, wanted, found: found.to_string() }
    }
}

impl From<veilray_nn::Error> for Error {
    fn from(error: veilray_nn::Error) -> Self {
        Self::Train(error.into())
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Train(error.into())
    }
}
