//! Whether a mask of the lungs can be one: how much of the picture it covers, in how many pieces, and where.
//!
//! A network gives a mask for whatever it is shown. [`MaskShape::implausible`] compares what it drew with masks of lungs that people drew. Its limits
//! are the extremes of the 492 such masks in the `train` and `val` splits of the tuberculosis films of the US National Library of Medicine
//! (Montgomery County and Shenzhen), widened by a twentieth of their range (the example `mask_limits` prints them); a person's mask has no third
//! piece, a network's may have small ones.

use crate::image::{Placement, SIDE};
use serde::Serialize;
use std::fmt;
use std::ops::RangeInclusive;

/// Part of the picture that lungs cover.
const AREA: RangeInclusive<f64> = 0.083..=0.451;
/// Part of the mask outside its two largest pieces, at most.
const STRAY: f64 = 0.10;
/// Where the mask's centre lies, as a part of the picture's height from above.
const ROW: RangeInclusive<f64> = 0.204..=0.603;
/// The same of its width from the left.
const COLUMN: RangeInclusive<f64> = 0.367..=0.578;
/// Part of the mask in the left half of the picture.
const LEFT: RangeInclusive<f64> = 0.291..=0.814;
/// Part of the middle tenth of the picture's width, where the mediastinum is, that lungs cover at most.
const MIDDLE: f64 = 0.279;

/// What a mask looks like; parts are in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MaskShape {
    /// Part of the picture that it covers.
    pub area: f64,
    /// Pieces, of pixels that touch by their sides.
    pub pieces: usize,
    /// Part of it outside its two largest pieces; 0 if it is empty.
    pub stray: f64,
    /// Its centre's distance from the picture's upper edge, as a part of the height; 0.5 if it is empty.
    pub row: f64,
    /// The same from the left edge, as a part of the width.
    pub column: f64,
    /// Part of it in the left half of the picture; 0.5 if it is empty.
    pub left: f64,
    /// Part of the middle tenth of the picture's width that it covers.
    pub middle: f64,
}

/// Why a mask cannot be one of the lungs. Look at the picture: it may be no upright frontal chest radiograph.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Implausible {
    /// No pixel is inside.
    Empty,
    /// It covers too much or too little of the picture.
    Area(f64),
    /// Too much of it lies outside its two largest pieces.
    Stray {
        /// Pieces.
        pieces: usize,
        /// Part of it outside the two largest.
        part: f64,
    },
    /// Its centre lies too high, too low or too far to a side: parts of the height and width.
    Centre {
        /// From above.
        row: f64,
        /// From the left.
        column: f64,
    },
    /// Almost all of it lies in one half of the picture: the part in the left half.
    Sides(f64),
    /// It covers too much of the middle of the picture, where no lung is.
    Middle(f64),
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: &f64| 100.0 * part;
        match self {
            Self::Empty => f.write_str("the mask is empty: no lung was found"),
            Self::Area(area) => {
                let [low, high] = [AREA.start(), AREA.end()].map(percent);
                write!(f, "the mask covers {:.1} % of the picture, lungs cover {low:.1} to {high:.1} %", percent(area))
            }
            Self::Stray { pieces, part } => write!(
                f,
                "the mask is in {pieces} pieces, with {:.0} % of it outside the two largest, lungs have at most {:.0} %",
                percent(part),
                percent(&STRAY)
            ),
            Self::Centre { row, column } => write!(
                f,
                "the mask's centre is {:.0} % of the picture's height from above and {:.0} % of its width from the left, not where lungs are",
                percent(row),
                percent(column)
            ),
            Self::Sides(left) => {
                let (side, part) = if *left > 0.5 { ("left", *left) } else { ("right", 1.0 - left) };
                write!(f, "{:.0} % of the mask is in the {side} half of the picture, so that one lung is missing", percent(&part))
            }
            Self::Middle(part) => {
                write!(f, "the mask covers {:.0} % of the middle of the picture, where no lung is", percent(part))
            }
        }
    }
}

