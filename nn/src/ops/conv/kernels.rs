//! Forward pass, input gradient and weight gradient of any convolution: patches as columns, then one matrix product per tile.
//!
//! Work is cut into tiles by shape alone, so the result does not depend on the number of threads.

use super::geometry::Geometry;
use super::phases::Phases;
use crate::gemm::{Matrix, multiply};
use crate::ops::cpu::vectorised;
use crate::scratch;
use rayon::prelude::*;
use std::ops::Range;

/// Floats of a column matrix that stay in a core's second-level cache (640 KB of 1 to 2 MB).
const COLUMN_FLOATS: usize = 160 * 1024;
/// Partial sums of a weight gradient; also the most threads that share one.
pub(super) const PARTS: usize = 8;

/// How the output positions of a batch are cut: some rows of one image, or all rows of several small images.
pub(super) struct Tiles {
    pub images: usize,
    pub rows: usize,
    pub per_image: usize,
}

impl Tiles {
    fn new(g: &Geometry) -> Self {
        let columns = (COLUMN_FLOATS / g.taps()).clamp(64, 2048);
        let rows = (columns / g.out_width).clamp(1, g.out_height);
        let whole = if rows == g.out_height { columns.min(512) / g.out_plane() } else { 1 };
        Self::of_rows(g, rows, whole.clamp(1, g.batch.div_ceil(PARTS)))
    }

    pub(super) fn of_rows(g: &Geometry, rows: usize, images: usize) -> Self {
        Self { images, rows, per_image: g.out_height.div_ceil(rows) }
    }

    pub(super) fn count(&self, g: &Geometry) -> usize {
        g.batch.div_ceil(self.images) * self.per_image
    }

    /// Images and rows of tile `index`.
    pub(super) fn tile(&self, g: &Geometry, index: usize) -> Tile {
        let image = index / self.per_image * self.images;
        let row = index % self.per_image * self.rows;
        Tile { images: image..(image + self.images).min(g.batch), rows: row..(row + self.rows).min(g.out_height) }
    }

    /// The rows of every output channel of every tile: `[tile][image x channel]`.
    #[allow(clippy::indexing_slicing, reason = "count() is one more than the largest index")]
    pub(super) fn split<'a>(&self, g: &Geometry, output: &'a mut [f32]) -> Vec<Vec<&'a mut [f32]>> {
        let channels = g.groups * g.outputs;
        let mut parts: Vec<Vec<&mut [f32]>> = (0..self.count(g)).map(|_| Vec::with_capacity(channels * self.images)).collect();
        for (image, planes) in output.chunks_mut(channels * g.out_plane()).enumerate() {
            for plane in planes.chunks_mut(g.out_plane()) {
                for (i, rows) in plane.chunks_mut(self.rows * g.out_width).enumerate() {
                    parts[image / self.images * self.per_image + i].push(rows);
                }
            }
        }
        parts
    }
}

/// Output rows of some images; more than one image only with all rows.
#[derive(Clone)]
pub(super) struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

impl Tile {
    fn phases(&self, g: &Geometry) -> Phases {
        let size = [self.rows.len(), g.out_width];
        Phases::new([g.height, g.width], g.kernel, g.stride, g.padding, self.rows.start, size)
    }
}

/// The convolution of `input` with `weight`, plus `bias` per output channel.
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry, which was checked against the tensors' shapes")]
pub(super) fn forward(g: &Geometry, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut output = vec![0.0; g.output_len()];
    let tiles = Tiles::new(g);
    let channels = g.groups * g.outputs;
    tiles.split(g, &mut output).into_par_iter().enumerate().for_each(|(index, mut part)| {
        let tile = tiles.tile(g, index);
        let columns = tile.phases(g).columns();
        let per_image = tile.rows.len() * columns;
        let width = per_image * tile.images.len();
        scratch::with(g.outputs * width, |products| {
            for group in 0..g.groups {
                let weights = Matrix::rows(&weight[group * g.outputs * g.taps()..], g.outputs, g.taps(), g.taps());
                with_columns(g, input, &tile, group, |columns| multiply(products, width, weights, columns, false));
                for (o, values) in products.chunks(width).enumerate() {
                    let channel = group * g.outputs + o;
                    let shift = bias.map_or(0.0, |bias| bias[channel]);
                    for (i, values) in values.chunks(per_image).enumerate() {
                        let rows = part[i * channels + channel].chunks_mut(g.out_width).zip(values.chunks(columns));
                        for (row, values) in rows {
                            row.iter_mut().zip(values).for_each(|(out, value)| *out = value + shift);
                        }
                    }
                }
            }
        });
    });
    output
}

