//! How the client arranges an image's values before it encrypts them.
//!
//! Slots are the client's to fill: where the first convolution's windows fit, each value is repeated in every window that covers it
//! (im2col), so that the convolution needs a diagonal per channel rather than one per tap.

use super::layout::{Layout, bits_for};
use crate::circuit::{Circuit, Op};
use crate::sparse::Sparse;
use crate::spec::Shape;
use std::sync::Arc;

/// Place of the image's value behind each value of the input tensor; none where a window reaches over the edge. None altogether: the image
/// as it is.
pub(super) type Gather = Option<Vec<Option<u32>>>;

/// The arrangement of the input: a layout, and which value of the image goes where.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedInput {
    gather: Gather,
    layout: Arc<Layout>,
    /// Of an image, before it is arranged.
    values: usize,
}

impl PackedInput {
    pub(super) fn new(gather: Gather, layout: Arc<Layout>, values: usize) -> Self {
        Self { gather, layout, values }
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
        match &self.gather {
            None => self.layout.pack(image),
            Some(places) => {
                let value = |place: &Option<u32>| place.and_then(|p| image.get(p as usize)).copied().unwrap_or(0.0);
                self.layout.pack(&places.iter().map(value).collect::<Vec<f64>>())
            }
        }
    }
}

/// The circuit as it is, and with the windows of its first map along rows, columns or both already arranged by the client, where they
/// take no more ciphertexts.
pub(super) fn arrangements(circuit: &Circuit, slots: usize) -> Vec<(Gather, Circuit)> {
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
        let Some((gather, shape, arranged)) = windows(matrix, input, first.shape, rows, columns) else { continue };
        if blocks(shape) <= blocks(input) {
            let op = Op::Linear { terms: vec![(*id, Arc::new(arranged))], bias: bias.clone() };
            out.push((Some(gather), circuit.with_input(shape, *at, op)));
        }
    }
    out
}

/// Along an axis, output o reads first + o · stride + tap.
struct Taps {
    stride: usize,
    /// Of output 0; negative where windows begin before the edge.
    first: i64,
    count: usize,
}

impl Taps {
    /// From the first and last place that each output reads.
    fn of(reads: &[Option<(usize, usize)>]) -> Option<Self> {
        let ends: Vec<(i64, i64)> = reads.iter().map(|r| r.map(|(a, b)| (a as i64, b as i64))).collect::<Option<_>>()?;
        // Windows cut off at the edges lie in between for some stride; the one that needs fewest taps is the convolution's.
        let taps = |stride: i64| {
            let first = ends.iter().zip(0..).map(|((a, _), o)| a - o * stride).min()?;
            let last = ends.iter().zip(0..).map(|((_, b), o)| b - o * stride).max()?;
            Some(Self { stride: stride as usize, first, count: (last - first + 1) as usize })
        };
        (1..=16).filter_map(taps).min_by_key(|t| t.count)
    }

    fn tap(&self, output: usize, input: usize) -> usize {
        (input as i64 - self.first - (output * self.stride) as i64) as usize
    }

    fn input(&self, output: usize, tap: usize, side: usize) -> Option<usize> {
        let at = self.first + (output * self.stride + tap) as i64;
        usize::try_from(at).ok().filter(|at| *at < side)
    }
}

/// The input as windows along rows, columns or both: the places it gathers, its extents, and the map that reads it.
fn windows(matrix: &Sparse, input: Shape, output: Shape, rows: bool, columns: bool) -> Option<(Vec<Option<u32>>, Shape, Sparse)> {
    let mut reads = [vec![None; output.height], vec![None; output.width]];
    for (r, c, _) in matrix.iter() {
        let ((_, y, x), (_, iy, ix)) = (output.position(r), input.position(c));
        for (read, (o, i)) in reads.iter_mut().zip([(y, iy), (x, ix)]) {
            let ends = read.get_mut(o)?.get_or_insert((i, i));
            *ends = (ends.0.min(i), ends.1.max(i));
        }
    }
    let [y_reads, x_reads] = &reads;
    let plain = |side: usize| Taps { stride: 0, first: 0, count: side };
    let y_taps = if rows { Taps::of(y_reads)? } else { plain(1) };
    let x_taps = if columns { Taps::of(x_reads)? } else { plain(1) };
    let shape = Shape::new(
        input.channels * y_taps.count * x_taps.count,
        if rows { output.height } else { input.height },
        if columns { output.width } else { input.width },
    );
    let gather = (0..shape.len()).map(|i| {
        let (channel, y, x) = shape.position(i);
        let (channel, tap) = (channel / (y_taps.count * x_taps.count), channel % (y_taps.count * x_taps.count));
        let iy = if rows { y_taps.input(y, tap / x_taps.count, input.height)? } else { y };
        let ix = if columns { x_taps.input(x, tap % x_taps.count, input.width)? } else { x };
        Some(input.index(channel, iy, ix) as u32)
    });
    let row = |r: usize| {
        let (_, y, x) = output.position(r);
        let (y_taps, x_taps) = (&y_taps, &x_taps);
        matrix.row(r).iter().map(move |(c, value)| {
            let (channel, iy, ix) = input.position(*c as usize);
            let (ty, ny) = if rows { (y_taps.tap(y, iy), y) } else { (0, iy) };
            let (tx, nx) = if columns { (x_taps.tap(x, ix), x) } else { (0, ix) };
            (shape.index((channel * y_taps.count + ty) * x_taps.count + tx, ny, nx), *value)
        })
    };
    let arranged = Sparse::from_rows(shape.len(), (0..output.len()).map(row));
    Some((gather.collect(), shape, arranged))
}
