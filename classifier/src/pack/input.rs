//! How the client arranges an image's values before it encrypts them.
//!
//! Slots are the client's to fill: where the first convolution's windows fit, each value is repeated in every window that covers it
//! (im2col), so that the convolution needs a diagonal per channel rather than one per tap.

use super::layout::{Layout, bits_for};
use crate::circuit::{Circuit, Op, Sparse};
use crate::spec::Shape;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The arrangement of the input: a layout, and which value of the image goes where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct PackedInput {
    /// None: the image as it is.
    windows: Option<Windows>,
    layout: Arc<Layout>,
    /// Of an image, before it is arranged.
    values: usize,
}

/// A [`PackedInput`] as it travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    values: usize,
    layout: Layout,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    windows: Option<Windows>,
}

impl From<PackedInput> for Stored {
    fn from(input: PackedInput) -> Self {
        Self { values: input.values, layout: Layout::clone(&input.layout), windows: input.windows }
    }
}

impl TryFrom<Stored> for PackedInput {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let (found, wanted) = match &stored.windows {
            None => (stored.layout.shape().len(), stored.values),
            Some(windows) => {
                windows.image.check("the image").map_err(|e| e.to_string())?;
                if windows.image.len() != stored.values || windows.arranged() != Some(stored.layout.shape()) {
                    return Err(format!("windows over an image of {} do not give {}", windows.image, stored.layout.shape()));
                }
                (windows.image.len(), stored.values)
            }
        };
        if found != wanted {
            return Err(format!("a layout of {found} values cannot hold an image of {wanted}"));
        }
        Ok(Self::new(stored.windows, Arc::new(stored.layout), stored.values))
    }
}

impl PackedInput {
    pub(super) fn new(windows: Option<Windows>, layout: Arc<Layout>, values: usize) -> Self {
        Self { windows, layout, values }
    }

    /// Values of an image.
    pub fn values(&self) -> usize {
        self.values
    }

    /// The layout of the input tensor, whose channels may be the taps of windows.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The slots of each ciphertext for an image's values, as [channel, height, width] row by row; missing values count as zero.
    #[must_use]
    pub fn pack(&self, image: &[f64]) -> Vec<Vec<f64>> {
        match &self.windows {
            None => self.layout.pack(image),
            Some(windows) => {
                let value = |i: usize| windows.place(i).and_then(|p| image.get(p)).copied().unwrap_or(0.0);
                self.layout.pack(&(0..self.layout.shape().len()).map(value).collect::<Vec<f64>>())
            }
        }
    }
}

/// The circuit as it is, and with the windows of its first map along rows, columns or both already arranged by the client, where they
/// take no more ciphertexts.
pub(super) fn arrangements(circuit: &Circuit, slots: usize) -> Vec<(Option<Windows>, Circuit)> {
    let mut out = vec![(None, circuit.clone())];
    let readers: Vec<usize> = circuit
        .nodes()
        .iter()
        .enumerate()
        .filter(|(_, n)| n.op.inputs().iter().any(|i| i.index() == 0))
        .map(|(i, _)| i)
        .collect();
    let [at] = readers.as_slice() else { return out };
    let Some(first) = circuit.nodes().get(*at) else { return out };
    let Op::Linear { terms, bias } = &first.op else { return out };
    let ([(id, matrix)], Some(input)) = (terms.as_slice(), circuit.nodes().first().map(|n| n.shape)) else { return out };
    let padded = |shape: Shape| 1usize << (bits_for(shape.channels) + bits_for(shape.height) + bits_for(shape.width));
    let blocks = |shape: Shape| padded(shape).div_ceil(slots);
    for [rows, columns] in [[true, true], [false, true], [true, false]] {
        let Some(windows) = Windows::of(matrix, input, first.shape, [rows, columns]) else { continue };
        let Some(shape) = windows.arranged() else { continue };
        if blocks(shape) <= blocks(input) {
            let arranged = windows.map(matrix, first.shape, shape);
            let op = Op::Linear { terms: vec![(*id, Arc::new(arranged))], bias: bias.clone() };
            out.push((Some(windows), circuit.with_input(shape, *at, op)));
        }
    }
    out
}

/// Along an axis, output o reads first + o · stride + tap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taps {
    stride: u32,
    /// Of output 0; negative where windows begin before the edge.
    first: i32,
    count: u32,
    outputs: u32,
}

