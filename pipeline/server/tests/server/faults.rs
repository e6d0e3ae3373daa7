//! Full disks, damaged files, slow senders, stops.

use super::common::{Ask, Client, Process, answer, fixture, place, start};
use std::io::{Read, Write};
use std::time::Duration;
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;

#[test]
fn a_full_disk_refuses_what_is_new_and_keeps_what_was_acknowledged() {
    let (f, (_folder, config)) = (fixture(), place());
    let mut daemon = Process::start(&config, "");
    assert_eq!(daemon.ask().put_keys(&f.client).status, 201);
    daemon.kill();

    let late = Client::new(&f.served);
    // No file may grow beyond three quarters of the keys: the kernel refuses, as it does when a quota is used up.
    let blocks = late.keys.len() * 3 / 4 / 1024;
    let mut daemon = Process::start(&config, &format!("trap '' XFSZ; ulimit -f {blocks};"));
    assert_eq!(daemon.ask().put_keys(&late).code(), (507, "quota_exceeded".into()));
    assert!(f.is_answer(&f.client, &daemon.ask().infer(&f.infer_body(&f.client, 1)), 1));
    // What came of it is freed: it would keep the disk full.
    assert_eq!(daemon.ask().get(&format!("/v1/keys/{}", late.sha)).status, 404);
    daemon.kill();

    let daemon = Process::start(&config, "");
    assert_eq!(daemon.ask().put_keys(&late).status, 201);
    for client in [&f.client, &late] {
        assert!(f.is_answer(client, &daemon.ask().infer(&f.infer_body(client, 2)), 2));
    }
}

#[test]
fn what_cannot_be_written_to_the_audit_log_is_not_acknowledged() {
    let (f, (folder, config)) = (fixture(), place());
    let mut daemon = Process::start(&config, "");
    assert_eq!(daemon.ask().put_keys(&f.client).status, 201);
    daemon.kill();
    // Room for the line that says it started, and no more.
    let (audit, blocks) = (folder.path().join("data/audit.jsonl"), 16 << 10);
    let filler = blocks * 1024 - std::fs::metadata(&audit).unwrap().len() as usize - 150;
    let mut text = std::fs::read(&audit).unwrap();
    text.extend(std::iter::repeat_n(b'\n', filler));
    std::fs::write(&audit, &text).unwrap();
    let mut daemon = Process::start(&config, &format!("trap '' XFSZ; ulimit -f {blocks};"));
    let lines = std::fs::read_to_string(&audit).unwrap();
    assert!(lines.trim_end().ends_with('}') && lines.len() > text.len());
    assert_eq!(daemon.ask().infer(&f.infer_body(&f.client, 1)).code(), (507, "quota_exceeded".into()));
    let (body, length) = f.infer_body(&f.client, 1);
    assert_eq!(daemon.ask().post("/v1/models/tiny/jobs", &body, length).code(), (507, "quota_exceeded".into()));
    assert_eq!(std::fs::read_to_string(&audit).unwrap(), lines);
    assert_eq!(daemon.ask().get("/healthz").status, 200);
    daemon.kill();
    let daemon = Process::start(&config, "");
    assert!(f.is_answer(&f.client, &daemon.ask().infer(&f.infer_body(&f.client, 1)), 1));
}

#[test]
fn damaged_keys_are_found_removed_and_can_be_sent_again() {
    let (f, (folder, config)) = (fixture(), place());
    let daemon = start(config.clone());
    assert_eq!(Ask::of(&daemon).put_keys(&f.client).status, 201);
    daemon.stop().unwrap();
    let keys = folder.path().join("data/keys");
    let tenant = std::fs::read_dir(keys).unwrap().next().unwrap().unwrap().path();
    let file = tenant.join(&f.client.sha);
    let mut bytes = std::fs::read(&file).unwrap();
    // A residue may turn into another residue: only the digest tells.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let daemon = start(config);
    let ask = Ask::of(&daemon);
    let refused = ask.infer(&f.infer_body(&f.client, 1));
    assert_eq!(refused.code(), (404, "not_found".into()));
    assert!(refused.error().error.contains("damaged"));
    assert_eq!(ask.get(&format!("/v1/keys/{}", f.client.sha)).status, 404);
    assert!(!file.exists());
    assert_eq!(ask.put_keys(&f.client).status, 201);
    assert!(f.is_answer(&f.client, &ask.infer(&f.infer_body(&f.client, 1)), 1));
    let audit = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    assert!(audit.contains("key_damaged"));
}

