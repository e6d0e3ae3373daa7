//! An image, zero-padded and cut by the stride into phases, so that every kernel tap reads one unbroken run.
//!
//! Phase (a, b) holds the padded image's rows a, a + s, a + 2s, ... and columns b, b + s, ...; tap (ky, kx) of a convolution with
//! stride s then is phase (ky mod s, kx mod s), moved by ky div s rows and kx div s columns. Rows are as long as the outputs' plus
//! the move, so a run over several rows passes some columns that belong to no output: callers skip them, or hold zeros there.

/// The phases of some rows of one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phases {
    stride: usize,
    padding: usize,
    height: usize,
    width: usize,
    /// The first phase row, so that image row `first * stride - padding` starts phase 0.
    first: usize,
    rows: usize,
    columns: usize,
    slack: usize,
}

impl Phases {
    /// For taps up to `kernel` (height, width) on output rows from `first` on, `rows` of them and `columns` long.
    pub(super) fn new(
        [height, width]: [usize; 2],
        [kernel_height, kernel_width]: [usize; 2],
        stride: usize,
        padding: usize,
        first: usize,
        [rows, columns]: [usize; 2],
    ) -> Self {
        let reach = |kernel: usize| (kernel - 1) / stride;
        let slack = reach(kernel_width);
        let (rows, columns) = (rows + reach(kernel_height), columns + slack);
        Self { stride, padding, height, width, first, rows, columns, slack }
    }

    /// The same with every phase at least `len` long, zeros behind its rows.
    pub(super) fn at_least(self, len: usize) -> Self {
        Self { slack: self.slack.max(len.saturating_sub(self.rows * self.columns)), ..self }
    }

    /// Length of a row: outputs and the columns between them and the next row's.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Values of one phase.
    pub(super) fn plane(&self) -> usize {
        self.rows * self.columns + self.slack
    }

    /// Values of all phases of one channel.
    pub(super) fn channel(&self) -> usize {
        self.stride * self.stride * self.plane()
    }

    /// Where the run of tap (ky, kx) starts among the phases of a channel.
    pub(super) fn tap(&self, ky: usize, kx: usize) -> usize {
        let phase = ky % self.stride * self.stride + kx % self.stride;
        phase * self.plane() + ky / self.stride * self.columns + kx / self.stride
    }

    /// Positions 0..`limit` of phase `phase` whose image index lies in 0..`size`, and the image index of the first.
    fn inside(&self, phase: usize, first: usize, size: usize, limit: usize) -> (std::ops::Range<usize>, usize) {
        let offset = first * self.stride + phase;
        let low = self.padding.saturating_sub(offset).div_ceil(self.stride).min(limit);
        let high = (size + self.padding).saturating_sub(offset).div_ceil(self.stride).min(limit).max(low);
        (low..high, (low * self.stride + offset).saturating_sub(self.padding))
    }

    /// Writes the phases of one channel.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "inside() keeps rows and columns within image and plane")]
    pub(super) fn split(&self, image: &[f32], phases: &mut [f32]) {
        for (phase, plane) in phases.chunks_exact_mut(self.plane()).enumerate() {
            let (ys, y) = self.inside(phase / self.stride, self.first, self.height, self.rows);
            let (xs, x) = self.inside(phase % self.stride, 0, self.width, self.columns);
            plane[..ys.start * self.columns].fill(0.0);
            plane[ys.end * self.columns..].fill(0.0);
            let lines = plane[ys.start * self.columns..ys.end * self.columns].chunks_exact_mut(self.columns);
            for (i, line) in lines.enumerate() {
                let row = &image[(y + i * self.stride) * self.width..][..self.width];
                line[..xs.start].fill(0.0);
                line[xs.end..].fill(0.0);
                take(&mut line[xs.clone()], row.get(x..).unwrap_or_default(), self.stride);
            }
        }
    }

