//! The synthetic chest: the same everywhere, different by seed, and what its findings change.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use veilray_imaging::ingest::{Assume, Canonical, Settings, read_bytes};
use veilray_imaging::phantom::{Error, Film, Finding, Phantom, Side};

const QUIET: Phantom = Phantom { seed: 7, size: 256, opacity: None, effusion: None, cardiomegaly: 0.0, noise: 0.0 };

/// FNV-1a hash of the film's levels, 64 bits.
fn digest(film: &Film) -> u64 {
    film.pixels()
        .iter()
        .flat_map(|p| p.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// Mean grey of a box in the film's coordinates, −1 to 1.
fn mean(film: &Film, (x0, x1): (f64, f64), (y0, y1): (f64, f64)) -> f64 {
    let size = film.size();
    let at = |v: f64| ((v + 1.0) / 2.0 * size as f64) as usize;
    let (mut sum, mut count) = (0.0, 0.0);
    for y in at(y0)..at(y1) {
        for x in at(x0)..at(x1) {
            sum += f64::from(film.pixels()[y * size + x]) / 65_535.0;
            count += 1.0;
        }
    }
    sum / count
}

/// Of the film of seed 42 at 128 × 128.
const DIGEST: u64 = 17_788_808_270_581_280_949;

#[test]
fn a_seed_gives_one_film_on_every_machine() {
    let phantom = Phantom { seed: 42, size: 128, ..Phantom::default() };
    assert_eq!(phantom.film().unwrap(), phantom.film().unwrap());
    assert_eq!(digest(&phantom.film().unwrap()), DIGEST, "the drawing changed: look at it, then change this number");
    assert_ne!(phantom.film().unwrap(), Phantom { seed: 43, ..phantom }.film().unwrap());
}

#[test]
fn lungs_are_dark_the_mediastinum_is_bright_and_the_corners_are_black() {
    for seed in 0..6 {
        let film = Phantom { seed, ..QUIET }.film().unwrap();
        let lungs = [mean(&film, (-0.5, -0.3), (-0.2, 0.1)), mean(&film, (0.4, 0.6), (-0.2, 0.1))];
        let middle = mean(&film, (-0.05, 0.05), (0.0, 0.3));
        let corner = mean(&film, (-1.0, -0.9), (-1.0, -0.9));
        assert!(lungs.iter().all(|&lung| (0.2..0.5).contains(&lung)), "{lungs:?}");
        assert!(middle > 0.75 && corner < 0.02, "{middle} {corner}");
    }
}

#[test]
fn findings_brighten_their_place_and_nothing_else() {
    let healthy = QUIET.film().unwrap();
    let effusion = Phantom { effusion: Some(Finding { side: Side::Left, amount: 0.6 }), ..QUIET }.film().unwrap();
    let base = |film: &Film, side: f64| mean(film, (side * 0.58 - 0.06, side * 0.58 + 0.06), (0.35, 0.50));
    assert!(base(&effusion, 1.0) > base(&healthy, 1.0) + 0.2);
    assert!((base(&effusion, -1.0) - base(&healthy, -1.0)).abs() < 1e-9);

    let opacity = Phantom { opacity: Some(Finding { side: Side::Right, amount: 1.0 }), ..QUIET }.film().unwrap();
    let lung = |film: &Film, side: f64| mean(film, (side * 0.45 - 0.15, side * 0.45 + 0.15), (-0.2, 0.2));
    assert!(lung(&opacity, -1.0) > lung(&healthy, -1.0) + 0.1);
    assert!((lung(&opacity, 1.0) - lung(&healthy, 1.0)).abs() < 1e-9);

    let heart = Phantom { cardiomegaly: 1.0, ..QUIET }.film().unwrap();
    let border = |film: &Film| mean(film, (0.40, 0.50), (0.25, 0.40));
    assert!(border(&heart) > border(&healthy) + 0.2);
}

#[test]
fn more_noise_means_more_grain() {
    let rough = |noise| {
        let film = Phantom { noise, ..QUIET }.film().unwrap();
        let steps = film.pixels().windows(2).map(|w| f64::from(w[0].abs_diff(w[1])));
        steps.sum::<f64>()
    };
    assert!(rough(0.0) < rough(0.3) && rough(0.3) < rough(1.0));
}

#[test]
fn the_film_as_a_png_file_passes_the_checks_and_gives_its_canonical_image() {
    let phantom = Phantom { size: 512, ..QUIET };
    let settings =
        Settings { assume: "photometric=MONOCHROME2,view=PA,modality=DX".parse::<Assume>().unwrap(), ..Settings::default() };
    let read = read_bytes(&phantom.film().unwrap().to_png().unwrap(), &settings).unwrap();
    assert_eq!(read.report.warnings, []);
    assert_eq!(read.image, phantom.canonical().unwrap());
    assert_eq!(read.image.values().len(), Canonical::SHAPE.iter().product::<usize>());
}

#[test]
fn sizes_and_amounts_out_of_range_are_errors() {
    assert_eq!(Phantom { size: 5000, ..QUIET }.film().unwrap_err(), Error::Size { found: 5000 });
    assert_eq!(Phantom { size: 0, ..QUIET }.film().unwrap_err(), Error::Size { found: 0 });
    let wrong = Phantom { cardiomegaly: 1.5, ..QUIET }.film().unwrap_err();
    assert_eq!(wrong, Error::Amount { field: "cardiomegaly", found: 1.5 });
    assert!(Phantom { noise: f64::NAN, ..QUIET }.film().is_err());
}