impl MaskShape {
    /// Measures a mask of `[height, width]` cells, row by row, that cover a canonical image evenly. `placement` says where the picture lies in
    /// that: only cells whose centre is on it count. None if `inside` has another length, or no cell lies on the picture.
    pub fn measure([height, width]: [usize; 2], inside: &[bool], placement: &Placement) -> Option<Self> {
        if height.checked_mul(width) != Some(inside.len()) {
            return None;
        }
        let rows = cells(height, placement.top, placement.height);
        let columns = cells(width, placement.left, placement.width);
        let picture: Vec<bool> = inside
            .chunks_exact(width.max(1))
            .enumerate()
            .filter(|(row, _)| rows.contains(row))
            .flat_map(|(_, line)| line.iter().copied().enumerate().filter(|(column, _)| columns.contains(column)))
            .map(|(_, inside)| inside)
            .collect();
        let (height, width) = (rows.len(), columns.len());
        if picture.is_empty() {
            return None;
        }
        let of_middle = |column: usize| (9 * width..=11 * width).contains(&(10 * (2 * column + 1)));
        let (mut count, mut row_sum, mut column_sum, mut left, mut middle) = (0usize, 0.0, 0.0, 0.0, 0usize);
        for (index, _) in picture.iter().enumerate().filter(|(_, inside)| **inside) {
            let (row, column) = (index / width, index % width);
            count += 1;
            row_sum += row as f64 + 0.5;
            column_sum += column as f64 + 0.5;
            left += match (2 * column + 1).cmp(&width) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            };
            middle += usize::from(of_middle(column));
        }
        let mut pieces = pieces(&picture, width);
        pieces.sort_unstable_by(|a, b| b.cmp(a));
        let of_mask = |sum: f64, empty: f64| if count == 0 { empty } else { sum / count as f64 };
        let middle_columns = (0..width).filter(|column| of_middle(*column)).count();
        Some(Self {
            area: count as f64 / picture.len() as f64,
            pieces: pieces.len(),
            stray: of_mask(pieces.iter().skip(2).sum::<usize>() as f64, 0.0),
            row: of_mask(row_sum / height as f64, 0.5),
            column: of_mask(column_sum / width as f64, 0.5),
            left: of_mask(left, 0.5),
            middle: middle as f64 / (middle_columns * height).max(1) as f64,
        })
    }

    /// Why this cannot be a mask of the lungs of an upright frontal chest radiograph; nothing of one that can.
    pub fn implausible(&self) -> Vec<Implausible> {
        if self.pieces == 0 {
            return vec![Implausible::Empty];
        }
        let &Self { area, pieces, stray, row, column, left, middle } = self;
        let found = [
            (!AREA.contains(&area)).then_some(Implausible::Area(area)),
            (stray > STRAY).then_some(Implausible::Stray { pieces, part: stray }),
            (!ROW.contains(&row) || !COLUMN.contains(&column)).then_some(Implausible::Centre { row, column }),
            (!LEFT.contains(&left)).then_some(Implausible::Sides(left)),
            (middle > MIDDLE).then_some(Implausible::Middle(middle)),
        ];
        found.into_iter().flatten().collect()
    }
}

/// Along one axis of `count` cells, those whose centre lies on the `extent` canonical pixels from `first` on.
fn cells(count: usize, first: usize, extent: usize) -> std::ops::Range<usize> {
    // The centre of cell i is at (2 i + 1) SIDE / (2 count).
    let before = |edge: usize| (0..count).take_while(|cell| (2 * cell + 1) * SIDE < 2 * count * edge).count();
    before(first)..before(first.saturating_add(extent))
}

