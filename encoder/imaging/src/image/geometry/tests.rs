use super::*;
use proptest::prelude::*;

/// Where a pixel of the filed picture comes to lie, by a definition of its own: the matrix of each turn about the picture's middle, in
/// halves of pixels, `x` to the right and `y` down.
fn moved(turn: Turn, (width, height): (usize, usize), (x, y): (usize, usize)) -> (usize, usize) {
    let [[a, b], [c, d]]: [[i64; 2]; 2] = match turn {
        Turn::None => [[1, 0], [0, 1]],
        Turn::MirrorLeftRight => [[-1, 0], [0, 1]],
        Turn::Half => [[-1, 0], [0, -1]],
        Turn::MirrorTopBottom => [[1, 0], [0, -1]],
        Turn::Transpose => [[0, 1], [1, 0]],
        // To the right becomes down, down becomes to the left.
        Turn::Clockwise => [[0, -1], [1, 0]],
        Turn::Transverse => [[0, -1], [-1, 0]],
        Turn::Anticlockwise => [[0, 1], [-1, 0]],
    };
    let centred = |at: usize, side: usize| 2 * at as i64 + 1 - side as i64;
    let (u, v) = (centred(x, width), centred(y, height));
    let (columns, rows) = turn.size((width, height));
    let back = |value: i64, side: usize| ((value - 1 + side as i64) / 2) as usize;
    (back(a * u + b * v, columns), back(c * u + d * v, rows))
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop::sample::select(Turn::ALL.to_vec())
}

fn any_geometry() -> impl Strategy<Value = ((usize, usize), Geometry)> {
    (1usize..80, 1usize..80).prop_flat_map(|(width, height)| {
        let span = |side: usize| (0..side).prop_flat_map(move |first| (Just(first), 1..=side - first));
        (any_turn(), span(width), span(height)).prop_map(move |(turn, (left, columns), (top, rows))| {
            ((width, height), Geometry { turn, crop: Rect { left, top, width: columns, height: rows } })
        })
    })
}

#[test]
fn the_eight_turns_of_a_picture_of_two_by_three() {
    // a b c
    // d e f
    let filed = b"abcdef".to_vec();
    let wanted: [(&[u8], usize); 8] = [
        (b"abcdef", 3),
        (b"cbafed", 3),
        (b"fedcba", 3),
        (b"defabc", 3),
        (b"adbecf", 2),
        (b"daebfc", 2),
        (b"fcebda", 2),
        (b"cfbead", 2),
    ];
    for (exif, (turn, (values, width))) in (1u16..).zip(Turn::ALL.into_iter().zip(wanted)) {
        assert_eq!(Turn::from_exif(exif), Some(turn));
        assert_eq!(turn.of_values(filed.clone(), 3), values, "{turn:?}");
        assert_eq!(turn.size((3, 2)).0, width, "{turn:?}");
    }
    assert_eq!((Turn::from_exif(0), Turn::from_exif(9)), (None, None));
    assert_eq!(Turn::ALL.map(Turn::mirrors), [false, true, false, true, true, false, true, false]);
}

#[test]
fn a_part_that_is_not_in_the_picture_is_an_error() {
    let picture = || Picture::new(4, 3, vec![0.5; 12]).unwrap();
    for crop in [
        Rect { left: 2, top: 0, width: 3, height: 1 },
        Rect { left: 0, top: 1, width: 1, height: 3 },
        Rect { left: 0, top: 0, width: 0, height: 1 },
        Rect { left: usize::MAX, top: 0, width: 2, height: 1 },
    ] {
        let upright = Geometry { turn: Turn::None, crop }.upright(picture());
        assert!(matches!(upright, Err(Error::Picture { .. })), "{crop:?}");
    }
}

proptest! {
    #[test]
    fn every_pixel_of_the_part_comes_to_lie_where_the_turn_s_matrix_puts_it(((width, height), geometry) in any_geometry()) {
        let values: Vec<f32> = (0..width * height).map(|i| i as f32 / 8192.0).collect();
        let upright = geometry.upright(Picture::new(width, height, values.clone()).unwrap()).unwrap();
        let Rect { left, top, width: columns, height: rows } = geometry.crop;
        prop_assert_eq!((upright.width(), upright.height()), geometry.turn.size((columns, rows)));
        for y in 0..rows {
            for x in 0..columns {
                let (to_x, to_y) = moved(geometry.turn, (columns, rows), (x, y));
                prop_assert_eq!(upright.grey()[to_y * upright.width() + to_x], values[(top + y) * width + left + x]);
            }
        }
    }

    #[test]
    fn a_grid_over_the_upright_picture_is_found_from_each_filed_pixel(((width, height), geometry) in any_geometry()) {
        let (columns, rows) = geometry.upright_size();
        // The finest grid: the upright columns and rows themselves.
        let [across, down] = [columns, rows].map(|count| (0..count).collect::<Vec<_>>());
        let [by_column, by_row] = geometry.filed_cells((width, height), &across, &down);
        prop_assert_eq!((by_column.len(), by_row.len()), (width, height));
        let crop = geometry.crop;
        for (y, row) in by_row.iter().enumerate() {
            for (x, column) in by_column.iter().enumerate() {
                let inside = (crop.left..crop.left + crop.width).contains(&x) && (crop.top..crop.top + crop.height).contains(&y);
                let found = column.zip(*row);
                prop_assert_eq!(found.is_some(), inside);
                if let Some((c, r)) = found {
                    let (to_x, to_y) = moved(geometry.turn, (crop.width, crop.height), (x - crop.left, y - crop.top));
                    let upright = if geometry.turn.exchanges_sides() { (r, c) } else { (c, r) };
                    prop_assert_eq!(upright, (to_x, to_y));
                }
            }
        }
    }
}