impl Taps {
    /// From the first and last place that each output reads.
    fn of(reads: &[Option<(usize, usize)>]) -> Option<Self> {
        let ends: Vec<(i64, i64)> = reads.iter().map(|r| r.map(|(a, b)| (a as i64, b as i64))).collect::<Option<_>>()?;
        // Windows cut off at the edges lie in between for some stride; the one that needs fewest taps is the convolution's.
        let taps = |stride: u32| {
            let step = i64::from(stride);
            let first = ends.iter().zip(0..).map(|((a, _), o)| a - o * step).min()?;
            let last = ends.iter().zip(0..).map(|((_, b), o)| b - o * step).max()?;
            let (first, count) = (i32::try_from(first).ok()?, u32::try_from(last - first + 1).ok()?);
            Some(Self { stride, first, count, outputs: u32::try_from(reads.len()).ok()? })
        };
        (1..=16).filter_map(taps).min_by_key(|t| t.count)
    }

    /// The tap of an output that reads `input`.
    fn tap(self, output: usize, input: usize) -> usize {
        (input as i64 - i64::from(self.first) - output as i64 * i64::from(self.stride)) as usize
    }

    /// What an output's tap reads; none beyond the edges.
    fn input(self, output: usize, tap: usize, side: usize) -> Option<usize> {
        let at = i64::from(self.first) + output as i64 * i64::from(self.stride) + tap as i64;
        usize::try_from(at).ok().filter(|at| *at < side)
    }
}

/// The image's values repeated in every window that covers them, along the axes that have taps; the taps become channels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Windows {
    image: Shape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Taps>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Taps>,
}

impl Windows {
    /// Those that a map reads, along rows, columns or both.
    fn of(matrix: &Sparse, image: Shape, output: Shape, [rows, columns]: [bool; 2]) -> Option<Self> {
        let mut reads = [vec![None; output.height], vec![None; output.width]];
        for (r, c, _) in matrix.iter() {
            let ((_, y, x), (_, iy, ix)) = (output.position(r), image.position(c));
            for (read, (o, i)) in reads.iter_mut().zip([(y, iy), (x, ix)]) {
                let ends = read.get_mut(o)?.get_or_insert((i, i));
                *ends = (ends.0.min(i), ends.1.max(i));
            }
        }
        let [y_reads, x_reads] = &reads;
        let taps = |wanted: bool, reads: &[_]| if wanted { Taps::of(reads).map(Some) } else { Some(None) };
        Some(Self { image, rows: taps(rows, y_reads)?, columns: taps(columns, x_reads)? })
    }

    fn taps(&self) -> [usize; 2] {
        [self.rows, self.columns].map(|taps| taps.map_or(1, |t| t.count as usize))
    }

    /// Extents of the arranged image; none if there is nothing in it or too much.
    fn arranged(&self) -> Option<Shape> {
        let side = |taps: Option<Taps>, side: usize| taps.map_or(side, |t| t.outputs as usize);
        let [y, x] = self.taps();
        let channels = self.image.channels.checked_mul(y)?.checked_mul(x)?;
        let shape = Shape::new(channels, side(self.rows, self.image.height), side(self.columns, self.image.width));
        shape.check("windows").is_ok().then_some(shape)
    }

    /// Place in the image of a value of the arranged one; none where a window reaches over the edge.
    fn place(&self, index: usize) -> Option<usize> {
        let (channel, y, x) = self.arranged()?.position(index);
        let [high, wide] = self.taps();
        let (channel, tap) = (channel / (high * wide), channel % (high * wide));
        let input = |taps: Option<Taps>, o, tap, side| taps.map_or(Some(o), |taps| taps.input(o, tap, side));
        let iy = input(self.rows, y, tap / wide, self.image.height)?;
        let ix = input(self.columns, x, tap % wide, self.image.width)?;
        Some(self.image.index(channel, iy, ix))
    }

    /// The map that reads the arranged image as `matrix` does the image.
    fn map(&self, matrix: &Sparse, output: Shape, arranged: Shape) -> Sparse {
        let [high, wide] = self.taps();
        let row = |r: usize| {
            let (_, y, x) = output.position(r);
            matrix.row(r).iter().map(move |(c, value)| {
                let (channel, iy, ix) = self.image.position(*c as usize);
                let (ty, ny) = self.rows.map_or((0, iy), |taps| (taps.tap(y, iy), y));
                let (tx, nx) = self.columns.map_or((0, ix), |taps| (taps.tap(x, ix), x));
                (arranged.index((channel * high + ty) * wide + tx, ny, nx), *value)
            })
        };
        Sparse::from_rows(arranged.len(), (0..output.len()).map(row))
    }
}
