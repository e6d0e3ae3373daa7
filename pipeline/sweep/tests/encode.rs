//! A pass over a data set: every image once, whatever happens in between.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use indicatif::ProgressBar;
use std::fs;
use std::path::Path;
use support::set;
use veilray_encoder::release::Released;
use veilray_imaging::ingest::{Canonical, SIDE};
use veilray_latents::Reader;
use veilray_sweep::command::error::{Error, Result};
use veilray_sweep::data::{Dataset, Split};
use veilray_sweep::encode::{LatentEncoder, Options, Summary, encode};

/// Means over blocks of 128 × 64 pixels, which a mirrored image has in mirrored order; refuses after `left` images.
struct Means {
    left: usize,
    digest: String,
}

fn means() -> Means {
    Means { left: usize::MAX, digest: "5f".repeat(32) }
}

impl LatentEncoder for Means {
    fn name(&self) -> &str {
        "means"
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn shape(&self) -> [usize; 3] {
        [1, 2, 4]
    }

    fn encode(&mut self, images: &[Canonical]) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        self.left = self.left.checked_sub(images.len()).ok_or("out of order")?;
        Ok(images.iter().flat_map(latent).collect())
    }
}

fn latent(image: &Canonical) -> Vec<f32> {
    let mut sums = [0.0f64; 8];
    for (i, &value) in image.values().iter().enumerate() {
        sums[i / SIDE / 128 * 4 + i % SIDE / 64] += f64::from(value);
    }
    sums.iter().map(|sum| (sum / (128.0 * 64.0)) as f32).collect()
}

fn run(set: &Dataset, encoder: &mut Means, out: &Path, flips: bool) -> Result<Summary> {
    let options = Options { flips, batch: 3, flush: 4, ..Options::default() };
    encode(set, encoder, out, &options, &ProgressBar::hidden())
}

fn assert_whole(out: &Path, set: &Dataset, flips: bool) {
    let reader = Reader::open(out).unwrap();
    let mut seen = vec![];
    for (index, row) in reader.rows().iter().enumerate() {
        let item = set.items.iter().position(|item| item.file == row.file).unwrap();
        seen.push((item, row.flipped));
        let item_of_row = &set.items[item];
        assert_eq!((row.split, &row.patient_id), (item_of_row.split, &item_of_row.patient_id));
        assert_eq!((&row.labels, &row.extra), (&item_of_row.labels, &item_of_row.extra));
        let mut wanted = latent(&set.image(item).unwrap().image);
        if row.flipped {
            wanted.chunks_mut(4).for_each(<[f32]>::reverse);
            assert_eq!(row.split, Split::Train);
        }
        let found = reader.read(index..index + 1).unwrap();
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {wanted:?}");
    }
    seen.sort();
    let all = (0..20).filter(|i| ![4, 11].contains(i)).flat_map(|i| [(i, false), (i, true)]);
    assert_eq!(seen, all.filter(|&(i, flipped)| !flipped || flips && i % 3 == 0).collect::<Vec<_>>());
}

#[test]
fn every_image_is_encoded_once_and_the_refused_ones_are_named_by_place() {
    let (folder, set) = set();
    let out = folder.path().join("latents/small.h5");
    let summary = run(&set, &mut means(), &out, false).unwrap();
    assert_whole(&out, &set, false);
    assert_eq!(summary.rows, [(Split::Train, 7), (Split::Val, 6), (Split::Test, 5)].into());
    assert_eq!((summary.rows_before, summary.warned), (0, 18));
    let places: Vec<&str> = summary.refused.iter().map(|refused| &*refused.place).collect();
    assert_eq!(places, ["small/labels.csv line 6", "small/labels.csv line 13"]);
    assert!(summary.refused[0].reason.contains("constant") && summary.refused[1].reason.contains("cannot be read"));
    for text in [summary.to_string(), serde_json::to_string(&summary).unwrap()] {
        assert!(text.contains("refused") && !text.contains("Doe"), "{text}");
    }
    let info = Reader::open(&out).unwrap().info().clone();
    assert_eq!((&*info.encoder, &*info.dataset, info.dataset_digest), ("means", "small", set.digest()));
}

