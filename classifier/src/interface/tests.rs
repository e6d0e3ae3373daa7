//! Interfaces that travel, those that are refused, and those of earlier releases.

use super::*;
use crate::execute::client::safe_room;
use crate::fold::{FoldOptions, fold};
use crate::operating_point::{Temperature, Thresholds};
use crate::pack::{PackOptions, pack};
use crate::spec::Shape;
use crate::weights::Weights;

fn interface() -> (Interface, EncryptedCircuit) {
    let spec = crate::networks::named("veilnet-xs", Shape::new(4, 32, 32), 3).unwrap();
    let params = ParamsLiteral::named("n13").unwrap().check().unwrap();
    let folded = fold(&spec, &Weights::random(&spec, 1).unwrap(), &FoldOptions::default()).unwrap();
    let circuit = EncryptedCircuit::new(pack(&folded, &PackOptions::new(&params, &folded)).unwrap(), &params).unwrap();
    let thresholds = Thresholds { labels: ["a", "b", "c"].map(String::from).into(), values: vec![0.0; 3] };
    let interface = Interface {
        model: "test".into(),
        manifest_sha256: "00".into(),
        encoder: "encoder-f8".into(),
        encoder_sha256: "00".into(),
        params: "n13".into(),
        mask: None,
        operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
        range: RangeContract { images: 1, layers: vec![], logits: 1.0 },
        reply: Some(ReplyContract::new(&params, Some(9))),
        keys: circuit.key_spec().clone(),
        io: circuit.circuit().io().clone(),
    };
    (interface, circuit)
}

#[test]
fn it_travels_as_json_and_packs_an_image_as_the_circuit_does() {
    let (interface, circuit) = interface();
    let text = serde_json::to_string(&interface).unwrap();
    assert!(text.len() < 8000, "{} bytes", text.len());
    let back: Interface = serde_json::from_str(&text).unwrap();
    assert_eq!(back, interface);
    assert_eq!(back.check(1 << 30).unwrap().log_n(), 13);
    let image: Vec<f64> = (0..4096).map(|i| f64::from(i) / 4096.0).collect();
    assert_eq!(back.io.input().pack(&image), circuit.circuit().input().pack(&image));
}

#[test]
fn what_contradicts_itself_or_asks_too_much_is_refused() {
    let (good, _) = interface();
    assert!(matches!(good.check(1000), Err(InterfaceError::Keys { most: 1000, .. })));
    let other_set = Interface { params: "n14".into(), ..good.clone() };
    assert!(matches!(other_set.check(1 << 30), Err(InterfaceError::Unsound { .. })));
    let unknown = Interface { params: "n99".into(), ..good.clone() };
    assert!(matches!(unknown.check(1 << 30), Err(InterfaceError::Params(_))));
    let mut labels = good.clone();
    labels.operating_point.thresholds.labels.pop();
    assert!(matches!(labels.check(1 << 30), Err(InterfaceError::Unsound { .. })));

    labels.operating_point.thresholds.labels.truncate(1);
    labels.operating_point.thresholds.values.truncate(1);
    let mask = |height, width| Interface { mask: Some(Mask { height, width }), ..labels.clone() };
    assert!(mask(1, 3).check(1 << 30).is_ok(), "one label, three pixels");
    for bad in [mask(1, 4), mask(0, 3), mask(3, usize::MAX), Interface { mask: mask(1, 3).mask, ..good.clone() }] {
        assert!(matches!(bad.check(1 << 30), Err(InterfaceError::Unsound { .. })), "{:?}", bad.mask);
    }

    let json = serde_json::to_value(&good).unwrap();
    for (path, value) in [
        ("/ends/input/values", serde_json::json!(4095)),
        ("/ends/input/layout/log_slots", serde_json::json!(60)),
        ("/ends/input/layout/period", serde_json::json!(3)),
        ("/ends/input/layout/places", serde_json::json!("cccq")),
        ("/ends/input/layout/shape/channels", serde_json::json!(usize::MAX)),
    ] {
        let mut bad = json.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert!(serde_json::from_value::<Interface>(bad).is_err(), "{path}");
    }
}

