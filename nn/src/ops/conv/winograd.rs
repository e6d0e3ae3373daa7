//! 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2015): 16 products for 4 outputs where
//! the direct way needs 36.
//!
//! A tile is 4x4 inputs and 2x2 outputs; neighbouring tiles overlap by two. The tiles of some rows are held as [`Phases`] of stride
//! 2, so that each transform is a loop over unbroken runs; a run passes one column per row that is no tile. Weights become U = G w G^T
//! [outputs, 16, inputs], inputs V = B^T d B [16, inputs, tiles], and for each of the 16 the product U V [outputs, tiles] is one
//! matrix product, over some rows of one image or over several small images, whose runs lie one behind the other; the outputs are A^T (U V) A. The input gradient is the same with the kernel turned around, the weight gradient
//! G^T (A g A^T x V) G summed over tiles.

use super::geometry::Geometry;
use super::kernels::{PARTS, Tiles, sum_of_parts};
use super::phases::Phases;
use crate::gemm::{Matrix, multiply};
use crate::ops::cpu::vectorised;
use crate::scratch;
use rayon::prelude::*;
use std::ops::Range;

/// Products per tile.
const POINTS: usize = 16;
/// Floats of transformed inputs and products together that stay near a core.
const BLOCK_FLOATS: usize = 384 * 1024;
/// Below so many channels on either side the transforms cost more than they save.
const FEWEST_CHANNELS: usize = 8;

/// Whether this file handles the geometry.
pub(super) fn handles(g: &Geometry) -> bool {
    let channels = g.inputs.min(g.outputs);
    g.kernel == [3, 3] && g.stride == 1 && g.padding <= 2 && g.groups == 1 && channels >= FEWEST_CHANNELS
}

/// As [`super::kernels::forward`].
pub(super) fn forward(g: &Geometry, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    convolve(g, input, &transform_weight(g.outputs, g.inputs, |o, i, tap| at(weight, (o * g.inputs + i) * 9 + tap)), bias)
}

/// As [`super::kernels::input_gradient`]: the convolution of the gradient with the kernel turned by half a turn.
pub(super) fn input_gradient(g: &Geometry, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let turned = Geometry {
        inputs: g.outputs,
        outputs: g.inputs,
        height: g.out_height,
        width: g.out_width,
        out_height: g.height,
        out_width: g.width,
        padding: 2 - g.padding,
        ..*g
    };
    let weight = transform_weight(g.inputs, g.outputs, |i, o, tap| at(weight, (o * g.inputs + i) * 9 + 8 - tap));
    convolve(&turned, gradient, &weight, bias)
}

fn at(values: &[f32], index: usize) -> f32 {
    values.get(index).copied().unwrap_or_default()
}

