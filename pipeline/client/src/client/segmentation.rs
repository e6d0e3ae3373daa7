//! From the logits of a mask to what a person looks at: the mask, the image with the mask on it, and the object that an archive files.

use super::{Error, Result};
use std::path::Path;
use veilray_base::clock;
use veilray_base::file;
use veilray_classifier::interface::Interface;
use veilray_imaging::ingest::{Canonical, Placement, Report, SIDE};
use veilray_imaging::mask::{Implausible, MaskShape};
use veilray_imaging::seg::{Film, Made, Mask, Structure};

/// What the model that answers gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// A probability for each label.
    Labels,
    /// A mask of the image: one logit per pixel.
    Masks,
}

impl OutputKind {
    /// What a model gives.
    pub(crate) fn of(interface: &Interface) -> Self {
        if interface.mask.is_some() { Self::Masks } else { Self::Labels }
    }

    /// Refuses a model that gives something else.
    ///
    /// # Errors
    /// [`Error::OtherKind`] names the command for that model.
    pub(crate) fn require(self, interface: &Interface) -> Result<()> {
        if Self::of(interface) == self {
            return Ok(());
        }
        let (gives, command) = match self {
            Self::Labels => ("masks", "segment"),
            Self::Masks => ("labels", "classify"),
        };
        Err(Error::OtherKind { model: interface.model.clone(), gives, command })
    }
}

/// The mask of one image.
#[derive(Clone, PartialEq)]
pub(crate) struct Segmented {
    /// What it shows.
    pub name: String,
    /// Pixels from above to below.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// The logit from which on a pixel belongs to it.
    pub threshold: f64,
    /// Whether each pixel does, row by row.
    pub inside: Vec<bool>,
}

/// The mask that an image's logits stand for.
///
/// # Errors
/// A model that gives labels.
pub(crate) fn of(logits: &[f64], interface: &Interface) -> Result<Segmented> {
    OutputKind::Masks.require(interface)?;
    let thresholds = &interface.operating_point.thresholds;
    let (name, threshold) = (thresholds.labels.first().cloned(), thresholds.values.first().copied());
    let (height, width) = interface.mask.map_or((0, 0), |mask| (mask.height, mask.width));
    let threshold = f64::from(threshold.unwrap_or(0.0));
    let inside = logits.iter().map(|logit| *logit >= threshold).collect();
    Ok(Segmented { name: name.unwrap_or_default(), height, width, threshold, inside })
}

/// What a DICOM Segmentation by this model will need of an image's file. It is read before the server is asked, to be refused before.
///
/// # Errors
/// [`Error::Seg`] for a file that is not DICOM or cannot be filed with, and for a model of masks that have no code.
pub(crate) fn film(file: &[u8], report: &Report, interface: &Interface) -> Result<Film> {
    Structure::named(interface.operating_point.thresholds.labels.first().map_or("", String::as_str))?;
    Ok(Film::read(file, report)?)
}

/// Part of the colour in a pixel of the overlay that lies inside the mask.
const TINT: f32 = 0.25;
/// The colour of the mask in the overlay, red, green, blue.
const COLOUR: [f32; 3] = [0.0, 190.0, 255.0];

impl Segmented {
    /// Part of the image that the mask covers.
    pub(crate) fn fraction(&self) -> f64 {
        self.inside.iter().filter(|inside| **inside).count() as f64 / self.inside.len().max(1) as f64
    }

    /// Why the mask cannot be what it is said to show in the picture that lies there; nothing is known of structures other than lungs.
    pub(crate) fn implausible(&self, placement: &Placement) -> Vec<Implausible> {
        if self.name != "lung" {
            return vec![];
        }
        MaskShape::measure([self.height, self.width], &self.inside, placement)
            .map_or(vec![Implausible::Empty], |s| s.implausible())
    }

    /// Whether a pixel of the canonical image lies inside.
    fn at(&self, row: usize, column: usize) -> bool {
        let index = || row * self.height / SIDE * self.width + column * self.width / SIDE;
        row < SIDE && column < SIDE && self.inside.get(index()) == Some(&true)
    }

