//! What kind of object the file is, for what it was made, and from what.

use super::{says, view};
use crate::dicom::dataset::Dataset;
use crate::image::attribute as at;
use crate::image::checks::{Refusal, Rule, Warning};
use crate::image::terms::{BodyPart, Object, Stated};
use crate::image::{Attribute, Result, Value};

/// What words of ImageType (PS3.3 C.7.6.1.1.2) and DerivationDescription tell.
enum Told {
    /// A rule is broken.
    Broken(Rule),
    /// The user should know of it.
    Derived,
}

/// The words, each as it stands alone or at the head of others, and what is said of it.
const WORDS: &[(&str, &str, Told)] = &[
    ("CAD", "CAD", Told::Broken(Rule::ComputerMarked)),
    ("CADE", "CAD", Told::Broken(Rule::ComputerMarked)),
    ("CADX", "CAD", Told::Broken(Rule::ComputerMarked)),
    ("COMPUTER AIDED", "computer-aided detection", Told::Broken(Rule::ComputerMarked)),
    ("HEATMAP", "a heat map", Told::Broken(Rule::ComputerMarked)),
    ("SALIENCY", "a saliency map", Told::Broken(Rule::ComputerMarked)),
    ("TOMO", "TOMO", Told::Broken(Rule::Tomosynthesis)),
    ("TOMOSYNTHESIS", "TOMOSYNTHESIS", Told::Broken(Rule::Tomosynthesis)),
    ("BONE SUPPRESSION", "bone suppression", Told::Derived),
    ("BONE SUPPRESSED", "bone suppression", Told::Derived),
    ("SUBTRACTION", "a subtraction", Told::Derived),
    ("SUBTRACTED", "a subtraction", Told::Derived),
    ("DUAL ENERGY", "dual energy", Told::Derived),
    ("SOFT TISSUE", "soft tissue", Told::Derived),
    ("CSA", "CSA", Told::Derived),
    ("REFORMATTED", "reformatted", Told::Derived),
    ("RESAMPLED", "resampled", Told::Derived),
];

/// Applies the rules on what the object is; `warnings` grows by what the user should know.
///
/// # Errors
/// [`Error::Refused`](crate::image::Error::Refused).
pub(in crate::dicom) fn check(dataset: &Dataset<'_>, warnings: &mut Vec<Warning>) -> Result<()> {
    let refused = |rule, term, attribute| Err(Refusal::error(rule, Value::Term(term), Some(attribute)));
    let class = Stated::read(dataset.text(at::SOP_CLASS_UID), Object::parse);
    let intent = normal(dataset.text(at::PRESENTATION_INTENT_TYPE));
    match class {
        Stated::Is(Object::ForProcessing) => {
            return refused(Rule::ForProcessing, Object::ForProcessing.term(), at::SOP_CLASS_UID);
        }
        Stated::Is(Object::Other(name)) => return refused(Rule::WrongObject, name, at::SOP_CLASS_UID),
        _ if intent == "FOR PROCESSING" => {
            return refused(Rule::ForProcessing, "FOR PROCESSING", at::PRESENTATION_INTENT_TYPE);
        }
        Stated::Is(Object::Capture) => warnings.push(Warning::SecondaryCapture),
        Stated::Unlisted(found) => {
            warnings.push(Warning::NotStated { what: "SOP class", found, taken: "a radiograph for presentation" });
        }
        Stated::Is(Object::Radiograph) | Stated::Absent => {}
    }
    if says(dataset, at::ANATOMICAL_ORIENTATION_TYPE, "QUADRUPED") {
        return refused(Rule::NotHuman, "QUADRUPED", at::ANATOMICAL_ORIENTATION_TYPE);
    }
    if says(dataset, at::QUALITY_CONTROL_IMAGE, "YES") {
        return refused(Rule::QualityControl, "YES", at::QUALITY_CONTROL_IMAGE);
    }
    if says(dataset, at::QUALITY_CONTROL_IMAGE, "BOTH") {
        warnings.push(Warning::TestObject);
    }
    tomography(dataset)?;
    // Of a secondary capture it was said already.
    let derived = origin(dataset)?.filter(|_| class != Stated::Is(Object::Capture));
    warnings.extend(derived.map(|(how, attribute)| Warning::Derived { how, attribute }));
    match view::region(dataset) {
        Stated::Is(BodyPart::Chest) | Stated::Absent => {}
        other => warnings.push(Warning::OtherAnatomicRegion { part: other.value(BodyPart::term) }),
    }
    Ok(())
}

/// Refuses a layer of tomography, linear or computed of several exposures (PS3.3 C.8.7.7).
fn tomography(dataset: &Dataset<'_>) -> Result<()> {
    let term = match normal(dataset.text(at::TOMO_CLASS)).as_str() {
        "TOMOSYNTHESIS" => Some(("TOMOSYNTHESIS", at::TOMO_CLASS)),
        "MOTION" => Some(("MOTION", at::TOMO_CLASS)),
        _ => {
            let height = super::numbers(dataset, at::TOMO_LAYER_HEIGHT).and_then(|heights| heights.first().copied());
            height.filter(|height| *height != 0.0).map(|_| ("a layer", at::TOMO_LAYER_HEIGHT))
        }
    };
    term.map_or(Ok(()), |(term, attribute)| Err(Refusal::error(Rule::Tomosynthesis, Value::Term(term), Some(attribute))))
}

/// What ImageType and DerivationDescription say of how the image came about, if the user should know of it.
fn origin(dataset: &Dataset<'_>) -> Result<Option<(&'static str, Attribute)>> {
    let mut derived = None;
    let types: Vec<String> = super::values(dataset.text(at::IMAGE_TYPE)).collect();
    // The first two say whether pixels or patient came first; what kind of image it is stands behind them.
    let kinds = types.iter().skip(2).map(|kind| (normal(kind.as_bytes()), at::IMAGE_TYPE));
    let told = [(normal(dataset.text(at::DERIVATION_DESCRIPTION)), at::DERIVATION_DESCRIPTION)];
    for (text, attribute) in kinds.chain(told) {
        let padded = format!(" {text} ");
        for (_, term, told) in WORDS.iter().filter(|(word, ..)| padded.contains(&format!(" {word} "))) {
            match told {
                Told::Broken(rule) => return Err(Refusal::error(*rule, Value::Term(term), Some(attribute))),
                Told::Derived => derived = derived.or(Some((*term, attribute))),
            }
        }
    }
    let secondary = types.get(1).is_some_and(|kind| kind == "SECONDARY");
    Ok(derived.or(secondary.then_some(("SECONDARY", at::IMAGE_TYPE))))
}

/// Words in upper case, one blank between them, of what a short text holds at most (PS3.5 6.2, ST).
fn normal(text: &[u8]) -> String {
    const MAX_LENGTH: usize = 1024;
    let text = String::from_utf8_lossy(text.get(..MAX_LENGTH).unwrap_or(text)).to_ascii_uppercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
