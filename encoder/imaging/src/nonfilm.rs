//! Made images that show no chest: what the checks of [`fitness`](crate::fitness) are trained and measured on beside real films.
//!
//! Each kind is a family drawn at random: where things lie, how many there are, how bright they are. Pixels are computed from places in the
//! unit square, so that one description gives an image of any side.

mod shapes;

use crate::image::{Canonical, Picture, Result, SIDE};
use std::fmt;
use veilray_base::Rng;

/// A family of images that show no chest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A linear, radial or repeated change of brightness.
    Ramp,
    /// Noise of one grain, or of several octaves.
    Noise,
    /// Lines, rectangles and ellipses on one grey.
    Drawing,
    /// Lines of text on paper.
    Text,
    /// Stripes, boards and steps, as on a test image of a monitor.
    TestPattern,
    /// Discs that cover each other, as leaves or pebbles in a photograph.
    Pebbles,
    /// A slice through a body: an ellipse on black with a bright rim.
    Slice,
    /// Long bones in soft tissue: an arm, a hand, a leg.
    Limb,
    /// A landscape or a room: a horizon, boxes, a gradient.
    Scene,
    /// Almost nothing: one grey with a vignette and grain.
    Blank,
}

impl Kind {
    /// Every family.
    pub const ALL: [Self; 10] = [
        Self::Ramp,
        Self::Noise,
        Self::Drawing,
        Self::Text,
        Self::TestPattern,
        Self::Pebbles,
        Self::Slice,
        Self::Limb,
        Self::Scene,
        Self::Blank,
    ];

    /// Draws an image of `side` × `side` pixels, row by row, each in [0, 1].
    #[must_use]
    pub fn draw(self, side: usize, rng: &mut Rng) -> Vec<f32> {
        let field = shapes::field(self, rng);
        let grain = shapes::grain(self, rng);
        let contrast = (0.4 + 0.6 * rng.uniform(), rng.uniform());
        let mut grey = Vec::with_capacity(side * side);
        for row in 0..side {
            for column in 0..side {
                let at = |place: usize| (place as f64 + 0.5) / side as f64;
                let level = field.at(at(column), at(row));
                // The range that is used lies anywhere within black and white.
                let level = level.clamp(0.0, 1.0) * contrast.0 + contrast.1 * (1.0 - contrast.0);
                grey.push((level + grain * rng.normal()).clamp(0.0, 1.0) as f32);
            }
        }
        grey
    }

    /// The same as a canonical image.
    ///
    /// # Errors
    /// None is expected.
    pub fn canonical(self, rng: &mut Rng) -> Result<Canonical> {
        Ok(Canonical::from_picture(&Picture::new(SIDE, SIDE, self.draw(SIDE, rng))?)?.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ramp => "ramp",
            Self::Noise => "noise",
            Self::Drawing => "drawing",
            Self::Text => "text",
            Self::TestPattern => "test pattern",
            Self::Pebbles => "pebbles",
            Self::Slice => "slice",
            Self::Limb => "limb",
            Self::Scene => "scene",
            Self::Blank => "blank",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gives_another_image_for_another_seed_and_the_same_for_the_same() {
        for kind in Kind::ALL {
            let draw = |seed| kind.draw(48, &mut Rng::new(seed, "nonfilm"));
            let (a, b) = (draw(1), draw(2));
            assert_eq!((a.len(), &a), (48 * 48, &draw(1)), "{kind}");
            assert_ne!(a, b, "{kind}");
            assert!(a.iter().all(|level| (0.0..=1.0).contains(level)), "{kind}");
        }
    }

    #[test]
    fn a_description_is_the_same_at_any_side() {
        // Without grain, the mean of four pixels is near the pixel of half the side.
        for seed in 0..4 {
            let field = shapes::field(Kind::Slice, &mut Rng::new(seed, "nonfilm"));
            let mean = |side: usize| {
                let at = |i: usize| (i as f64 + 0.5) / side as f64;
                let all = (0..side * side).map(|i| field.at(at(i % side), at(i / side)));
                all.sum::<f64>() / (side * side) as f64
            };
            assert!((mean(32) - mean(64)).abs() < 0.02, "{} {}", mean(32), mean(64));
        }
    }
}