/// The interface with other values at those places of its JSON.
fn altered(interface: &Interface, places: &[(&str, serde_json::Value)]) -> Interface {
    let mut json = serde_json::to_value(interface).unwrap();
    for (path, value) in places {
        *json.pointer_mut(path).unwrap() = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn an_interface_of_an_earlier_release_says_nothing_of_replies_and_still_opens() {
    let (good, _) = interface();
    let params = good.check(1 << 30).unwrap();
    assert_eq!(good.bounds().precision_bits, 9);
    let mut json = serde_json::to_value(&good).unwrap();
    json.as_object_mut().unwrap().remove("reply").unwrap();
    let old: Interface = serde_json::from_value(json).unwrap();
    assert_eq!((old.reply, old.check(1 << 30).unwrap().digest()), (None, params.digest()));
    assert_eq!(old.bounds(), Bounds::of(&old.range, None), "as many bits as the parameters allow");
    assert!(!serde_json::to_string(&old).unwrap().contains("reply"), "its bytes stay what they were");
}

#[test]
fn replies_that_end_elsewhere_or_keep_too_few_bits_are_refused() {
    let (good, _) = interface();
    let scale = good.reply.unwrap().scale;
    for (place, value) in [
        ("/reply/level", serde_json::json!(1)),
        ("/reply/scale", serde_json::json!(scale * 2.0)),
        ("/reply/scale", serde_json::json!(scale * (1.0 + 1e-12))),
        ("/reply/scale", serde_json::json!(0.0)),
        ("/reply/scale", serde_json::json!(-scale)),
        ("/reply/precision_bits", serde_json::json!(4)),
        ("/reply/precision_bits", serde_json::json!(0)),
    ] {
        let refused = altered(&good, &[(place, value.clone())]).check(1 << 30);
        assert!(matches!(refused, Err(InterfaceError::Unsound { .. })), "{place} {value}: {refused:?}");
    }
    let mut negative = serde_json::to_value(&good).unwrap();
    *negative.pointer_mut("/reply/precision_bits").unwrap() = serde_json::json!(-3);
    assert!(serde_json::from_value::<Interface>(negative).is_err());
    // More bits than the parameters allow are capped where a reply is decrypted.
    assert!(altered(&good, &[("/reply/precision_bits", serde_json::json!(2000))]).check(1 << 30).is_ok());
}

#[test]
fn labels_leave_fifteen_of_sixteen_slots_and_only_masks_may_fill_them() {
    let (good, _) = interface();
    let check = |labels: usize, mask: Option<Mask>| {
        let names = if mask.is_some() { 1 } else { labels };
        let point = serde_json::json!({ "labels": vec!["x"; names], "values": vec![0.0; names] });
        let places = [
            ("/ends/labels", serde_json::json!(labels)),
            ("/ends/period", serde_json::json!(4096)),
            ("/operating_point/thresholds", point),
        ];
        Interface { mask, ..altered(&good, &places) }.check(1 << 30)
    };
    assert!(check(256, None).is_ok(), "n13 has 4096 slots");
    for labels in [257, 2048, 4096] {
        let refused = check(labels, None).unwrap_err().to_string();
        assert!(refused.contains(&format!("{labels} labels, at most 256")), "{refused}");
    }
    assert!(check(4096, Some(Mask { height: 64, width: 64 })).is_ok());
}

#[test]
fn images_of_more_than_64_mb_are_refused() {
    let (good, _) = interface();
    let wide = |blocks: usize| {
        let values = blocks * 4096;
        let layout = serde_json::json!({
            "shape": { "channels": values, "height": 1, "width": 1 },
            "log_slots": 12,
            "places": "c".repeat(values.trailing_zeros() as usize),
            "period": 4096,
            "clean": false,
        });
        let input = serde_json::json!({ "values": values, "layout": layout });
        altered(&good, &[("/ends/input", input), ("/ends/level", serde_json::json!(5))])
    };
    // At level 5 of n13 there are a limb of 30 bits and five of 26: 160 bits for each of 8 192 coefficients, 163 840 bytes and a header.
    assert!(wide(256).check(1 << 30).is_ok());
    let refused = wide(512).check(1 << 30);
    assert!(
        matches!(refused, Err(InterfaceError::Upload { found, most: 64_000_000, .. }) if found > 512 * 163_840),
        "{refused:?}"
    );
}

#[test]
fn a_set_too_small_for_the_logits_is_refused_where_no_slot_would_show_one_that_wrapped() {
    let (good, _) = interface();
    let check = |labels: usize, period: usize, reach: f64| {
        let point = serde_json::json!({ "labels": vec!["a", "b", "c", "d"][..labels], "values": vec![0.0; labels] });
        let places = [
            ("/ends/labels", serde_json::json!(labels)),
            ("/ends/period", serde_json::json!(period)),
            ("/operating_point/thresholds", point),
            ("/range/logits", serde_json::json!(reach)),
        ];
        altered(&good, &places).check(1 << 30)
    };
    // Base 29.9 bits, one for the sign, scale 25.3: n13 holds 2^3.6 = 12.1, of which three quarters are 9.1. The bound is four times the
    // reach and at least 8.
    for (labels, period) in [(1, 1), (2, 2), (4, 4)] {
        assert!(check(labels, period, 2.2).is_ok(), "{labels} labels in {period} slots");
        let refused = check(labels, period, 2.3);
        let Err(InterfaceError::Room { wanted, found, .. }) = refused else { panic!("{labels} in {period}: {refused:?}") };
        assert!((wanted - 9.2).abs() < 1e-9 && (found - 9.09).abs() < 0.01, "{wanted} {found}");
    }
    for (labels, period) in [(1, 2), (3, 4), (4, 4096)] {
        assert!(check(labels, period, 1e3).is_ok(), "slots that hold zero would show it");
    }
}

#[test]
fn the_sets_of_the_released_models_hold_their_logits() {
    let mut seen = 0;
    for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../weights")).unwrap() {
        // Encoders and networks under TFHE have other manifests.
        let Ok(text) = std::fs::read_to_string(folder.unwrap().path().join(crate::release::MANIFEST)) else { continue };
        let Ok(manifest) = toml::from_str::<crate::release::Manifest>(&text) else { continue };
        let params = ParamsLiteral::named(&manifest.params).unwrap().check().unwrap();
        let (bound, room) = (Bounds::of(&manifest.range, None).logit, safe_room(&params, 0, params.scale()));
        assert!(bound <= room, "{}: {bound} of {room}", manifest.name);
        seen += 1;
    }
    assert!(seen > 0);
}