#[test]
fn training_images_can_be_mirrored_too() {
    let (folder, set) = set();
    let out = folder.path().join("small.h5");
    let summary = run(&set, &mut means(), &out, true).unwrap();
    assert_eq!(summary.rows, [(Split::Train, 14), (Split::Val, 6), (Split::Test, 5)].into());
    assert_whole(&out, &set, true);
}

#[test]
fn an_interrupted_run_goes_on() {
    let (folder, set) = set();
    let out = folder.path().join("small.h5");
    let error = run(&set, &mut Means { left: 10, ..means() }, &out, true).unwrap_err();
    assert_eq!(error.to_string(), "the encoder: out of order");
    assert!(!out.exists());
    let summary = run(&set, &mut means(), &out, true).unwrap();
    assert!((1..=10).contains(&summary.rows_before), "{}", summary.rows_before);
    assert_whole(&out, &set, true);
    // Nothing is left to do, and nothing is done.
    let before = fs::read(&out).unwrap();
    let summary = run(&set, &mut Means { left: 0, ..means() }, &out, true).unwrap();
    assert_eq!((summary.rows_before, summary.refused.len()), (25, 2));
    assert_eq!(fs::read(&out).unwrap(), before);
}

#[test]
fn splits_can_be_encoded_one_after_the_other() {
    let (folder, set) = set();
    let out = folder.path().join("small.h5");
    for splits in [vec![Split::Test], vec![Split::Train, Split::Val]] {
        let options = Options { splits, ..Options::default() };
        encode(&set, &mut means(), &out, &options, &ProgressBar::hidden()).unwrap();
    }
    assert_whole(&out, &set, false);
    assert_eq!(Reader::open(&out).unwrap().rows()[0].split, Split::Test);
}

#[test]
fn another_encoder_does_not_go_on_with_this_ones_file() {
    let (folder, set) = set();
    let out = folder.path().join("small.h5");
    run(&set, &mut means(), &out, false).unwrap();
    let error = run(&set, &mut Means { digest: "aa".repeat(32), ..means() }, &out, false).unwrap_err();
    assert!(matches!(error, Error::Latents(veilray_latents::Error::OtherRun { what: "the encoder's digest", .. })), "{error}");
}

#[test]
fn a_data_set_without_an_image_that_passes_is_an_error() {
    let (folder, set) = set();
    let out = folder.path().join("small.h5");
    fs::remove_dir_all(folder.path().join("images")).unwrap();
    let error = run(&set, &mut means(), &out, false).unwrap_err();
    assert!(matches!(&error, Error::NothingToEncode { refused, .. } if refused.len() == 20), "{error}");
    let none = Options { splits: vec![], ..Options::default() };
    assert!(matches!(encode(&set, &mut means(), &out, &none, &ProgressBar::hidden()), Err(Error::NothingToEncode { .. })));
}

#[test]
fn quantised_latents_decode_to_the_image_of_their_codebook_entries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/encoder-f16");
    let encoder = Released::open(&folder).unwrap();
    let image = Canonical::from_values(
        support::picture(3).iter().cycle().take(SIDE * SIDE).map(|v| f32::from(*v) / 127.5 - 1.0).collect(),
    );
    let image = [image.unwrap()];
    let quantised = encoder.encode_quantized(&image).unwrap();
    assert_ne!(quantised, encoder.encode(&image).unwrap());
    let latent = encoder.net().encode(&encoder.tensor(&image).unwrap()).unwrap();
    let (wanted, _) = encoder.net().decode_quantized(&latent).unwrap();
    let wanted: Vec<f32> = wanted.flatten_all().unwrap().to_vec1().unwrap();
    let found = encoder.decode(&quantised).unwrap();
    let apart = found.values().iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-4, "{apart}");
}
