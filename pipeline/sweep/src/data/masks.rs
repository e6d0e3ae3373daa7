//! Masks of a data set's images: a PNG for each, named in the column `mask`.

use super::table::plain;
use super::{Dataset, Error, Result, Split};
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use veilray_imaging::ingest::{Canonical, Picture};
use veilray_imaging::pixels::Pixels;
use veilray_training::MaskSamples;

/// The column that names an image's mask; blank where it has none.
pub(super) const COLUMN: &str = "mask";

/// Most pixels of a mask's file.
const MAX_PIXELS: usize = 36 << 20;

/// Images read at once.
const BATCH: usize = 64;

/// The images of a split that have masks, and which were left out.
#[derive(Debug, Clone)]
pub struct Masked {
    /// Images and masks, at the side asked for.
    pub samples: MaskSamples,
    /// Images that ingest refused, by their place in the table, each with the reason.
    pub refused: Vec<String>,
    /// Images without a mask.
    pub without: usize,
}

impl Masked {
    /// Reads the first `limit` images of a split that have masks, both as `pixels` shows them; `name` is what the masks show.
    ///
    /// # Errors
    /// A data set without the column `mask`, a mask that cannot be read, a split without any.
    pub fn read(set: &Dataset, split: Split, pixels: &Pixels, name: &str, limit: Option<usize>) -> Result<Self> {
        let column = set.extra_names.iter().position(|extra| extra == COLUMN);
        let column = column.ok_or_else(|| Error::Column { path: set.root.clone(), column: COLUMN.into() })?;
        let all: Vec<_> = set.split(split).collect();
        let masked =
            all.iter().filter_map(|(index, item)| Some((*index, *item, item.extra.get(column).filter(|m| !m.is_empty())?)));
        let masked: Vec<_> = masked.collect();
        let without = all.len() - masked.len();
        let (mut images, mut masks, mut patients, mut refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for batch in masked.get(..limit.unwrap_or(usize::MAX).min(masked.len())).unwrap_or_default().chunks(BATCH) {
            let read = batch.par_iter().map(|(index, item, mask)| {
                let levels = set.image(*index).map(|read| pixels.levels(&read.image));
                (*item, levels, set.mask(mask, &item.place, pixels))
            });
            for (item, levels, mask) in read.collect::<Vec<_>>() {
                match levels {
                    Err(Error::Ingest(reason)) => {
                        refused.push(format!("{}: {reason}", item.place));
                        continue;
                    }
                    levels => images.extend(levels?),
                }
                masks.extend(mask?);
                patients.push(item.patient_id.clone());
            }
        }
        if patients.is_empty() {
            return Err(Error::NoMasks { split });
        }
        let samples = MaskSamples::new(pixels.side(), images, masks, name, patients);
        Ok(Self { samples: samples.map_err(|e| Error::Masks { why: e.to_string() })?, refused, without })
    }
}

impl Dataset {
    /// 0 or 1 for each pixel: 1 where more than half of the pixel's area on the canonical mask is white.
    fn mask(&self, file: &str, place: &str, pixels: &Pixels) -> Result<Vec<u8>> {
        let refuse = |why: String| Error::Mask { place: place.into(), why };
        if !plain(file) {
            return Err(refuse("its file must be a path below the table's folder, without . and ..".into()));
        }
        let picture = picture(&self.root.join(file)).map_err(refuse)?;
        let (canonical, _) = Canonical::from_picture(&picture)?;
        Ok(pixels.levels(&canonical).into_iter().map(|level| u8::from(level > 127)).collect())
    }
}

/// A grey PNG file. Ingest would refuse it, as a mask is no radiograph.
fn picture(path: &Path) -> std::result::Result<Picture, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(|e| e.to_string())?;
    let (width, height) = (header.width as usize, header.height as usize);
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(format!("{width} x {height} pixels are more than the {MAX_PIXELS} that are read"));
    }
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    if reader.output_color_type().0 != png::ColorType::Grayscale {
        return Err("it must be a grey PNG without transparency".into());
    }
    let mut levels = vec![0; width * height];
    let frame = reader.next_frame(&mut levels).map_err(|e| e.to_string())?;
    levels.truncate(frame.buffer_size());
    Picture::new(width, height, levels.into_iter().map(|level| f32::from(level) / 255.0).collect()).map_err(|e| e.to_string())
}
