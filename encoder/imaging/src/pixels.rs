//! The canonical image at a smaller side: what networks read that see pixels instead of latents.

use crate::image::{Canonical, PREPROCESSING, SIDE};
use veilray_base::digest::sha256_hex;

/// Images of one side, known by the name `pixels-SIDE`.
///
/// Each pixel is the mean of the area of the canonical image that it covers, rounded to 8 bits, so that training images can be kept as
/// bytes and a client's image is exactly like them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    side: usize,
    name: String,
    digest: String,
}

impl Pixels {
    /// Images of `side` × `side`, 1 to 256; none otherwise.
    #[must_use]
    pub fn new(side: usize) -> Option<Self> {
        let digest = || sha256_hex(format!("{PREPROCESSING} area mean {side} x {side}, 8 bits").as_bytes());
        (1..=SIDE).contains(&side).then(|| Self { side, name: format!("pixels-{side}"), digest: digest() })
    }

    /// Those of a name, `pixels-1` to `pixels-256`; none for another name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let pixels = Self::new(name.strip_prefix("pixels-")?.parse().ok()?)?;
        // One name for each: no leading zeros or signs.
        (pixels.name == name).then_some(pixels)
    }

    /// Their name, `pixels-SIDE`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of what is done to an image, 64 hexadecimal digits: it stands where an encoder's manifest has its digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Height and width, pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Shape of an input, `[channel, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        [1, self.side, self.side]
    }

    /// The image in 8-bit levels, row by row.
    pub fn levels(&self, image: &Canonical) -> Vec<u8> {
        let levels: Vec<f64> = image.to_levels().into_iter().map(f64::from).collect();
        if self.side == SIDE {
            return image.to_levels();
        }
        let windows = windows(self.side);
        // Rows first: [256, side], then columns.
        let narrow: Vec<f64> = levels.chunks(SIDE).flat_map(|row| windows.iter().map(|window| mean(window, row, 1))).collect();
        let down = |x: usize| narrow.get(x..).unwrap_or_default();
        let area = |window: &Window| (0..self.side).map(|x| mean(window, down(x), self.side)).collect::<Vec<_>>();
        windows.iter().flat_map(area).map(|level| (level + 0.5) as u8).collect()
    }

    /// The image, each value in [−1, 1].
    pub fn values(&self, image: &Canonical) -> Vec<f32> {
        self.levels(image).into_iter().map(|level| f32::from(level) / 127.5 - 1.0).collect()
    }
}

/// Where a pixel's area begins on the canonical image along one axis, and the parts of each pixel from there that lie in it.
struct Window {
    start: usize,
    parts: Vec<f64>,
}

fn windows(side: usize) -> Vec<Window> {
    let step = SIDE as f64 / side as f64;
    let window = |at: usize| {
        let (low, high) = (at * SIDE, (at + 1) * SIDE);
        let (start, end) = (low / side, high.div_ceil(side));
        // In units of 1/side of a pixel these are whole numbers: no rounding decides what belongs to an area.
        let part = |i: usize| ((i + 1) * side).min(high) - (i * side).max(low);
        Window { start, parts: (start..end).map(|i| part(i) as f64 / side as f64 / step).collect() }
    };
    (0..side).map(window).collect()
}

fn mean(window: &Window, values: &[f64], stride: usize) -> f64 {
    let values = values.iter().step_by(stride).skip(window.start);
    window.parts.iter().zip(values).map(|(part, value)| part * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Canonical {
        let value = |i: usize| ((i * 7 + i / SIDE * 13) % 256) as f32 / 127.5 - 1.0;
        Canonical::from_values((0..SIDE * SIDE).map(value).collect()).unwrap()
    }

    #[test]
    fn where_the_side_divides_each_pixel_is_the_rounded_mean_of_its_square() {
        let image = image();
        let levels = image.to_levels();
        assert_eq!(Pixels::new(256).unwrap().levels(&image), levels);
        let half = Pixels::new(128).unwrap().levels(&image);
        assert_eq!(half.len(), 128 * 128);
        for (x, y) in [(0, 0), (127, 3), (64, 127)] {
            let at = |dx: usize, dy: usize| f64::from(levels[(2 * y + dy) * SIDE + 2 * x + dx]);
            let mean = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0;
            assert_eq!(f64::from(half[y * 128 + x]), (mean + 0.5).floor());
        }
    }

    #[test]
    fn where_it_does_not_areas_count_by_their_parts() {
        // A vertical edge at column 100 of 256 is at 10.9375 of 28: pixel 10 is dark over 0.9375 of its width.
        let edge = (0..SIDE * SIDE).map(|i| if i % SIDE < 100 { -1.0 } else { 1.0 }).collect();
        let small = Pixels::new(28).unwrap().levels(&Canonical::from_values(edge).unwrap());
        assert_eq!(small.len(), 28 * 28);
        for row in small.chunks(28) {
            assert!(row[..10].iter().all(|level| *level == 0) && row[11..].iter().all(|level| *level == 255));
            assert_eq!(row[10], (255.0 * 0.0625 + 0.5) as u8);
        }
        for side in [1, 3, 28, 100, 255] {
            let grey = Canonical::from_values(vec![0.5; SIDE * SIDE]).unwrap();
            let level = grey.to_levels()[0];
            assert!(Pixels::new(side).unwrap().levels(&grey).iter().all(|found| *found == level), "{side}");
        }
    }

    #[test]
    fn names_are_one_to_one_and_values_are_what_training_sees() {
        for bad in ["pixels-0", "pixels-257", "pixels-064", "pixels-+64", "pixels", "encoder-f8"] {
            assert_eq!(Pixels::named(bad), None, "{bad}");
        }
        let (a, b) = (Pixels::named("pixels-64").unwrap(), Pixels::named("pixels-65").unwrap());
        assert_eq!((a.side(), a.shape(), a.name()), (64, [1, 64, 64], "pixels-64"));
        assert_ne!(a.digest(), b.digest());
        let image = image();
        for (value, level) in a.values(&image).into_iter().zip(a.levels(&image)) {
            assert_eq!(value, f32::from(level) / 127.5 - 1.0);
        }
    }
}
