//! Why a released classifier was refused.

use super::FolderError;
use crate::execute::ExecuteError;
use crate::execute::reply::MIN_PRECISION_BITS;
use crate::fold::FoldError;
use crate::pack::PackError;
use crate::spec::SpecError;
use crate::weights::WeightsError;

/// Why a released classifier was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder that cannot be read or written, or whose manifest is refused.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A network that is refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Weights that are refused.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A parameter set that is refused.
    #[error(transparent)]
    Params(#[from] veilray_he::Error),
    /// A network that cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A circuit that cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A circuit that cannot be encoded under its parameters.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A parameter set that cannot tell large logits from others that wrapped around: clients would refuse the model.
    #[error(
        "the logits of {model} may reach {wanted:.1} by its range, but a reply under {params} has no slot that would show one beyond \
         {found:.1} coming back from the other end; release it under a set with a larger base, such as n14"
    )]
    Room {
        /// The model's name.
        model: String,
        /// The parameter set.
        params: String,
        /// The bound on its logits.
        wanted: f64,
        /// The largest logit that the set holds safely.
        found: f64,
    },
    /// More labels than leave enough slots without one: clients would refuse the model.
    #[error(
        "{model} has {found} labels, at most {most} are allowed under {params}; release it under a larger set, or as several models"
    )]
    Labels {
        /// The model's name.
        model: String,
        /// The parameter set.
        params: String,
        /// Its labels.
        found: usize,
        /// The most that are allowed.
        most: usize,
    },
    /// Replies at another scale than the parameters' own: clients would refuse them.
    #[error(
        "the replies of {model} would end at scale 2^{found:.3} instead of the parameters' 2^{wanted:.3}; end the network with a linear layer"
    )]
    ReplyScale {
        /// The model's name.
        model: String,
        /// log2 of the parameters' scale.
        wanted: f64,
        /// log2 of the replies' scale.
        found: f64,
    },
    /// So much noise that hardly anything is left of the logits.
    #[error(
        "the noise of the replies of {model}, of standard deviation {deviation:.1e}, leaves {bits} bits of a logit behind the binary point, at least {MIN_PRECISION_BITS} are needed; release it under a set with a larger scale"
    )]
    Noise {
        /// The model's name.
        model: String,
        /// Standard deviation of a logit's noise.
        deviation: f64,
        /// The bits that it leaves.
        bits: u32,
    },
}
