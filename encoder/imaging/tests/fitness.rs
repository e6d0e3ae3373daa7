//! What is said of the pixels: of chests as they should be, turned, inverted, and of what is no chest.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/data.rs"]
mod support;

use support::data;
use veilray_base::Rng;
use veilray_imaging::fitness::warnings;
use veilray_imaging::ingest::{Canonical, SIDE, Settings, Warning, read_file};
use veilray_imaging::nonfilm::Kind;
use veilray_imaging::phantom::Phantom;

/// The image turned by so many times 90° counter-clockwise.
fn turned(image: &Canonical, quarters: usize) -> Canonical {
    let mut values = image.values().to_vec();
    for _ in 0..quarters {
        let before = values.clone();
        for (i, value) in values.iter_mut().enumerate() {
            *value = before[(i % SIDE) * SIDE + SIDE - 1 - i / SIDE];
        }
    }
    Canonical::from_values(values).unwrap()
}

fn negative(image: &Canonical) -> Canonical {
    Canonical::from_values(image.values().iter().map(|value| -value).collect()).unwrap()
}

fn phantom(seed: u64) -> Canonical {
    Phantom { seed, size: 256, ..Phantom::default() }.canonical().unwrap()
}

#[test]
fn of_a_chest_as_it_should_be_nothing_is_said() {
    for seed in 50_000..50_040 {
        assert_eq!(warnings(&phantom(seed)), [], "{seed}");
    }
}

#[test]
fn a_turned_chest_is_told_with_the_turn_that_mends_it() {
    for seed in 50_000..50_010 {
        for quarters in 1..4 {
            let said = warnings(&turned(&phantom(seed), quarters));
            let [Warning::Lying { degrees, chance }] = said.as_slice() else { panic!("{seed} {quarters}: {said:?}") };
            assert_eq!(usize::from(*degrees), 90 * quarters);
            assert!((0.5..=1.0).contains(chance));
            assert!(said[0].to_string().contains(&format!("{} degrees clockwise", 90 * quarters)));
        }
    }
}

#[test]
fn a_negative_is_told_upright_or_turned() {
    for seed in 50_000..50_010 {
        let said = warnings(&negative(&phantom(seed)));
        assert!(matches!(said.as_slice(), [Warning::Negative { .. }]), "{seed}: {said:?}");
        let said = warnings(&negative(&turned(&phantom(seed), 2)));
        assert!(matches!(said.as_slice(), [Warning::Lying { degrees: 180, .. }, Warning::Negative { .. }]), "{seed}: {said:?}");
    }
}

#[test]
fn of_made_images_without_a_chest_at_least_95_in_100_are_told() {
    for kind in Kind::ALL {
        let mut rng = Rng::new(77, "a test of fitness");
        let told = (0..40).filter(|_| !warnings(&kind.canonical(&mut rng).unwrap()).is_empty()).count();
        assert!(told >= 38, "{kind}: {told} of 40");
    }
}

/// The first `count` images of a data set's test split; none where the data are not there.
fn films(set: &str, count: usize) -> Option<Vec<Canonical>> {
    let folder = data()?.join(set);
    let table = std::fs::read_to_string(folder.join("labels.csv")).ok()?;
    let test = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).filter(|cells| cells[1] == "test");
    let read = |cells: Vec<&str>| read_file(&folder.join(cells[0]), &Settings::default()).ok().map(|read| read.image);
    Some(test.take(count).filter_map(read).collect())
}

#[test]
fn of_real_films_at_most_one_in_a_hundred_is_told_and_their_changes_are() {
    for set in ["nih_cxr14_256", "nih_cxr14_128", "kermany_pneumonia", "tb_nlm_cxr"] {
        let Some(films) = films(set, 100) else {
            eprintln!("skipped: {set} is not there; VEILRAY_DATA names the folder of the data sets");
            continue;
        };
        let told = |image: &Canonical| usize::from(!warnings(image).is_empty());
        let false_alarms: usize = films.iter().map(told).sum();
        assert!(false_alarms * 100 <= films.len(), "{set}: {false_alarms} of {}", films.len());
        let mut found = 0;
        for film in &films {
            found += told(&negative(film)) + (1..4).map(|quarters| told(&turned(film, quarters))).sum::<usize>();
        }
        assert!(found * 100 >= 4 * films.len() * 95, "{set}: {found} of {}", 4 * films.len());
    }
}

#[test]
fn slices_of_another_part_of_the_body_are_told() {
    let Some(slices) = films("kidney_ct", 60) else {
        eprintln!("skipped: kidney_ct is not there; VEILRAY_DATA names the folder of the data sets");
        return;
    };
    let told = slices.iter().filter(|slice| matches!(warnings(slice).as_slice(), [Warning::NoChest { .. }])).count();
    assert!(told * 100 >= slices.len() * 95, "{told} of {}", slices.len());
}
