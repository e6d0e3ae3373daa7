//! What a checkpoint is made of.

use crate::bundle::Bundle;
use crate::error::Result;
use crate::params::ParamStore;
use veilray_base::Rng;
use veilray_base::RngState;

/// Something whose whole state goes into a checkpoint and comes back bit for bit.
pub trait State {
    /// Adds the state to `bundle`, every entry under `name.`.
    ///
    /// # Errors
    /// Values that cannot be stored.
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()>;

    /// Takes the state that [`State::save`] added.
    ///
    /// # Errors
    /// Entries that are missing or of another form.
    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()>;
}

impl State for ParamStore {
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        bundle.put_tensors(name, &self.tensors());
        Ok(())
    }

    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()> {
        self.assign(&bundle.tensors(name))
    }
}

impl State for Rng {
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        bundle.put(name, &self.state())
    }

    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()> {
        *self = Self::from_state(&bundle.get::<RngState>(name)?)?;
        Ok(())
    }
}
