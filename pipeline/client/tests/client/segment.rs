//! An image file to a mask, over HTTP, beside the network in clear.

use crate::common::{MASK_MODEL, MODEL, User, WEIGHTS, daemon, daemon_of, dicom};
use std::fs;
use std::path::Path;
use veilray_classifier::reference;
use veilray_classifier::release::Model;
use veilray_imaging::ingest::{Settings, read_file};
use veilray_imaging::pixels::Pixels;

/// Extents and levels of a PNG file.
fn decoded(path: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut levels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut levels).unwrap();
    (frame.width, frame.height, levels)
}

#[test]
fn an_image_becomes_the_mask_of_the_clear_network_in_one_reply() {
    let data = tempfile::tempdir().unwrap();
    let server = daemon_of(MASK_MODEL, &data.path().join("data"));
    let (url, user) = (server.url(), User::new());
    let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &url]].concat());
    run(&["keygen", "--model", MASK_MODEL]).ends(0);
    run(&["keys", "register"]).ends(0);
    let image = user.chest("doe_jane.png", 3);
    let line = run(&["segment", "doe_jane.png", "--out", "overlay.png", "--mask", "mask.png", "--json"]).ends(0).json().remove(0);

    let model = Model::open(&WEIGHTS.path().join(MASK_MODEL)).unwrap();
    let threshold = f64::from(model.manifest().operating_point.thresholds.values[0]);
    let canonical = read_file(&image, &Settings::default()).unwrap().image;
    let values: Vec<f64> = Pixels::new(32).unwrap().values(&canonical).into_iter().map(f64::from).collect();
    let logits = reference::evaluate(model.spec(), model.weights(), &values).unwrap();
    let (width, height, mask) = decoded(&user.path("mask.png"));
    assert_eq!((width, height, mask.len()), (32, 32, 1024));
    let mut far = [0, 0];
    for (logit, level) in logits.iter().zip(&mask) {
        if (logit - threshold).abs() > 1e-3 {
            assert_eq!(*level == 255, *logit >= threshold, "{logit} in clear");
            far[usize::from(*level == 255)] += 1;
        }
    }
    assert!(far.iter().all(|count| *count > 300), "{far:?} pixels outside and inside");

    let pixels = mask.iter().filter(|level| **level == 255).count();
    assert_eq!((line["name"].as_str(), line["pixels"].as_u64()), (Some("lung"), Some(pixels as u64)));
    assert_eq!((line["model"].as_str(), line["height"].as_u64()), (Some(MASK_MODEL), Some(32)));
    let (width, height, overlay) = decoded(&user.path("overlay.png"));
    assert_eq!((width, height, overlay.len()), (256, 256, 3 * 256 * 256));
    let grey = canonical.to_levels();
    for (index, pixel) in overlay.chunks(3).enumerate() {
        let inside = mask[index / 256 / 8 * 32 + index % 256 / 8] == 255;
        assert_eq!(pixel == [grey[index]; 3], !inside, "pixel {index}");
    }
    // Pictures of a patient: for their owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(user.path("overlay.png")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = run(&["segment", "doe_jane.png", "--out", "overlay.png"]).ends(0).out;
    assert!(text.contains("lung: ") && text.contains(" MB sent") && text.contains("not for diagnostic use"), "{text}");

    let refused = run(&["segment", "doe_jane.png", "--out", "o.png", "--seg", "seg.dcm"]).ends(2);
    refused.says(&["--seg", "PNG", "give the film as the DICOM file"]);
    assert!(!user.path("o.png").exists() && !user.path("seg.dcm").exists(), "refused before the server was asked");
    run(&["classify", "doe_jane.png"]).ends(2).says(&[MASK_MODEL, "gives masks", "veilray segment"]);
    run(&["segment", "none.png", "--out", "o.png"]).ends(2).says(&["none.png: there is no such file"]);

    let words: Vec<u16> = grey.iter().map(|level| u16::from(*level) << 8).collect();
    fs::write(user.path("film.dcm"), dicom(&words, 256, "Doe^Jane")).unwrap();
    let ran = run(&["segment", "film.dcm", "--out", "overlay.png", "--mask", "mask.png", "--seg", "seg.dcm"]).ends(0);
    assert!(!ran.out.contains("Doe") && !ran.err.contains("Doe"), "{ran:?}");
    let (_, _, mask) = decoded(&user.path("mask.png"));
    let seg = fs::read(user.path("seg.dcm")).unwrap();
    // Pixel data is the last element: a bit for each of 256 x 256 pixels, the first in the lowest.
    let bits = &seg[seg.len() - 256 * 256 / 8..];
    for index in 0..256 * 256 {
        let inside = mask[index / 256 / 8 * 32 + index % 256 / 8] == 255;
        assert_eq!(bits[index / 8] >> (index % 8) & 1 == 1, inside, "pixel {index}");
    }
    for said in ["1.2.840.10008.5.1.4.1.1.66.4", "Doe^Jane", "1.2.3.5", "1.2.3.6", MASK_MODEL] {
        assert!(seg.windows(said.len()).any(|window| window == said.as_bytes()), "{said}");
    }
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(user.path("seg.dcm")).unwrap().permissions()) & 0o777,
        0o600
    );
    server.stop().unwrap();
}

#[test]
fn a_model_of_labels_is_not_asked_for_a_mask() {
    let data = tempfile::tempdir().unwrap();
    let server = daemon(&data.path().join("data"));
    let (url, user) = (server.url(), User::new());
    user.run(&["keygen", "--model", MODEL, "--server", &url]).ends(0);
    user.chest("a.png", 1);
    let refused = user.run(&["segment", "a.png", "--out", "o.png", "--server", &url]).ends(2);
    refused.says(&[MODEL, "gives labels", "veilray classify"]);
    assert!(!user.path("o.png").exists());
    user.run(&["demo", "--model", MASK_MODEL]).ends(2).says(&["gives masks", "veilray segment"]);
    server.stop().unwrap();
}
