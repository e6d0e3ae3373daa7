//! To which sides of the patient the rows and the columns run (PS3.3 C.7.6.1.1.1), and how a picture comes to lie as it is looked at: the
//! patient's left at the image's right, the head above.

use crate::dicom::dataset::Dataset;
use crate::image::Turn;
use crate::image::attribute as at;
use crate::image::checks::Warning;
use crate::image::terms::{Stated, View};

/// A direction in the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Left,
    Right,
    Head,
    Foot,
    Front,
    Back,
}

impl Direction {
    /// The axis that it lies on.
    fn axis(self) -> Axis {
        match self {
            Self::Left | Self::Right => Axis::Sides,
            Self::Head | Self::Foot => Axis::Body,
            Self::Front | Self::Back => Axis::Depth,
        }
    }

    /// Letters of a person, and of a four-footed animal where they are others.
    const LETTERS: [(&str, Self); 12] = [
        ("LE", Self::Left),
        ("RT", Self::Right),
        ("CR", Self::Head),
        ("CD", Self::Foot),
        ("L", Self::Left),
        ("R", Self::Right),
        ("H", Self::Head),
        ("F", Self::Foot),
        ("A", Self::Front),
        ("P", Self::Back),
        ("V", Self::Front),
        ("D", Self::Back),
    ];

    /// The direction that comes first of at most three, no two on one axis.
    fn read(letters: &str) -> Option<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = letters;
        while !rest.is_empty() {
            let (direction, left) =
                Self::LETTERS.iter().find_map(|(name, direction)| Some((*direction, rest.strip_prefix(name)?)))?;
            if found.iter().any(|other| other.axis() == direction.axis()) {
                return None;
            }
            found.push(direction);
            rest = left;
        }
        found.first().copied()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Sides,
    Body,
    Depth,
}

/// Where rows and columns run; none if it is not said.
fn runs(text: &[u8]) -> Option<Result<[Direction; 2], ()>> {
    let mut values = super::values(text);
    let (row, column) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
    if row.is_empty() && column.is_empty() {
        return None;
    }
    let read = |value: &str| Direction::read(value).ok_or(());
    Some(read(&row).and_then(|row| Ok([row, read(&column)?])).and_then(|runs| match runs {
        [row, column] if row.axis() == column.axis() => Err(()),
        runs => Ok(runs),
    }))
}

/// The view: from the side where one of them runs to the front or the back and none to a side; along the body where the head is on neither.
pub(super) fn view(text: &[u8]) -> Stated<View> {
    let Some(Ok(runs)) = runs(text) else { return half(text) };
    let has = |axis| runs.iter().any(|run| run.axis() == axis);
    match (has(Axis::Depth), has(Axis::Body)) {
        (true, true) => Stated::Is(View::Lateral),
        (true, false) => Stated::Is(View::Axial),
        (false, _) => Stated::Absent,
    }
}

/// What is readable of it, if it is to the front or the back alone, is enough to say that the view is from the side.
fn half(text: &[u8]) -> Stated<View> {
    let mut known = super::values(text).filter_map(|value| Direction::read(&value)).peekable();
    let is_lateral = known.peek().is_some() && known.all(|direction| direction.axis() == Axis::Depth);
    if is_lateral { Stated::Is(View::Lateral) } else { Stated::Absent }
}

/// What brings the picture upright. What cannot be read is told in `warnings`, and so is a mirrored film, whose side marker shows whether
/// it was filed rightly.
pub(super) fn turn(dataset: &Dataset<'_>, warnings: &mut Vec<Warning>) -> Turn {
    let attribute = at::PATIENT_ORIENTATION;
    let turn = match runs(dataset.text(attribute)) {
        None => return Turn::None,
        Some(Ok(runs)) => upright(runs),
        Some(Err(())) => None,
    };
    let Some(turn) = turn else {
        let reason = "two directions of the patient are wanted, such as L\\F; the picture was left as it lies";
        warnings.push(Warning::NotApplied { attribute, reason });
        return Turn::None;
    };
    if turn.mirrors() {
        warnings.push(Warning::Mirrored { attribute: Some(attribute) });
    }
    turn
}

/// The turn after which rows run to the patient's left and columns to the feet; none for a view that is not frontal.
fn upright(runs: [Direction; 2]) -> Option<Turn> {
    use Direction::{Foot, Head, Left, Right};
    Some(match runs {
        [Left, Foot] => Turn::None,
        [Right, Foot] => Turn::MirrorLeftRight,
        [Right, Head] => Turn::Half,
        [Left, Head] => Turn::MirrorTopBottom,
        [Foot, Left] => Turn::Transpose,
        [Foot, Right] => Turn::Clockwise,
        [Head, Right] => Turn::Transverse,
        [Head, Left] => Turn::Anticlockwise,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_counts_and_what_contradicts_itself_is_nothing() {
        for (text, wanted) in [
            ("L", Direction::Left),
            ("LPF", Direction::Left),
            ("FL", Direction::Foot),
            ("HAR", Direction::Head),
            ("CDLE", Direction::Foot),
            ("RT", Direction::Right),
            ("RTCR", Direction::Right),
            ("V", Direction::Front),
        ] {
            assert_eq!(Direction::read(text), Some(wanted), "{text}");
        }
        for text in ["", "LR", "FH", "LL", "X", "LX", "LAP", "LEFT", "UNKNOWN", "LFAP"] {
            assert_eq!(Direction::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_view_is_frontal_from_the_side_or_along_the_body() {
        for (text, wanted) in [
            ("L\\F", Stated::Absent),
            ("LF\\F", Stated::Absent),
            ("A\\F", Stated::Is(View::Lateral)),
            ("F\\P", Stated::Is(View::Lateral)),
            ("AL\\FR", Stated::Is(View::Lateral)),
            ("A", Stated::Is(View::Lateral)),
            ("A\\", Stated::Is(View::Lateral)),
            ("L\\P", Stated::Is(View::Axial)),
            ("A\\P", Stated::Is(View::Lateral)),
            ("", Stated::Absent),
            ("\\", Stated::Absent),
            ("L", Stated::Absent),
        ] {
            assert_eq!(view(text.as_bytes()), wanted, "{text}");
        }
    }
}
