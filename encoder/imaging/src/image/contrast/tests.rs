use super::*;

/// A film of 200 × 160 values from `low` to `high`, with grain.
fn film(low: u16, high: u16) -> Vec<u16> {
    let wide = u32::from(high - low);
    (0..200 * 160u32).map(|i| low + (((i % 200) * 37 + (i / 200) * 101 + i * i % 13) % (wide + 1)) as u16).collect()
}

fn identity(bits: u32) -> Vec<f64> {
    (0..1u32 << bits).map(f64::from).collect()
}

fn look(codes: &[u16], bits: u32) -> Found {
    Codes { size: (200, 160), codes, values: &identity(bits) }.look()
}

fn used(codes: &[u16], bits: u32) -> ((f64, f64), usize) {
    let mut warnings = Vec::new();
    let declared = (0.0, f64::from((1u32 << bits) - 1));
    let range = range(declared, &look(codes, bits), &mut warnings);
    (range, warnings.len())
}

#[test]
fn a_film_that_fills_its_range_keeps_it_and_one_that_does_not_is_stretched_to_its_extremes() {
    assert_eq!(used(&film(0, 255), 8), ((0.0, 255.0), 0));
    assert_eq!(used(&film(40, 120), 8), ((0.0, 255.0), 1), "a third of it is faint, which is told");
    assert_eq!(used(&film(40, 150), 8), ((0.0, 255.0), 1), "0.43 of it");
    assert_eq!(used(&film(40, 160), 8), ((0.0, 255.0), 0), "0.47 of it");
    assert_eq!(used(&film(100, 139), 8), ((100.0, 139.0), 1), "40 of 256 levels");
    assert_eq!(used(&film(0, 4095), 16), ((0.0, 4095.0), 1), "12 bits in 16");
    assert_eq!(used(&film(300, 900), 12), ((300.0, 900.0), 1));
    assert_eq!(used(&vec![77; 200 * 160], 8), ((0.0, 255.0), 0), "a constant image is left as it is");
}

#[test]
fn broken_pixels_markers_and_borders_do_not_count() {
    let mut hot = film(0, 4095);
    hot[5_000] = u16::MAX;
    assert_eq!(used(&hot, 16), ((0.0, 4095.0), 1));
    // Broken ones at both ends, some of them near.
    let mut broken = film(20_000, 24_000);
    for (at, value) in [(70, 0), (900, 65_535), (4_000, 26_000), (9_000, 19_000), (9_001, 30_000)] {
        broken[at] = value;
    }
    let ((low, high), _) = used(&broken, 16);
    assert!((20_000.0..20_100.0).contains(&low) && (23_900.0..=24_000.0).contains(&high), "{low} to {high}");
    // A marker of a twentieth of the picture.
    let mut marked = film(100, 700);
    marked.chunks_mut(200).skip(10).take(16).for_each(|row| row[20..120].fill(4095));
    assert_eq!(used(&marked, 12), ((100.0, 700.0), 1));
    for value in [0, u16::MAX] {
        let mut framed = film(20_000, 24_000);
        for (i, pixel) in framed.iter_mut().enumerate() {
            if !(15..185).contains(&(i % 200)) || !(9..150).contains(&(i / 200)) {
                *pixel = value;
            }
        }
        let found = look(&framed, 16);
        assert_eq!(found.inside, Rect { left: 15, top: 9, width: 170, height: 141 });
        assert_eq!(found.film, Some((20_000.0, 24_000.0)));
    }
}

#[test]
fn a_marker_with_soft_edges_does_not_count() {
    // A bright letter on a film of 40 levels: its edges have every level between.
    let mut codes = film(20, 59);
    for (row, line) in codes.chunks_mut(200).enumerate().skip(12).take(20) {
        for (column, pixel) in line.iter_mut().enumerate().skip(10).take(14) {
            let inside = row.abs_diff(21).max(column.abs_diff(16)) as u16;
            *pixel = (255u16.saturating_sub(30 * inside.saturating_sub(3))).max(*pixel);
        }
    }
    assert!(codes.iter().filter(|code| (60..255).contains(*code)).count() > 60);
    assert_eq!(used(&codes, 8), ((20.0, 59.0), 1));
}

#[test]
fn a_bright_part_of_the_film_is_film() {
    // Metal or bone of one value, less far from the rest than the rest is wide.
    let mut codes = film(200, 2400);
    codes.chunks_mut(200).for_each(|row| row[90..110].fill(3600));
    assert_eq!(used(&codes, 16).0, (200.0, 3600.0));
}

#[test]
fn padding_is_neither_counted_nor_film() {
    let mut codes = film(1000, 3000);
    codes.chunks_mut(200).for_each(|row| row[..30].fill(9));
    let values: Vec<f64> = (0..1 << 16).map(|code| if code == 9 { f64::NAN } else { f64::from(code) }).collect();
    let found = Codes { size: (200, 160), codes: &codes, values: &values }.look();
    assert_eq!((found.inside.left, found.film), (30, Some((1000.0, 3000.0))));
}

#[test]
fn black_borders_are_kept_if_narrow_and_others_never() {
    let framed = |columns: usize, value: u16| {
        let mut codes = film(20, 200);
        codes.chunks_mut(200).for_each(|row| row[..columns].fill(value));
        let values = identity(8);
        let codes = Codes { size: (200, 160), codes: &codes, values: &values };
        let found = codes.look();
        assert_eq!(found.inside.left, columns, "{columns} of {value}");
        codes.keep(&found.inside, |code| f32::from(code) / 255.0).left
    };
    assert_eq!([framed(12, 0), framed(20, 0), framed(12, 255), framed(20, 128), framed(1, 255)], [0, 20, 12, 20, 0]);
}

#[test]
fn what_is_nearly_all_border_is_left_whole() {
    let mut codes = vec![0; 200 * 160];
    codes.chunks_mut(200).skip(70).take(20).for_each(|row| row[80..120].copy_from_slice(&film(0, 255)[..40]));
    assert_eq!(look(&codes, 8).inside, Rect::whole(200, 160));
    assert_eq!(look(&vec![3; 200 * 160], 8).inside, Rect::whole(200, 160));
}

#[test]
fn small_and_odd_pictures_are_looked_at_without_harm() {
    for size in [(1, 1), (1, 9), (9, 1), (2, 2), (64, 1)] {
        let codes: Vec<u16> = (0..size.0 * size.1).map(|i| (i % 3) as u16).collect();
        let values = identity(8);
        assert_eq!(Codes { size, codes: &codes, values: &values }.look().inside, Rect::whole(size.0, size.1));
    }
    let nothing = Codes { size: (2, 1), codes: &[7, 9], values: &[] }.look();
    assert_eq!((nothing.inside, nothing.film), (Rect::whole(2, 1), None));
}
