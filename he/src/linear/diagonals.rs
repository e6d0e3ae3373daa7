//! A matrix by its non-zero diagonals, in clear.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The non-zero diagonals of a square matrix that acts on slots, cyclically over a period: `y_i = Σ_d diagonal_d[i] · x_{(i+d) mod period}`.
///
/// A period below the number of slots supposes an input that repeats with it; the output then does, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonals {
    pub(super) period: usize,
    pub(super) diagonals: BTreeMap<usize, Vec<f64>>,
}

impl Diagonals {
    /// No diagonals yet, over a power-of-two period.
    ///
    /// # Errors
    /// [`Error::Period`] if it is none.
    pub fn new(period: usize) -> Result<Self> {
        if period.is_power_of_two() {
            Ok(Self { period, diagonals: BTreeMap::new() })
        } else {
            Err(Error::Period { found: period, slots: 0 })
        }
    }

    /// The diagonals of a dense square matrix, row by row; zero ones are left out.
    ///
    /// # Errors
    /// [`Error::Period`] if the number of rows is no power of two, [`Error::Diagonal`] if a row has another length.
    pub fn from_matrix(rows: &[Vec<f64>]) -> Result<Self> {
        let mut out = Self::new(rows.len())?;
        let period = rows.len();
        for (i, row) in rows.iter().enumerate() {
            if row.len() != period {
                return Err(Error::Diagonal { index: i, found: row.len(), period });
            }
            for (j, value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                let diagonal = out.diagonals.entry((j + period - i) % period).or_insert_with(|| vec![0.0; period]);
                if let Some(place) = diagonal.get_mut(i) {
                    *place = *value;
                }
            }
        }
        Ok(out)
    }

    /// Adds `values` to diagonal `index`, taken modulo the period (−1 is the one below the main diagonal).
    ///
    /// # Errors
    /// [`Error::Diagonal`] if there are not `period` values.
    pub fn add(&mut self, index: i64, values: &[f64]) -> Result<()> {
        let at = index.rem_euclid(self.period as i64) as usize;
        if values.len() != self.period {
            return Err(Error::Diagonal { index: at, found: values.len(), period: self.period });
        }
        let diagonal = self.diagonals.entry(at).or_insert_with(|| vec![0.0; self.period]);
        diagonal.iter_mut().zip(values).for_each(|(x, y)| *x += y);
        Ok(())
    }

    /// Number of values of each diagonal: the map repeats over so many slots.
    pub fn period(&self) -> usize {
        self.period
    }

    /// Indices of the diagonals, ascending.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        self.diagonals.keys().copied()
    }

    /// Indices with their diagonals, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.diagonals.iter().map(|(index, values)| (*index, values.as_slice()))
    }

    /// The map in clear, on a vector of one period: the oracle of the encrypted one.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let term = |i: usize| {
            let product = |(d, v): (&usize, &Vec<f64>)| Some(v.get(i)? * x.get((i + d) % self.period)?);
            self.diagonals.iter().filter_map(product).sum()
        };
        (0..self.period).map(term).collect()
    }
}
