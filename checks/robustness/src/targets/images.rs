//! Image files, as the client reads them.

use crate::seeds::{dicom, jpeg, picture, raster};
use crate::target::{Outcome, Target, said};
use veilray_imaging::ingest::{Settings, read_bytes};
use veilray_imaging::seg::Film;

pub(crate) const TARGETS: &[Target] = &[
    Target::binary("dicom", read, || Ok(dicom::films()), 24),
    Target::binary("jpeg", read, || Ok(jpeg::all()), 12),
    Target::binary("png", read, picture::pngs, 20).mended(picture::mend_png),
    Target::binary("jpeg2000", read, || Ok(dicom::jpeg2000()), 3),
    Target::binary("tiff", read, || Ok(raster::tiffs()), 6),
    Target::binary("bmp", read, || Ok(raster::bmps()), 4),
    Target::binary("webp", read, || Ok(raster::webps()), 6),
];

/// To a canonical image, and of a film what a Segmentation repeats.
fn read(bytes: &[u8]) -> Outcome {
    let read = read_bytes(bytes, &Settings::default()).map_err(said)?;
    assert!(read.image.values().iter().all(|value| (-1.0..=1.0).contains(value)), "a canonical image lies in [-1, 1]");
    let _ = Film::read(bytes, &read.report);
    Ok(())
}
