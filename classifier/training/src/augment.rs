//! Random changes that leave the labels as they are, in one pass over an input.

use crate::error::{Result, setting};
use serde::{Deserialize, Serialize};
use veilray_base::Rng;

/// How images are changed: one affine map sampled bilinearly, then contrast and brightness.
///
/// Amounts are drawn uniformly from [-amount, amount], for every image anew; all zero leaves images as they are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageAugmentation {
    /// Whether half of the images are mirrored, left to right.
    pub flip: bool,
    /// Shift, as a fraction of the side.
    pub shift: f64,
    /// Rotation, in degrees.
    pub rotate: f64,
    /// Change of size, as a fraction.
    pub scale: f64,
    /// Change of the values' spread about mid-grey, as a fraction.
    pub contrast: f64,
    /// Added to every value, as a fraction of the range from black to white.
    pub brightness: f64,
    /// Side of one square per image that is set to mid-grey, as a fraction of the side.
    pub erase: f64,
}

/// How latents are changed: whole-cell shifts and mirrors, which a convolutional encoder nearly commutes with, and noise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatentAugmentation {
    /// Whether half of the latents are mirrored, left to right.
    pub flip: bool,
    /// Largest shift, in cells; what comes in from the border repeats the border.
    pub shift: usize,
    /// Standard deviation of the noise added, in the latents' own unit.
    pub noise: f64,
}

impl ImageAugmentation {
    /// One random change of a plane of 8-bit values in rows of `width`, as values in about [-1, 1].
    #[must_use]
    pub fn apply(&self, plane: &[u8], width: usize, rng: &mut Rng) -> Vec<f32> {
        let mut out = Vec::with_capacity(plane.len());
        self.draw(width, plane.len() / width.max(1), rng).apply(plane, width, &mut out);
        out
    }

    /// Refuses amounts outside their range.
    ///
    /// # Errors
    /// An amount outside its range, by name.
    pub fn check(&self) -> Result<()> {
        let amounts = [
            ("augmentation shift", self.shift, 0.5),
            ("augmentation rotate", self.rotate, 180.0),
            ("augmentation scale", self.scale, 0.9),
            ("augmentation contrast", self.contrast, 1.0),
            ("augmentation brightness", self.brightness, 1.0),
            ("augmentation erase", self.erase, 1.0),
        ];
        match amounts.into_iter().find(|(_, amount, most)| !(0.0..=*most).contains(amount)) {
            Some((what, amount, most)) => setting(what, format!("in [0, {most}]"), amount),
            None => Ok(()),
        }
    }

    /// Draws one change of a plane of `width` x `height`.
    pub(crate) fn draw(&self, width: usize, height: usize, rng: &mut Rng) -> ImageChange {
        let mut amount = |most: f64| most * (2.0 * rng.uniform() - 1.0);
        let (angle, size) = (amount(self.rotate).to_radians(), (1.0 + amount(self.scale)).recip());
        let (dx, dy) = (amount(self.shift) * width as f64, amount(self.shift) * height as f64);
        let (gain, lift) = (1.0 + amount(self.contrast), 2.0 * amount(self.brightness));
        let mirror = if self.flip && amount(1.0) < 0.0 { -1.0 } else { 1.0 };
        let erased = self.erase.min(1.0) * width.min(height) as f64;
        let (left, top) = (rng.uniform() * (width as f64 - erased), rng.uniform() * (height as f64 - erased));
        let (sin, cos) = angle.sin_cos();
        // Output pixel (x, y) about the centre comes from this map of it.
        let map = [mirror * cos * size, -mirror * sin * size, sin * size, cos * size];
        let centre = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
        let [cx, cy] = centre;
        let [a, b, c, d] = map;
        ImageChange {
            map: map.map(|v| v as f32),
            origin: [(cx + dx - a * cx - b * cy) as f32, (cy + dy - c * cx - d * cy) as f32],
            gain: (gain / 127.5) as f32,
            lift: (lift - gain) as f32,
            erased: [left, top, left + erased, top + erased].map(|v| v.round() as usize),
        }
    }
}

/// One drawn change of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageChange {
    /// Rows of the map from output to input pixels.
    map: [f32; 4],
    /// Where output pixel (0, 0) comes from.
    origin: [f32; 2],
    gain: f32,
    lift: f32,
    /// Left, top, right, bottom of the erased square.
    erased: [usize; 4],
}

impl ImageChange {
    /// No change but the one from 8-bit values to [-1, 1].
    pub(crate) const NONE: Self =
        Self { map: [1.0, 0.0, 0.0, 1.0], origin: [0.0; 2], gain: 1.0 / 127.5, lift: -1.0, erased: [0; 4] };

    /// Mirrored, left to right.
    pub(crate) fn mirror(width: usize) -> Self {
        Self { map: [-1.0, 0.0, 0.0, 1.0], origin: [width.saturating_sub(1) as f32, 0.0], ..Self::NONE }
    }

    /// The same map of values that stay as they are: what happens to a mask.
    pub(crate) fn movement(&self) -> Self {
        Self { gain: 1.0, lift: 0.0, erased: [0; 4], ..*self }
    }

