//! How the picture as it is filed becomes the upright one: cut to a part of it, then turned or mirrored. No value changes.

use super::error::{Error, Result};
use super::picture::Picture;
use serde::Serialize;

/// One of the eight ways in which a picture lies on the square grid, by what brings it upright. EXIF counts them from 1 to 8 in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It is upright.
    #[default]
    None,
    /// Left and right exchanged.
    MirrorLeftRight,
    /// Turned by 180°.
    Half,
    /// Top and bottom exchanged.
    MirrorTopBottom,
    /// Rows and columns exchanged: mirrored at the diagonal through the top left.
    Transpose,
    /// Turned by 90° clockwise.
    Clockwise,
    /// Mirrored at the diagonal through the top right.
    Transverse,
    /// Turned by 90° anticlockwise.
    Anticlockwise,
}

/// A turn as steps: left and right exchanged, top and bottom exchanged, then rows and columns exchanged.
struct Steps {
    left_right: bool,
    top_bottom: bool,
    transpose: bool,
}

impl Turn {
    /// Every turn, in the order of EXIF.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::MirrorLeftRight,
        Self::Half,
        Self::MirrorTopBottom,
        Self::Transpose,
        Self::Clockwise,
        Self::Transverse,
        Self::Anticlockwise,
    ];

    /// The turn that brings a picture of an EXIF orientation upright (EXIF 2.32, tag 0x0112); none for a value that is not in 1 to 8.
    pub fn from_exif(orientation: u16) -> Option<Self> {
        Self::ALL.get(usize::from(orientation).checked_sub(1)?).copied()
    }

    fn steps(self) -> Steps {
        let (left_right, top_bottom, transpose) = match self {
            Self::None => (false, false, false),
            Self::MirrorLeftRight => (true, false, false),
            Self::Half => (true, true, false),
            Self::MirrorTopBottom => (false, true, false),
            Self::Transpose => (false, false, true),
            Self::Clockwise => (false, true, true),
            Self::Transverse => (true, true, true),
            Self::Anticlockwise => (true, false, true),
        };
        Steps { left_right, top_bottom, transpose }
    }

    /// Whether left and right are exchanged beyond what turning does: a letter on the film is then a mirrored one.
    pub fn mirrors(self) -> bool {
        let Steps { left_right, top_bottom, transpose } = self.steps();
        left_right ^ top_bottom ^ transpose
    }

    /// Whether rows become columns.
    pub fn exchanges_sides(self) -> bool {
        self.steps().transpose
    }

    /// Columns and rows after the turn, from those before it.
    pub fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.exchanges_sides() { (height, width) } else { (width, height) }
    }

    /// Values of a picture `width` wide, row by row, turned. Values that are no whole rows are given back as they came.
    pub(crate) fn of_values<T: Copy>(self, mut values: Vec<T>, width: usize) -> Vec<T> {
        let Steps { left_right, top_bottom, transpose } = self.steps();
        if width == 0 || !values.len().is_multiple_of(width) {
            return values;
        }
        match (left_right, top_bottom) {
            (true, true) => values.reverse(),
            (true, false) => values.chunks_exact_mut(width).for_each(<[T]>::reverse),
            (false, true) => exchange_rows(&mut values, width),
            (false, false) => {}
        }
        if transpose { transposed(&values, width) } else { values }
    }
}

fn exchange_rows<T>(values: &mut [T], width: usize) {
    let rows = values.len() / width;
    let (upper, lower) = values.split_at_mut(rows / 2 * width);
    for (above, below) in upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width).rev()) {
        above.swap_with_slice(below);
    }
}

/// Side of the squares in which rows and columns are exchanged, so that both fit in the processor's cache.
const TILE: usize = 32;

