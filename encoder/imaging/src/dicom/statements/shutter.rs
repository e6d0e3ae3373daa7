//! The display shutter (PS3.3 C.7.6.11): the part of the picture that is to be shown. Of several shapes, what lies in all of them is.

use crate::dicom::dataset::Dataset;
use crate::image::attribute as at;
use crate::image::checks::Warning;
use crate::image::{Attribute, Rect};
use std::ops::Range;

/// Corners of a polygon, at most; each costs a step in every row.
const MAX_CORNERS: usize = 1024;

/// How far from a shape's edge a pixel's centre still lies on it, in pixels: more than what computing the edge rounds off.
const ROUNDING: f64 = 1e-6;

/// One shape; places are counted in pixels from the centre of the first, rows `y` and columns `x`.
enum Shape {
    /// First and last column, first and last row that are shown.
    Rectangle { columns: [f64; 2], rows: [f64; 2] },
    /// The radius is one along a row; `aspect` is how high a pixel is for its width.
    Circle { x: f64, y: f64, radius: f64, aspect: f64 },
    /// Corners, the last joined to the first.
    Polygon(Vec<(f64, f64)>),
}

/// What part of a picture is shown, and the grey that lies over the rest.
pub(in crate::dicom) struct Shutter {
    shapes: Vec<Shape>,
    size: (usize, usize),
    /// Grey outside, in [0, 1].
    pub outside: f32,
}

impl Shutter {
    /// Reads the shutter of a picture of these columns and rows. One that cannot be read, or shows nothing, is told in `warnings` and is not
    /// there.
    pub(super) fn read(dataset: &Dataset<'_>, size: (u64, u64), aspect: f64, warnings: &mut Vec<Warning>) -> Option<Self> {
        let terms: Vec<String> = super::values(dataset.text(at::SHUTTER_SHAPE)).filter(|term| !term.is_empty()).collect();
        if terms.is_empty() {
            return None;
        }
        let size = (usize::try_from(size.0).ok()?, usize::try_from(size.1).ok()?);
        let shapes: Option<Vec<Shape>> = terms.iter().take(3).map(|term| Shape::read(dataset, term, aspect)).collect();
        // In P-values, of which the largest is white; where it is left out, what lies outside is black.
        let outside = dataset.integer(at::SHUTTER_PRESENTATION_VALUE).ok().flatten().unwrap_or(0);
        let outside = (outside.clamp(0, i64::from(u16::MAX)) as f64 / f64::from(u16::MAX)) as f32;
        let shutter = shapes.map(|shapes| Self { shapes, size, outside }).filter(|shutter| shutter.bounds().is_some());
        if shutter.is_none() {
            let reason = "a shape with its edges, in the picture, is wanted; all of the picture was used";
            warnings.push(Warning::NotApplied { attribute: at::SHUTTER_SHAPE, reason });
        }
        shutter
    }

    /// The smallest part of the picture that holds everything that is shown; none if nothing is.
    pub(in crate::dicom) fn bounds(&self) -> Option<Rect> {
        let mut found: Option<[usize; 4]> = None;
        for row in 0..self.size.1 {
            for shown in self.shown(row) {
                let [left, right, top, _] = found.unwrap_or([shown.start, shown.end, row, row]);
                found = Some([left.min(shown.start), right.max(shown.end), top, row]);
            }
        }
        found.map(|[left, right, top, last]| Rect { left, top, width: right - left, height: last + 1 - top })
    }

    /// The columns that are shown of a row, from left to right.
    pub(in crate::dicom) fn shown(&self, row: usize) -> Vec<Range<usize>> {
        let all = 0..self.size.0;
        self.shapes.iter().fold(vec![all], |shown, shape| {
            let spans = shape.spans(row as f64, self.size.0);
            let common = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start)..a.end.min(b.end);
            let pairs = shown.iter().flat_map(|a| spans.iter().map(move |b| common(a, b)));
            pairs.filter(|span| !span.is_empty()).collect()
        })
    }

    /// Puts `cover` over what is not shown of a picture's values, row by row.
    pub(in crate::dicom) fn cover<T: Copy>(&self, values: &mut [T], cover: T) {
        for (row, line) in values.chunks_exact_mut(self.size.0.max(1)).enumerate() {
            let mut covered = 0;
            for shown in self.shown(row) {
                line.get_mut(covered..shown.start).unwrap_or_default().fill(cover);
                covered = covered.max(shown.end);
            }
            line.get_mut(covered..).unwrap_or_default().fill(cover);
        }
    }
}

