//! HTTP/2 from a client that stalls where it likes.

use super::common::{place, start};
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use veilrayd::Handle;

const SOON: Duration = Duration::from_secs(5);

fn daemon() -> (tempfile::TempDir, Handle) {
    let (folder, mut config) = place();
    (config.limits.header_seconds, config.limits.idle_seconds) = (1.0, 1.0);
    (folder, start(config))
}

type Connection = h2::client::Connection<TcpStream, axum::body::Bytes>;

async fn connect(addr: SocketAddr) -> (h2::client::SendRequest<axum::body::Bytes>, Connection) {
    h2::client::handshake(TcpStream::connect(addr).await.unwrap()).await.unwrap()
}

fn get(path: &str) -> axum::http::Request<()> {
    axum::http::Request::get(format!("http://localhost{path}")).body(()).unwrap()
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_even_if_it_pings() {
    let (_folder, daemon) = daemon();
    for asks in [false, true] {
        let (mut send, mut connection) = connect(daemon.addr()).await;
        let mut pings = connection.ping_pong().unwrap();
        let connection = tokio::spawn(connection);
        if asks {
            let (answer, _) = send.send_request(get("/healthz"), true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
        let pinging = tokio::spawn(async move {
            while pings.ping(h2::Ping::opaque()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let begun = Instant::now();
        // `send` is alive: it is the daemon that ends it.
        assert!(timeout(SOON, connection).await.is_ok(), "asks: {asks}");
        assert!(begun.elapsed() > Duration::from_millis(700), "{:?}", begun.elapsed());
        pinging.abort();
        drop(send);
    }
}

#[tokio::test]
async fn one_connection_has_few_requests_at_a_time_and_long_heads_are_refused() {
    let (_folder, daemon) = daemon();
    let (send, connection) = connect(daemon.addr()).await;
    let connection = tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let (answer, _) = send.send_request(get("/healthz"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(send.current_max_send_streams() <= 32, "{}", send.current_max_send_streams());
    let mut long = get("/healthz");
    long.headers_mut().insert("x", "a".repeat(20 << 10).parse().unwrap());
    let (answer, _) = send.ready().await.unwrap().send_request(long, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 431);
    connection.abort();
}

#[test]
fn a_head_in_endless_pieces_ends_with_its_connection() {
    let (_folder, daemon) = daemon();
    let frame =
        |kind: u8, stream: u8, payload: &[u8]| [&[0, 0, payload.len() as u8, kind, 0, 0, 0, 0, stream][..], payload].concat();
    let mut stream = std::net::TcpStream::connect(daemon.addr()).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, &[])).unwrap();
    // HEADERS that do not end, then CONTINUATION frames of nothing.
    stream.write_all(&frame(1, 1, &[0x82])).unwrap();
    let begun = Instant::now();
    while stream.write_all(&frame(9, 1, &[])).is_ok() {
        assert!(begun.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn streams_opened_and_reset_without_end_cost_their_connection() {
    let (_folder, daemon) = daemon();
    let (mut send, connection) = connect(daemon.addr()).await;
    let connection = tokio::spawn(connection);
    let mut sent = 0;
    let begun = Instant::now();
    while sent < 100_000 && begun.elapsed() < SOON {
        let Ok(ready) = send.ready().await else { break };
        send = ready;
        let Ok((_, mut stream)) = send.send_request(get("/healthz"), false) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        sent += 1;
    }
    assert!(timeout(SOON, connection).await.is_ok(), "{sent} streams were reset");
    let (mut send, connection) = connect(daemon.addr()).await;
    let connection = tokio::spawn(connection);
    let (answer, _) = send.send_request(get("/healthz"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    connection.abort();
}