/// Hands `work` the column matrix [taps, images x rows x columns] of one group: row (c, ky, kx), column (image, y, x).
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry")]
fn with_columns(g: &Geometry, input: &[f32], tile: &Tile, group: usize, work: impl FnOnce(Matrix)) {
    let image = |image: usize| &input[(image * g.groups + group) * g.inputs * g.in_plane()..][..g.inputs * g.in_plane()];
    if g.is_pointwise() && tile.images.len() == 1 {
        let from = &image(tile.images.start)[tile.rows.start * g.width..];
        return work(Matrix::rows(from, g.inputs, tile.rows.len() * g.width, g.in_plane()));
    }
    let phases = tile.phases(g);
    let per_image = tile.rows.len() * phases.columns();
    let stride = per_image * tile.images.len();
    let [kh, kw] = g.kernel;
    scratch::with(g.taps() * stride, |columns| {
        scratch::with(phases.channel(), |planes| {
            for (i, index) in tile.images.clone().enumerate() {
                let channels = image(index).chunks(g.in_plane()).zip(columns.chunks_mut(kh * kw * stride));
                for (channel, lines) in channels {
                    vectorised(
                        #[inline(always)]
                        || phases.split(channel, planes),
                    );
                    for (tap, line) in lines.chunks_mut(stride).enumerate() {
                        let run = &planes[phases.tap(tap / kw, tap % kw)..][..per_image];
                        line[i * per_image..(i + 1) * per_image].copy_from_slice(run);
                    }
                }
            }
        });
        work(Matrix::rows(columns, g.taps(), stride, stride));
    });
}

/// Some channels of one group of some images of an input gradient, one slice per image.
struct Job<'a> {
    tile: Tile,
    group: usize,
    first: usize,
    images: Vec<&'a mut [f32]>,
}

/// Cuts an input gradient into jobs: several small images each, or, of few images, some of a group's channels each.
fn jobs<'a>(g: &Geometry, result: &'a mut [f32]) -> Vec<Job<'a>> {
    let together = Tiles::new(g).images;
    let cuts = PARTS.div_ceil(g.batch * g.groups).min(g.inputs);
    let channels = g.inputs.div_ceil(cuts);
    let mut jobs = Vec::new();
    for (i, images) in result.chunks_mut(together * g.groups * g.inputs * g.in_plane()).enumerate() {
        let range = i * together..(i * together + together).min(g.batch);
        let start = jobs.len();
        for (image, planes) in images.chunks_mut(g.groups * g.inputs * g.in_plane()).enumerate() {
            let mut slices = planes.chunks_mut(g.inputs * g.in_plane()).enumerate().flat_map(|(group, planes)| {
                planes.chunks_mut(channels * g.in_plane()).enumerate().map(move |(part, slice)| (group, part * channels, slice))
            });
            if image == 0 {
                let tile = Tile { images: range.clone(), rows: 0..g.out_height };
                jobs.extend(slices.map(|(group, first, slice)| Job { tile: tile.clone(), group, first, images: vec![slice] }));
            } else {
                jobs.iter_mut().skip(start).for_each(|job| job.images.extend(slices.next().map(|(_, _, slice)| slice)));
            }
        }
    }
    jobs
}

/// The gradient of a convolution's input, given that of its output; also a transposed convolution's forward pass, hence `bias`.
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry, which was checked against the tensors' shapes")]
pub(super) fn input_gradient(g: &Geometry, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut result = vec![0.0; g.input_len()];
    let taps = g.kernel.iter().product::<usize>();
    jobs(g, &mut result).into_par_iter().for_each(|mut job| {
        let Job { tile, group, first, images } = &mut job;
        let channels = images.first().map_or(0, |image| image.len()) / g.in_plane();
        let shift = |c: usize| bias.map_or(0.0, |bias| bias[*group * g.inputs + *first + c]);
        let weights = &weight[*group * g.outputs * g.taps() + *first * taps..];
        let weights = Matrix::rows(weights, g.outputs, channels * taps, g.taps()).transposed();
        if let (true, [image]) = (g.is_pointwise(), images.as_mut_slice()) {
            image.chunks_mut(g.in_plane()).enumerate().for_each(|(c, plane)| plane.fill(shift(c)));
            return with_gradients(g, gradient, tile, *group, |gradients| {
                multiply(image, g.in_plane(), weights, gradients, true)
            });
        }
        let phases = tile.phases(g);
        let per_image = channels * phases.channel();
        scratch::with(images.len() * per_image, |planes| {
            planes.fill(0.0);
            let rows = (COLUMN_FLOATS / (channels * taps)).clamp(64, 2048) / phases.columns();
            let rows = if images.len() == 1 { rows.max(1) } else { g.out_height };
            for start in (0..g.out_height).step_by(rows) {
                let tile = Tile { images: tile.images.clone(), rows: start..(start + rows).min(g.out_height) };
                with_gradients(g, gradient, &tile, *group, |gradients| {
                    let (run, offset) = (tile.rows.len() * phases.columns(), start * phases.columns());
                    scatter_products(g, weights, gradients, &phases, run, offset, planes);
                });
            }
            for (image, planes) in images.iter_mut().zip(planes.chunks(per_image)) {
                for (c, (plane, phase)) in image.chunks_mut(g.in_plane()).zip(planes.chunks(phases.channel())).enumerate() {
                    vectorised(
                        #[inline(always)]
                        || phases.merge(phase, 0, plane, shift(c)),
                    );
                }
            }
        });
    });
    result
}

