//! The daemon behind a certificate.

use super::common::{Ask, answer_from, fixture, place, sha256, start};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use veilrayd::config::Tls;
use veilrayd::{ServeError, spawn};

#[test]
fn tls_is_spoken_and_nothing_else() {
    let (folder, mut config) = place();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let tls = Tls { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&tls.cert, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    config.server.tls = Some(tls.clone());
    config.tokens = vec![toml::from_str(&format!("hash = '{}'\ntenant = 'a'", sha256(b"secret"))).unwrap()];
    let daemon = start(config.clone());

    let ask = Ask { addr: daemon.addr(), token: Some("secret".into()) };
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let send = |method: &str, path: &str, body: &[u8]| {
        let connection = ClientConnection::new(Arc::clone(&client), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(daemon.addr()).unwrap());
        stream.write_all(ask.head(method, path, &[], body.len()).as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream.flush().unwrap();
        answer_from(stream, method).unwrap()
    };
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
    assert!(matches!(spawn(config), Err(ServeError::Tls { .. })));
}
