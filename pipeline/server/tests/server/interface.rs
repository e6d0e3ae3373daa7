//! What clients see of a daemon that nothing disturbs.

use super::common::{Ask, Client, MODEL, config, fixture, sha256, start};
use std::sync::OnceLock;
use veilray_classifier::interface::Interface;
use veilray_protocol::body::{INPUT, body, elements, tensor};
use veilray_protocol::messages::{InferParameters, InferRequest};
use veilrayd::Handle;
use veilrayd::config::TokenEntry;

/// One daemon for all tests here that only ask; tenants keep them apart.
fn shared() -> &'static (Handle, tempfile::TempDir) {
    static SHARED: OnceLock<(Handle, tempfile::TempDir)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        let token = |name: &str, more: &str| -> TokenEntry {
            toml::from_str(&format!("hash = '{}'\ntenant = '{name}'\nrate_per_minute = 0\n{more}", sha256(name.as_bytes())))
                .unwrap()
        };
        config.tokens = vec![
            token("a", ""),
            token("b", ""),
            token("c", "scopes = ['keys']"),
            token("admin", "scopes = ['admin']"),
            token("expired", "expires = 2020-01-01"),
            TokenEntry { rate_per_minute: 2, ..token("hasty", "") },
            token("small", "quota_bytes = 1000000"),
        ];
        (start(config), folder)
    })
}

fn ask(token: &str) -> Ask {
    Ask::with(&shared().0, token)
}

#[test]
fn an_encrypted_image_is_answered_as_in_clear() {
    let (f, a) = (fixture(), ask("a"));
    let put = a.put_keys(&f.client);
    assert!(put.status == 201 || put.status == 200, "{put:?}");
    let reply = a.infer(&f.infer_body(&f.client, 3));
    assert_eq!(reply.status, 200);
    assert!(f.is_answer(&f.client, &reply, 3) && !f.is_answer(&f.client, &reply, 4));
    assert_eq!(a.put_keys(&f.client).status, 200);
}

#[test]
fn keys_are_resumed_listed_and_deleted() {
    let (f, a) = (fixture(), ask("a"));
    let client = Client::new(&f.served);
    let path = format!("/v1/keys/{}", client.sha);
    let (total, half) = (client.keys.len().to_string(), client.keys.len() / 2);
    assert_eq!(a.get(&path).code(), (404, "not_found".into()));
    let first = a.send("PUT", &path, &[("upload-length", &total)], &client.keys[..half]);
    assert_eq!((first.status, first.header("upload-offset")), (202, Some(half.to_string().as_str())));
    assert_eq!(a.send("HEAD", &path, &[], &[]).header("upload-offset"), Some(half.to_string().as_str()));
    let wrong = a.send("PUT", &path, &[("upload-offset", "5"), ("upload-length", &total)], &client.keys[5..]);
    assert_eq!((wrong.code(), wrong.header("upload-offset")), ((409, "offset_mismatch".into()), Some(half.to_string().as_str())));
    let at = half.to_string();
    let rest = a.send("PUT", &path, &[("upload-offset", &at), ("upload-length", &total)], &client.keys[half..]);
    assert_eq!(rest.status, 201);
    let status = rest.json();
    assert_eq!((status["complete"].as_bool(), status["params"].as_str()), (Some(true), Some("n13")));
    assert!(status["expires_unix"].as_u64() > status["last_used_unix"].as_u64());
    let listed = |a: &Ask| a.get("/v1/keys").json().as_array().unwrap().iter().any(|k| k["sha256"] == client.sha.as_str());
    assert!(listed(&a) && !listed(&ask("b")));
    assert_eq!(a.send("DELETE", &path, &[], &[]).status, 204);
    assert_eq!(a.send("DELETE", &path, &[], &[]).code(), (404, "not_found".into()));
    assert!(!listed(&a));
}

#[test]
fn another_tenants_keys_are_not_there() {
    let (f, a, b) = (fixture(), ask("a"), ask("b"));
    let client = Client::new(&f.served);
    assert_eq!(a.put_keys(&client).status, 201);
    let path = format!("/v1/keys/{}", client.sha);
    assert_eq!(b.get(&path).code(), (404, "not_found".into()));
    assert_eq!(b.send("DELETE", &path, &[], &[]).code(), (404, "not_found".into()));
    assert_eq!(b.infer(&f.infer_body(&client, 1)).code(), (404, "not_found".into()));
    assert_eq!(a.infer(&f.infer_body(&client, 1)).status, 200);
}

