//! The daemon behind a certificate.

use super::common::{Answer, Ask, Process, answer_from, fixture, place, sha256, start};
use rcgen::CertifiedKey;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veilrayd::config::{Config, Tls};
use veilrayd::{ServeError, spawn};

type Certificate = CertifiedKey<rcgen::KeyPair>;

/// A certificate of its own making, written to the two files.
fn certify(tls: &Tls) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(&tls.cert, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    made
}

/// A configuration with a certificate in `folder` and the token `secret`.
pub(crate) fn protected(folder: &Path, config: &mut Config) -> (Tls, Certificate) {
    let tls = Tls { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    let made = certify(&tls);
    config.server.tls = Some(tls.clone());
    config.tokens = vec![toml::from_str(&format!("hash = '{}'\ntenant = 'a'", sha256(b"secret"))).unwrap()];
    (tls, made)
}

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A connection that trusts `made` alone; the handshake follows with the first byte.
pub(crate) fn connect(addr: SocketAddr, made: &Certificate) -> TlsStream {
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let connection = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(addr).unwrap())
}

fn send(mut stream: TlsStream, ask: &Ask, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
    stream.write_all(ask.head(method, path, &[], body.len()).as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    answer_from(stream, method)
}

#[test]
fn tls_is_spoken_and_nothing_else() {
    let (folder, mut config) = place();
    let (tls, made) = protected(folder.path(), &mut config);
    let daemon = start(config.clone());

    let ask = Ask { addr: daemon.addr(), token: Some("secret".into()) };
    let send = |method: &str, path: &str, body: &[u8]| send(connect(daemon.addr(), &made), &ask, method, path, body).unwrap();
    assert_eq!(send("GET", "/readyz", &[]).status, 200);
    let client = &fixture().client;
    assert_eq!(send("PUT", &format!("/v1/keys/{}", client.sha), &client.keys).status, 201);

    let mut plain = TcpStream::connect(daemon.addr()).unwrap();
    plain.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut seen = Vec::new();
    let _ = plain.read_to_end(&mut seen);
    assert!(!seen.starts_with(b"HTTP"));
    daemon.stop().unwrap();

    std::fs::write(&tls.key, "no key").unwrap();
    assert!(matches!(spawn(config.clone()), Err(ServeError::Tls { .. })));
    // A key of another certificate.
    std::fs::write(&tls.key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(spawn(config), Err(ServeError::Tls { .. })));
}

#[test]
fn handshakes_that_stall_and_silence_after_them_are_ended() {
    let (folder, mut config) = place();
    let (_, made) = protected(folder.path(), &mut config);
    (config.limits.header_seconds, config.limits.idle_seconds) = (2.0, 2.0);
    let daemon = start(config);
    let ask = Ask { addr: daemon.addr(), token: Some("secret".into()) };

    let begun = Instant::now();
    let silent: Vec<_> = (0..10).map(|_| TcpStream::connect(daemon.addr()).unwrap()).collect();
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[b'a'; 100]].concat();
    let stalled: Vec<_> = silent.iter().map(|_| TcpStream::connect(daemon.addr()).unwrap()).collect();
    for mut stream in &stalled {
        stream.write_all(&hello).unwrap();
    }
    let mut shaken: Vec<_> = silent.iter().map(|_| connect(daemon.addr(), &made)).collect();
    for stream in &mut shaken {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
    }
    assert_eq!(send(connect(daemon.addr(), &made), &ask, "GET", "/healthz", &[]).unwrap().status, 200);
    for mut stream in silent.into_iter().chain(stalled).chain(shaken.into_iter().map(|stream| stream.sock)) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(ended.as_ref().map_or_else(|e| e.kind() == std::io::ErrorKind::ConnectionReset, |_| true), "{ended:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(send(connect(daemon.addr(), &made), &ask, "GET", "/healthz", &[]).unwrap().status, 200);
}

#[test]
fn a_hangup_takes_the_new_certificate_and_keeps_the_old_where_it_is_bad() {
    let (folder, mut config) = place();
    let (tls, old) = protected(folder.path(), &mut config);
    let daemon = Process::start(&config, "");
    let ask = Ask { addr: daemon.addr, token: Some("secret".into()) };
    let trusted = |made| send(connect(daemon.addr, made), &ask, "GET", "/v1/keys", &[]).is_ok_and(|answer| answer.status == 200);
    let until = |what: &str, seen: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !seen() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{what}: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    assert!(trusted(&old));
    std::fs::write(&tls.cert, "no certificate").unwrap();
    daemon.signal("HUP");
    until("refused", &|| daemon.log().contains("read again and refused"));
    assert!(trusted(&old));
    let new = certify(&tls);
    assert!(!trusted(&new));
    daemon.signal("HUP");
    until("taken", &|| trusted(&new));
    assert!(!trusted(&old));
}