    /// The mask as a grey PNG file of its own extents: 255 inside, 0 outside.
    ///
    /// # Errors
    /// None is expected.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>> {
        let levels: Vec<u8> = self.inside.iter().map(|inside| if *inside { 255 } else { 0 }).collect();
        png([self.width, self.height], png::ColorType::Grayscale, &levels)
    }

    /// The mask as a DICOM Segmentation of its film, dated now. One that is `implausible` says so.
    ///
    /// # Errors
    /// [`Error::Seg`] if the system gives no randomness, or the model's name cannot be written down.
    pub(crate) fn to_dicom(&self, film: &Film, interface: &Interface, implausible: bool) -> Result<Vec<u8>> {
        let [date, time] = clock::dicom();
        let made = Made { model: &interface.model, manifest_sha256: &interface.manifest_sha256, date: &date, time: &time };
        let mask = Mask::new(Structure::named(&self.name)?, [self.height, self.width], &self.inside)?;
        let mask = if implausible { mask.implausible() } else { mask };
        Ok(film.segmentation(&mask, &made)?)
    }

    /// The canonical image, 256 × 256, with the mask tinted on it and its border drawn, as a PNG file in colour.
    ///
    /// # Errors
    /// None is expected.
    pub(crate) fn overlay(&self, image: &Canonical) -> Result<Vec<u8>> {
        let mut levels = Vec::with_capacity(3 * SIDE * SIDE);
        for (index, level) in image.to_levels().into_iter().enumerate() {
            let (row, column) = (index / SIDE, index % SIDE);
            let inside = self.at(row, column);
            let edge = inside
                && !(self.at(row.wrapping_sub(1), column)
                    && self.at(row + 1, column)
                    && self.at(row, column.wrapping_sub(1))
                    && self.at(row, column + 1));
            let share = match (edge, inside) {
                (true, _) => 1.0,
                (_, true) => TINT,
                _ => 0.0,
            };
            levels.extend(COLOUR.map(|colour| (f32::from(level) * (1.0 - share) + colour * share).round() as u8));
        }
        png([SIDE, SIDE], png::ColorType::Rgb, &levels)
    }
}

fn png([width, height]: [usize; 2], colour: png::ColorType, levels: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: png::EncodingError| Error::Output(std::io::Error::other(e.to_string()));
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(levels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// Writes a picture of a patient: only its owner can read the file.
///
/// # Errors
/// A path that cannot be written to.
pub(crate) fn write(path: &Path, picture: &[u8]) -> Result<()> {
    Ok(file::write_private(path, picture)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The left half of an image, as a mask of 2 rows and 4 columns.
    fn half() -> Segmented {
        let inside = (0..8).map(|index| index % 4 < 2).collect();
        Segmented { name: "half".into(), height: 2, width: 4, threshold: 0.0, inside }
    }

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut levels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut levels).unwrap();
        (frame.width, frame.height, levels)
    }

    #[test]
    fn the_mask_covers_its_part_of_the_image_and_nothing_else() {
        let mask = half();
        assert_eq!(mask.fraction(), 0.5);
        let (width, height, levels) = decoded(&mask.to_png().unwrap());
        assert_eq!((width, height, levels), (4, 2, vec![255, 255, 0, 0, 255, 255, 0, 0]));

        let image = Canonical::from_values(vec![0.2; SIDE * SIDE]).unwrap();
        let grey = image.to_levels()[0];
        let (width, height, levels) = decoded(&mask.overlay(&image).unwrap());
        assert_eq!((width, height, levels.len()), (256, 256, 3 * SIDE * SIDE));
        let pixel = |row: usize, column: usize| <[u8; 3]>::try_from(&levels[3 * (row * SIDE + column)..][..3]).unwrap();
        assert_eq!(pixel(100, 200), [grey; 3], "outside, the image as it is");
        assert_eq!([pixel(100, 127), pixel(0, 60), pixel(80, 0)], [COLOUR.map(|c| c as u8); 3], "the border");
        let tinted = COLOUR.map(|c| (f32::from(grey) * (1.0 - TINT) + c * TINT).round() as u8);
        assert_eq!([pixel(100, 60), pixel(127, 60), pixel(128, 60)], [tinted; 3], "inside");
    }
}
