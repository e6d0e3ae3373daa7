//! A frame around the film: the shadow of a collimator, the edge of a scanned film, what an export laid around it.

use super::Codes;
use crate::image::geometry::Rect;

/// How far pixels of a border may be from its value, as a part of the width of the values that occur: a collimator's shadow has grain, a lossy
/// file has ripples.
pub(super) const SHADE: f64 = 0.012;

/// Part of a line's pixels that must have the border's value.
const EVEN: f64 = 0.99;

/// Sides and columns or rows of the film within, at least: where there is less, the picture is no film in a frame.
const LEAST_SIDE: usize = 64;
/// The same as a part of the picture's side.
const LEAST_PART: f64 = 0.25;

/// A black border is cut off where it takes at least this part of the columns, or of the rows: canonical images are framed in black, and
/// films with narrow black borders were trained on.
const WIDE: f64 = 0.1;
/// A border that is not black is cut off where it takes at least this part.
const NARROW: f64 = 0.01;
/// The brightest grey that counts as black.
const BLACK: f32 = 0.08;

/// The part of the picture within lines of one value; all of it where there is no border.
pub(super) fn inside(codes: &Codes<'_>, shade: f64) -> Rect {
    let (width, height) = codes.size;
    let mut part = Rect::whole(width, height);
    // Twice: within the upper and lower border, more of the left and right one may show.
    for _ in 0..2 {
        let row = |part: &Rect, at: usize| (part.left..part.left + part.width).map(move |column| codes.value(column, at));
        let top = lines(part.height, shade, |line| row(&part, part.top + line));
        let bottom = lines(part.height - top, shade, |line| row(&part, part.top + part.height - 1 - line));
        part = Rect { top: part.top + top, height: part.height - top - bottom, ..part };
        let column = |part: &Rect, at: usize| (part.top..part.top + part.height).map(move |row| codes.value(at, row));
        let left = lines(part.width, shade, |line| column(&part, part.left + line));
        let right = lines(part.width - left, shade, |line| column(&part, part.left + part.width - 1 - line));
        part = Rect { left: part.left + left, width: part.width - left - right, ..part };
    }
    let least = |side: usize| LEAST_SIDE.max((side as f64 * LEAST_PART) as usize);
    if part.width < least(width) || part.height < least(height) { Rect::whole(width, height) } else { part }
}

/// How many lines have the value of the first one throughout, or nothing but padding; at most `count` − 1.
fn lines<I: Iterator<Item = Option<f64>>>(count: usize, shade: f64, line: impl Fn(usize) -> I) -> usize {
    let mut first: Vec<f64> = line(0).flatten().collect();
    let middle = first.len() / 2;
    let value = if first.is_empty() { None } else { Some(*first.select_nth_unstable_by(middle, f64::total_cmp).1) };
    let even = |at: usize| {
        let (mut pixels, mut others) = (0u64, 0u64);
        for pixel in line(at) {
            pixels += 1;
            // Padding belongs to every border.
            others += u64::from(pixel.is_some_and(|pixel| value.is_none_or(|value| (pixel - value).abs() > shade)));
        }
        others as f64 <= (1.0 - EVEN) * pixels as f64
    };
    (0..count.saturating_sub(1)).take_while(|&at| even(at)).count()
}

/// What is to be kept of the picture: see [`Codes::keep`].
pub(super) fn keep(codes: &Codes<'_>, inside: &Rect, grey: impl Fn(u16) -> f32) -> Rect {
    let (width, height) = codes.size;
    let at = |column: usize, row: usize| codes.codes.get(row * width + column).map_or(0.0, |code| grey(*code));
    // The middle of the outermost line stands for its side.
    let (middle_row, middle_column) = (inside.top + inside.height / 2, inside.left + inside.width / 2);
    let black = |grey: f32| grey <= BLACK;
    let axis = |first: usize, kept: usize, side: usize, before: f32, after: f32| {
        let last = side - first - kept;
        let wide = (first + last) as f64 >= WIDE * side as f64;
        let cut = |lines: usize, grey: f32| wide || (!black(grey) && lines as f64 >= NARROW * side as f64);
        let start = if cut(first, before) { first } else { 0 };
        let end = if cut(last, after) { first + kept } else { side };
        (start, end - start)
    };
    let (left, columns) = axis(inside.left, inside.width, width, at(0, middle_row), at(width - 1, middle_row));
    let (top, rows) = axis(inside.top, inside.height, height, at(middle_column, 0), at(middle_column, height - 1));
    Rect { left, top, width: columns, height: rows }
}
