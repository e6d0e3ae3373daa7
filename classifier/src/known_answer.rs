//! The input of a self-test: values on which a machine's encrypted answer is compared with the clear one.

use veilray_base::Rng;

/// The values that a model whose encoder has that name is tested on, `count` of them, the same on every machine: a drawn chest for
/// `pixels-SIDE` where `count` is SIDE², otherwise standard normal numbers, which is what latents are scaled to. A deep polynomial of
/// pixels that are noise may leave every range.
pub fn known_answer_input(encoder: &str, count: usize) -> Vec<f64> {
    let side = encoder.strip_prefix("pixels-").and_then(|side| side.parse::<usize>().ok());
    match side.filter(|side| side.checked_mul(*side) == Some(count)) {
        Some(side) => chest(side),
        None => {
            let mut rng = Rng::new(1, "known answer");
            (0..count).map(|_| rng.normal()).collect()
        }
    }
}

/// An ellipse of even brightness with a soft edge, in coordinates of [-1, 1] from left to right and from top to bottom.
struct Ellipse {
    centre: [f64; 2],
    /// Half the width and half the height.
    radii: [f64; 2],
    /// Brightness inside, in units of the image's values.
    value: f64,
}

/// Dark background, a grey body, two dark lungs, a bright heart and spine: as in a frontal X-ray. Later ones cover earlier ones.
const CHEST: [Ellipse; 5] = [
    Ellipse { centre: [0.0, 0.15], radii: [0.95, 1.1], value: 0.25 },
    Ellipse { centre: [-0.42, -0.05], radii: [0.32, 0.62], value: -0.55 },
    Ellipse { centre: [0.42, -0.05], radii: [0.32, 0.62], value: -0.55 },
    Ellipse { centre: [0.0, 0.1], radii: [0.1, 1.2], value: 0.6 },
    Ellipse { centre: [0.15, 0.3], radii: [0.28, 0.28], value: 0.5 },
];

/// Value where nothing is.
const BACKGROUND: f64 = -0.9;
/// Part of an ellipse's radius over which its edge fades, on either side.
const EDGE: f64 = 0.15;

/// A drawn chest of `side` × `side` values in [-1, 1], row by row.
fn chest(side: usize) -> Vec<f64> {
    let coordinate = |at: usize| (2 * at + 1) as f64 / side as f64 - 1.0;
    let value = |at: usize| {
        let place = [coordinate(at % side), coordinate(at / side)];
        CHEST.iter().fold(BACKGROUND, |below, ellipse| {
            let share = ellipse.share(place);
            below + share * (ellipse.value - below)
        })
    };
    (0..side * side).map(value).collect()
}

impl Ellipse {
    /// How much of the brightness at a place is the ellipse's, in [0, 1]: all of it well inside, none well outside.
    fn share(&self, [x, y]: [f64; 2]) -> f64 {
        let ([cx, cy], [rx, ry]) = (self.centre, self.radii);
        let distance = (((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2)).sqrt();
        let part = ((1.0 + EDGE - distance) / (2.0 * EDGE)).clamp(0.0, 1.0);
        part * part * (3.0 - 2.0 * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::check_range;
    use crate::release::Model;
    use std::path::Path;

    #[test]
    fn the_drawn_chest_keeps_the_released_models_within_their_range() {
        for name in ["pixel-nih14", "unet-lung-64", "unet-lung-128"] {
            let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights").join(name)).unwrap();
            let image = known_answer_input(&model.manifest().encoder, model.spec().input.len());
            assert!(image.iter().all(|v| (-1.0..=1.0).contains(v)));
            let left = check_range(model.spec(), model.weights(), &model.manifest().range, &image, 1.0).unwrap();
            assert!(left.is_empty(), "{name}: {left:?}");
            // Noise is no such picture.
            let noise = known_answer_input("", image.len());
            assert!(
                !check_range(model.spec(), model.weights(), &model.manifest().range, &noise, 1.0).unwrap().is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn pixels_of_another_number_and_latents_are_normal_numbers() {
        let latent = known_answer_input("encoder-f8", 4096);
        let power = latent.iter().map(|v| v * v).sum::<f64>() / 4096.0;
        // The variance 1 within five standard errors, 5 sqrt(2 / 4096).
        assert!((power - 1.0).abs() < 0.111, "{power}");
        assert_eq!(known_answer_input("pixels-64", 4095), latent[..4095]);
        assert_ne!(known_answer_input("pixels-64", 4096), latent);
        assert_eq!(known_answer_input("pixels-18446744073709551615", 3), latent[..3]);
    }
}
