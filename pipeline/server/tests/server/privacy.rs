//! Nothing that a client writes as text is written down.

use super::common::{Ask, Process, fixture, place, sha256};
use veilray_protocol::body::{INPUT, body, elements, tensor};
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;
use veilray_protocol::messages::{InferParameters, InferRequest};

/// A name and a number as hospitals write them; the number looks like a plain request number.
const NAME: &str = "Zzyzx-Patientsson";
const NUMBER: &str = "19570304-7777";

fn grep(folder: &std::path::Path, found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += grep(&path, found);
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        for mark in [NAME, NUMBER] {
            if bytes.windows(mark.len()).any(|w| w.eq_ignore_ascii_case(mark.as_bytes())) {
                found.push(format!("{mark} in {}", path.display()));
            }
        }
    }
    files
}

#[test]
fn no_patient_identifier_reaches_a_log_a_metric_or_the_disk() {
    let (f, (folder, mut config)) = (fixture(), place());
    let token = |name: &str, scopes: &str| {
        toml::from_str(&format!("hash = '{}'\ntenant = '{name}'\nscopes = {scopes}", sha256(name.as_bytes()))).unwrap()
    };
    config.tokens = vec![token("clinic", "['keys', 'infer']"), token("admin", "['admin']")];
    let mut daemon = Process::start(&config, "");
    let ask = Ask { addr: daemon.addr, token: Some("clinic".into()) };
    let mark = format!("{NAME} {NUMBER}");
    let marks = [
        ("x-request-id", NUMBER),
        ("user-agent", NAME),
        ("content-disposition", "attachment; filename=\"Zzyzx-Patientsson.dcm\""),
        ("x-patient", mark.as_str()),
        ("cookie", NAME),
        ("veilray-model", NAME),
    ];
    let put = ask.send("PUT", &format!("/v1/keys/{}", f.client.sha), &marks[..5], &f.client.keys);
    assert_eq!(put.status, 201);
    assert_ne!(put.header("x-request-id"), Some(NUMBER));
    assert_eq!(ask.send("PUT", &format!("/v1/keys/{}", sha256(b"x")), &marks, b"x").status, 422);

    let ciphertexts = f.encrypted(&f.client, &f.image(1));
    let bytes = elements(&ciphertexts);
    let send = |path: &str, input: &str, keys: &str, manifest: &str| {
        let parameters = InferParameters { keys: keys.into(), manifest: manifest.into() };
        let inputs = vec![tensor(input, 1, bytes.len())];
        let (body, length) = body(&InferRequest { id: Some(mark.clone()), parameters, inputs }, &bytes).unwrap();
        let length = length.to_string();
        let mut headers = marks.to_vec();
        headers.push((INFERENCE_HEADER_LENGTH, &length));
        ask.send("POST", path, &headers, &body)
    };
    let (sha, manifest) = (f.client.sha.as_str(), f.served.interface.manifest_sha256.as_str());
    let answered = send("/v2/models/tiny/infer", INPUT, sha, manifest);
    // It comes back to the client alone.
    assert!(answered.status == 200 && String::from_utf8_lossy(&answered.body).contains(NAME));
    assert_eq!(send("/v1/models/tiny/jobs", INPUT, sha, manifest).status, 202);
    assert_eq!(send("/v2/models/tiny/infer", NAME, sha, manifest).status, 400);
    assert_eq!(send("/v2/models/tiny/infer", INPUT, NAME, manifest).status, 400);
    assert_eq!(send("/v2/models/tiny/infer", INPUT, sha, NAME).status, 409);
    for path in
        [NAME, &format!("v2/models/{NAME}/infer"), &format!("v1/keys/{NAME}"), &format!("v1/jobs/{NUMBER}?patient={NAME}")]
    {
        assert!(send(&format!("/{path}"), INPUT, sha, manifest).status >= 400);
        assert!(ask.get(&format!("/{path}")).status >= 400);
    }
    assert!(ask.send(&NAME.to_uppercase().replace('-', ""), "/v1/keys", &[], &[]).status >= 400);
    assert_eq!(Ask { addr: daemon.addr, token: Some(mark.clone()) }.get("/v1/keys").status, 401);
    let metrics = Ask { addr: daemon.addr, token: Some("admin".into()) }.get("/metrics");
    std::fs::write(folder.path().join("metrics"), &metrics.body).unwrap();
    daemon.terminate();
    daemon.child.wait().unwrap();

    let mut found = Vec::new();
    let files = grep(folder.path(), &mut found);
    assert!(files >= 5, "{files} files looked at");
    assert!(found.is_empty(), "{found:?}");
    // What should be written down is.
    let audit = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    for wanted in ["key_upload", "infer", "job_submit", "\"tenant\":\"clinic\"", sha, "start", "stop"] {
        assert!(audit.contains(wanted), "{wanted}");
    }
    let id = answered.header("x-request-id").unwrap();
    assert!(audit.contains(id) && daemon.log().contains(id));
    assert!(String::from_utf8(metrics.body).unwrap().contains("veilrayd_inference_seconds_count{model=\"tiny\"}"));
}