/// U = G w G^T as [outputs, 16, inputs], with G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1].
#[allow(clippy::indexing_slicing, reason = "each output's chunk holds 16 rows of `inputs` values")]
fn transform_weight(outputs: usize, inputs: usize, weight: impl Fn(usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
    let mut u = vec![0.0; POINTS * outputs * inputs];
    u.par_chunks_mut(POINTS * inputs).enumerate().with_min_len(4).for_each(|(o, u)| {
        for i in 0..inputs {
            let row = |r: usize| expand([weight(o, i, r), weight(o, i, 3 + r), weight(o, i, 6 + r)]);
            let columns = [row(0), row(1), row(2)];
            for y in 0..4 {
                for (x, value) in expand([columns[0][y], columns[1][y], columns[2][y]]).into_iter().enumerate() {
                    u[(y * 4 + x) * inputs + i] = value;
                }
            }
        }
    });
    u
}

/// G applied to three values.
fn expand([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c]
}

/// G^T applied to four values.
fn contract([a, b, c, d]: [f32; 4]) -> [f32; 3] {
    [a + (b + c) / 2.0, (b - c) / 2.0, (b + c) / 2.0 + d]
}

/// How many rows of tiles are handled at a time: some of one image, or all of several small images, as products of few columns spend their
/// time on reading weights.
fn tiles(g: &Geometry) -> Tiles {
    let (per_row, all) = (g.out_width.div_ceil(2) + 1, g.out_height.div_ceil(2));
    let fitting = BLOCK_FLOATS / (POINTS * (g.inputs + g.outputs) * per_row);
    // At least four blocks an image where there are few, so that one image keeps several cores busy.
    let most = if g.batch < PARTS { all.div_ceil(4) } else { all };
    let rows = fitting.clamp(1, most);
    // Blocks of about the same size.
    let rows = all.div_ceil(all.div_ceil(rows));
    let images = if rows == all { (fitting / all).clamp(1, g.batch.div_ceil(PARTS)) } else { 1 };
    Tiles::of_rows(g, 2 * rows, images)
}

/// Tiles that the transforms handle at a time: one AVX-512 register.
const LANES: usize = 16;
type Lanes = [f32; LANES];

/// The tiles of output rows `rows` of one image.
struct Block {
    inputs: Phases,
    outputs: Phases,
    /// Length of a run: tiles, and one more per row.
    run: usize,
    /// The run and what the transforms write behind it, up to a multiple of [`LANES`]: the next image's run overwrites it.
    padded: usize,
}

impl Block {
    fn new(g: &Geometry, rows: &Range<usize>) -> Self {
        let size = [rows.len().div_ceil(2), g.out_width.div_ceil(2)];
        let first = rows.start / 2;
        let inputs = Phases::new([g.height, g.width], [4, 4], 2, g.padding, first, size);
        let run = size[0] * inputs.columns();
        let padded = run.next_multiple_of(LANES);
        // As long rows as the inputs have, the column between them zero or skipped.
        let outputs = Phases::new([g.out_height, g.out_width], [1, 1], 2, 0, first, [size[0], size[1] + 1]);
        Self { inputs: inputs.at_least(padded + inputs.columns() + 1), outputs: outputs.at_least(padded), run, padded }
    }

    /// Length of the runs of `images` images, one behind the other.
    fn runs(&self, images: usize) -> usize {
        self.run * images.saturating_sub(1) + self.padded
    }

    /// V of one channel: point p goes to `v[p * stride..][..padded]`.
    fn transform_input(&self, image: &[f32], v: &mut [f32], stride: usize) {
        let phases = &self.inputs;
        let memory = phases.channel();
        scratch::with(memory, |planes| {
            vectorised(
                #[inline(always)]
                || {
                    phases.split(image, planes);
                    for start in (0..self.padded).step_by(LANES) {
                        let rows = four(
                            #[inline(always)]
                            |y| {
                                four(
                                    #[inline(always)]
                                    |x| load(planes, phases.tap(y, x) + start),
                                )
                            },
                        );
                        let rows = rows.map(input_side);
                        for x in 0..4 {
                            let column = input_side(rows.map(
                                #[inline(always)]
                                |row| pick(&row, x),
                            ));
                            store_column(column, x, v, stride, start);
                        }
                    }
                },
            );
        });
    }

    /// A^T m A of one channel, whose point p lies at `m[p * stride..][..padded]`, into output rows from `top` on.
    fn transform_output(&self, m: &[f32], stride: usize, top: usize, rows: &mut [f32], shift: f32) {
        let phases = &self.outputs;
        scratch::with(phases.channel(), |planes| {
            vectorised(
                #[inline(always)]
                || {
                    for start in (0..self.padded).step_by(LANES) {
                        let columns = four(
                            #[inline(always)]
                            |x| {
                                output_side(four(
                                    #[inline(always)]
                                    |y| load(m, (y * 4 + x) * stride + start),
                                ))
                            },
                        );
                        for y in 0..2 {
                            let [left, right] = output_side(columns.map(
                                #[inline(always)]
                                |column| pick(&column, y),
                            ));
                            store(left, planes, phases.tap(y, 0) + start);
                            store(right, planes, phases.tap(y, 1) + start);
                        }
                    }
                    phases.merge(planes, top, rows, shift);
                },
            );
        });
    }

    /// A g A^T of one channel of the output gradient: point p goes to `v[p * stride..][..padded]`; zero where no tile is.
    fn transform_gradient(&self, image: &[f32], v: &mut [f32], stride: usize) {
        let phases = &self.outputs;
        scratch::with(phases.channel(), |planes| {
            vectorised(
                #[inline(always)]
                || {
                    phases.split(image, planes);
                    for start in (0..self.padded).step_by(LANES) {
                        let tap = |y, x| load(planes, phases.tap(y, x) + start);
                        let rows = [gradient_side([tap(0, 0), tap(0, 1)]), gradient_side([tap(1, 0), tap(1, 1)])];
                        for x in 0..4 {
                            let column = gradient_side(rows.map(
                                #[inline(always)]
                                |row| pick(&row, x),
                            ));
                            store_column(column, x, v, stride, start);
                        }
                    }
                },
            );
        });
    }
}

#[inline(always)]
fn four<T>(f: impl Fn(usize) -> T) -> [T; 4] {
    [f(0), f(1), f(2), f(3)]
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "callers count to the length of the array")]
fn pick<T: Copy, const N: usize>(values: &[T; N], index: usize) -> T {
    values[index]
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "runs are a multiple of LANES long and planes as long as their last run")]
fn load(from: &[f32], start: usize) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&from[start..start + LANES]);
    lanes
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "runs are a multiple of LANES long and planes as long as their last run")]
fn store(lanes: Lanes, to: &mut [f32], start: usize) {
    to[start..start + LANES].copy_from_slice(&lanes);
}

