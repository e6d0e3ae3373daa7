//! Layers as sparse matrices.

use crate::circuit::Sparse;
use crate::spec::{AvgPool, Conv, ConvTranspose, Shape};

/// Places that a window at (y, x) covers, with the tap (row, column) that each lies under.
fn window(
    input: Shape,
    kernel: usize,
    stride: usize,
    padding: usize,
    y: usize,
    x: usize,
) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..kernel * kernel).filter_map(move |tap| {
        let row = (y * stride + tap / kernel).checked_sub(padding).filter(|row| *row < input.height)?;
        let column = (x * stride + tap % kernel).checked_sub(padding).filter(|column| *column < input.width)?;
        Some((tap, row, column))
    })
}

/// A convolution with weights [out, in / groups, kernel, kernel].
pub(super) fn conv(conv: &Conv, weight: &[f64], input: Shape, output: Shape) -> Sparse {
    let (inputs, outputs) = (input.channels / conv.groups, conv.out / conv.groups);
    let taps = conv.kernel * conv.kernel;
    let row = |r: usize| {
        let (o, y, x) = output.position(r);
        let first = o / outputs * inputs;
        (0..inputs).flat_map(move |i| {
            let value = move |tap: usize| weight.get((o * inputs + i) * taps + tap).copied().unwrap_or(0.0);
            let places = window(input, conv.kernel, conv.stride, conv.padding, y, x);
            places.map(move |(tap, row, column)| (input.index(first + i, row, column), value(tap)))
        })
    };
    Sparse::from_rows(input.len(), (0..output.len()).map(row))
}

/// A transposed convolution with weights [in, out / groups, kernel, kernel].
pub(super) fn conv_transpose(conv: &ConvTranspose, weight: &[f64], input: Shape, output: Shape) -> Sparse {
    let (inputs, outputs) = (input.channels / conv.groups, conv.out / conv.groups);
    let (kernel, stride, padding) = (conv.kernel, conv.stride, conv.padding);
    let row = |r: usize| {
        let (o, y, x) = output.position(r);
        let first = o / outputs * inputs;
        // The inputs whose spread reaches (y, x): from · stride + tap = to + padding.
        let taps = move |to: usize, side: usize| {
            (0..kernel).filter_map(move |tap| {
                let from = (to + padding).checked_sub(tap)?;
                (from.is_multiple_of(stride) && from / stride < side).then_some((tap, from / stride))
            })
        };
        let places = taps(y, input.height).flat_map(move |ty| taps(x, input.width).map(move |tx| (ty, tx)));
        places.flat_map(move |((ky, row), (kx, column))| {
            (0..inputs).map(move |i| {
                let at = (((first + i) * outputs + o % outputs) * kernel + ky) * kernel + kx;
                (input.index(first + i, row, column), weight.get(at).copied().unwrap_or(0.0))
            })
        })
    };
    Sparse::from_rows(input.len(), (0..output.len()).map(row))
}

/// Average pooling.
pub(super) fn pool(pool: &AvgPool, input: Shape, output: Shape) -> Sparse {
    let share = 1.0 / (pool.kernel * pool.kernel) as f64;
    let row = |r: usize| {
        let (c, y, x) = output.position(r);
        window(input, pool.kernel, pool.stride, pool.padding, y, x)
            .map(move |(_, row, column)| (input.index(c, row, column), share))
    };
    Sparse::from_rows(input.len(), (0..output.len()).map(row))
}

/// The mean of every channel.
pub(super) fn means(input: Shape) -> Sparse {
    let plane = input.height * input.width;
    let row = |c: usize| (c * plane..(c + 1) * plane).map(move |i| (i, 1.0 / plane as f64));
    Sparse::from_rows(input.len(), (0..input.channels).map(row))
}

/// About as many diagonals as a good layout finds in a map.
pub(super) fn diagonals(map: &Sparse) -> usize {
    map.len().div_ceil(map.rows().max(map.columns()).max(1))
}

/// One value per channel, repeated for every row and column.
pub(super) fn channelwise(shape: Shape, values: &[f64]) -> Vec<f64> {
    let plane = shape.height * shape.width;
    values.iter().take(shape.channels).flat_map(|v| std::iter::repeat_n(*v, plane)).collect()
}
