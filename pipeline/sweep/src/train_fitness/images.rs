//! Films and made images at the side that the network reads, and their changes.

use crate::command::error::Result;
use crate::data::{Dataset, Split};
use rayon::prelude::*;
use veilray_base::Rng;
use veilray_imaging::fitness::SIDE;
use veilray_imaging::ingest::Canonical;
use veilray_imaging::nonfilm::Kind;
use veilray_imaging::phantom::Phantom;
use veilray_imaging::pixels::Pixels;

/// Pixels of an image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// Images of one data set and split, in 8-bit levels.
pub(super) struct Films {
    /// The data set's name.
    pub name: String,
    levels: Vec<u8>,
}

impl Films {
    /// Reads the films of a split; those that ingest refuses are left out.
    ///
    /// # Errors
    /// A data set that cannot be read.
    pub(super) fn read(set: &Dataset, split: Split, limit: Option<usize>) -> Result<Self> {
        let mut indices: Vec<usize> = set.split(split).map(|(index, _)| index).collect();
        indices.truncate(limit.unwrap_or(usize::MAX));
        let read: Vec<Option<Vec<u8>>> =
            indices.par_iter().map(|index| set.image(*index).ok().map(|loaded| shrunk(&loaded.image))).collect();
        Ok(Self { name: set.name.clone(), levels: read.into_iter().flatten().flatten().collect() })
    }

    /// These films, or where there are none the validation films of the set, named as such.
    pub(super) fn or_named(self, validation: Self) -> Self {
        if self.len() > 0 { self } else { Self { name: format!("{} (val)", validation.name), ..validation } }
    }

    /// Number of films.
    pub(super) fn len(&self) -> usize {
        self.levels.len() / PIXELS
    }

    /// A film's levels.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        self.levels.get(index * PIXELS..(index + 1) * PIXELS).unwrap_or_default()
    }

    /// Every film as the network reads it, values in [−1, 1].
    pub(super) fn values(&self) -> impl Iterator<Item = Vec<f32>> {
        self.levels.chunks_exact(PIXELS).map(values)
    }
}

/// Levels as values in [−1, 1], as [`Pixels::values`] gives them.
pub(super) fn values(levels: &[u8]) -> Vec<f32> {
    levels.iter().map(|&level| f32::from(level) / 127.5 - 1.0).collect()
}

/// A canonical image at the network's side.
pub(super) fn shrunk(image: &Canonical) -> Vec<u8> {
    Pixels::new(SIDE).map(|pixels| pixels.levels(image)).unwrap_or_default()
}

/// Made images without a chest, all kinds in turn: half of them drawn at four times the side and averaged, as a file's pixels are.
///
/// # Errors
/// None is expected.
pub(super) fn made(count: usize, seed: u64) -> Result<Films> {
    let draw = |index: usize| -> Vec<u8> {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(index as u64), "made without a chest");
        let kind = Kind::ALL.get(index % Kind::ALL.len()).copied().unwrap_or(Kind::Noise);
        let direct = |rng: &mut Rng| kind.draw(SIDE, rng).into_iter().map(|grey| (grey * 255.0 + 0.5) as u8).collect();
        if (index / Kind::ALL.len()).is_multiple_of(2) {
            return direct(&mut rng);
        }
        kind.canonical(&mut rng).map_or_else(|_| vec![0; PIXELS], |image| shrunk(&image))
    };
    let levels = (0..count).into_par_iter().flat_map_iter(draw).collect();
    Ok(Films { name: "made images".into(), levels })
}

/// Synthetic chests: the demonstration's films are chests too.
pub(super) fn phantoms(count: usize) -> Films {
    let draw = |seed: usize| {
        let phantom = Phantom { seed: seed as u64, size: 256, noise: (seed % 7) as f64 / 10.0, ..Phantom::default() };
        phantom.canonical().ok().map(|image| shrunk(&image))
    };
    let levels = (0..count).into_par_iter().filter_map(draw).flatten_iter().collect();
    Films { name: "phantoms".into(), levels }
}