    /// Appends the changed `plane` of rows of `width` values, black where it comes from outside.
    pub(crate) fn apply(&self, plane: &[u8], width: usize, out: &mut Vec<f32>) {
        let start = out.len();
        let height = plane.len() / width.max(1);
        let [a, b, c, d] = self.map;
        if [a, b, c, d] == Self::NONE.map && self.origin == [0.0; 2] {
            out.extend(plane.iter().map(|v| f32::from(*v) * self.gain + self.lift));
        } else {
            let [ox, oy] = self.origin;
            for y in 0..height {
                let (rx, ry) = (ox + b * y as f32, oy + d * y as f32);
                out.extend((0..width).map(|x| {
                    let value = bilinear(plane, width, height, a * x as f32 + rx, c * x as f32 + ry);
                    value * self.gain + self.lift
                }));
            }
        }
        let [left, top, right, bottom] = self.erased;
        let changed = out.get_mut(start..).unwrap_or_default();
        for row in changed.chunks_mut(width.max(1)).take(bottom).skip(top) {
            row.iter_mut().take(right).skip(left).for_each(|value| *value = 0.0);
        }
    }
}

/// The value between four pixels, 0 outside.
#[inline]
fn bilinear(plane: &[u8], width: usize, height: usize, x: f32, y: f32) -> f32 {
    if !(x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32) {
        return 0.0;
    }
    // Truncation of x + 1 >= 0 is its floor.
    let (left, top) = ((x + 1.0) as usize, (y + 1.0) as usize);
    let (fx, fy) = (x + 1.0 - left as f32, y + 1.0 - top as f32);
    // Pixel (column - 1, row - 1), 0 beyond the border.
    let at = |column: usize, row: usize| {
        let inside = column.wrapping_sub(1) < width && row.wrapping_sub(1) < height;
        let place = row.wrapping_sub(1).wrapping_mul(width).wrapping_add(column.wrapping_sub(1));
        if inside { plane.get(place).map_or(0.0, |v| f32::from(*v)) } else { 0.0 }
    };
    let upper = at(left, top) * (1.0 - fx) + at(left + 1, top) * fx;
    let lower = at(left, top + 1) * (1.0 - fx) + at(left + 1, top + 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

impl LatentAugmentation {
    /// Refuses amounts outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return setting("augmentation noise", "finite and not negative", self.noise);
        }
        Ok(())
    }

    /// Adds the noise to the last `size` values of `out`.
    pub(crate) fn add_noise(&self, out: &mut [f32], size: usize, rng: &mut Rng) {
        if self.noise > 0.0 {
            out.iter_mut().rev().take(size).for_each(|value| *value += (self.noise * rng.normal()) as f32);
        }
    }

    /// Draws one change.
    pub(crate) fn draw(&self, rng: &mut Rng) -> LatentChange {
        let mirrored = self.flip && rng.uniform() < 0.5;
        let mut shift = || rng.below(2 * self.shift + 1) as isize - self.shift as isize;
        LatentChange { mirrored, dx: shift(), dy: shift() }
    }
}

/// One drawn change of a latent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LatentChange {
    pub mirrored: bool,
    pub dx: isize,
    pub dy: isize,
}

impl LatentChange {
    /// No change.
    pub(crate) const NONE: Self = Self { mirrored: false, dx: 0, dy: 0 };

