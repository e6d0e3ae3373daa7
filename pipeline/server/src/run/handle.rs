//! A daemon in a thread, and its end.

use super::ServeError;
use crate::http::app::App;
use std::net::SocketAddr;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// A daemon in a thread of this process.
#[derive(Debug)]
pub struct Handle {
    addr: SocketAddr,
    app: Weak<App>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Handle {
    /// Of a daemon that listens.
    pub(super) fn new(
        addr: SocketAddr,
        app: Weak<App>,
        stop: oneshot::Sender<()>,
        thread: JoinHandle<Result<(), ServeError>>,
    ) -> Self {
        Self { addr, app, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of its root, without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Whether the known answers were found.
    pub fn is_ready(&self) -> bool {
        self.app.upgrade().is_some_and(|app| app.ready.load(Ordering::Acquire))
    }

    /// Waits until it is ready; whether it is.
    pub fn wait_ready(&self, most: Duration) -> bool {
        let start = std::time::Instant::now();
        while !self.is_ready() && start.elapsed() < most {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.is_ready()
    }

    /// Finishes what is in flight, and ends.
    ///
    /// # Errors
    /// What it ended with.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServeError> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(ServeError::Start { why: "the daemon's thread panicked".into() }),
            None => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
