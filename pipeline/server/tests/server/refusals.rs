//! Who and what is refused before it reaches a model, in which form, and what is written down about it.

use super::common::{Answer, Ask, answer, answer_from, place, sha256, start};
use std::io::{Read, Write};
use std::net::SocketAddr;
use veilrayd::config::{Config, TokenEntry};

/// What is answered to these bytes.
fn raw(addr: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = Ask { addr, token: None }.connect();
    // It may be refused before all of it is sent.
    let _ = stream.write_all(bytes);
    answer(stream, "GET").unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)])))
}

fn token(name: &str, rest: &str) -> TokenEntry {
    toml::from_str(&format!("hash = '{}'\ntenant = '{name}'\n{rest}", sha256(name.as_bytes()))).unwrap()
}

#[test]
fn what_never_reaches_a_route_is_refused_in_the_form_of_all_errors() {
    let (_folder, config) = place();
    let daemon = start(config);
    let long = "a".repeat(70_000);
    let many: String = (0..200).map(|i| format!("x{i}: y\r\n")).collect();
    let host = "host: localhost\r\n";
    let cases = [
        (400, format!("GET /v2 HTTP/3.0\r\n{host}\r\n")),
        (400, format!("GET /v2\r\n{host}\r\n")),
        (400, format!("GET /v2 HTTP/1.1\r\n{host}x: a\0b\r\n\r\n")),
        (400, format!("GET /v2 HTTP/1.1\r\n{host}x : a\r\n\r\n")),
        (400, "\0\u{1}\u{2} and so on\r\n\r\n".into()),
        (400, format!("POST /v2 HTTP/1.1\r\n{host}content-length: -1\r\n\r\n")),
        (400, format!("POST /v2 HTTP/1.1\r\n{host}content-length: 5\r\ncontent-length: 6\r\n\r\n")),
        (431, format!("GET /v2 HTTP/1.1\r\n{host}x: {}\r\n\r\n", "a".repeat(1_000_000))),
        (431, format!("GET /v2 HTTP/1.1\r\n{host}{many}\r\n")),
        (431, format!("GET /v1/{long} HTTP/1.1\r\n{host}\r\n")),
        (400, format!("GET /v1/keys/%ff%fe HTTP/1.1\r\n{host}connection: close\r\n\r\n")),
        (400, format!("GET /v1/jobs/%ff/result HTTP/1.1\r\n{host}connection: close\r\n\r\n")),
        (405, format!("FOO /v1/keys HTTP/1.1\r\n{host}connection: close\r\n\r\n")),
        (405, format!("TRACE /healthz HTTP/1.1\r\n{host}connection: close\r\n\r\n")),
        (404, format!("GET /%ff HTTP/1.1\r\n{host}connection: close\r\n\r\n")),
        (
            413,
            format!("PUT /v1/keys/{} HTTP/1.1\r\n{host}upload-length: 9999999999999\r\nconnection: close\r\n\r\n", sha256(b"x")),
        ),
    ];
    for (status, request) in cases {
        let answer = raw(daemon.addr(), request.as_bytes());
        let shown = request.chars().take(50).collect::<String>();
        assert_eq!(answer.status, status, "{shown:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{shown:?}");
        assert_eq!(answer.error().request_id.len(), 32, "{shown:?}");
    }
    // Behind a good one, too.
    let mut stream = Ask::of(&daemon).connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nno request at all\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (first, second) = text.split_once("{\"live\":true}").unwrap();
    assert!(first.starts_with("HTTP/1.1 200") && answer_from(second.as_bytes(), "GET").unwrap().code().0 == 400, "{text}");
    let metrics = String::from_utf8(Ask::of(&daemon).get("/metrics").body).unwrap();
    assert!(metrics.contains("route=\"unread\""), "{metrics}");
}

#[test]
fn a_daemon_without_tokens_answers_to_names_of_this_machine_alone() {
    let (_folder, mut config) = place();
    config.server.hosts = vec!["proxy.example".into()];
    let daemon = start(config.clone());
    let get = |addr, line: &str| raw(addr, format!("GET /v1/keys HTTP/1.1\r\n{line}connection: close\r\n\r\n").as_bytes());
    for host in ["localhost", "127.0.0.1:8480", "[::1]", "proxy.example:80"] {
        assert_eq!(get(daemon.addr(), &format!("host: {host}\r\n")).status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:8480", "10.0.0.1"] {
        let refused = get(daemon.addr(), &format!("host: {host}\r\n"));
        assert_eq!(refused.code(), (403, "forbidden".into()), "{host}");
        assert!(refused.error().hint.contains("server.hosts") && !refused.error().error.contains(host));
    }
    assert_eq!(get(daemon.addr(), "").code(), (400, "malformed".into()));
    assert_eq!(raw(daemon.addr(), b"GET /v1/keys HTTP/1.0\r\n\r\n").status, 200);
    let delete = format!("DELETE /v1/keys/{} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", sha256(b"x"));
    assert_eq!(raw(daemon.addr(), delete.as_bytes()).status, 403);
    daemon.stop().unwrap();
    // A token keeps such pages out already.
    config.tokens = vec![token("a", "")];
    let daemon = start(config);
    assert_eq!(get(daemon.addr(), "host: evil.example\r\nauthorization: Bearer a\r\n").status, 200);
    assert_eq!(get(daemon.addr(), "host: evil.example\r\n").status, 401);
}

#[test]
fn names_of_hosts_are_checked() {
    let with = |host: &str| {
        let mut config: Config = place().1;
        config.server.hosts = vec![host.into()];
        config.check()
    };
    assert!(with("veilray.example").is_ok() && with("10.0.0.1").is_ok() && with("[fd00::1]").is_ok());
    for bad in ["", "a b", "veilray.example:80", "http://veilray.example", "fd00::1", "[fd00"] {
        assert!(with(bad).unwrap_err().to_string().contains("server.hosts[0]"), "{bad}");
    }
}

#[test]
fn refused_callers_stand_in_the_audit_log_once_a_minute() {
    let (folder, mut config) = place();
    config.tokens = vec![token("clinic", "scopes = ['keys']"), token("rated", "rate_per_minute = 1")];
    let daemon = start(config);
    let get = |token: &str, path: &str| Ask::with(&daemon, token).get(path).status;
    for _ in 0..20 {
        assert_eq!(get("Zzyzx-wrong-token", "/v1/keys"), 401);
        assert_eq!(get("clinic", "/metrics"), 403);
    }
    assert_eq!([get("rated", "/v1/keys"), get("rated", "/v1/keys"), get("rated", "/v1/keys")], [200, 429, 429]);
    daemon.stop().unwrap();
    let text = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    assert!(!text.contains("Zzyzx"));
    let mut denied: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["action"] == "denied")
        .map(|line| {
            assert_eq!((line["object"].as_str(), line["request_id"].as_str().unwrap().len()), (Some("127.0.0.1"), 32));
            (line["outcome"].as_str().unwrap().to_string(), line["tenant"].as_str().unwrap_or("").to_string())
        })
        .collect();
    denied.sort();
    let wanted = [("forbidden", "clinic"), ("rate_limited", "rated"), ("unauthorized", "")];
    assert_eq!(denied, wanted.map(|(code, tenant)| (code.to_string(), tenant.to_string())));
}
