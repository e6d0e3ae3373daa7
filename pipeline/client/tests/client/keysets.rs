//! Key sets on disk: complete or not there, their owner's alone, sealed.

use crate::common::{MODEL, WEIGHTS};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use veilray::client::keyset::{KeySet, MAX_KEY_BYTES, State};
use veilray::client::{Error, vault};
use veilray_classifier::interface::Interface;
use veilray_classifier::served::Served;
use veilray_he::{Decryptor, Encoder, Encryptor, EvaluationKeys};

static INTERFACE: LazyLock<Interface> = LazyLock::new(|| Served::open(&WEIGHTS.path().join(MODEL)).unwrap().interface);

fn made(root: &Path) -> KeySet {
    KeySet::create(root, &INTERFACE, b"passphrase", vault::Cost::MIN, MAX_KEY_BYTES).unwrap()
}

#[test]
fn a_key_set_comes_back_and_its_parts_belong_together() {
    let root = tempfile::tempdir().unwrap();
    let made = made(&root.path().join("keys"));
    let set = KeySet::select(&root.path().join("keys"), Some(MODEL)).unwrap();
    assert_eq!((set.record(), set.interface()), (made.record(), &*INTERFACE));
    let bytes = fs::read(set.evaluation_keys()).unwrap();
    let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        (digest.as_str(), bytes.len() as u64),
        (set.record().evaluation_keys_sha256.as_str(), set.record().evaluation_keys_bytes)
    );
    assert_eq!(EvaluationKeys::from_bytes(set.params(), &bytes, bytes.len()).unwrap().spec(), INTERFACE.keys);

    let secret = set.secret(b"passphrase").unwrap();
    let sent = Encryptor::new(&secret).encrypt(&Encoder::new(set.params()).encode(&[0.5; 8]).unwrap()).unwrap();
    let back = Decryptor::new(&secret).decrypt(&sent, 10).unwrap();
    assert!((back[3] - 0.5).abs() < 1e-2);
    assert!(matches!(set.secret(b"Passphrase"), Err(Error::Vault(vault::VaultError::Opening))));
    // The secret key is nowhere in clear.
    let raw = secret.to_bytes().unwrap();
    for entry in fs::read_dir(set.folder()).unwrap() {
        let file = fs::read(entry.unwrap().path()).unwrap();
        assert!(!file.windows(64).any(|window| window == &raw[100..164]));
    }
}

#[test]
fn a_model_s_interface_that_was_altered_with_its_digest_keeps_the_key_sealed() {
    let root = tempfile::tempdir().unwrap();
    let set = made(root.path());
    let (interface, record) = (set.folder().join("interface.json"), set.folder().join("key.toml"));
    let (before, text) = (fs::read(&interface).unwrap(), fs::read_to_string(&record).unwrap());
    let mut json: serde_json::Value = serde_json::from_slice(&before).unwrap();
    json["operating_point"]["thresholds"]["values"][0] = 63.0.into();
    let after = serde_json::to_vec_pretty(&json).unwrap();
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    fs::write(&interface, &after).unwrap();
    fs::write(&record, text.replace(&hex(&before), &hex(&after))).unwrap();
    // All that is public fits together; the secret key does not come out.
    let altered = KeySet::open(set.folder()).unwrap();
    assert!(matches!(altered.secret(b"passphrase"), Err(Error::Vault(vault::VaultError::Opening))));
    fs::write(&interface, &before).unwrap();
    fs::write(&record, text).unwrap();
    KeySet::open(set.folder()).unwrap().secret(b"passphrase").unwrap();
}

#[test]
fn what_others_may_read_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let set = made(root.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(set.folder()), 0o700);
    for entry in fs::read_dir(set.folder()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        if path.ends_with("evaluation.keys") {
            continue;
        }
        for wide in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
            let refused = KeySet::open(set.folder()).and_then(|set| set.secret(b"passphrase"));
            assert!(matches!(refused, Err(Error::Permissions { found, .. }) if found == wide), "{}", path.display());
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(set.folder(), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(KeySet::open(set.folder()), Err(Error::Permissions { wanted: 0o700, .. })));
}

#[test]
fn damaged_sets_are_refused_and_destroyed_ones_say_so() {
    let root = tempfile::tempdir().unwrap();
    let mut set = made(root.path());
    for (file, word) in [("key.toml", "key.toml"), ("interface.json", "altered"), ("secret.sealed", "altered")] {
        let path = set.folder().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = bad.len() - 3;
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let refused = KeySet::open(set.folder()).and_then(|set| set.secret(b"passphrase")).unwrap_err();
        assert!(refused.to_string().contains(word), "{file}: {refused}");
        fs::write(&path, &good).unwrap();
    }
    set.mark(State::Rotated).unwrap();
    assert!(matches!(KeySet::select(root.path(), None), Err(Error::Keys { .. })));
    assert_eq!(
        KeySet::of_digest(root.path(), &set.record().evaluation_keys_sha256.clone()).unwrap().record().state,
        State::Rotated
    );
    set.destroy().unwrap();
    assert!(!set.folder().join("secret.sealed").exists());
    assert!(set.secret(b"passphrase").unwrap_err().to_string().contains("destroyed"));
}

#[test]
fn a_hostile_interface_cannot_name_paths_ask_too_much_or_steer_the_terminal() {
    let root = tempfile::tempdir().unwrap();
    let create = |interface: &Interface, most| KeySet::create(root.path(), interface, b"passphrase", vault::Cost::MIN, most);
    let mut label = INTERFACE.clone();
    label.operating_point.thresholds.labels[0] = "\u{1b}[2J".into();
    let bad = [
        Interface { model: "../../etc".into(), ..INTERFACE.clone() },
        Interface { encoder: "/tmp/x".into(), ..INTERFACE.clone() },
        Interface { manifest_sha256: "../x".into(), ..INTERFACE.clone() },
        Interface { params: "n99".into(), ..INTERFACE.clone() },
        label,
    ];
    for interface in &bad {
        assert!(matches!(create(interface, MAX_KEY_BYTES), Err(Error::Reply { what: "interface", .. })));
    }
    assert!(matches!(create(&INTERFACE, 1000), Err(Error::Reply { .. })));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "nothing is half made");
}
