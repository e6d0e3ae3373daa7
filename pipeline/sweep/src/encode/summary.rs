//! What a pass over a data set found.

use crate::data::{Refused, Split};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What a pass over a data set found; nothing in it tells of a patient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The file of latents.
    pub output: PathBuf,
    /// Its size, bytes.
    pub output_bytes: u64,
    /// The data set.
    pub dataset: String,
    /// Name of the encoder that made the latents.
    pub encoder: String,
    /// SHA-256 of its manifest.
    pub encoder_digest: String,
    /// Shape of a latent, `[channel, height, width]`.
    pub shape: [usize; 3],
    /// Rows of the file by split, those of mirrored images among them.
    pub rows: BTreeMap<Split, usize>,
    /// Rows that earlier runs had written.
    pub rows_before: usize,
    /// Images of this run about which ingest had a warning.
    pub warned: usize,
    /// Images that were refused.
    pub refused: Vec<Refused>,
    /// Wall time of this run, s.
    pub seconds: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.shape;
        let mebibytes = self.output_bytes as f64 / f64::from(1 << 20);
        writeln!(f, "{}  {mebibytes:.1} MiB", self.output.display())?;
        writeln!(f, "data set   {}", self.dataset)?;
        writeln!(f, "encoder    {}, latents {channels} × {height} × {width}", self.encoder)?;
        let counts: Vec<String> = self.rows.iter().map(|(split, count)| format!("{split} {count}")).collect();
        writeln!(f, "rows       {}; {} of them from earlier runs", counts.join(", "), self.rows_before)?;
        if self.warned > 0 {
            writeln!(f, "warnings   on {} images of this run", self.warned)?;
        }
        write!(f, "refused    {} images, {:.1} s", self.refused.len(), self.seconds)?;
        for Refused { place, reason } in &self.refused {
            write!(f, "\n  {place}: {reason}")?;
        }
        Ok(())
    }
}