/// Stores points (0, x) to (3, x).
#[inline(always)]
fn store_column(column: [Lanes; 4], x: usize, v: &mut [f32], stride: usize, start: usize) {
    for (y, lanes) in column.into_iter().enumerate() {
        store(lanes, v, (y * 4 + x) * stride + start);
    }
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "both have LANES values")]
fn each(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        out[i] = f(a[i], b[i]);
    }
    out
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    each(
        a,
        b,
        #[inline(always)]
        |a, b| a + b,
    )
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    each(
        a,
        b,
        #[inline(always)]
        |a, b| a - b,
    )
}

/// B^T applied to four rows or columns of a tile.
#[inline(always)]
fn input_side([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
    [sub(a, c), add(b, c), sub(c, b), sub(b, d)]
}

/// A^T applied to four.
#[inline(always)]
fn output_side([a, b, c, d]: [Lanes; 4]) -> [Lanes; 2] {
    [add(add(a, b), c), sub(sub(b, c), d)]
}

/// A applied to two.
#[inline(always)]
fn gradient_side([a, b]: [Lanes; 2]) -> [Lanes; 4] {
    [a, add(a, b), sub(a, b), sub([0.0; LANES], b)]
}

/// The channels of some images of `values` [image, channel, plane], each with its image's place among them and its own; images ascending.
#[allow(clippy::indexing_slicing, reason = "images lie within the batch, whose length was checked")]
fn channels<'a>(
    values: &'a [f32],
    images: &Range<usize>,
    count: usize,
    plane: usize,
) -> impl Iterator<Item = (usize, usize, &'a [f32])> {
    let of_images = &values[images.start * count * plane..images.end * count * plane];
    of_images.chunks(plane).enumerate().map(move |(index, channel)| (index / count, index % count, channel))
}

/// The convolution with the transformed weight `u` [outputs, 16, inputs].
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry, which was checked against the tensors' shapes")]
fn convolve(g: &Geometry, input: &[f32], u: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut output = vec![0.0; g.output_len()];
    let tiles = tiles(g);
    tiles.split(g, &mut output).into_par_iter().enumerate().for_each(|(index, part)| {
        let tile = tiles.tile(g, index);
        let block = Block::new(g, &tile.rows);
        let run = block.runs(tile.images.len());
        scratch::with(POINTS * (g.inputs + g.outputs) * run, |memory| {
            let (v, m) = memory.split_at_mut(POINTS * g.inputs * run);
            for (i, c, channel) in channels(input, &tile.images, g.inputs, g.in_plane()) {
                block.transform_input(channel, &mut v[c * run + i * block.run..], g.inputs * run);
            }
            for (point, m) in m.chunks_mut(g.outputs * run).enumerate() {
                let u = Matrix::rows(&u[point * g.inputs..], g.outputs, g.inputs, POINTS * g.inputs);
                multiply(m, run, u, Matrix::rows(&v[point * g.inputs * run..], g.inputs, run, run), false);
            }
            for (index, rows) in part.into_iter().enumerate() {
                let (i, o) = (index / g.outputs, index % g.outputs);
                let shift = bias.map_or(0.0, |bias| bias[o]);
                block.transform_output(&m[o * run + i * block.run..], g.outputs * run, tile.rows.start, rows, shift);
            }
        });
    });
    output
}

/// As [`super::kernels::weight_gradient`].
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry, which was checked against the tensors' shapes")]
pub(super) fn weight_gradient(g: &Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let tiles = tiles(g);
    let pairs = g.outputs * g.inputs;
    let sums = sum_of_parts(tiles.count(g), POINTS * pairs, |index, sum| {
        let tile = tiles.tile(g, index);
        let block = Block::new(g, &tile.rows);
        let run = block.runs(tile.images.len());
        scratch::with(POINTS * (g.inputs + g.outputs) * run, |memory| {
            let (v, m) = memory.split_at_mut(POINTS * g.inputs * run);
            for (i, c, channel) in channels(input, &tile.images, g.inputs, g.in_plane()) {
                block.transform_input(channel, &mut v[c * run + i * block.run..], g.inputs * run);
            }
            for (i, o, channel) in channels(gradient, &tile.images, g.outputs, g.out_plane()) {
                block.transform_gradient(channel, &mut m[o * run + i * block.run..], g.outputs * run);
            }
            for (point, sum) in sum.chunks_mut(pairs).enumerate() {
                let m = Matrix::rows(&m[point * g.outputs * run..], g.outputs, run, run);
                let v = Matrix::rows(&v[point * g.inputs * run..], g.inputs, run, run);
                multiply(sum, g.inputs, m, v.transposed(), true);
            }
        });
    });
    let mut weight = vec![0.0; 9 * pairs];
    weight.par_chunks_mut(9).enumerate().with_min_len(256).for_each(|(pair, taps)| {
        let point = |p: usize| sums[p * pairs + pair];
        let column = |x: usize| contract([point(x), point(4 + x), point(8 + x), point(12 + x)]);
        let columns = [column(0), column(1), column(2), column(3)];
        for (y, taps) in taps.chunks_mut(3).enumerate() {
            taps.copy_from_slice(&contract(columns.map(|column| column[y])));
        }
    });
    weight
}