#[test]
fn tokens_open_what_they_say_and_nothing_else() {
    let f = fixture();
    let unknown = |code: &str| (401, code.to_string());
    assert_eq!(Ask::of(&shared().0).get("/v1/keys").code(), unknown("unauthorized"));
    assert_eq!(ask("nobody").get("/v1/keys").code(), unknown("unauthorized"));
    assert_eq!(ask("expired").get("/v1/keys").code(), unknown("unauthorized"));
    assert_eq!(ask("c").infer(&f.infer_body(&f.client, 1)).code(), (403, "forbidden".into()));
    assert_eq!(ask("admin").get("/v1/keys").code(), (403, "forbidden".into()));
    assert_eq!(ask("a").get("/metrics").code(), (403, "forbidden".into()));
    let metrics = ask("admin").get("/metrics");
    assert!(String::from_utf8(metrics.body).unwrap().contains("veilrayd_ready 1"));
    let hasty = ask("hasty");
    assert_eq!([hasty.get("/v1/keys").status, hasty.get("/v1/keys").status], [200, 200]);
    let refused = hasty.get("/v1/keys");
    assert_eq!(refused.code(), (429, "rate_limited".into()));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(ask("small").put_keys(&f.client).code(), (507, "quota_exceeded".into()));
}

#[test]
fn keys_that_are_none_are_refused_and_forgotten() {
    let (f, a) = (fixture(), ask("b"));
    let put = |bytes: &[u8], sha: &str| a.send("PUT", &format!("/v1/keys/{sha}"), &[("veilray-model", MODEL)], bytes).code();
    let unsound = (422, "not_conformant".to_string());
    assert_eq!(put(b"no keys at all", &sha256(b"no keys at all")), unsound);
    assert_eq!(put(&f.client.keys, &sha256(b"other bytes")), unsound);
    let cut = &f.client.keys[..f.client.keys.len() - 1];
    assert_eq!(put(cut, &sha256(cut)), unsound);
    let mut flipped = f.client.keys.clone();
    flipped[70] ^= 1;
    assert_eq!(put(&flipped, &sha256(&flipped)).0, 422);
    let empty = veilray_he::EvaluationKeys::generate(&f.client.secret, &veilray_he::KeySpec::new()).unwrap().to_bytes().unwrap();
    assert_eq!(put(&empty, &sha256(&empty)), unsound);
    let n14 = veilray_he::ParamsLiteral::named("n14").unwrap().check().unwrap();
    let secret = veilray_he::SecretKey::generate(&n14).unwrap();
    let other = veilray_he::EvaluationKeys::generate(&secret, &veilray_he::KeySpec::new()).unwrap().to_bytes().unwrap();
    assert_eq!(put(&other, &sha256(&other)), (409, "params_mismatch".into()));
    assert_eq!(a.send("PUT", "/v1/keys/ABC", &[], b"x").code(), (400, "malformed".into()));
    let huge = a.send("PUT", &format!("/v1/keys/{}", "0".repeat(64)), &[("upload-length", "99999999999")], b"x");
    assert_eq!(huge.code(), (413, "too_large".into()));
    for bytes in [&b"no keys at all"[..], cut, &flipped, &empty, &other] {
        assert_eq!(a.get(&format!("/v1/keys/{}", sha256(bytes))).status, 404);
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let (f, a) = (fixture(), ask("a"));
    let good = f.encrypted(&f.client, &f.image(1));
    a.put_keys(&f.client);
    let is = |code: u16, word: &str| (code, word.to_string());
    let ask_with = |ciphertexts: &[Vec<u8>]| a.infer(&f.request(&f.client, ciphertexts)).code();

    let cut = good[0][..good[0].len() - 1].to_vec();
    assert_eq!(ask_with(&[cut]), is(400, "malformed"));
    assert_eq!(ask_with(&[vec![]]), is(400, "malformed"));
    assert_eq!(ask_with(&[]), is(422, "not_conformant"));
    // Magic, version, level, scale, digest, length, a residue.
    for (at, wanted) in [(0, 400), (8, 400), (12, 422), (16, 422), (30, 409), (56, 400)] {
        let mut flipped = good[0].clone();
        flipped[at] ^= 0x40;
        assert_eq!(ask_with(&[flipped]).0, wanted, "byte {at}");
    }
    let mut residue = good[0].clone();
    residue[96..130].fill(0xff);
    assert_eq!(ask_with(&[residue]), is(422, "not_conformant"));

    let (whole, length) = f.request(&f.client, &good);
    assert_eq!(a.post("/v2/models/tiny/infer", &whole[..whole.len() - 5], length).code(), is(400, "malformed"));
    assert_eq!(a.post("/v2/models/tiny/infer", &whole, length + 1).code(), is(400, "malformed"));
    assert_eq!(a.post("/v2/models/tiny/infer", &whole, 1 << 40).code(), is(400, "malformed"));
    assert_eq!(a.send("POST", "/v2/models/tiny/infer", &[], &whole).code(), is(400, "malformed"));
    assert_eq!(a.post("/v2/models/none/infer", &whole, length).code(), is(404, "not_found"));
    let oversize = vec![0; usize::try_from(8 << 20).unwrap()];
    assert_eq!(a.post("/v2/models/tiny/infer", &oversize, 10).code(), is(413, "too_large"));

    let bytes = elements(&good);
    let other = |keys: &str, manifest: &str| {
        let parameters = InferParameters { keys: keys.into(), manifest: manifest.into() };
        let request = InferRequest { id: None, parameters, inputs: vec![tensor(INPUT, 1, bytes.len())] };
        a.infer(&body(&request, &bytes).unwrap()).code()
    };
    let manifest = &f.served.interface.manifest_sha256;
    assert_eq!(other(&f.client.sha, &"0".repeat(64)), is(409, "manifest_mismatch"));
    assert_eq!(other("not a digest", manifest), is(400, "malformed"));
    assert_eq!(other(&"0".repeat(64), manifest), is(404, "not_found"));
    assert_eq!(a.get("/nowhere").code(), is(404, "not_found"));
    assert_eq!(a.send("PATCH", "/v1/keys", &[], &[]).status, 405);
    // After all of that it still answers.
    assert_eq!(a.infer(&f.request(&f.client, &good)).status, 200);
}

#[test]
fn models_are_described_without_their_weights() {
    let (f, a) = (fixture(), ask("a"));
    let manifest = a.get("/v1/models/tiny/manifest");
    let interface: Interface = serde_json::from_slice(&manifest.body).unwrap();
    assert_eq!(interface, f.served.interface);
    assert!(interface.check(1 << 30).is_ok());
    let tag = manifest.header("etag").unwrap().to_string();
    assert_eq!(tag, format!("\"{}\"", interface.manifest_sha256));
    assert_eq!(a.send("GET", "/v1/models/tiny/manifest", &[("if-none-match", &tag)], &[]).status, 304);
    assert_eq!(a.get("/v1/models").json()[0]["labels"], serde_json::json!(["a", "b", "c"]));
    let metadata = a.get("/v2/models/tiny").json();
    assert_eq!(
        (metadata["inputs"][0]["datatype"].as_str(), metadata["versions"][0].as_str()),
        (Some("BYTES"), Some(interface.manifest_sha256.as_str()))
    );
    let open = Ask::of(&shared().0);
    assert_eq!(open.get("/v2").json()["extensions"][0], "binary_tensor_data");
    for path in ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(open.get(path).status, 200, "{path}");
    }
    let api = open.get("/openapi.json").json();
    for path in ["/v2/models/{model}/infer", "/v1/keys/{sha256}", "/v1/models/{model}/manifest", "/v1/jobs/{job}", "/metrics"] {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    // The page needs nothing but this daemon, and its policy says so to the browser.
    for (path, wanted) in [("/docs/", "page.js"), ("/docs/page.js", "openapi.json"), ("/docs/page.css", "font")] {
        let file = open.get(path);
        let text = String::from_utf8_lossy(&file.body);
        assert!(file.status == 200 && text.contains(wanted) && !text.contains("://"), "{path}: {file:?}");
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
    assert_eq!(open.get("/docs").header("location"), Some("docs/"));
}

#[test]
fn a_job_is_answered_later() {
    let (f, a) = (fixture(), ask("a"));
    a.put_keys(&f.client);
    let (body, length) = f.infer_body(&f.client, 11);
    let accepted = a.post("/v1/models/tiny/jobs", &body, length);
    assert_eq!(accepted.status, 202);
    let path = accepted.header("location").unwrap().to_string();
    assert_eq!(ask("b").get(&path).code(), (404, "not_found".into()));
    while a.get(&path).json()["state"] != "done" {
        assert_ne!(a.get(&path).json()["state"], "failed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let reply = a.get(&format!("{path}/result"));
    assert!(f.is_answer(&f.client, &reply, 11));
    assert_eq!(a.send("DELETE", &path, &[], &[]).status, 204);
    assert_eq!(a.get(&path).code(), (404, "not_found".into()));
    let other = Client::new(&f.served);
    let (body, length) = f.infer_body(&other, 1);
    assert_eq!(a.post("/v1/models/tiny/jobs", &body, length).code(), (404, "not_found".into()));
}

#[test]
fn the_handbook_has_every_code_with_its_status() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/protocol.md")).unwrap();
    for code in veilray_protocol::ErrorCode::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status());
        assert!(text.contains(&row), "{row}");
    }
}