/// An image turned by `quarters` × 90 degrees counter-clockwise.
pub(super) fn turned(values: &[f32], quarters: usize) -> Vec<f32> {
    let last = SIDE - 1;
    let from = |row: usize, column: usize| match quarters % 4 {
        0 => (row, column),
        1 => (column, last - row),
        2 => (last - row, last - column),
        _ => (last - column, row),
    };
    let pixel = |index: usize| {
        let (row, column) = from(index / SIDE, index % SIDE);
        values.get(row * SIDE + column).copied().unwrap_or(0.0)
    };
    (0..PIXELS).map(pixel).collect()
}

/// A film as another machine, another patient or another export would have given it: moved, scaled, turned a little, mirrored, framed; its
/// contrast, brightness and grain changed.
pub(super) fn changed(levels: &[u8], rng: &mut Rng) -> Vec<f32> {
    let between = |rng: &mut Rng, low: f64, high: f64| low + (high - low) * rng.uniform();
    let angle = between(rng, -12.0, 12.0f64).to_radians();
    let (stretch, scale) = (between(rng, 0.9, 1.1), between(rng, 0.78, 1.3));
    let mirrored = rng.uniform() < 0.5;
    let moved = (between(rng, -0.1, 0.1), between(rng, -0.1, 0.1));
    let (gamma, low, high) = (between(rng, -0.6, 0.6).exp(), between(rng, -0.25, 0.25), between(rng, 0.75, 1.25));
    let grain = 0.06 * rng.uniform() * rng.uniform();
    let outside = if rng.uniform() < 0.8 { 0.0 } else { rng.uniform() };
    let frame = if rng.uniform() < 0.25 { (between(rng, 0.3, 0.5), between(rng, 0.3, 0.5)) } else { (1.0, 1.0) };
    let (cos, sin) = (angle.cos(), angle.sin());
    let side = SIDE as f64;
    let level = |row: i64, column: i64| {
        let inside = (0..SIDE as i64).contains(&row) && (0..SIDE as i64).contains(&column);
        let value = || levels.get(row as usize * SIDE + column as usize).map(|&level| f64::from(level) / 255.0);
        if inside { value().unwrap_or(0.0) } else { outside }
    };
    let mut out = Vec::with_capacity(PIXELS);
    for index in 0..PIXELS {
        let (x, y) = ((index % SIDE) as f64 / side - 0.5 + 0.5 / side, (index / SIDE) as f64 / side - 0.5 + 0.5 / side);
        let (u, v) = (x + moved.0, y + moved.1);
        let (u, v) = ((u * cos - v * sin) / scale, (u * sin + v * cos) / (scale * stretch));
        let u = if mirrored { -u } else { u };
        let (column, row) = ((u + 0.5) * side - 0.5, (v + 0.5) * side - 0.5);
        let (c, r) = (column.floor(), row.floor());
        let (s, t) = (column - c, row - r);
        let at = |dr: i64, dc: i64| level(r as i64 + dr, c as i64 + dc);
        let grey = (at(0, 0) * (1.0 - s) + at(0, 1) * s) * (1.0 - t) + (at(1, 0) * (1.0 - s) + at(1, 1) * s) * t;
        let grey = ((grey.powf(gamma) - low) / (high - low)).clamp(0.0, 1.0);
        let grey = if x.abs() > frame.0 || y.abs() > frame.1 { outside } else { grey };
        let grey = (grey + grain * rng.normal()).clamp(0.0, 1.0);
        out.push((grey * 2.0 - 1.0) as f32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quarter_turns_are_none_and_the_first_is_counter_clockwise() {
        let values: Vec<f32> = (0..PIXELS).map(|i| i as f32).collect();
        let once = turned(&values, 1);
        // The right edge becomes the top one.
        assert_eq!(once[0], values[SIDE - 1]);
        assert_eq!(once[SIDE - 1], values[PIXELS - 1]);
        assert_eq!(turned(&once, 3), values);
        assert_eq!(turned(&turned(&values, 2), 2), values);
    }

    #[test]
    fn a_changed_film_stays_in_range_and_differs_by_the_seed() {
        let levels: Vec<u8> = (0..PIXELS).map(|i| (i % 251) as u8).collect();
        let one = |seed| changed(&levels, &mut Rng::new(seed, "test"));
        assert_ne!(one(1), one(2));
        assert_eq!(one(3), one(3));
        assert!(one(4).iter().all(|value| (-1.0..=1.0).contains(value)));
    }
}
