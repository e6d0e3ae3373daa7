//! Connections that say nothing, say it slowly, or are too many.

use super::common::{Ask, Process, answer, fixture, place, sha256, start};
use super::tls::{connect, protected};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEPT: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// `n` connections that have sent `first`.
fn open(addr: SocketAddr, n: usize, first: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(first).unwrap();
        stream
    };
    (0..n).map(connect).collect()
}

/// Whether the other side closes it by then.
fn is_closed_by(mut stream: &TcpStream, by: Instant) -> bool {
    loop {
        let left = by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}

/// The longest time in which /healthz was answered while `during` ran.
fn slowest_health<T>(healthy: impl Fn() + Sync, during: impl FnOnce() -> T) -> (T, Duration) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                healthy();
                longest = longest.max(begun.elapsed());
                std::thread::sleep(Duration::from_millis(50));
            }
            longest
        });
        let out = during();
        over.store(true, Ordering::Relaxed);
        (out, asking.join().unwrap())
    })
}

const FIRST: [&[u8]; 4] = [b"", b"G", b"P", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx"];

#[test]
fn silent_connections_are_closed_and_disturb_nobody() {
    let (_folder, mut config) = place();
    config.limits.header_seconds = 1.0;
    let daemon = start(config);
    let healthy = || assert_eq!(Ask::of(&daemon).get("/healthz").status, 200);
    let (closed, slowest) = slowest_health(healthy, || {
        let streams: Vec<_> = FIRST.iter().flat_map(|first| open(daemon.addr(), 15, first)).collect();
        let by = Instant::now() + Duration::from_secs(3);
        streams.iter().filter(|stream| is_closed_by(stream, by)).count()
    });
    assert_eq!(closed, 60);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// With the limits as they are by default, for one minute without and one with TLS:
/// `.ci/tier silence`.
#[test]
#[ignore = "takes two minutes: .ci/tier silence"]
fn the_full_minute_of_two_hundred_silent_connections() {
    for tls in [false, true] {
        let (folder, mut config) = place();
        let made = tls.then(|| protected(folder.path(), &mut config).1);
        let daemon = start(config);
        let addr = daemon.addr();
        let healthy = || match &made {
            None => assert_eq!(Ask { addr, token: None }.get("/healthz").status, 200),
            Some(made) => {
                let mut stream = connect(addr, made);
                stream.write_all(KEPT.as_bytes()).unwrap();
                let mut seen = [0; 12];
                stream.read_exact(&mut seen).unwrap();
                assert_eq!(&seen, b"HTTP/1.1 200");
            }
        };
        let (longest, slowest) = slowest_health(healthy, || {
            let begun = Instant::now();
            let mut longest = Duration::ZERO;
            // As soon as all are closed the next two hundred come.
            while begun.elapsed() < Duration::from_secs(60) {
                let wave = Instant::now();
                let first: [&[u8]; 2] = [b"", if tls { b"\x16" } else { b"G" }];
                let mut streams: Vec<_> = first.iter().flat_map(|first| open(addr, 100, first)).collect();
                // Some of the silent ones say nothing after their handshake.
                if let Some(made) = &made {
                    for place in streams.iter_mut().take(50) {
                        let mut stream = connect(addr, made);
                        while stream.conn.is_handshaking() {
                            stream.conn.complete_io(&mut stream.sock).unwrap();
                        }
                        *place = stream.sock;
                    }
                }
                assert!(streams.iter().all(|stream| is_closed_by(stream, wave + Duration::from_secs(15))));
                longest = longest.max(wave.elapsed());
            }
            longest
        });
        println!("TLS {tls}: 200 silent connections closed within {longest:.1?}; /healthz answered within {slowest:.1?}");
        assert!(slowest < Duration::from_secs(1));
    }
}

#[test]
fn a_connection_without_a_request_is_closed_and_a_slow_reader_is_not_waited_for() {
    let (_folder, mut config) = place();
    (config.limits.idle_seconds, config.limits.header_seconds) = (1.5, 20.0);
    let daemon = start(config);
    let begun = Instant::now();
    let mut streams = open(daemon.addr(), 20, KEPT.as_bytes());
    // Half of them begin a second head and never end it.
    for stream in streams.iter_mut().step_by(2) {
        std::thread::sleep(Duration::from_millis(10));
        stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
    }
    assert!(streams.iter().all(|stream| is_closed_by(stream, begun + Duration::from_secs(5))));
    // One that asks in time is kept.
    let mut stream = TcpStream::connect(daemon.addr()).unwrap();
    for _ in 0..5 {
        stream.write_all(KEPT.as_bytes()).unwrap();
        let mut seen = [0; 12];
        stream.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"HTTP/1.1 200");
        std::thread::sleep(Duration::from_millis(500));
        stream.set_nonblocking(true).unwrap();
        while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        stream.set_nonblocking(false).unwrap();
    }
    // A peer that asks without end and reads nothing fills its own connection alone, and loses it.
    let mut stream = TcpStream::connect(daemon.addr()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let many = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let begun = Instant::now();
    while stream.write_all(many.as_bytes()).is_ok() {}
    std::thread::sleep(Duration::from_secs(3));
    // What was on its way may still be read; then the connection is over.
    assert!(is_closed_by(&stream, begun + Duration::from_secs(30)));
    assert_eq!(Ask::of(&daemon).get("/healthz").status, 200);
}

#[test]
fn connections_are_bounded_by_peer_and_the_silent_make_room() {
    let (_folder, mut config) = place();
    config.limits.connections_per_peer = 4;
    (config.limits.header_seconds, config.limits.idle_seconds) = (60.0, 60.0);
    let daemon = start(config);
    let ask = Ask::of(&daemon);
    let silent = open(daemon.addr(), 10, b"");
    let soon = || Instant::now() + Duration::from_secs(5);
    // Newer ones took the places of the oldest six; the four that are left make room for the next request in turn.
    assert!(silent.iter().take(6).all(|stream| is_closed_by(stream, soon())));
    assert!(!is_closed_by(&silent[9], Instant::now() + Duration::from_millis(200)));
    assert_eq!(ask.get("/healthz").status, 200);

    // Where all places are busy a further connection is refused at once, and says why.
    let client = &fixture().client;
    let head = |i: u8| ask.head("PUT", &format!("/v1/keys/{}", sha256(&[i])), &[], client.keys.len()) + "0";
    let busy: Vec<_> = (0..4).flat_map(|i| open(daemon.addr(), 1, head(i).as_bytes())).collect();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    let refused = answer(ask.connect(), "GET").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    assert_eq!(refused.code(), (429, "busy".into()));
    drop(busy);
    let begun = Instant::now();
    while ask.try_send("GET", "/healthz", &[], &[]).is_ok_and(|answer| answer.status != 200) {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_without_descriptors_goes_on() {
    let (_folder, mut config) = place();
    (config.limits.header_seconds, config.limits.idle_seconds) = (60.0, 60.0);
    let probe = Process::start(&config, "");
    let used = std::fs::read_dir(format!("/proc/{}/fd", probe.child.id())).unwrap().count();
    drop(probe);
    // Eight connections more than it has open at rest.
    let daemon = Process::start(&config, &format!("ulimit -n {};", used + 8));
    let _silent = open(daemon.addr, 60, b"");
    for _ in 0..10 {
        let begun = Instant::now();
        let mut stream = daemon.ask().connect();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(daemon.ask().head("GET", "/healthz", &[], 0).as_bytes()).unwrap();
        assert_eq!(answer(stream, "GET").unwrap().status, 200);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    assert!(daemon.log().contains("cannot accept connections"));
}

/// Bytes that the process has read, from files and sockets.
#[cfg(target_os = "linux")]
fn bytes_read(process: &Process) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", process.child.id())).unwrap();
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn small_pieces_of_a_large_upload_do_not_read_it_again() {
    let (_folder, config) = place();
    let mut daemon = Process::start(&config, "");
    let (large, pieces) = (32 << 20, 100);
    let whole: Vec<u8> = (0..large + pieces).map(|i| (i % 251) as u8).collect();
    let (path, total) = (format!("/v1/keys/{}", sha256(&whole)), whole.len().to_string());
    let put = |daemon: &Process, from: usize, to: usize| {
        let headers = [("upload-offset", from.to_string()), ("upload-length", total.clone())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        daemon.ask().send("PUT", &path, &headers, &whole[from..to])
    };
    assert_eq!(put(&daemon, 0, large).status, 202);
    let before = bytes_read(&daemon);
    for at in large..large + pieces - 1 {
        assert_eq!(put(&daemon, at, at + 1).status, 202);
    }
    let read = bytes_read(&daemon) - before;
    assert!(read < large as u64, "{read} bytes");
    // After a restart once, and the digest is still that of all bytes: what is wrong with them is that they are no keys.
    daemon.kill();
    let daemon = Process::start(&config, "");
    let last = put(&daemon, large + pieces - 1, large + pieces);
    assert_eq!(last.code(), (422, "not_conformant".into()));
    assert!(!last.error().error.contains("digest") && !last.error().error.contains("SHA-256"), "{last:?}");
}