fn transposed<T: Copy>(values: &[T], width: usize) -> Vec<T> {
    let height = values.len() / width;
    let mut out = values.to_vec();
    for (band, rows) in values.chunks(TILE * width).enumerate() {
        for left in (0..width).step_by(TILE) {
            let columns = left..width.min(left + TILE);
            for (row, line) in rows.chunks_exact(width).enumerate() {
                let from = line.get(columns.clone()).unwrap_or_default();
                let into = out.get_mut(left * height..).unwrap_or_default();
                for (&value, column) in from.iter().zip(into.chunks_mut(height)) {
                    if let Some(to) = column.get_mut(band * TILE + row) {
                        *to = value;
                    }
                }
            }
        }
    }
    out
}

/// A part of a picture, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Rect {
    /// First column, from 0.
    pub left: usize,
    /// First row, from 0.
    pub top: usize,
    /// Number of columns, 1 or more.
    pub width: usize,
    /// Number of rows, 1 or more.
    pub height: usize,
}

impl Rect {
    /// All of a picture.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// Whether it has a pixel and lies within a picture of these columns and rows.
    fn is_within(&self, width: usize, height: usize) -> bool {
        let inside = |first: usize, count: usize, all| count > 0 && first.checked_add(count).is_some_and(|end| end <= all);
        inside(self.left, self.width, width) && inside(self.top, self.height, height)
    }

    /// The part's values of a picture `width` wide, moved to the front of its own memory.
    fn of_values<T: Copy>(&self, mut values: Vec<T>, width: usize) -> Vec<T> {
        for row in 0..self.height {
            let from = (self.top + row) * width + self.left;
            if from + self.width <= values.len() {
                values.copy_within(from..from + self.width, row * self.width);
            }
        }
        values.truncate(self.width * self.height);
        values
    }
}

/// How the picture as it is filed became the upright one of the canonical image: cut to `crop`, then turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Geometry {
    /// What brought it upright.
    pub turn: Turn,
    /// What was left of it, in the pixels of the picture as it is filed.
    pub crop: Rect,
}

impl Geometry {
    /// Nothing turned, nothing left out.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { turn: Turn::None, crop: Rect::whole(width, height) }
    }

    /// Columns and rows of the upright picture.
    pub fn upright_size(&self) -> (usize, usize) {
        self.turn.size((self.crop.width, self.crop.height))
    }

    /// The upright picture, from the one that is filed. Every value of it is one of that.
    ///
    /// # Errors
    /// [`Error::Picture`] if the part to keep is empty or does not lie in the picture.
    pub(crate) fn upright(&self, picture: Picture) -> Result<Picture> {
        let (width, height) = (picture.width(), picture.height());
        if !self.crop.is_within(width, height) {
            return Err(Error::Picture { width: self.crop.width, height: self.crop.height, found: width * height });
        }
        if *self == Self::whole(width, height) {
            return Ok(picture);
        }
        picture.rearranged(self.upright_size(), |grey| self.of_values(grey, width), |codes| self.of_values(codes, width))
    }

    fn of_values<T: Copy>(&self, values: Vec<T>, width: usize) -> Vec<T> {
        self.turn.of_values(self.crop.of_values(values, width), self.crop.width)
    }

    /// For each of the filed picture's `columns` and `rows`, the cell that its pixels' centres lie in, along the axis of a grid over the
    /// upright picture that it runs along: first those of the filed columns, then those of the filed rows. `across` holds the cell of each
    /// upright column, `down` of each upright row. None is what was left out.
    pub(crate) fn filed_cells(
        &self,
        (columns, rows): (usize, usize),
        across: &[usize],
        down: &[usize],
    ) -> [Vec<Option<usize>>; 2] {
        let Steps { left_right, top_bottom, transpose } = self.turn.steps();
        let (along_columns, along_rows) = if transpose { (down, across) } else { (across, down) };
        let axis = |count: usize, first: usize, kept: usize, mirrored: bool, cells: &[usize]| {
            (0..count)
                .map(|filed| {
                    let inside = filed.checked_sub(first).filter(|&inside| inside < kept)?;
                    cells.get(if mirrored { kept - 1 - inside } else { inside }).copied()
                })
                .collect()
        };
        let Rect { left, top, width, height } = self.crop;
        [axis(columns, left, width, left_right, along_columns), axis(rows, top, height, top_bottom, along_rows)]
    }
}

#[cfg(test)]
mod tests;
