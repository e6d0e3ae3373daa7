//! What a DICOM file says of its image is followed, warned of, or the reason of a refusal.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::VR;
use support::dicom::{self, File};
use support::{picture, refusal};
use veilray_imaging::ingest::{Attribute, Refusal, Rule, Settings, Value, View, Warning, attribute, read_bytes};

const N: usize = 160;

fn film() -> File {
    File::new(N, N, 8, 8).pixels8(&picture(N, N))
}

fn refused(file: File) -> Refusal {
    refusal(&file.write(dicom::EXPLICIT), &Settings::default())
}

fn warnings(file: File) -> Vec<Warning> {
    read_bytes(&file.write(dicom::EXPLICIT), &Settings::default()).unwrap().report.warnings
}

fn broke(file: File) -> (Rule, Option<Attribute>) {
    let refusal = refused(file);
    (refusal.rule, refusal.attribute)
}

const CLASS: (u16, u16) = (0x0008, 0x0016);
const INTENT: (u16, u16) = (0x0008, 0x0068);
const IMAGE_TYPE: (u16, u16) = (0x0008, 0x0008);
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";

fn of_class(class: &str) -> File {
    film().text(CLASS, VR::UI, &format!("{STORAGE}{class}"))
}

#[test]
fn the_detector_s_values_are_refused_by_class_or_by_intent() {
    assert_eq!(broke(of_class("1.1.1")), (Rule::ForProcessing, Some(attribute::SOP_CLASS_UID)));
    for intent in ["FOR PROCESSING", "for processing", "FOR_PROCESSING"] {
        let file = film().text(INTENT, VR::CS, intent);
        assert_eq!(broke(file), (Rule::ForProcessing, Some(attribute::PRESENTATION_INTENT_TYPE)), "{intent}");
    }
    let told = refused(film().text(INTENT, VR::CS, "FOR PROCESSING")).to_string();
    assert!(told.contains("found FOR PROCESSING in (0008,0068)") && told.contains("for presentation"), "{told}");
    assert_eq!(warnings(film().text(INTENT, VR::CS, "FOR PRESENTATION")), []);
}

#[test]
fn an_object_that_is_no_radiograph_is_refused_and_a_capture_is_warned_of() {
    for class in ["1", "1.1"] {
        assert_eq!(warnings(of_class(class)), [], "{class}");
    }
    for class in ["7", "7.2", "7.3", "7.4"] {
        assert_eq!(warnings(of_class(class)), [Warning::SecondaryCapture], "{class}");
    }
    for (class, name) in [
        ("2", "computed tomography"),
        ("2.1", "computed tomography"),
        ("1.2", "digital mammography"),
        ("1.2.1", "digital mammography"),
        ("1.3", "intra-oral radiography"),
        ("4.1", "magnetic resonance"),
        ("6.1", "ultrasound"),
        ("7.1", "a secondary capture of one bit"),
        ("12.1", "angiography"),
        ("12.1.1", "angiography"),
        ("12.2", "fluoroscopy"),
        ("12.2.1", "fluoroscopy"),
        ("13.1.1", "three-dimensional angiography"),
        ("13.1.3", "tomosynthesis"),
        ("20", "nuclear medicine"),
        ("66.4", "a segmentation or registration"),
        ("88.65", "a structured report"),
        ("128", "positron emission tomography"),
        ("481.1", "radiotherapy"),
        ("999", "another kind of object"),
    ] {
        let refusal = refused(of_class(class));
        assert_eq!((refusal.rule, refusal.value), (Rule::WrongObject, Value::Term(name)), "{class}");
        assert_eq!(refusal.attribute, Some(attribute::SOP_CLASS_UID));
    }
    let private = warnings(film().text(CLASS, VR::UI, "1.3.6.1.4.1.5962.301.1"));
    assert!(matches!(private[..], [Warning::NotStated { what: "SOP class", found: Value::Unlisted { bytes: 22 }, .. }]));
    assert_eq!(warnings(film().without(CLASS)), []);
}