    /// The way back: writes image rows from `top` on, each value plus `shift`; what no phase holds is `shift`.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "inside() keeps rows and columns within image and plane")]
    pub(super) fn merge(&self, phases: &[f32], top: usize, rows: &mut [f32], shift: f32) {
        for (i, row) in rows.chunks_exact_mut(self.width).enumerate() {
            let padded = top + i + self.padding;
            let line = (padded / self.stride).wrapping_sub(self.first);
            if line >= self.rows {
                row.fill(shift);
                continue;
            }
            let phase_row = padded % self.stride * self.stride;
            if self.columns * self.stride < self.width + self.padding {
                row.fill(shift);
            }
            let phase = |phase: usize| {
                let (xs, x) = self.inside(phase, 0, self.width, self.columns);
                let from = (phase_row + phase) * self.plane() + line * self.columns;
                (x, &phases[from + xs.start..from + xs.end])
            };
            if let (2, (0, first), (1, second)) | (2, (1, second), (0, first)) = (self.stride, phase(0), phase(self.stride - 1)) {
                interleave(row, first, second, shift);
                continue;
            }
            for (x, from) in (0..self.stride).map(phase) {
                let to = row.get_mut(x..).unwrap_or_default().iter_mut().step_by(self.stride);
                to.zip(from).for_each(|(to, from)| *to = from + shift);
            }
        }
    }
}

/// Every `stride`-th value of `from`.
#[inline(always)]
fn take(to: &mut [f32], from: &[f32], stride: usize) {
    match stride {
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        2 => {
            for (to, pair) in to.iter_mut().zip(from.chunks_exact(2)) {
                *to = pair.first().copied().unwrap_or_default();
            }
            if let (Some(to), [last]) = (to.get_mut(from.len() / 2), from.chunks_exact(2).remainder()) {
                *to = *last;
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}

/// `first` into the even and `second` into the odd places of `to`, as far as both reach, each value plus `shift`.
#[inline(always)]
fn interleave(to: &mut [f32], first: &[f32], second: &[f32], shift: f32) {
    let pairs = (to.len() / 2).min(first.len()).min(second.len());
    for ((pair, a), b) in to.chunks_exact_mut(2).zip(first).zip(second) {
        if let [even, odd] = pair {
            (*even, *odd) = (a + shift, b + shift);
        }
    }
    if let (Some(to), Some(last)) = (to.get_mut(2 * pairs), first.get(pairs)) {
        *to = last + shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tap_reads_what_the_padded_image_holds() {
        for (height, width, kernel, stride, padding) in [(7, 5, 3, 1, 1), (8, 9, 4, 2, 1), (6, 7, 5, 3, 2), (5, 5, 1, 2, 0)] {
            let image: Vec<f32> = (1..=height * width).map(|i| i as f32).collect();
            let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
            let (first, rows) = (1, out(height) - 1);
            let phases = Phases::new([height, width], [kernel; 2], stride, padding, first, [rows, out(width)]);
            let mut planes = vec![f32::NAN; phases.channel()];
            phases.split(&image, &mut planes);
            for ky in 0..kernel {
                for kx in 0..kernel {
                    let run = &planes[phases.tap(ky, kx)..][..rows * phases.columns()];
                    for (y, x) in (0..rows).flat_map(|y| (0..out(width)).map(move |x| (y, x))) {
                        let (iy, ix) = ((y + first) * stride + ky, x * stride + kx);
                        let inside = (padding..height + padding).contains(&iy) && (padding..width + padding).contains(&ix);
                        let expected = if inside { image[(iy - padding) * width + ix - padding] } else { 0.0 };
                        assert_eq!(run[y * phases.columns() + x], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn merging_undoes_splitting() {
        for (height, width, kernel, stride, padding) in [(7, 5, 3, 1, 1), (8, 9, 4, 2, 1), (7, 7, 3, 3, 1), (6, 6, 2, 2, 0)] {
            let image: Vec<f32> = (1..=height * width).map(|i| i as f32).collect();
            let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
            let phases = Phases::new([height, width], [kernel; 2], stride, padding, 0, [out(height), out(width)]);
            let mut planes = vec![f32::NAN; phases.channel()];
            phases.split(&image, &mut planes);
            let mut back = vec![f32::NAN; image.len()];
            phases.merge(&planes, 0, &mut back, 0.5);
            // Rows and columns beyond the last patch are in no phase.
            let covered = |i: usize, size: usize| i + padding < (out(size) + (kernel - 1) / stride) * stride;
            for (i, (back, value)) in back.iter().zip(&image).enumerate() {
                let known = covered(i / width, height) && covered(i % width, width);
                assert_eq!(*back, if known { value + 0.5 } else { 0.5 });
            }
        }
    }
}
