//! Arguments that commands share.

use std::path::PathBuf;

/// Where data lie, and how the result is printed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Folder of the data sets that are given by name; default `data` in the current folder.
    #[arg(long, env = "VEILRAY_DATA", value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A training by a file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Training {
    /// The experiment's TOML file: what is trained on what, and how.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The folder of the run.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Afterwards, evaluates on the test split: once, at the very end.
    #[arg(long)]
    pub test: bool,
    /// Afterwards, releases the network to this folder: manifest, network, weights.
    #[arg(long, value_name = "DIR")]
    pub release: Option<PathBuf>,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}