    /// Appends the changed `plane` of rows of `width` values.
    pub(crate) fn apply(&self, plane: &[f32], width: usize, out: &mut Vec<f32>) {
        let height = plane.len() / width.max(1);
        let moved = |at: usize, by: isize, size: usize| at.saturating_add_signed(by).min(size.saturating_sub(1));
        for y in 0..height {
            let from = moved(y, self.dy, height) * width;
            let row = plane.get(from..from + width).unwrap_or_default();
            let value = |x: usize| row.get(moved(x, self.dx, width)).copied().unwrap_or_default();
            if self.mirrored {
                out.extend((0..width).rev().map(value));
            } else {
                out.extend((0..width).map(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use veilray_base::Rng;

    const SIZE: usize = 9;

    fn plane() -> Vec<u8> {
        (0..SIZE * SIZE).map(|i| ((i * 89) % 256) as u8).collect()
    }

    fn apply(change: &ImageChange) -> Vec<f32> {
        let mut out = vec![7.0];
        change.apply(&plane(), SIZE, &mut out);
        assert_eq!(out.remove(0), 7.0);
        out
    }

    fn canonical(value: u8) -> f32 {
        f32::from(value) / 127.5 - 1.0
    }

    #[test]
    fn nothing_asked_for_changes_nothing_and_a_mirror_reverses_rows() {
        let plain: Vec<f32> = plane().into_iter().map(canonical).collect();
        let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let mut rng = Rng::new(1, "augment");
        assert!(close(&apply(&ImageAugmentation::default().draw(SIZE, SIZE, &mut rng)), &plain));
        assert!(close(&apply(&ImageChange::NONE), &plain));
        let mirrored: Vec<f32> = plain.chunks(SIZE).flat_map(|row| row.iter().rev().copied()).collect();
        assert!(close(&apply(&ImageChange::mirror(SIZE)), &mirrored));
        let flip = ImageAugmentation { flip: true, ..ImageAugmentation::default() };
        let drawn: Vec<Vec<f32>> = (0..40).map(|_| apply(&flip.draw(SIZE, SIZE, &mut rng))).collect();
        let turned = drawn.iter().filter(|image| close(image, &mirrored)).count();
        assert!((8..32).contains(&turned) && drawn.iter().all(|image| close(image, &mirrored) || close(image, &plain)));
    }

    #[test]
    fn a_quarter_turn_moves_columns_into_rows() {
        // A rotation of exactly 90 degrees, as the map from output to input pixels about the centre.
        let change = ImageChange { map: [0.0, -1.0, 1.0, 0.0], origin: [8.0, 0.0], ..ImageChange::NONE };
        let image = apply(&change);
        for (x, y) in [(0, 0), (3, 5), (8, 1)] {
            assert!((image[y * SIZE + x] - canonical(plane()[x * SIZE + (8 - y)])).abs() < 1e-5);
        }
    }

    proptest! {
        #[test]
        fn every_pixel_is_the_weighted_mean_of_its_four_sources(seed in 0u64..1000) {
            let config =
                ImageAugmentation { flip: true, shift: 0.2, rotate: 30.0, scale: 0.3, contrast: 0.5, brightness: 0.2, erase: 0.0 };
            let change = config.draw(SIZE, SIZE, &mut Rng::new(seed, "augment"));
            let image = apply(&change);
            let [a, b, c, d] = change.map.map(f64::from);
            let [ox, oy] = change.origin.map(f64::from);
            for (i, found) in image.iter().enumerate() {
                let (x, y) = ((i % SIZE) as f64, (i / SIZE) as f64);
                let (sx, sy) = (a * x + b * y + ox, c * x + d * y + oy);
                // Every pixel counts by its distance in x and in y, which is nothing beyond 1.
                let near = |at: usize, place: f64| (1.0 - (at as f64 - place).abs()).max(0.0);
                let weight = |at: usize| near(at % SIZE, sx) * near(at / SIZE, sy);
                let value: f64 = plane().iter().enumerate().map(|(at, v)| weight(at) * f64::from(*v)).sum();
                let wanted = value * f64::from(change.gain) + f64::from(change.lift);
                prop_assert!((f64::from(*found) - wanted).abs() < 1e-3, "pixel {i}: {found}, not {wanted}");
            }
        }

        #[test]
        fn erasing_greys_one_square(seed in 0u64..1000) {
            let config = ImageAugmentation { erase: 1.0 / 3.0, ..ImageAugmentation::default() };
            let image = apply(&config.draw(SIZE, SIZE, &mut Rng::new(seed, "augment")));
            let grey: Vec<usize> = (0..SIZE * SIZE).filter(|i| image[*i] == 0.0).collect();
            prop_assert_eq!(grey.len(), 9);
            prop_assert_eq!(grey[8] - grey[0], 2 * SIZE + 2);
        }

        #[test]
        fn latents_are_shifted_by_whole_cells_and_repeat_their_border(seed in 0u64..1000) {
            let config = LatentAugmentation { flip: true, shift: 2, noise: 0.0 };
            let change = config.draw(&mut Rng::new(seed, "augment"));
            let plane: Vec<f32> = (0..20).map(|i| i as f32).collect();
            let mut out = Vec::new();
            change.apply(&plane, 5, &mut out);
            prop_assert!(change.dx.abs() <= 2 && change.dy.abs() <= 2 && out.len() == 20);
            for (i, value) in out.iter().enumerate() {
                let (x, y) = ((i % 5) as isize, (i / 5) as isize);
                let x = if change.mirrored { 4 - x } else { x };
                let from = ((y + change.dy).clamp(0, 3) * 5 + (x + change.dx).clamp(0, 4)) as usize;
                prop_assert_eq!(*value, plane[from]);
            }
        }
    }

    #[test]
    fn noise_touches_the_last_input_alone() {
        let mut values = vec![0.0; 2000];
        LatentAugmentation { noise: 0.5, ..LatentAugmentation::default() }.add_noise(
            &mut values,
            1500,
            &mut Rng::new(1, "noise"),
        );
        assert!(values[..500].iter().all(|v| *v == 0.0));
        let power = values[500..].iter().map(|v| v * v).sum::<f32>() / 1500.0;
        // The variance 1/4 within five standard errors, 5 sqrt(2 / 1500) / 4.
        assert!((power - 0.25).abs() < 0.046, "{power}");
    }

    #[test]
    fn amounts_outside_their_range_are_refused_by_name() {
        let refused = ImageAugmentation { scale: 1.5, ..ImageAugmentation::default() }.check().unwrap_err();
        assert!(refused.to_string().contains("scale") && refused.to_string().contains("1.5"));
        assert!(ImageAugmentation { rotate: f64::NAN, ..ImageAugmentation::default() }.check().is_err());
        assert!(LatentAugmentation { noise: -1.0, ..LatentAugmentation::default() }.check().is_err());
    }
}