/// The sizes of the pieces of a picture of that width.
fn pieces(picture: &[bool], width: usize) -> Vec<usize> {
    let mut left = picture.to_vec();
    let mut sizes = Vec::new();
    let mut open = Vec::new();
    for start in 0..left.len() {
        let mut size = 0;
        open.push(start);
        while let Some(at) = open.pop() {
            if let Some(inside @ true) = left.get_mut(at) {
                *inside = false;
                size += 1;
                let column = at % width;
                open.extend((column > 0).then(|| at - 1));
                open.extend((column + 1 < width).then_some(at + 1));
                open.extend(at.checked_sub(width));
                open.push(at + width);
            }
        }
        if size > 0 {
            sizes.push(size);
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Placement = Placement { left: 0, top: 0, width: SIDE, height: SIDE };

    /// A mask of the cells in any of the rectangles, each of rows and columns.
    fn drawn(side: usize, rectangles: &[[std::ops::Range<usize>; 2]]) -> Vec<bool> {
        let inside = |row, column| rectangles.iter().any(|[rows, columns]| rows.contains(&row) && columns.contains(&column));
        (0..side * side).map(|index| inside(index / side, index % side)).collect()
    }

    fn of(side: usize, rectangles: &[[std::ops::Range<usize>; 2]]) -> MaskShape {
        MaskShape::measure([side, side], &drawn(side, rectangles), &WHOLE).unwrap()
    }

    #[test]
    fn a_mask_is_measured_as_it_is_drawn() {
        // Two lungs of 8 × 4 cells and a speck, on 20 × 20.
        let shape = of(20, &[[4..12, 4..8], [4..12, 12..16], [18..19, 9..10]]);
        assert_eq!((shape.pieces, shape.area, shape.stray), (3, 65.0 / 400.0, 1.0 / 65.0));
        assert!((shape.row - (64.0 * 8.0 + 18.5) / 65.0 / 20.0).abs() < 1e-12);
        assert!((shape.column - (64.0 * 10.0 + 9.5) / 65.0 / 20.0).abs() < 1e-12);
        // The middle tenth is columns 9 and 10.
        assert_eq!((shape.left, shape.middle), (33.0 / 65.0, 1.0 / 40.0));
        assert_eq!(shape.implausible(), []);
        // Cells that touch by a corner are two pieces, and a ring is one.
        assert_eq!(of(4, &[[0..1, 0..1], [1..2, 1..2]]).pieces, 2);
        assert_eq!(of(5, &[[0..5, 0..1], [0..5, 4..5], [0..1, 0..5], [4..5, 0..5]]).pieces, 1);
        // Of an odd width, the middle column belongs to both halves.
        assert_eq!(of(5, &[[0..5, 2..3]]).left, 0.5);
    }

    #[test]
    fn only_the_picture_counts_and_none_of_its_frame() {
        // A picture of half the width in the middle: columns 5 to 14 of 20.
        let placement = Placement { left: 64, top: 0, width: 128, height: 256 };
        let mask = drawn(20, &[[0..20, 0..10]]);
        let shape = MaskShape::measure([20, 20], &mask, &placement).unwrap();
        assert_eq!((shape.area, shape.left, shape.column, shape.middle), (0.5, 1.0, 0.25, 0.5));
        assert_eq!(cells(20, 64, 128), 5..15);
        assert_eq!(cells(64, 0, 256), 0..64);
        assert_eq!(cells(3, 0, 42), 0..0, "no centre on it");
        assert_eq!(MaskShape::measure([3, 3], &[true; 9], &Placement { width: 42, ..WHOLE }), None);
        assert_eq!(MaskShape::measure([3, 3], &[true; 8], &WHOLE), None);
        assert_eq!(MaskShape::measure([0, 0], &[], &WHOLE), None);
    }

    #[test]
    fn what_cannot_be_lungs_is_said() {
        let said = |rectangles: &[[std::ops::Range<usize>; 2]]| {
            of(20, rectangles).implausible().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(said(&[]), "the mask is empty: no lung was found");
        assert_eq!(said(&[[4..12, 4..8], [4..12, 12..16]]), "");
        let all = said(&[[0..20, 0..20]]);
        assert!(
            all.contains("covers 100.0 % of the picture, lungs cover 8.3 to 45.1 %") && all.contains("middle of the picture"),
            "{all}"
        );
        assert!(said(&[[8..9, 8..12]]).contains("covers 1.0 %"));
        let low = said(&[[12..20, 4..8], [12..20, 12..16]]);
        assert_eq!(
            low,
            "the mask's centre is 80 % of the picture's height from above and 50 % of its width from the left, not where lungs are"
        );
        let one = said(&[[4..12, 3..9]]);
        assert!(one.contains("100 % of the mask is in the left half of the picture, so that one lung is missing"), "{one}");
        let specks = said(&[[4..12, 4..7], [4..12, 12..15], [14..16, 4..7], [14..16, 12..15]]);
        assert_eq!(specks, "the mask is in 4 pieces, with 20 % of it outside the two largest, lungs have at most 10 %");
    }
}
