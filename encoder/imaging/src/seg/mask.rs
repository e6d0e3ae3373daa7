//! A mask, what it shows, and its bits on the film's pixels.

use super::{Error, Result};
use crate::image::{Geometry, Placement, SIDE};

/// What a mask shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Left and right lung as one segment.
    Lung,
}

impl Structure {
    /// The structure by a model's word for it.
    ///
    /// # Errors
    /// [`Error::Structure`] for one that has no code here.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "lung" => Ok(Self::Lung),
            _ => Err(Error::Structure { name: name.into() }),
        }
    }
}

/// The mask of a canonical image: cells that cover it evenly, each inside or outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mask<'a> {
    pub(super) structure: Structure,
    height: usize,
    width: usize,
    inside: &'a [bool],
    /// Whether the object says that this can be no such structure.
    pub(super) implausible: bool,
}

impl<'a> Mask<'a> {
    /// A mask of `[height, width]` cells, row by row.
    ///
    /// # Errors
    /// [`Error::Mask`] if `inside` has another length, or a side is not in 1 to 65 535.
    pub fn new(structure: Structure, [height, width]: [usize; 2], inside: &'a [bool]) -> Result<Self> {
        let sides = [height, width].iter().all(|side| (1..=usize::from(u16::MAX)).contains(side));
        if !sides || height.checked_mul(width) != Some(inside.len()) {
            return Err(Error::Mask { height, width, found: inside.len() });
        }
        Ok(Self { structure, height, width, inside, implausible: false })
    }

    /// The same mask, which its object calls implausible where viewers show a description.
    #[must_use]
    pub fn implausible(self) -> Self {
        Self { implausible: true, ..self }
    }

    /// A bit for each pixel of a film of `rows` × `columns`, row by row, the first in the lowest bit of the first byte (PS3.5 8.1.1), to an
    /// even number of bytes. A pixel is inside if the cell is that its centre lies in, as on the overlay; one that ingest left out is not.
    pub(super) fn bits(&self, rows: u16, columns: u16, geometry: &Geometry, placement: &Placement) -> Vec<u8> {
        let (upright_columns, upright_rows) = geometry.upright_size();
        let across: Vec<usize> = cells(upright_columns, placement.left, placement.width, self.width).collect();
        let down: Vec<usize> = cells(upright_rows, placement.top, placement.height, self.height).collect();
        let size = (usize::from(columns), usize::from(rows));
        let [by_column, by_row] = geometry.filed_cells(size, &across, &down);
        // How far apart the mask's cells are along a filed column and a filed row.
        let (step_column, step_row) = if geometry.turn.exchanges_sides() { (self.width, 1) } else { (1, self.width) };
        let inside = |column: usize, row: usize| self.inside.get(column * step_column + row * step_row) == Some(&true);
        let lines = by_row.iter().flat_map(|row| by_column.iter().map(move |column| column.zip(*row)));
        let pixels = lines.map(|cell| cell.is_some_and(|(column, row)| inside(column, row)));
        let mut bits = vec![0u8; (size.0 * size.1).div_ceil(16) * 2];
        for (index, _) in pixels.enumerate().filter(|(_, inside)| *inside) {
            if let Some(byte) = bits.get_mut(index / 8) {
                *byte |= 1 << (index % 8);
            }
        }
        bits
    }
}

/// Along one axis, the cell that each of `count` pixels lies in: the pixels fill `extent` canonical ones from `first` on, and `cells` fill the
/// canonical image.
fn cells(count: usize, first: usize, extent: usize, cells: usize) -> impl Iterator<Item = usize> {
    let [count, first, extent, cells, side] = [count, first, extent, cells, SIDE].map(|value| value as u64);
    // Twice `count` as the denominator puts centres at odd numerators; below 2³³ times 2¹⁶, nothing overflows.
    let scale = 2 * count;
    (0..count).map(move |pixel| ((first * scale + (2 * pixel + 1) * extent) * cells / (scale * side)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Rect, Turn};

    const WHOLE: Placement = Placement { left: 0, top: 0, width: 256, height: 256 };

    #[test]
    fn bits_are_packed_from_the_lowest_and_padded_to_an_even_number_of_bytes() {
        // A film of 3 × 3 pixels, each of which is a cell: 9 bits.
        let inside = [true, false, true, true, false, false, false, true, true];
        let mask = Mask::new(Structure::Lung, [3, 3], &inside).unwrap();
        assert_eq!(mask.bits(3, 3, &Geometry::whole(3, 3), &WHOLE), [0b1000_1101, 0b0000_0001]);
        let mask = Mask::new(Structure::Lung, [1, 1], &[true]).unwrap();
        assert_eq!(mask.bits(3, 7, &Geometry::whole(7, 3), &WHOLE), [0xff, 0xff, 0b0001_1111, 0]);
    }

    #[test]
    fn a_framed_film_has_the_cells_behind_it_and_none_of_the_frame() {
        // 256 × 128 pixels in the middle of the canonical image: columns 64 to 191.
        let placement = Placement { left: 64, top: 0, width: 128, height: 256 };
        let columns = |count: usize| cells(count, placement.left, placement.width, 8).collect::<Vec<_>>();
        assert_eq!(columns(4), [2, 3, 4, 5]);
        assert_eq!(columns(128), (0..128).map(|column| (64 + column) / 32).collect::<Vec<_>>());
        // Centres at 64 + 128 (2 i + 1) / 6 = 85.3, 128, 170.7.
        assert_eq!(columns(3), [2, 4, 5]);
        let largest: Vec<usize> = cells(65_535, 0, 256, 65_535).collect();
        assert_eq!(largest, (0..65_535).collect::<Vec<_>>(), "no overflow");
    }

    #[test]
    fn a_turned_part_of_a_film_has_its_cells_and_the_rest_is_outside() {
        // A film of 4 × 3 pixels; the two columns and three rows from column 1 on were turned clockwise to 3 × 2, a cell each:
        //   . a b .        e c a
        //   . c d .   ->   f d b
        //   . e f .
        let geometry = Geometry { turn: Turn::Clockwise, crop: Rect { left: 1, top: 0, width: 2, height: 3 } };
        for (cell, [column, row]) in [[1, 2], [1, 1], [1, 0], [2, 2], [2, 1], [2, 0]].into_iter().enumerate() {
            let inside: Vec<bool> = (0..6).map(|other| other == cell).collect();
            let mask = Mask::new(Structure::Lung, [2, 3], &inside).unwrap();
            let wanted = 1u16 << (row * 4 + column);
            assert_eq!(mask.bits(3, 4, &geometry, &WHOLE), wanted.to_le_bytes(), "cell {cell}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        for (height, width, found) in [(2, 2, 3), (0, 2, 0), (65_536, 1, 65_536), (usize::MAX, 2, 4)] {
            let inside = vec![true; found];
            assert_eq!(Mask::new(Structure::Lung, [height, width], &inside), Err(Error::Mask { height, width, found }));
        }
        assert_eq!(Structure::named("heart"), Err(Error::Structure { name: "heart".into() }));
    }
}
