//! From stored values to a picture in grey: modality transform, window or contrast, padding, photometric interpretation.

use super::frame::{Frame, Layout};
use super::voi::{Modal, Voi};
use crate::image::checks::Warning;
use crate::image::contrast::{self, Codes};
use crate::image::picture::Picture;
use crate::image::{Rect, Result};

/// How stored values become grey.
pub(super) struct Transforms {
    pub layout: Layout,
    pub modal: Modal,
    pub voi: Option<Voi>,
    /// The stored values, from the first to the last, that are no pixels of the film.
    pub padding: Option<(i32, i32)>,
    /// Whether small values are bright.
    pub inverted: bool,
}

impl Transforms {
    /// The picture, and the part of it that is to be kept.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::image::Error::Picture) if the frame has no pixels.
    pub(super) fn apply(&self, frame: Frame, warnings: &mut Vec<Warning>) -> Result<(Picture, Rect)> {
        let Frame { width, height, raw: mut codes } = frame;
        let mask = (self.layout.table_len() - 1) as u16;
        codes.iter_mut().for_each(|code| *code &= mask);
        let stored = || (0u32..).take(self.layout.table_len()).map(|index| self.layout.value(index));
        let is_padding = |stored: i32| self.padding.is_some_and(|(low, high)| (low..=high).contains(&stored));
        let shown = |stored| if is_padding(stored) { f64::NAN } else { self.modal.apply(stored) };
        let values: Vec<f64> = stored().map(shown).collect();
        let looked = Codes { size: (width, height), codes: &codes, values: &values };
        let found = looked.look();
        let range = match self.voi {
            Some(_) => None,
            None => Some(contrast::range(self.modal.range(&self.layout), &found, warnings)),
        };
        let grey = |value: f64| {
            let grey = match (&self.voi, range) {
                (Some(voi), _) => voi.apply(value) as f32,
                (None, Some(range)) => contrast::unit(value, range),
                (None, None) => 0.0,
            };
            if self.inverted { 1.0 - grey } else { grey }
        };
        let table: Vec<f32> = values.iter().map(|&value| if value.is_nan() { 0.0 } else { grey(value) }).collect();
        let keep = looked.keep(&found.inside, |code| table.get(usize::from(code)).copied().unwrap_or(0.0));
        Ok((Picture::coded(width, height, codes, table)?, keep))
    }
}
