//! Request bodies from senders that may be slow, endless or gone.

use crate::config::{Limits, duration};
use crate::error::ApiError;
use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use veilray_protocol::ErrorCode;

/// How slow a sender may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    /// Longest pause between two pieces of a body.
    pub(crate) idle: Duration,
    /// Slowest on average, bytes per second, beside one pause of grace; 0 sets no bound.
    pub(crate) least: u64,
}

impl RateLimit {
    /// Of the configuration.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self { idle: duration(limits.idle_seconds), least: limits.min_bytes_per_second }
    }
}

/// A body read piece by piece.
#[derive(Debug)]
pub(crate) struct RateLimitedBody {
    stream: BodyDataStream,
    rate_limit: RateLimit,
    start: Instant,
    received: u64,
}

impl RateLimitedBody {
    /// From now on.
    pub(crate) fn new(body: Body, rate_limit: RateLimit) -> Self {
        Self { stream: body.into_data_stream(), rate_limit, start: Instant::now(), received: 0 }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`ErrorCode::Timeout`]; [`ErrorCode::Malformed`] for a body that breaks off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let slow =
            || ApiError::new(ErrorCode::Timeout, "the body came too slowly", "send it faster; an upload of keys can be resumed");
        let pause = Instant::now() + self.rate_limit.idle;
        let earned =
            (self.rate_limit.least > 0).then(|| Duration::from_secs_f64(self.received as f64 / self.rate_limit.least as f64));
        let deadline = earned.map_or(pause, |earned| pause.min(self.start + self.rate_limit.idle + earned));
        match timeout_at(deadline, self.stream.next()).await.map_err(|_| slow())? {
            None => Ok(None),
            Some(Ok(bytes)) => {
                self.received += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Err(_)) => {
                Err(ApiError::new(ErrorCode::Malformed, "the body broke off", "send as many bytes as Content-Length announces"))
            }
        }
    }

    /// All of it, of at most `most` bytes.
    ///
    /// # Errors
    /// As [`RateLimitedBody::next`]; [`ErrorCode::TooLarge`].
    pub(crate) async fn whole(mut self, most: u64) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::with_capacity(usize::try_from(most.min(1 << 20)).unwrap_or(0));
        while let Some(bytes) = self.next().await? {
            if (out.len() + bytes.len()) as u64 > most {
                return Err(ApiError::too_large(most));
            }
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }
}

/// A body that comes back when nobody reads it further. An answer sent before the body was read is lost with the connection unless the
/// rest is read, too.
struct Returning {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Returning {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match &mut self.body {
            Some(body) => body.poll_next_unpin(context),
            None => Poll::Ready(None),
        };
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        next
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            let _ = back.send(body);
        }
    }
}

/// The body of a request, and what is left of it once it is dropped.
pub(crate) fn returning(body: Body) -> (Body, oneshot::Receiver<BodyDataStream>) {
    let (back, left) = oneshot::channel();
    (Body::from_stream(Returning { body: Some(body.into_data_stream()), back: Some(back) }), left)
}

/// Reads and forgets the rest of a body, up to 64 MiB and five seconds.
pub(crate) async fn drain(mut rest: BodyDataStream) {
    let read = async {
        let mut left: usize = 64 << 20;
        while let Some(Ok(bytes)) = rest.next().await {
            match left.checked_sub(bytes.len()) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    let _ = timeout(Duration::from_secs(5), read).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trickle(pieces: usize, every: Duration) -> Body {
        let piece = move |i: usize| async move {
            (i < pieces).then_some(())?;
            tokio::time::sleep(every).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(&[0; 100])), i + 1))
        };
        Body::from_stream(Box::pin(futures_util::stream::unfold(0, piece)))
    }

    async fn read(body: Body, idle: Duration, least: u64) -> Result<usize, ErrorCode> {
        let body = RateLimitedBody::new(body, RateLimit { idle, least });
        body.whole(10_000).await.map(|body| body.len()).map_err(|failure| failure.code)
    }

    #[tokio::test]
    async fn a_sender_may_neither_pause_for_long_nor_dawdle() {
        let (long, short, often) = (Duration::from_secs(600), Duration::from_millis(50), Duration::from_millis(1));
        assert_eq!(read(trickle(20, often), long, 1 << 30).await, Ok(2000));
        assert_eq!(read(trickle(2, long), short, 0).await, Err(ErrorCode::Timeout));
        // A pause is never too long, but 100 bytes in ten milliseconds are less than a gigabyte in a second.
        let dawdle = Duration::from_millis(10);
        assert_eq!(read(trickle(99, dawdle), Duration::from_millis(200), 1 << 30).await, Err(ErrorCode::Timeout));
        assert_eq!(read(trickle(101, Duration::ZERO), long, 0).await, Err(ErrorCode::TooLarge));
    }

    #[tokio::test]
    async fn what_a_handler_left_comes_back() {
        let (body, left) = returning(trickle(3, Duration::ZERO));
        let mut stream = body.into_data_stream();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        assert_eq!(left.await.unwrap().count().await, 2);
        let (body, left) = returning(trickle(3, Duration::ZERO));
        assert_eq!(body.into_data_stream().count().await, 3);
        assert!(left.await.is_err());
    }
}
