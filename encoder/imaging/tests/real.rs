//! The X-rays of the data sets that encoders were trained on, in the folder that `VEILRAY_DATA` names or beside the checkout: none is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/data.rs"]
mod support;

use std::path::PathBuf;
use support::data;
use veilray_imaging::ingest::{Assume, Error, Rule, Settings, Warning, read_file};

fn images(set: &str, every: usize) -> Vec<PathBuf> {
    let Some(folder) = data().map(|data| data.join(set).join("images")).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: no {set}; set VEILRAY_DATA");
        return vec![];
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().step_by(every).collect()
}

#[test]
fn real_x_rays_pass_the_checks() {
    let assume: Assume = "photometric=MONOCHROME2,view=FRONTAL,modality=CR".parse().unwrap();
    let settings = Settings { assume, ..Settings::default() };
    for (set, every) in [("nih_cxr14_256", 3), ("nih_cxr14_128", 20), ("kermany_pneumonia", 12), ("tb_nlm_cxr", 2)] {
        let (mut read, mut faints, mut refused) = (0, 0, vec![]);
        for path in images(set, every) {
            match read_file(&path, &settings) {
                Ok(image) => {
                    let faint = |warning: &Warning| matches!(warning, Warning::Faint { .. });
                    let (told, others): (Vec<_>, Vec<_>) = image.report.warnings.into_iter().partition(faint);
                    assert_eq!(others, []);
                    faints += told.len();
                    read += 1;
                }
                Err(Error::Refused(refusal)) => refused.push(format!("{:?}: {refusal}", path.file_name())),
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        eprintln!("{set}: {read} read, {} refused {refused:?}", refused.len());
        assert!(refused.is_empty(), "{refused:?}");
        assert!(faints * 100 <= read, "{set}: {faints} of {read} are told to be faint");
    }
}

#[test]
fn lung_masks_are_no_x_rays() {
    let Some(folder) = data().map(|data| data.join("tb_nlm_cxr/masks")).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: no tb_nlm_cxr masks; set VEILRAY_DATA");
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap().step_by(40) {
        let error = read_file(&entry.unwrap().path(), &Settings::default()).unwrap_err();
        assert!(matches!(error, Error::Refused(refusal) if refusal.rule == Rule::Saturated), "{error}");
    }
}
