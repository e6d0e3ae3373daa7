//! A released model ready to be evaluated on ciphertexts.

use crate::execute::EncryptedCircuit;
use crate::interface::Interface;
use crate::release::{Error, Model};
use std::path::Path;

/// A released model ready to be evaluated on ciphertexts.
#[derive(Debug)]
pub struct Served {
    /// The release.
    pub model: Model,
    /// Its circuit, diagonals encoded.
    pub circuit: EncryptedCircuit,
    /// What its clients must know.
    pub interface: Interface,
}

impl Served {
    /// Opens the release in `folder` and encodes its circuit: about two seconds.
    ///
    /// # Errors
    /// A folder that is no sound release, a network that does not fit its parameters.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let model = Model::open(folder)?;
        let circuit = model.circuit()?;
        let interface = Interface::of(&model, &circuit);
        Ok(Self { model, circuit, interface })
    }
}
