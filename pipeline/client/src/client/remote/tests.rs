use super::*;
use crate::client::server_url::Waits;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that gives every connection to `answer`, and counts requests.
fn server(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (ServerUrl, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = ServerUrl::parse(&format!("http://{}", listener.local_addr().unwrap()), false).unwrap();
    let (requests, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen, answer) = (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        seen.fetch_add(1, Ordering::SeqCst);
                        head.clear();
                        answer(&mut stream);
                    }
                }
            });
        }
    });
    (url, requests)
}

fn remote(url: &ServerUrl, retry_for: Duration) -> Remote {
    let short = Duration::from_millis(300);
    let waits = Waits { head: short, inference: 2 * short, body: short, write: short, least: 1 << 20 };
    Remote::new(url, &Access { ca: None, token_file: None, retry_for, waits }).unwrap()
}

#[test]
fn a_server_cannot_shorten_the_pause_between_two_attempts() {
    for header in ["Retry-After: 0", "Retry-After: -1", "X: y", "Retry-After: 0.0001"] {
        let answer = format!("HTTP/1.1 503 X\r\n{header}\r\nContent-Length: 0\r\n\r\n");
        let (url, requests) = server(move |stream| drop(stream.write_all(answer.as_bytes())));
        let refused = remote(&url, Duration::from_secs(3)).interface("m").unwrap_err();
        assert!(matches!(refused, Error::Server { status: 503, .. }), "{refused}");
        // Pauses of 0.1, 0.2, 0.4, 0.8 and 1.6 seconds at least: five attempts in three seconds, or the sixth at 3.1.
        let seen = requests.load(Ordering::SeqCst);
        assert!((2..=6).contains(&seen), "{seen} requests with {header}");
    }
}

#[test]
fn a_server_cannot_make_the_client_wait_beyond_its_own_bound() {
    let answer = "HTTP/1.1 503 X\r\nRetry-After: 18446744073709551615\r\nContent-Length: 0\r\n\r\n";
    let (url, requests) = server(move |stream| drop(stream.write_all(answer.as_bytes())));
    remote(&url, Duration::from_secs(3)).interface("m").unwrap_err();
    assert_eq!(requests.load(Ordering::SeqCst), 1, "a pause longer than is left is not begun");
}

#[test]
fn answers_that_stall_trickle_or_never_end_are_given_up() {
    type Answer = fn(&mut TcpStream);
    let cases: [(&str, Answer); 6] = [
        ("a head that never comes", |_| std::thread::sleep(Duration::from_secs(5))),
        ("a body that stalls", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{");
            std::thread::sleep(Duration::from_secs(5));
        }),
        ("a body that trickles", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{");
            for _ in 0..500 {
                std::thread::sleep(Duration::from_millis(10));
                if stream.write_all(b" ").is_err() {
                    return;
                }
            }
        }),
        ("an error body that trickles", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 X\r\nContent-Length: 60000\r\n\r\n{");
            for _ in 0..500 {
                std::thread::sleep(Duration::from_millis(10));
                if stream.write_all(b" ").is_err() {
                    return;
                }
            }
        }),
        ("headers without end", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            let line = format!("X: {}\r\n", "a".repeat(1000));
            while stream.write_all(line.as_bytes()).is_ok() {}
        }),
        ("interim answers without end", |stream| while stream.write_all(b"HTTP/1.1 102 X\r\n\r\n").is_ok() {}),
    ];
    for (name, answer) in cases {
        let (url, _) = server(answer);
        let (done, answered) = std::sync::mpsc::channel();
        let remote = remote(&url, Duration::ZERO);
        std::thread::spawn(move || {
            let _ = done.send(remote.interface("m").map(drop));
        });
        let result = answered.recv_timeout(Duration::from_secs(4)).unwrap_or_else(|_| panic!("{name}: waited for"));
        assert!(result.is_err(), "{name}");
    }
}

#[test]
fn a_server_that_takes_an_upload_slowly_is_given_up() {
    // Each write goes on in time; the whole would take an hour.
    let (url, _) = server(|stream| {
        let mut some = [0; 1024];
        for _ in 0..400 {
            std::thread::sleep(Duration::from_millis(20));
            if stream.read(&mut some).unwrap_or(0) == 0 {
                return;
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let bytes: u64 = 16 << 20;
    std::fs::write(&keys, vec![0; bytes as usize]).unwrap();
    let (done, answered) = std::sync::mpsc::channel();
    // No single write is given up: only the time for the whole is short.
    let short = Duration::from_millis(300);
    let waits = Waits { head: short, inference: short, body: short, write: Duration::from_secs(60), least: bytes };
    let remote = Remote::new(&url, &Access { ca: None, token_file: None, retry_for: Duration::ZERO, waits }).unwrap();
    let mut sent = 0;
    std::thread::spawn(move || {
        let result = remote.upload_from(&keys, &"0".repeat(64), "m", 0, bytes, &mut |_| {}, &mut sent);
        let _ = done.send(result);
    });
    assert!(answered.recv_timeout(Duration::from_secs(6)).expect("the upload is given up").is_err());
}

#[test]
fn a_server_that_takes_no_more_bytes_is_given_up() {
    let (url, _) = server(|_| std::thread::sleep(Duration::from_secs(8)));
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, vec![0; 64 << 20]).unwrap();
    let (done, answered) = std::sync::mpsc::channel();
    let remote = remote(&url, Duration::ZERO);
    let mut sent = 0;
    std::thread::spawn(move || {
        let result = remote.upload_from(&keys, &"0".repeat(64), "m", 0, 64 << 20, &mut |_| {}, &mut sent);
        let _ = done.send(result);
    });
    assert!(answered.recv_timeout(Duration::from_secs(6)).expect("the upload is given up").is_err());
}
