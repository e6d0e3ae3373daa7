//! From stored values to a picture in grey: modality transform, window or contrast, padding, photometric interpretation.

use super::frame::{Frame, Layout};
use super::statements::Shutter;
use super::voi::{Modal, Voi};
use crate::image::checks::Warning;
use crate::image::contrast::{self, Codes};
use crate::image::picture::{Picture, tally};
use crate::image::{Rect, Result};

/// How stored values become grey.
pub(super) struct Transforms {
    pub layout: Layout,
    pub modal: Modal,
    pub voi: Option<Voi>,
    /// The stored values, from the first to the last, that are no pixels of the film.
    pub padding: Option<(i32, i32)>,
    /// What lies over a part of the picture.
    pub shutter: Option<Shutter>,
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
        let mut values: Vec<f64> = stored().map(shown).collect();
        // What a shutter covers has a code of its own, and no value.
        let covered = self.shutter.as_ref().map(|shutter| {
            let code = free_code(&mut codes, &mut values);
            shutter.cover(&mut codes, code);
            (usize::from(code), shutter.outside)
        });
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
        let mut table: Vec<f32> = values.iter().map(|&value| if value.is_nan() { 0.0 } else { grey(value) }).collect();
        if let Some((grey, outside)) = covered.and_then(|(code, outside)| Some((table.get_mut(code)?, outside))) {
            *grey = outside;
        }
        let keep = looked.keep(&found.inside, |code| table.get(usize::from(code)).copied().unwrap_or(0.0));
        Ok((Picture::coded(width, height, codes, table)?, keep))
    }
}

/// A code that no pixel has; its value is NaN. Where all 65 536 occur, the pixels of the rarest get the next one.
fn free_code(codes: &mut [u16], values: &mut Vec<f64>) -> u16 {
    if let Ok(code) = u16::try_from(values.len()) {
        values.push(f64::NAN);
        return code;
    }
    let rarest = (0u16..=u16::MAX).zip(tally(codes, values.len())).min_by_key(|(_, count)| *count);
    let code = rarest.map_or(0, |(code, _)| code);
    let next = if code == u16::MAX { code - 1 } else { code + 1 };
    codes.iter_mut().filter(|one| **one == code).for_each(|one| *one = next);
    if let Some(value) = values.get_mut(usize::from(code)) {
        *value = f64::NAN;
    }
    code
}
