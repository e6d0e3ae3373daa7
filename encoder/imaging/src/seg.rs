//! DICOM Segmentations (PS3.3 A.51): the mask of a film, as an object that an archive files in the film's study.
//!
//! It is binary, of one segment, at the rows and columns of the film: bit by bit its pixels lie on the film's own, as it is filed. Where ingest
//! turned or mirrored the film to bring it upright, or left out a part of it, the mask is turned back, and the part is outside. Patient and study are copied from the film's file, byte by byte and in its
//! character set; this is the one place where Veilray reads them, and they go nowhere but into the object.
//!
//! ```no_run
//! use veilray_imaging::ingest::{Settings, read_bytes};
//! use veilray_imaging::seg::{Film, Made, Mask, Structure};
//! let file = std::fs::read("film.dcm")?;
//! let read = read_bytes(&file, &Settings::default())?;
//! let film = Film::read(&file, &read.report)?;
//! let inside = vec![false; 128 * 128];
//! let mask = Mask::new(Structure::Lung, [128, 128], &inside)?;
//! let made = Made { model: "unet-lung-128", manifest_sha256: "0000", date: "20250131", time: "235959" };
//! std::fs::write("mask.dcm", film.segmentation(&mask, &made)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod film;
mod item;
mod mask;
mod object;
mod uid;

pub use error::{Error, Result};
pub use film::Film;
pub use mask::{Mask, Structure};

/// By what a mask was made, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made<'a> {
    /// The model's name, 1 to 64 printable ASCII characters without a backslash.
    pub model: &'a str,
    /// SHA-256 of the model's manifest in hexadecimal digits, 1 to 64.
    pub manifest_sha256: &'a str,
    /// The day, as `YYYYMMDD`.
    pub date: &'a str,
    /// The time of that day, as `HHMMSS`.
    pub time: &'a str,
}

impl Made<'_> {
    /// What DICOM can hold of it (PS3.5 6.2: LO of 64 characters, DA, TM).
    fn check(&self) -> Result<()> {
        let line = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|b| (b' '..0x7f).contains(&b) && b != b'\\');
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let checks = [
            ("the model's name", line(self.model), "1 to 64 printable ASCII characters without a backslash"),
            ("the manifest's digest", line(self.manifest_sha256), "1 to 64 hexadecimal digits"),
            ("the date", digits(self.date, 8), "YYYYMMDD"),
            ("the time", digits(self.time, 6), "HHMMSS"),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((what, _, wanted)) => Err(Error::Made { what, wanted }),
            None => Ok(()),
        }
    }
}
