//! From where the patient is seen, and which part of the body: by words and by codes.

use super::orientation;
use crate::dicom::dataset::Dataset;
use crate::dicom::value::trimmed;
use crate::image::Attribute;
use crate::image::attribute as at;
use crate::image::terms::{BodyPart, Stated, View};

/// Designators of SNOMED CT and SNOMED RT (PS3.16 table 8-1), those that were used before among them; a file may leave it out.
const SNOMED: [&str; 8] = ["", "SCT", "SRT", "SNM3", "99SDM", "SNOMED", "SNOMED-CT", "SNOMED-RT"];

/// The view and the attribute that states it. One that is not frontal wins over one that is.
pub(super) fn stated(dataset: &Dataset<'_>) -> (Stated<View>, Option<Attribute>) {
    let sources = [
        (position(dataset.text(at::VIEW_POSITION)), at::VIEW_POSITION),
        (coded(dataset, at::VIEW_CODE_SEQUENCE, View::by_code, View::by_words), at::VIEW_CODE_SEQUENCE),
        (orientation::view(dataset.text(at::PATIENT_ORIENTATION)), at::PATIENT_ORIENTATION),
    ];
    let find = |wanted: fn(Stated<View>) -> bool| sources.iter().find(|(view, _)| wanted(*view));
    find(|view| view.known().is_some_and(|view| !view.is_frontal()))
        .or_else(|| find(|view| view.known().is_some()))
        .or_else(|| find(|view| view != Stated::Absent))
        .map_or((Stated::Absent, None), |&(view, attribute)| (view, Some(attribute)))
}

/// The region that AnatomicRegionSequence codes.
pub(super) fn region(dataset: &Dataset<'_>) -> Stated<BodyPart> {
    coded(dataset, at::ANATOMIC_REGION_SEQUENCE, BodyPart::by_code, BodyPart::parse)
}

/// The view of ViewPosition; words such as `ERECT` alone say nothing of it.
fn position(text: &[u8]) -> Stated<View> {
    match Stated::read_code(text, |text| View::parse(text).map(Some).or_else(|| View::is_unsaid(text).then_some(None))) {
        Stated::Is(Some(view)) => Stated::Is(view),
        Stated::Is(None) | Stated::Absent => Stated::Absent,
        Stated::Unlisted(found) => Stated::Unlisted(found),
    }
}

/// What the first item of a sequence of codes (PS3.3 8.8) stands for: by `by_code` for SNOMED, by `by_words` for what has a word as its code.
fn coded<T>(
    dataset: &Dataset<'_>,
    sequence: Attribute,
    by_code: impl Fn(&str) -> Option<T>,
    by_words: impl Fn(&str) -> Option<T>,
) -> Stated<T> {
    let text = |attribute| dataset.nested(sequence, attribute);
    let value = [at::CODE_VALUE, at::LONG_CODE_VALUE].into_iter().map(text).find(|value| !value.is_empty());
    let urn = || last_part(text(at::URN_CODE_VALUE));
    let scheme = std::str::from_utf8(text(at::CODING_SCHEME_DESIGNATOR)).unwrap_or("?").to_ascii_uppercase();
    let is_snomed = SNOMED.contains(&scheme.trim());
    Stated::read_code(value.unwrap_or_else(urn), |value| {
        if is_snomed { by_code(value).or_else(|| by_words(value)) } else { by_words(value) }
    })
}

/// The code at the end of an address, as SNOMED's are: `http://snomed.info/id/399348003`.
fn last_part(address: &[u8]) -> &[u8] {
    trimmed(address.rsplit(|byte| matches!(byte, b'/' | b':' | b'.')).next().unwrap_or_default())
}
