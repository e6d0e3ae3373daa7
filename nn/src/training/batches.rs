//! Which examples a step sees.

use crate::error::{Error, Result};
use veilray_base::Rng;

/// Shuffled batches: each epoch is a permutation of 0..`examples` drawn from the seed and the epoch's number, cut into batches;
/// what is left at an epoch's end is dropped.
///
/// The batch of a step depends on the step's number alone, so there is nothing to save.
#[derive(Debug, Clone)]
pub struct Batches {
    examples: usize,
    batch: usize,
    seed: u64,
    /// The epoch last asked for and its permutation.
    order: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// Batches of `batch` out of `examples`.
    ///
    /// # Errors
    /// A batch of no examples or of more than there are.
    pub fn new(examples: usize, batch: usize, seed: u64) -> Result<Self> {
        if batch == 0 || batch > examples {
            return Err(Error::Setting {
                what: "batch size",
                wanted: "at least 1 and at most the number of examples",
                found: format!("{batch} of {examples}"),
            });
        }
        Ok(Self { examples, batch, seed, order: None })
    }

    /// Batches of one epoch.
    pub fn per_epoch(&self) -> u64 {
        (self.examples / self.batch) as u64
    }

    /// The examples of step `step`.
    pub fn at(&mut self, step: u64) -> &[usize] {
        let epoch = step / self.per_epoch();
        let first = (step % self.per_epoch()) as usize * self.batch;
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut order: Vec<usize> = (0..self.examples).collect();
            Rng::new(self.seed, &format!("epoch {epoch}")).shuffle(&mut order);
            self.order = Some((epoch, order));
        }
        self.order.as_ref().and_then(|(_, order)| order.get(first..first + self.batch)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_example_once_and_steps_can_be_asked_in_any_order() {
        let mut batches = Batches::new(20, 5, 3).unwrap();
        let epoch: Vec<Vec<usize>> = (0..4).map(|step| batches.at(step).to_vec()).collect();
        let mut seen = epoch.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        let later: Vec<Vec<usize>> = (4..8).map(|step| batches.at(step).to_vec()).collect();
        assert_ne!(epoch, later);
        assert_eq!(Batches::new(20, 5, 3).unwrap().at(6), later[2]);
        assert_eq!(batches.at(1), epoch[1]);
        assert_ne!(Batches::new(20, 5, 4).unwrap().at(0), epoch[0]);
        assert!(Batches::new(3, 4, 0).is_err() && Batches::new(3, 0, 0).is_err());
        assert_eq!(Batches::new(7, 3, 0).unwrap().per_epoch(), 2);
    }
}