#[test]
fn how_an_image_came_about_is_refused_warned_of_or_passed() {
    let made = |text| film().text(IMAGE_TYPE, VR::CS, text);
    for good in ["ORIGINAL\\PRIMARY", "DERIVED\\PRIMARY", "DERIVED\\PRIMARY\\POST_PROCESSED", "ORIGINAL\\PRIMARY\\\\CASCADE", ""]
    {
        assert_eq!(warnings(made(good)), [], "{good}");
    }
    for marked in ["DERIVED\\SECONDARY\\CAD", "DERIVED\\PRIMARY\\AXIAL\\CAD_OVERLAY", "DERIVED\\SECONDARY\\OTHER\\HEATMAP"] {
        assert_eq!(broke(made(marked)), (Rule::ComputerMarked, Some(attribute::IMAGE_TYPE)), "{marked}");
    }
    for layer in ["DERIVED\\PRIMARY\\TOMOSYNTHESIS\\NONE", "ORIGINAL\\PRIMARY\\TOMO"] {
        assert_eq!(broke(made(layer)), (Rule::Tomosynthesis, Some(attribute::IMAGE_TYPE)), "{layer}");
    }
    let derived = |how, attribute| vec![Warning::Derived { how, attribute }];
    assert_eq!(warnings(made("DERIVED\\SECONDARY")), derived("SECONDARY", attribute::IMAGE_TYPE));
    assert_eq!(warnings(made("DERIVED\\PRIMARY\\SOFT_TISSUE")), derived("soft tissue", attribute::IMAGE_TYPE));
    assert_eq!(warnings(made("DERIVED\\SECONDARY\\OTHER\\CSA RESAMPLED")), derived("CSA", attribute::IMAGE_TYPE));
    let described = |text| film().text((0x0008, 0x2111), VR::ST, text);
    assert_eq!(warnings(described("Bone Suppression v3")), derived("bone suppression", attribute::DERIVATION_DESCRIPTION));
    assert_eq!(broke(described("marks of CAD burned in")), (Rule::ComputerMarked, Some(attribute::DERIVATION_DESCRIPTION)));
    assert_eq!(warnings(described("cascade of CADENCE filters")), [], "CAD within other words is none");
    // A capture is told once.
    let capture = of_class("7").text(IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY");
    assert_eq!(warnings(capture), [Warning::SecondaryCapture]);

    for (class, rule) in [("TOMOSYNTHESIS", Rule::Tomosynthesis), ("MOTION", Rule::Tomosynthesis)] {
        assert_eq!(broke(film().text((0x0018, 0x1491), VR::CS, class)), (rule, Some(attribute::TOMO_CLASS)));
    }
    assert_eq!(broke(film().text((0x0018, 0x1460), VR::DS, "85.0")), (Rule::Tomosynthesis, Some(attribute::TOMO_LAYER_HEIGHT)));
    assert_eq!(warnings(film().text((0x0018, 0x1460), VR::DS, "0")), []);
}

#[test]
fn a_test_object_and_an_animal_are_refused() {
    let control = |text| film().text((0x0028, 0x0300), VR::CS, text);
    assert_eq!(broke(control("YES")), (Rule::QualityControl, Some(attribute::QUALITY_CONTROL_IMAGE)));
    assert_eq!((warnings(control("BOTH")), warnings(control("NO"))), (vec![Warning::TestObject], vec![]));
    let lies = |text| film().text((0x0010, 0x2210), VR::CS, text);
    assert_eq!(broke(lies("QUADRUPED")), (Rule::NotHuman, Some(attribute::ANATOMICAL_ORIENTATION_TYPE)));
    assert_eq!(warnings(lies("BIPED")), []);
}

/// The codes of CID 4010 and of what was in it before, SNOMED CT and SNOMED RT.
const FRONTAL: [(&str, View); 7] = [
    ("399033003", View::Frontal),
    ("R-10202", View::Frontal),
    ("272479007", View::Pa),
    ("R-40888", View::Pa),
    ("R-10214", View::Pa),
    ("399348003", View::Ap),
    ("R-10206", View::Ap),
];
const NOT_FRONTAL: &str = "119376003 260426006 260427002 260499007 30730003 399004004 399006002 399038007 399059000 399061009 399067008 \
    399071006 399099002 399110001 399132005 399135007 399160007 399162004 399173006 399182000 399184004 399196006 399198007 399225005 \
    399236003 399242004 399255003 399260004 399272005 399288005 399312000 399316002 399325008 399335002 399351005 399352003 399356000 \
    399360002 399368009 G-8300 G-A145 R-10204 R-10208 R-10210 R-10212 R-10216 R-10220 R-10224 R-10226 R-10228 R-10230 R-10232 R-10234 \
    R-10236 R-10238 R-10241 R-10242 R-10244 R-10246 R-10248 R-10250 R-10252 R-10254 R-10256 R-10257 R-102C1 R-102C2 R-102C3 R-102C4 \
    R-102C5 R-102C6 R-102C7 R-102C8 R-102CD R-40782 R-40783 R-40810 R-40985";

/// A film whose view is stated by a code alone.
fn coded(value: &str, scheme: &str) -> File {
    let item = vec![dicom::text((0x0008, 0x0100), VR::SH, value), dicom::text((0x0008, 0x0102), VR::SH, scheme)];
    film().without((0x0018, 0x5101)).sequence((0x0054, 0x0220), item)
}

fn view(file: File) -> View {
    let report = read_bytes(&file.write(dicom::EXPLICIT), &Settings::default()).unwrap().report;
    assert_eq!(report.warnings, []);
    report.view.unwrap()
}

#[test]
fn every_code_of_a_view_is_accepted_or_refused() {
    for (code, wanted) in FRONTAL {
        let scheme = if code.starts_with('R') { "SRT" } else { "SCT" };
        for scheme in [scheme, "SNM3", "99SDM", ""] {
            assert_eq!(view(coded(code, scheme)), wanted, "{code} {scheme}");
        }
    }
    assert_eq!(NOT_FRONTAL.split(' ').count() + FRONTAL.len(), 85);
    for code in NOT_FRONTAL.split(' ') {
        let scheme = if code.contains('-') { "SRT" } else { "SCT" };
        assert_eq!(broke(coded(code, scheme)), (Rule::NotFrontal, Some(attribute::VIEW_CODE_SEQUENCE)), "{code}");
    }
    for (code, name) in [("399067008", "LATERAL"), ("R-102CD", "LATERAL"), ("399182000", "OBLIQUE"), ("399162004", "AXIAL")] {
        assert_eq!(refused(coded(code, "SCT")).value, Value::Term(name), "{code}");
    }
    // Where ViewPosition says otherwise, what is not frontal wins.
    assert_eq!(broke(coded("R-102CD", "SRT").text((0x0018, 0x5101), VR::CS, "PA")).0, Rule::NotFrontal);
    assert_eq!(broke(coded("R-10206", "SRT").text((0x0018, 0x5101), VR::CS, "LL")).0, Rule::NotFrontal);
}

#[test]
fn a_code_is_read_from_its_long_form_and_its_address() {
    let with = |item| film().without((0x0018, 0x5101)).sequence((0x0054, 0x0220), item);
    let long = |code| vec![dicom::text((0x0008, 0x0102), VR::SH, "SCT"), dicom::text((0x0008, 0x0119), VR::UC, code)];
    let address = |code: &str| vec![dicom::text((0x0008, 0x0120), VR::UR, &format!("http://snomed.info/id/{code}"))];
    assert_eq!((view(with(long("399348003"))), view(with(address("272479007")))), (View::Ap, View::Pa));
    assert_eq!(broke(with(long("399067008"))).0, Rule::NotFrontal);
    assert_eq!(broke(with(address("399067008"))).0, Rule::NotFrontal);
}

#[test]
fn an_unlisted_view_is_refused_with_its_code_but_never_with_a_name() {
    let refusal = refused(coded("999999001", "SCT"));
    let Value::Code(code) = refusal.value else { panic!("{refusal:?}") };
    assert_eq!(
        (refusal.rule, code.as_str(), refusal.attribute),
        (Rule::UnlistedView, "999999001", Some(attribute::VIEW_CODE_SEQUENCE))
    );
    assert!(refusal.to_string().contains("999999001"), "{refusal}");
    // A code of SNOMED is none of another scheme; a word is one in any.
    assert!(matches!(refused(coded("399348003", "99ACME")).value, Value::Code(_)));
    assert_eq!(view(coded("PA", "99ACME")), View::Pa);
    for text in ["MUELLER", "MUELLER^EVA", "ANNA 1955", "1955.12.24"] {
        let refusal = refused(coded(text, "99ACME"));
        assert_eq!((refusal.rule, refusal.value), (Rule::UnlistedView, Value::Unlisted { bytes: text.len() }), "{text}");
        let position = refused(film().text((0x0018, 0x5101), VR::CS, text));
        assert_eq!((position.rule, position.attribute), (Rule::UnlistedView, Some(attribute::VIEW_POSITION)), "{text}");
    }
    // A listed view beside it decides, and so does the user.
    assert_eq!(view(coded("999999001", "SCT").text((0x0018, 0x5101), VR::CS, "AP")), View::Ap);
    let assumed = Settings { assume: "view=PA".parse().unwrap(), ..Settings::default() };
    let read = read_bytes(&coded("999999001", "SCT").write(dicom::EXPLICIT), &assumed).unwrap();
    assert_eq!((read.report.view, read.report.warnings), (Some(View::Pa), vec![]));
}

#[test]
fn phrases_of_view_position_are_read_by_their_words() {
    let position = |text| film().text((0x0018, 0x5101), VR::CS, text);
    for (text, wanted) in [
        ("PA", View::Pa),
        ("ap", View::Ap),
        ("AP SUPINE", View::Ap),
        ("Postero-Anterior", View::Pa),
        ("POSTERO_ANTERIOR", View::Pa),
        ("Anterior/Posterior", View::Ap),
        ("A.P.", View::Ap),
        ("CHEST PA ERECT", View::Pa),
        ("AP LORDOTIC", View::Ap),
        ("FRONTAL", View::Frontal),
    ] {
        assert_eq!(view(position(text)), wanted, "{text}");
    }
    let others = "LL RL RLD LLD RLO LLO LAO RPO LATERAL DECUBITUS OBLIQUE AXIAL TANGENTIAL XTABLE CC MLO";
    for text in others.split(' ').chain(["PA\\LATERAL", "AP AXIAL", "AP LLD", "CHEST LAT", "XTABLE LATERAL", "AP OBL"]) {
        assert_eq!(broke(position(text)), (Rule::NotFrontal, Some(attribute::VIEW_POSITION)), "{text}");
    }
    for text in ["", "ERECT", "SUPINE", "CHEST PORTABLE", "UNKNOWN"] {
        let told = warnings(position(text));
        assert!(matches!(told[..], [Warning::NotStated { what: "view", found: Value::Absent, .. }]), "{text}: {told:?}");
    }
}

#[test]
fn the_region_s_code_is_believed_as_the_body_part_is() {
    let region = |value, scheme| {
        let item = vec![dicom::text((0x0008, 0x0100), VR::SH, value), dicom::text((0x0008, 0x0102), VR::SH, scheme)];
        warnings(film().sequence((0x0008, 0x2218), item))
    };
    let chest = [("51185008", "SCT"), ("816094009", "SCT"), ("T-D3000", "SRT"), ("T-D3000", "SNM3"), ("39607008", "SCT")];
    for (value, scheme) in
        chest.into_iter().chain([("T-28000", "SRT"), ("416550000", "SCT"), ("R-FAB55", "SRT"), ("CHEST", "99X")])
    {
        assert_eq!(region(value, scheme), [], "{value}");
    }
    for (value, scheme, name) in [
        ("818981001", "SCT", "ABDOMEN"),
        ("T-D4000", "SRT", "ABDOMEN"),
        ("72696002", "SCT", "KNEE"),
        ("R-FE0C7", "SRT", "PHANTOM"),
    ] {
        assert_eq!(region(value, scheme), [Warning::OtherAnatomicRegion { part: Value::Term(name) }], "{value}");
    }
    let [Warning::OtherAnatomicRegion { part: Value::Code(code) }] = region("123456789", "SCT")[..] else { panic!() };
    assert_eq!(code.as_str(), "123456789");
}
