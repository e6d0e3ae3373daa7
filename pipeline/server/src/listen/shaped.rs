//! Gives the refusals that the HTTP/1.1 implementation writes by itself, to heads that it cannot read, the form that all others have.

use crate::engine::metrics::Metrics;
use crate::http::unrouted;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read and forgotten behind a refused head, so that the system does not throw the refusal away with them.
const FORGOTTEN: usize = 4 << 20;

/// A stream whose refusals are complete.
#[derive(Debug)]
pub(super) struct Shaped<I> {
    stream: I,
    metrics: Arc<Metrics>,
    /// A refusal, and how much of it is written.
    refusal: Option<(Vec<u8>, usize)>,
    refused: bool,
    ended: bool,
    forgotten: usize,
}

impl<I> Shaped<I> {
    /// Of that stream.
    pub(super) fn new(stream: I, metrics: Arc<Metrics>) -> Self {
        Self { stream, metrics, refusal: None, refused: false, ended: false, forgotten: 0 }
    }
}

/// The status of a refusal without body or number: all that the routes answer have a number.
fn bare_refusal(bytes: &[u8]) -> Option<u16> {
    if bytes.len() > 512 || !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?.to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let known = ["content-length: 0", "connection: close"];
    let bare = lines.all(|line| known.contains(&line) || line.starts_with("date: "));
    (bare && (400..500).contains(&status)).then_some(status)
}

impl<I: AsyncWrite + Unpin> Shaped<I> {
    /// Writes the refusal in the place of `instead` bytes.
    fn poll_refusal(&mut self, context: &mut Context<'_>, instead: usize) -> Poll<io::Result<usize>> {
        while let Some((bytes, written)) = &mut self.refusal {
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.refusal = None;
                break;
            }
            let more = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if more == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += more;
        }
        Poll::Ready(Ok(instead))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shaped<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.refusal.is_none()
            && !self.refused
            && let Some(status) = bare_refusal(bytes)
        {
            self.refusal = Some((unrouted::refusal(&self.metrics, status), 0));
            self.refused = true;
        }
        if self.refusal.is_some() {
            return self.poll_refusal(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = pieces.iter().filter(|piece| !piece.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(context, only);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.ended = true;
        }
        let mut space = [0; 8 << 10];
        while self.refused && self.forgotten < FORGOTTEN {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.forgotten += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Shaped<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}
