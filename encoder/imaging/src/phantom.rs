//! A synthetic chest X-ray, for demonstrations and tests where no real one may be shipped.
//!
//! The film is computed as a detector would see it: thicknesses of soft tissue, air and bone along each ray (`anatomy`), what they absorb
//! together, the film's curve, grain. Anatomy varies with the seed: build, lung and heart size, ribs, vessels, exposure.
//! It is a picture for machines to work on and for people to recognise, not a model to learn from.
//!
//! Only `+ − × ÷` and square roots of `f64` are used, all of them exact to the last bit by IEEE 754, so that a seed gives the same film on every
//! machine.

mod anatomy;
mod noise;
mod skeleton;
mod stroke;

use crate::image::{Canonical, Error as ImageError, Picture, SIDE};
use anatomy::{Anatomy, Tissues};
use noise::{Grain, Stream};
use std::fmt;

/// Why no film could be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A phantom of a side out of range was asked for.
    #[error("a phantom of {found} × {found} pixels: {min} to {max} are wanted", min = Phantom::MIN_SIZE, max = Phantom::MAX_SIZE)]
    Size {
        /// The side that came, pixels.
        found: usize,
    },
    /// An amount that is not from 0 to 1.
    #[error("{field} is {found}, wanted 0 to 1")]
    Amount {
        /// The parameter: cardiomegaly, noise, opacity or effusion.
        field: &'static str,
        /// The amount that came.
        found: f64,
    },
    /// The film cannot be brought to canonical form, or written.
    #[error("the phantom cannot be converted: {0}")]
    Convert(#[from] ImageError),
}

/// A lung, by the patient's side: the right one is on the left of the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
}

/// A finding in one lung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// The lung that has it.
    pub side: Side,
    /// How much, from 0 (none) to 1 (all of the air in the densest spot, or fluid up to mid-lung).
    pub amount: f64,
}

/// What film to draw. The default is a healthy chest of seed 0 at 1024 × 1024.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phantom {
    /// Whose chest: anatomy, exposure and grain all follow from it.
    pub seed: u64,
    /// Side of the film, pixels, [`Phantom::MIN_SIZE`] to [`Phantom::MAX_SIZE`].
    pub size: usize,
    /// A patchy consolidation in the middle of a lung.
    pub opacity: Option<Finding>,
    /// Fluid at the base of a lung, with its meniscus.
    pub effusion: Option<Finding>,
    /// Enlargement of the heart, 0 (cardiothoracic ratio near 0.45) to 1 (near 0.65).
    pub cardiomegaly: f64,
    /// Grain, 0 (none) to 1 (an underexposed film); about 0.3 is usual.
    pub noise: f64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self { seed: 0, size: 1024, opacity: None, effusion: None, cardiomegaly: 0.0, noise: 0.3 }
    }
}

impl Phantom {
    /// Smallest side of a film, pixels.
    pub const MIN_SIZE: usize = 32;
    /// Largest side of a film, pixels.
    pub const MAX_SIZE: usize = 4096;

    /// Draws the film, `[size, size]` pixels of 16 bits.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Amount`].
    pub fn film(&self) -> Result<Film, Error> {
        if !(Self::MIN_SIZE..=Self::MAX_SIZE).contains(&self.size) {
            return Err(Error::Size { found: self.size });
        }
        let amounts = [
            ("cardiomegaly", Some(self.cardiomegaly)),
            ("noise", Some(self.noise)),
            ("opacity", self.opacity.map(|finding| finding.amount)),
            ("effusion", self.effusion.map(|finding| finding.amount)),
        ];
        for (field, amount) in amounts {
            if let Some(found) = amount.filter(|amount| !(0.0..=1.0).contains(amount)) {
                return Err(Error::Amount { field, found });
            }
        }
        let mut stream = Stream::new(self.seed);
        let anatomy = Anatomy::draw(self, &mut stream);
        let exposure = stream.between(0.94, 1.06);
        let grain = Grain::new(stream.next(), self.size, self.noise);
        let tissues = Tissues::of(&anatomy, self.size);
        let pixels = tissues
            .absorption()
            .enumerate()
            .map(|(i, absorbed)| {
                let grey = curve(absorbed * exposure);
                let level = (grey + grain.at(i % self.size, i / self.size, grey)).clamp(0.0, 1.0);
                (level * f64::from(u16::MAX) + 0.5) as u16
            })
            .collect();
        Ok(Film { size: self.size, pixels })
    }

    /// Draws the film at twice the canonical size and brings it to canonical form, `[1, 256, 256]`; `size` is ignored.
    ///
    /// # Errors
    /// As [`Phantom::film`].
    pub fn canonical(&self) -> Result<Canonical, Error> {
        let film = Self { size: 2 * SIDE, ..*self }.film()?;
        Ok(Canonical::from_picture(&film.picture()?)?.0)
    }
}

/// A drawn film: 16-bit grey, 0 black, as MONOCHROME2.
#[derive(Clone, PartialEq, Eq)]
pub struct Film {
    size: usize,
    pixels: Vec<u16>,
}

impl Film {
    /// Side of the film, pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The pixels, `[size, size]`.
    pub fn pixels(&self) -> &[u16] {
        &self.pixels
    }

    /// The film as a grey picture in [0, 1].
    ///
    /// # Errors
    /// None in practice: [`Error::Convert`] if the picture is refused.
    pub fn picture(&self) -> Result<Picture, Error> {
        let grey = self.pixels.iter().map(|&level| f32::from(level) / f32::from(u16::MAX)).collect();
        Ok(Picture::new(self.size, self.size, grey)?)
    }

    /// The film as a PNG file of 16 bits.
    ///
    /// # Errors
    /// None in practice: [`Error::Convert`] if the PNG encoder fails.
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Convert(ImageError::Picture { width: self.size, height: self.size, found: self.pixels.len() });
        let mut file = Vec::new();
        let side = self.size as u32;
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|level| level.to_be_bytes()).collect();
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&bytes).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(file)
    }
}

impl fmt::Debug for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Film {{ {0} × {0}, pixels not shown }}", self.size)
    }
}

/// Grey of an absorption: steep at first, so that skin and lungs show, then ever flatter, so that the mediastinum does not burn out.
fn curve(absorbed: f64) -> f64 {
    let square = absorbed * absorbed;
    0.97 * square / (square + 2.6)
}

/// 0 below `from`, 1 above `to`, smooth between.
fn step(from: f64, to: f64, x: f64) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Half chord of a ball at `distance` (in radii) from its centre.
fn chord(squared_distance: f64) -> f64 {
    (1.0 - squared_distance).max(0.0).sqrt()
}