#[test]
fn slow_senders_are_sent_away() {
    let (f, (_folder, mut config)) = (fixture(), place());
    (config.limits.idle_seconds, config.limits.header_seconds) = (0.3, 0.5);
    let daemon = start(config);
    let ask = Ask::of(&daemon);
    ask.put_keys(&f.client);
    let (body, length) = f.infer_body(&f.client, 1);
    let header = length.to_string();
    let mut stream = ask.connect();
    let head = ask.head("POST", "/v2/models/tiny/infer", &[(INFERENCE_HEADER_LENGTH, &header)], body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..1000]).unwrap();
    let slow = answer(stream, "POST").unwrap();
    assert_eq!(slow.code(), (408, "timeout".into()));

    let mut stream = ask.connect();
    stream.write_all(b"POST /v2/models/tiny/infer HTTP/1.1\r\nhost: local").unwrap();
    let mut rest = Vec::new();
    // It is closed, with or without an answer, and not because this side stopped waiting.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    assert!(f.is_answer(&f.client, &ask.infer(&(body, length)), 1));
}

#[test]
fn a_stop_finishes_what_is_in_flight() {
    let (f, (_folder, config)) = (fixture(), place());
    let mut daemon = Process::start(&config, "");
    daemon.ask().put_keys(&f.client);
    let (body, length) = f.infer_body(&f.client, 5);
    let header = length.to_string();
    let mut stream = daemon.ask().connect();
    let head = daemon.ask().head("POST", "/v2/models/tiny/infer", &[(INFERENCE_HEADER_LENGTH, &header)], body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..body.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    daemon.terminate();
    std::thread::sleep(Duration::from_millis(300));
    // Nothing new is begun.
    let new = daemon.ask().try_send("GET", "/v1/models", &[], &[]);
    assert!(new.is_err() || new.unwrap().status == 503);
    stream.write_all(&body[body.len() / 2..]).unwrap();
    assert!(f.is_answer(&f.client, &answer(stream, "POST").unwrap(), 5));
    assert!(daemon.child.wait().unwrap().success());
    assert!(daemon.log().contains("stopped"));
}

#[test]
fn keys_whose_time_is_over_make_room() {
    let (f, (_folder, mut config)) = (fixture(), place());
    config.limits.disk_bytes = f.client.keys.len() as u64 * 3 / 2;
    config.limits.key_bytes = config.limits.disk_bytes;
    let late = Client::new(&f.served);
    let daemon = start(config.clone());
    let ask = Ask::of(&daemon);
    assert_eq!(ask.put_keys(&f.client).status, 201);
    assert_eq!(ask.put_keys(&late).code(), (507, "quota_exceeded".into()));
    daemon.stop().unwrap();
    config.limits.key_ttl_seconds = 1.0;
    let daemon = start(config);
    std::thread::sleep(Duration::from_millis(2100));
    let ask = Ask::of(&daemon);
    assert_eq!(ask.put_keys(&late).status, 201);
    assert_eq!(ask.get(&format!("/v1/keys/{}", f.client.sha)).status, 404);
}

#[test]
fn an_upload_that_breaks_off_frees_its_place() {
    let (f, (_folder, config)) = (fixture(), place());
    let daemon = start(config);
    let ask = Ask::of(&daemon);
    let path = format!("/v1/keys/{}", f.client.sha);
    let total = f.client.keys.len().to_string();
    let have = || ask.send("HEAD", &path, &[], &[]).header("upload-offset").unwrap_or("0").parse::<usize>().unwrap();
    for round in 1..4 {
        let wanted = round * 5000;
        // What came is counted a moment before the place is free: until then another request is refused, and sent again.
        for _ in 0..50 {
            let from = have();
            if from == wanted {
                break;
            }
            let offset = from.to_string();
            let headers = [("upload-offset", offset.as_str()), ("upload-length", total.as_str())];
            let mut stream = ask.connect();
            stream.write_all(ask.head("PUT", &path, &headers, f.client.keys.len() - from).as_bytes()).unwrap();
            stream.write_all(&f.client.keys[from..wanted]).unwrap();
            drop(stream);
            for _ in 0..50 {
                if have() == wanted {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        assert_eq!(have(), wanted);
    }
}
