//! The first three steps and the bit reversal, on tiles of 8 × 8 points.

#![allow(
    clippy::indexing_slicing,
    reason = "indices are loop counters below the constant lengths of arrays, or below a table's length"
)]
#![allow(clippy::needless_range_loop, reason = "one index runs through several arrays; this form vectorises")]

use super::complex::{Complex, butterfly2, butterfly4, unit_root};
use super::passes::{Chunk, Chunks, LANES};

/// Twiddles of the steps L = 1 (radix 2) and L = 2 (radix 4).
#[derive(Debug, Clone)]
pub(super) struct TileTwiddles {
    pub(super) first: Complex,
    pub(super) second: [[Complex; 3]; 2],
}

impl TileTwiddles {
    pub(super) fn new() -> Self {
        Self { first: unit_root(1, 3), second: [1, 5].map(|p| [2 * p, p, 3 * p].map(|k| unit_root(k, 5))) }
    }
}

/// Row of a tile ↔ its place in bit-reversed order.
pub(super) const REVERSED: [usize; LANES] = [0, 4, 2, 6, 1, 5, 3, 7];

/// A column of 8 chunks n/8 points apart, rows in bit-reversed order.
pub(super) type Tile = Chunks<LANES>;

/// The steps L = 1, 2, 4 and the bit reversal; or their inverse and the whole transform's division by n.
#[inline(always)]
pub(super) fn tiles<const INVERSE: bool>(twiddles: &TileTwiddles, re: &mut [Chunk], im: &mut [Chunk]) {
    let columns = re.len() / LANES;
    for column in 0..columns {
        // Reversing all bits of the word leaves the column's at the top; there are none of a single column.
        let partner = column.reverse_bits().checked_shr(usize::BITS - columns.trailing_zeros()).unwrap_or(0);
        if column <= partner {
            let (a, b) = (load_tile(re, im, column), load_tile(re, im, partner));
            store_tile(&tile::<INVERSE>(twiddles, &a, columns), re, im, partner);
            store_tile(&tile::<INVERSE>(twiddles, &b, columns), re, im, column);
        }
    }
}

/// The butterflies of a tile, and its transpose.
#[inline(always)]
pub(super) fn tile<const INVERSE: bool>(twiddles: &TileTwiddles, tile: &Tile, columns: usize) -> Tile {
    let mut out = Tile::ZERO;
    if INVERSE {
        let scale = 1.0 / (columns * LANES * LANES) as f64;
        for i in 0..LANES {
            let mut y = tile_second::<INVERSE>(twiddles, tile.row(i));
            for v in 0..LANES {
                y[v] = y[v] * scale;
            }
            out.set_lane(i, tile_first::<INVERSE>(twiddles, y));
        }
        out
    } else {
        for i in 0..LANES {
            out.set_lane(i, tile_second::<INVERSE>(twiddles, tile_first::<INVERSE>(twiddles, tile.lane(i))));
        }
        // A loop of its own, strided loads and whole stores, becomes shuffles; strided stores would not.
        let mut transposed = Tile::ZERO;
        for i in 0..LANES {
            transposed.set_lane(i, out.row(i));
        }
        transposed
    }
}

#[inline(always)]
pub(super) fn tile_first<const INVERSE: bool>(twiddles: &TileTwiddles, y: [Complex; LANES]) -> [Complex; LANES] {
    let w = twiddles.first;
    let ([a, b], [c, d]) = (butterfly2::<INVERSE>([y[0], y[1]], w), butterfly2::<INVERSE>([y[2], y[3]], w));
    let ([e, f], [g, h]) = (butterfly2::<INVERSE>([y[4], y[5]], w), butterfly2::<INVERSE>([y[6], y[7]], w));
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
pub(super) fn tile_second<const INVERSE: bool>(twiddles: &TileTwiddles, y: [Complex; LANES]) -> [Complex; LANES] {
    let [a, c, e, g] = butterfly4::<INVERSE>([y[0], y[2], y[4], y[6]], twiddles.second[0]);
    let [b, d, f, h] = butterfly4::<INVERSE>([y[1], y[3], y[5], y[7]], twiddles.second[1]);
    [a, b, c, d, e, f, g, h]
}

impl Tile {
    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> [Complex; LANES] {
        let mut out = [Complex { re: 0.0, im: 0.0 }; LANES];
        for k in 0..LANES {
            out[k] = Complex { re: self.re[i][k], im: self.im[i][k] };
        }
        out
    }
}

#[inline(always)]
pub(super) fn load_tile(re: &[Chunk], im: &[Chunk], column: usize) -> Tile {
    let stride = re.len() / LANES;
    let mut tile = Tile::ZERO;
    for v in 0..LANES {
        let at = REVERSED[v] * stride + column;
        (tile.re[v], tile.im[v]) = (re[at], im[at]);
    }
    tile
}

#[inline(always)]
pub(super) fn store_tile(tile: &Tile, re: &mut [Chunk], im: &mut [Chunk], column: usize) {
    let stride = re.len() / LANES;
    for v in 0..LANES {
        let at = REVERSED[v] * stride + column;
        (re[at], im[at]) = (tile.re[v], tile.im[v]);
    }
}