/// Adds the columns `weights` x `gradients`, a run of `run` per image, to the taps' runs, `offset` behind their starts.
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry")]
fn scatter_products(
    g: &Geometry,
    weights: Matrix,
    gradients: Matrix,
    phases: &Phases,
    run: usize,
    offset: usize,
    planes: &mut [f32],
) {
    let width = gradients.cols;
    let [kh, kw] = g.kernel;
    let per_image = weights.rows / (kh * kw) * phases.channel();
    scratch::with(weights.rows * width, |columns| {
        multiply(columns, width, weights, gradients, false);
        for (i, planes) in planes.chunks_mut(per_image).enumerate() {
            for (lines, planes) in columns.chunks(kh * kw * width).zip(planes.chunks_mut(phases.channel())) {
                vectorised(
                    #[inline(always)]
                    || {
                        for (tap, line) in lines.chunks(width).enumerate() {
                            let to = &mut planes[phases.tap(tap / kw, tap % kw) + offset..][..run];
                            to.iter_mut().zip(&line[i * run..]).for_each(|(sum, value)| *sum += value);
                        }
                    },
                );
            }
        }
    });
}

/// The gradient of a convolution's weight, given that of its output.
pub(super) fn weight_gradient(g: &Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let tiles = Tiles::new(g);
    sum_of_parts(tiles.count(g), g.weight_len(), |index, sum| {
        let tile = tiles.tile(g, index);
        for (group, sum) in sum.chunks_mut(g.outputs * g.taps()).enumerate() {
            with_columns(g, input, &tile, group, |columns| {
                with_gradients(g, gradient, &tile, group, |gradients| {
                    multiply(sum, g.taps(), gradients, columns.transposed(), true);
                });
            });
        }
    })
}

/// Hands `work` the output gradient of one tile and group as [outputs, images x rows x columns], zero between the rows.
#[allow(clippy::indexing_slicing, reason = "lengths follow from the geometry")]
fn with_gradients(g: &Geometry, gradient: &[f32], tile: &Tile, group: usize, work: impl FnOnce(Matrix)) {
    let columns = tile.phases(g).columns();
    let at = |image: usize| &gradient[(image * g.groups + group) * g.outputs * g.out_plane() + tile.rows.start * g.out_width..];
    if tile.images.len() == 1 && columns == g.out_width {
        return work(Matrix::rows(at(tile.images.start), g.outputs, tile.rows.len() * columns, g.out_plane()));
    }
    let per_image = tile.rows.len() * columns;
    let stride = per_image * tile.images.len();
    scratch::with(g.outputs * stride, |packed| {
        for (i, image) in tile.images.clone().enumerate() {
            for (line, from) in packed.chunks_mut(stride).zip(at(image).chunks(g.out_plane())) {
                let lines = line[i * per_image..(i + 1) * per_image].chunks_mut(columns);
                for (line, from) in lines.zip(from.chunks(g.out_width)) {
                    let (values, between) = line.split_at_mut(g.out_width);
                    values.copy_from_slice(from);
                    between.fill(0.0);
                }
            }
        }
        work(Matrix::rows(packed, g.outputs, stride, stride));
    });
}

/// Sums `work` over 0..`count` into `len` values: at most [`PARTS`] partial sums, each in order, then added in order.
pub(super) fn sum_of_parts(count: usize, len: usize, work: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let indices: Vec<usize> = (0..count).collect();
    let parts: Vec<Vec<f32>> = indices
        .par_chunks(count.div_ceil(PARTS).max(1))
        .map(|indices| {
            let mut sum = vec![0.0; len];
            indices.iter().for_each(|index| work(*index, &mut sum));
            sum
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_else(|| vec![0.0; len]);
    for part in parts {
        vectorised(
            #[inline(always)]
            || sum.iter_mut().zip(&part).for_each(|(sum, value)| *sum += value),
        );
    }
    sum
}