impl Shape {
    fn read(dataset: &Dataset<'_>, term: &str, aspect: f64) -> Option<Self> {
        let numbers = |attribute: Attribute| super::numbers(dataset, attribute);
        // Rows and columns are counted from 1.
        let place = |attribute| numbers(attribute)?.first().map(|place| place - 1.0);
        Some(match term {
            "RECTANGULAR" => Self::Rectangle {
                columns: [place(at::SHUTTER_LEFT_VERTICAL_EDGE)?, place(at::SHUTTER_RIGHT_VERTICAL_EDGE)?],
                rows: [place(at::SHUTTER_UPPER_HORIZONTAL_EDGE)?, place(at::SHUTTER_LOWER_HORIZONTAL_EDGE)?],
            },
            "CIRCULAR" => {
                let (centre, radius) = (numbers(at::CENTER_OF_CIRCULAR_SHUTTER)?, numbers(at::RADIUS_OF_CIRCULAR_SHUTTER)?);
                let [row, column] = *centre.as_slice() else { return None };
                Self::Circle { x: column - 1.0, y: row - 1.0, radius: *radius.first()?, aspect }
            }
            "POLYGONAL" => {
                let places = numbers(at::VERTICES_OF_THE_POLYGONAL_SHUTTER)?;
                let (corners, rest) = places.as_chunks::<2>();
                if !rest.is_empty() || !(3..=MAX_CORNERS).contains(&corners.len()) {
                    return None;
                }
                Self::Polygon(corners.iter().map(|[row, column]| (column - 1.0, row - 1.0)).collect())
            }
            _ => return None,
        })
    }

    /// The columns of a row, below `width`, whose centres lie in the shape.
    fn spans(&self, y: f64, width: usize) -> Vec<Range<usize>> {
        let between = |from: f64, to: f64| {
            // The casts saturate: what lies beyond an edge of the picture ends at it.
            let (first, end) = ((from - ROUNDING).ceil().max(0.0) as usize, ((to + ROUNDING).floor() + 1.0).max(0.0) as usize);
            first..end.min(width)
        };
        match self {
            Self::Rectangle { columns: [left, right], rows: [upper, lower] } => {
                if (*upper..=*lower).contains(&y) {
                    vec![between(*left, *right)]
                } else {
                    vec![]
                }
            }
            Self::Circle { x, y: centre, radius, aspect } => {
                let down = (y - centre) * aspect;
                let across = (radius * radius - down * down).sqrt();
                if *radius > 0.0 && across.is_finite() { vec![between(x - across, x + across)] } else { vec![] }
            }
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                // Each edge has its upper end and not its lower one, so that a corner is crossed once.
                let crossing = |(&(ax, ay), &(bx, by)): (&(f64, f64), &(f64, f64))| {
                    ((ay <= y) != (by <= y)).then(|| ax + (y - ay) / (by - ay) * (bx - ax))
                };
                let mut crossings: Vec<f64> = corners.iter().zip(next).filter_map(crossing).collect();
                crossings.sort_by(f64::total_cmp);
                // The outline is shown too: a corner without its edge below, and an edge along the row.
                let next = corners.iter().cycle().skip(1);
                let outline = corners.iter().zip(next).filter(|((_, ay), _)| *ay == y).map(|((ax, _), (bx, by))| {
                    let to = if *by == y { *bx } else { *ax };
                    between(ax.min(to), ax.max(to))
                });
                let inside = crossings.as_chunks::<2>().0.iter().map(|&[from, to]| between(from, to));
                let mut spans: Vec<Range<usize>> = inside.chain(outline).collect();
                spans.sort_by_key(|span| span.start);
                spans
            }
        }
    }
}
