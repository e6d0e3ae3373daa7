//! A released model ready to answer: what a server keeps in memory, and what a client's offline evaluation opens.

use crate::execute::EncryptedCircuit;
use crate::interface::Interface;
use crate::release::{Model, Result};
use std::path::Path;

/// A model ready to be evaluated on ciphertexts.
#[derive(Debug)]
pub struct Served {
    /// The opened release.
    pub model: Model,
    /// Its circuit, diagonals encoded.
    pub circuit: EncryptedCircuit,
    /// What its clients must know.
    pub interface: Interface,
}

impl Served {
    /// Opens the release in `folder` and encodes its circuit, which takes about two seconds for the released models.
    ///
    /// # Errors
    /// A folder that is no sound release, a network that does not fit its parameters.
    pub fn open(folder: &Path) -> Result<Self> {
        let model = Model::open(folder)?;
        let circuit = model.circuit()?;
        let interface = Interface::of(&model, &circuit);
        Ok(Self { model, circuit, interface })
    }
}
