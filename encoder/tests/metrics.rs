//! Metrics against an independent, naive computation and against values known by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use veilray_encoder::metrics::{CodebookUse, Error, Pair, Range};

/// A reproducible texture in [0, 1).
fn texture(width: usize, height: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..width * height)
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (x, y) = ((i % width) as f64, (i / width) as f64);
            let wave = 0.5 + 0.3 * (x / 9.0).sin() * (y / 7.0).cos();
            (wave + 0.2 * (state as f64 / u64::MAX as f64 - 0.5)) as f32
        })
        .collect()
}

/// SSIM and its contrast-structure factor by the definition: a full 11 × 11 window at every position.
fn naive(a: &[f64], b: &[f64], width: usize, span: f64) -> (f64, f64) {
    let height = a.len() / width;
    let mut window = vec![];
    for j in -5i32..=5 {
        for i in -5i32..=5 {
            window.push((-f64::from(i * i + j * j) / (2.0 * 1.5 * 1.5)).exp());
        }
    }
    let total: f64 = window.iter().sum();
    let (c1, c2) = ((0.01 * span).powi(2), (0.03 * span).powi(2));
    let (mut ssim, mut cs, mut count) = (0.0, 0.0, 0.0);
    for y in 0..=height - 11 {
        for x in 0..=width - 11 {
            let at = |v: &[f64], k: usize| v[(y + k / 11) * width + x + k % 11];
            let mean = |f: &dyn Fn(usize) -> f64| (0..121).map(|k| window[k] / total * f(k)).sum::<f64>();
            let (ma, mb) = (mean(&|k| at(a, k)), mean(&|k| at(b, k)));
            let va = mean(&|k| (at(a, k) - ma).powi(2));
            let vb = mean(&|k| (at(b, k) - mb).powi(2));
            let cov = mean(&|k| (at(a, k) - ma) * (at(b, k) - mb));
            let structure = (2.0 * cov + c2) / (va + vb + c2);
            ssim += structure * (2.0 * ma * mb + c1) / (ma * ma + mb * mb + c1);
            cs += structure;
            count += 1.0;
        }
    }
    (ssim / count, cs / count)
}

fn halve(v: &[f64], width: usize) -> Vec<f64> {
    let (w, h) = (width / 2, v.len() / width / 2);
    let at = |x: usize, y: usize| v[y * width + x];
    (0..w * h)
        .map(|i| (2 * (i % w), 2 * (i / w)))
        .map(|(x, y)| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0)
        .collect()
}

fn double(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn psnr_of_a_constant_difference_is_known_in_closed_form() {
    let a = texture(31, 17, 1);
    // A tenth of the range everywhere: MSE = 0.01 L², so 20 dB.
    let b: Vec<f32> = a.iter().map(|v| v + 0.1).collect();
    assert!((Pair::new(31, 17, &a, &b, Range::Unit).unwrap().psnr() - 20.0).abs() < 1e-5);
    // The same difference in a range twice as wide: 20 log10(2) dB more.
    assert!((Pair::new(31, 17, &a, &b, Range::Symmetric).unwrap().psnr() - 26.020_599_913).abs() < 1e-5);
    assert_eq!(Pair::new(31, 17, &a, &a, Range::Unit).unwrap().psnr(), f64::INFINITY);
}

#[test]
fn ssim_agrees_with_the_definition() {
    for (width, height, range) in [(11, 11, Range::Unit), (40, 23, Range::Unit), (23, 40, Range::Symmetric)] {
        let (a, b) = (texture(width, height, 2), texture(width, height, 3));
        let found = Pair::new(width, height, &a, &b, range).unwrap().ssim().unwrap();
        let (wanted, _) = naive(&double(&a), &double(&b), width, range.span());
        assert!((found - wanted).abs() < 1e-10, "{width} × {height}: {found} for {wanted}");
    }
}

#[test]
fn ssim_of_two_constants_is_the_luminance_factor() {
    let (a, b) = (vec![0.25f32; 400], vec![0.75f32; 400]);
    let wanted = (2.0 * 0.25 * 0.75 + 1e-4) / (0.0625 + 0.5625 + 1e-4);
    let found = Pair::new(20, 20, &a, &b, Range::Unit).unwrap().ssim().unwrap();
    assert!((found - wanted).abs() < 1e-12);
}

#[test]
fn every_similarity_of_equal_images_is_one() {
    let a = texture(176, 176, 4);
    let pair = Pair::new(176, 176, &a, &a, Range::Symmetric).unwrap();
    assert!((pair.ssim().unwrap() - 1.0).abs() < 1e-12);
    assert!((pair.ms_ssim().unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn ms_ssim_agrees_with_the_definition() {
    let (width, height) = (183, 177);
    let (a, b) = (texture(width, height, 5), texture(width, height, 6));
    let found = Pair::new(width, height, &a, &b, Range::Unit).unwrap().ms_ssim().unwrap();
    let (mut x, mut y, mut w, mut wanted) = (double(&a), double(&b), width, 1.0);
    for (scale, exponent) in [0.0448f64, 0.2856, 0.3001, 0.2363, 0.1333].into_iter().enumerate() {
        let (ssim, cs) = naive(&x, &y, w, 1.0);
        wanted *= f64::powf(if scale == 4 { ssim } else { cs }.max(0.0), exponent);
        (x, y, w) = (halve(&x, w), halve(&y, w), w / 2);
    }
    assert!((found - wanted).abs() < 1e-10, "{found} for {wanted}");
    assert!(wanted > 0.1 && wanted < 0.999);
}

#[test]
fn sizes_that_do_not_fit_are_errors() {
    let a = vec![0.0f32; 176 * 175];
    assert_eq!(
        Pair::new(3, 3, &a, &a, Range::Unit).unwrap_err(),
        Error::Size { width: 3, height: 3, first: 30_800, second: 30_800 }
    );
    assert!(Pair::new(0, 0, &[], &[], Range::Unit).is_err());
    let pair = Pair::new(176, 175, &a, &a, Range::Unit).unwrap();
    assert_eq!(pair.ms_ssim().unwrap_err(), Error::TooSmall { found: 175, wanted: 176 });
    assert!(pair.ssim().is_ok());
    assert_eq!(
        Pair::new(1760, 10, &a[..17_600], &a[..17_600], Range::Unit).unwrap().ssim().unwrap_err(),
        Error::TooSmall { found: 10, wanted: 11 }
    );
}

#[test]
fn codebook_use_counts_and_weighs() {
    let even = CodebookUse::of(&[0, 3, 5, 7, 7, 5, 3, 0], 8).unwrap();
    assert_eq!((even.used, even.share()), (4, 0.5));
    assert!((even.perplexity - 4.0).abs() < 1e-12);
    // Frequencies 3/4 and 1/4: exp(H) = 4 / 3^(3/4).
    let uneven = CodebookUse::of(&[1, 1, 1, 2], 1024).unwrap();
    assert!((uneven.perplexity - 4.0 / 3f64.powf(0.75)).abs() < 1e-12);
    assert_eq!(CodebookUse::of(&[8], 8).unwrap_err(), Error::Index { index: 8, size: 8 });
    assert_eq!(CodebookUse::of(&[], 8).unwrap_err(), Error::Empty);
}
