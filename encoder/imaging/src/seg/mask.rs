//! A mask, what it shows, and its bits on the film's pixels.

use super::{Error, Result};
use crate::image::{Placement, SIDE};

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
    /// even number of bytes. A pixel is inside if the cell is that its centre lies in, as on the overlay.
    pub(super) fn bits(&self, rows: u16, columns: u16, placement: &Placement) -> Vec<u8> {
        let columns: Vec<usize> = cells(columns, placement.left, placement.width, self.width).collect();
        let row_of = |cell: usize| self.inside.get(cell * self.width..(cell + 1) * self.width).unwrap_or_default();
        let lines = cells(rows, placement.top, placement.height, self.height).map(row_of);
        let pixels = lines.flat_map(|line| columns.iter().map(|&cell| line.get(cell) == Some(&true)));
        let mut bits = vec![0u8; (usize::from(rows) * columns.len()).div_ceil(16) * 2];
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
fn cells(count: u16, first: usize, extent: usize, cells: usize) -> impl Iterator<Item = usize> {
    let [first, extent, cells, side] = [first, extent, cells, SIDE].map(|value| value as u64);
    // Twice `count` as the denominator puts centres at odd numerators; below 2³³ times 2¹⁶, nothing overflows.
    let scale = 2 * u64::from(count);
    (0..u64::from(count)).map(move |pixel| ((first * scale + (2 * pixel + 1) * extent) * cells / (scale * side)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Placement = Placement { left: 0, top: 0, width: 256, height: 256 };

    #[test]
    fn bits_are_packed_from_the_lowest_and_padded_to_an_even_number_of_bytes() {
        // A film of 3 × 3 pixels, each of which is a cell: 9 bits.
        let inside = [true, false, true, true, false, false, false, true, true];
        let mask = Mask::new(Structure::Lung, [3, 3], &inside).unwrap();
        assert_eq!(mask.bits(3, 3, &WHOLE), [0b1000_1101, 0b0000_0001]);
        let mask = Mask::new(Structure::Lung, [1, 1], &[true]).unwrap();
        assert_eq!(mask.bits(3, 7, &WHOLE), [0xff, 0xff, 0b0001_1111, 0]);
    }

    #[test]
    fn a_framed_film_has_the_cells_behind_it_and_none_of_the_frame() {
        // 256 × 128 pixels in the middle of the canonical image: columns 64 to 191.
        let placement = Placement { left: 64, top: 0, width: 128, height: 256 };
        let columns = |count: u16| cells(count, placement.left, placement.width, 8).collect::<Vec<_>>();
        assert_eq!(columns(4), [2, 3, 4, 5]);
        assert_eq!(columns(128), (0..128).map(|column| (64 + column) / 32).collect::<Vec<_>>());
        // Centres at 64 + 128 (2 i + 1) / 6 = 85.3, 128, 170.7.
        assert_eq!(columns(3), [2, 4, 5]);
        let largest: Vec<usize> = cells(u16::MAX, 0, 256, 65_535).collect();
        assert_eq!(largest, (0..65_535).collect::<Vec<_>>(), "no overflow");
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
