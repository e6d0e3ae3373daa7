//! Images changed at random, the same way wherever they are asked for.

use super::Result;
use std::collections::BTreeMap;
use std::fmt;
use veilray_base::Rng;
use veilray_imaging::ingest::{Canonical, SIDE};
use veilray_training::ImageAugmentation;

/// One random change of every image of a data set, by its file's name and a seed alone: a teacher that is shown the variant of an image sees
/// what the encoder saw whose latent its student learns from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    amounts: ImageAugmentation,
    seed: u64,
}

impl Variant {
    /// Changes by the amounts in `text`, a TOML inline table as in an experiment's `images = { … }`.
    ///
    /// # Errors
    /// What is wrong with the text, or the amount that is outside its range.
    pub fn read(text: &str, seed: u64) -> Result<Self, String> {
        let table: BTreeMap<String, ImageAugmentation> =
            toml::from_str(&format!("images = {text}")).map_err(|e| e.to_string())?;
        let amounts = table.into_values().next().unwrap_or_default();
        amounts.check().map_err(|e| e.to_string())?;
        Ok(Self { amounts, seed })
    }

    /// The changed image. `file` is the one that the data set names.
    ///
    /// # Errors
    /// As [`Canonical::from_values`].
    pub fn of(&self, image: &Canonical, file: &str) -> Result<Canonical> {
        let values = self.amounts.apply(&image.to_levels(), SIDE, &mut Rng::new(self.seed, file));
        Ok(Canonical::from_values(values)?)
    }
}

/// The seed and the amounts that are not zero: `3:flip,shift=0.06`.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageAugmentation { flip, shift, rotate, scale, contrast, brightness, erase } = self.amounts;
        let amounts = [
            ("shift", shift),
            ("rotate", rotate),
            ("scale", scale),
            ("contrast", contrast),
            ("brightness", brightness),
            ("erase", erase),
        ];
        let named = amounts.into_iter().filter(|(_, amount)| *amount != 0.0).map(|(name, amount)| format!("{name}={amount}"));
        let all: Vec<String> = flip.then(|| "flip".to_string()).into_iter().chain(named).collect();
        write!(f, "{}:{}", self.seed, all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_depends_on_file_seed_and_amounts_alone() {
        let image = Canonical::from_values((0..SIDE * SIDE).map(|i| (i % 251) as f32 / 251.0).collect()).unwrap();
        let variant = |amounts, seed| Variant::read(amounts, seed).unwrap();
        let shifted = variant("{ shift = 0.1 }", 1);
        let of = |variant: &Variant, file| variant.of(&image, file).unwrap().values().to_vec();
        assert_eq!(of(&shifted, "a"), of(&variant("{ shift = 0.10 }", 1), "a"));
        assert_ne!(of(&shifted, "a"), of(&shifted, "b"));
        assert_ne!(of(&shifted, "a"), of(&variant("{ shift = 0.1 }", 2), "a"));
        let names =
            [("{ shift = 0.1 }", 1), ("{ shift = 0.1 }", 2), ("{ shift = 0.2 }", 1)].map(|(a, s)| variant(a, s).to_string());
        assert_eq!(names, ["1:shift=0.1", "2:shift=0.1", "1:shift=0.2"]);
        assert_eq!(variant("{ flip = true, rotate = 8.0, scale = 0.25 }", 3).to_string(), "3:flip,rotate=8,scale=0.25");
    }

    #[test]
    fn amounts_that_are_none_are_refused() {
        for (text, word) in [("{ shift = 0.9 }", "shift"), ("{ shfit = 0.1 }", "shfit"), ("{ shift = ", "TOML")] {
            let why = Variant::read(text, 1).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
