//! The demo's daemon: this program again, as a child that ends with its standard input.

use super::{START, peak_rss_mb};
use crate::client::{Error, Exit, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use veilrayd::Config;
use veilrayd::config::ModelPath;

/// How long a child may take to end by itself.
const END: Duration = Duration::from_secs(3);

/// Arguments of the hidden command.
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// The model's folder.
    #[arg(long)]
    model: PathBuf,
    /// Folder of the daemon's data.
    #[arg(long)]
    data: PathBuf,
}

/// Serves the model on a free loopback port, whose URL goes to standard output, until standard input ends.
///
/// # Errors
/// What keeps the daemon from starting.
pub(crate) fn serve(args: &ServeArgs) -> Result<Exit> {
    let handle = spawn(&args.model, &args.data)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", handle.url())?;
    out.flush()?;
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    stopped(handle)?;
    Ok(Exit::Done)
}

fn spawn(model: &Path, data: &Path) -> Result<veilrayd::Handle> {
    let mut config = Config { models: vec![ModelPath { path: model.into() }], ..Config::default() };
    config.server.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.server.data_dir = data.into();
    // No other client waits for an answer.
    config.server.drain_seconds = 1.0;
    let handle = veilrayd::spawn(config).map_err(failed)?;
    if !handle.wait_ready(START) {
        return Err(Error::Disagreement("the daemon's own encrypted known answer is wrong on this machine".into()));
    }
    Ok(handle)
}

fn stopped(handle: veilrayd::Handle) -> Result<()> {
    handle.stop().map_err(failed)
}

fn failed(error: veilrayd::ServeError) -> Error {
    Error::Daemon(error.to_string())
}

/// A daemon that ends when this is dropped.
pub(super) struct Daemon {
    url: String,
    runs_in: RunsIn,
}

enum RunsIn {
    Child(Child),
    Thread(Option<veilrayd::Handle>),
}

impl Daemon {
    /// Starts a daemon for the model in `folder`, as a child or, where no program can be started, as a thread.
    ///
    /// # Errors
    /// What it says on its standard error.
    pub(super) fn start(folder: &Path, data: &Path) -> Result<Self> {
        let program = std::env::current_exe();
        let child = program.and_then(|program| {
            let mut command = Command::new(program);
            command.arg("serve-demo").arg("--model").arg(folder).arg("--data").arg(data);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        });
        let Ok(child) = child else {
            let handle = spawn(folder, data)?;
            return Ok(Self { url: handle.url(), runs_in: RunsIn::Thread(Some(handle)) });
        };
        let mut daemon = Self { url: String::new(), runs_in: RunsIn::Child(child) };
        let RunsIn::Child(child) = &mut daemon.runs_in else { return Ok(daemon) };
        if let Some(out) = child.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut daemon.url);
        }
        daemon.url.truncate(daemon.url.trim_end().len());
        if daemon.url.is_empty() {
            let mut why = String::new();
            if let Some(err) = child.stderr.take() {
                let _ = err.take(64 << 10).read_to_string(&mut why);
            }
            return Err(Error::Daemon(
                why.trim().trim_start_matches("veilray: ").trim_start_matches("the daemon did not start: ").into(),
            ));
        }
        Ok(daemon)
    }

    /// The URL it listens at, such as `http://127.0.0.1:41234`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its largest resident size so far, MB; nothing where it shares the client's process.
    pub(super) fn peak_rss_mb(&self) -> Option<f64> {
        match &self.runs_in {
            RunsIn::Child(child) => peak_rss_mb(&child.id().to_string()),
            RunsIn::Thread(_) => None,
        }
    }

    /// Stops it and waits until it has ended, as dropping it does.
    pub(super) fn stop(self) {}
}

impl Drop for Daemon {
    fn drop(&mut self) {
        match &mut self.runs_in {
            RunsIn::Thread(handle) => {
                if let Some(handle) = handle.take() {
                    let _ = stopped(handle);
                }
            }
            RunsIn::Child(child) => {
                // Its standard input ends, and with it the daemon.
                drop(child.stdin.take());
                let start = Instant::now();
                while start.elapsed() < END {
                    if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// Has an interrupt or SIGTERM remove the folder and end the program: nothing is dropped then. Where signals cannot be watched, the folder
/// is left to the system's cleaning of temporary files.
pub(super) fn remove_on_interrupt(folder: &Path) {
    let folder = folder.to_path_buf();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    std::thread::spawn(move || {
        let asked = runtime.block_on(async {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                let Ok(mut terminate) = signal(SignalKind::terminate()) else { return false };
                tokio::select! {
                    interrupt = tokio::signal::ctrl_c() => interrupt.is_ok(),
                    terminate = terminate.recv() => terminate.is_some(),
                }
            }
            #[cfg(not(unix))]
            {
                tokio::signal::ctrl_c().await.is_ok()
            }
        });
        if asked {
            // The daemon may still be writing: what it adds is removed with the next try.
            for _ in 0..50 {
                if std::fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            std::process::exit(130);
        }
    });
}
