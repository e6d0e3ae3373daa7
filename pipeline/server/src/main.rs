//! `veilrayd`: the daemon.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use veilrayd::config::tokens;
use veilrayd::config::{Config, ConfigError, ModelPath};
use veilrayd::engine::known_answer::{KnownAnswer, engine_answer, known_answer};
use veilrayd::{ServeError, offline, run, serve};

/// What every exit code means, as `--help` and the handbook state it.
const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed; the reason is on standard error
  2  the command line was not understood
  3  the configuration was refused: the message names the value and what would do
  4  a known answer was wrong: do not serve from this machine";

/// Serves models that classify encrypted chest X-rays. Not for diagnostic use.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Form of the log lines on standard error.
    #[arg(long, global = true, value_name = "FORM", default_value = "json")]
    log_format: LogFormat,
    /// What is logged: a level (error, warn, info, debug, trace), or levels of parts, such as warn,veilrayd=debug.
    #[arg(long, global = true, value_name = "LEVELS", default_value = "info")]
    log: String,
    /// Prints results as one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM or an interrupt; prints its URL once it listens. SIGHUP reads tokens and certificate again.
    Serve(ConfigArgs),
    /// Says whether `serve` would start: opens what the configuration names, and changes nothing.
    CheckConfig(ConfigArgs),
    /// Compares encrypted with clear results on this machine: the engine alone, then each model.
    Selftest {
        /// Model by name or folder; may be given several times. Without one, the engine alone is tested.
        #[arg(long = "model", value_name = "NAME|DIR")]
        models: Vec<PathBuf>,
    },
    /// Evaluates ciphertexts from a file, without a daemon.
    Infer {
        /// Model by name or folder.
        #[arg(long, value_name = "NAME|DIR")]
        model: PathBuf,
        /// Evaluation keys of the client: the file `evaluation.keys` of the key set.
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
        /// Ciphertexts of one image, one object after the other, or the file of many images that `veilray encrypt` wrote.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// File that the encrypted logits are written to.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Prints a new random token, and the hash that the configuration wants.
    Token,
}

/// Flags go before environment variables, these before the file, the file before the defaults.
#[derive(Args, Clone)]
struct ConfigArgs {
    /// Configuration file (TOML); configs/server.toml has every setting with its default.
    #[arg(long, env = "VEILRAYD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; default 127.0.0.1:8480. Port 0 takes a free one.
    #[arg(long, env = "VEILRAYD_BIND", value_name = "ADDRESS:PORT")]
    bind: Option<SocketAddr>,
    /// Folder of keys, jobs, metadata and the audit log; default veilrayd-data.
    #[arg(long, env = "VEILRAYD_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Model by name or folder, instead of those in the file; may be given several times.
    #[arg(long = "model", env = "VEILRAYD_MODELS", value_delimiter = ',', value_name = "NAME|DIR")]
    models: Vec<PathBuf>,
    /// Threads of the encrypted computation; default 0, which takes all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory that models, keys and requests may take together, bytes; default 0, which takes three quarters of what machine and
    /// container have, and at most 8 GiB.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
}

impl ConfigArgs {
    fn config(self) -> Result<Config, ConfigError> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)?;
        let server = &mut config.server;
        server.bind = self.bind.unwrap_or(server.bind);
        server.data_dir = self.data_dir.unwrap_or_else(|| server.data_dir.clone());
        server.threads = self.threads.unwrap_or(server.threads);
        config.limits.memory_bytes = self.memory_bytes.unwrap_or(config.limits.memory_bytes);
        if !self.models.is_empty() {
            config.models = self.models.into_iter().map(|path| ModelPath { path }).collect();
        }
        config.check()?;
        Ok(config)
    }
}

/// A variable of the subcommand that is set and empty: it names nothing, and passing it over would start with something else.
fn empty_variable(command: &Command) -> Option<String> {
    let name = match command {
        Command::Serve(_) => "serve",
        Command::CheckConfig(_) => "check-config",
        _ => return None,
    };
    let all = Cli::command();
    let variables = all.find_subcommand(name)?.get_arguments().filter_map(clap::Arg::get_env);
    let empty = |name: &&std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    variables.into_iter().find(empty).map(|name| name.to_string_lossy().into_owned())
}

/// Why it ended.
enum Ended {
    Failed(String),
    Config(String),
    Wrong,
}

impl From<ServeError> for Ended {
    /// Of a daemon that did not start. What only another configuration, or another file that it names, can mend is refused as such: to start
    /// again would not help.
    fn from(error: ServeError) -> Self {
        use ServeError as E;
        match error {
            E::Config(_) | E::Twice { .. } | E::Memory { .. } | E::Find(_) | E::Release(_) | E::Engine(_) | E::Tls { .. } => {
                Self::Config(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<ConfigError> for Ended {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

fn failed(error: impl std::fmt::Display) -> Ended {
    Ended::Failed(error.to_string())
}

/// One line on stdout. A closed pipe is not an error.
fn print(line: &str) -> Result<(), Ended> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The configuration as it is used, and what was found when what it names was opened.
fn check_config(config: &Config, json: bool) -> Result<(), Ended> {
    let report = run::check(config)?;
    let mut used = config.clone();
    if let Some(memory) = &report.memory {
        used.limits.memory_bytes = memory.bytes;
    }
    if json {
        let mut text = serde_json::to_value(&used).map_err(failed)?;
        if let (Some(all), serde_json::Value::Object(found)) =
            (text.as_object_mut(), serde_json::to_value(&report).map_err(failed)?)
        {
            all.extend(found);
        }
        print(&text.to_string())?;
    } else {
        if let Some(memory) = &report.memory {
            print(&format!("# limits.memory_bytes: {}", memory.source))?;
        }
        print(toml::to_string(&used).map_err(failed)?.trim_end())?;
    }
    let (refused, warned): (Vec<_>, Vec<_>) = report.findings.iter().partition(|finding| finding.refused);
    for finding in warned {
        eprintln!("veilrayd: warning: {}", finding.text);
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Ended::Config(refused.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("\nveilrayd: ")))
}

fn selftest(models: &[PathBuf], json: bool) -> Result<(), Ended> {
    let mut answers = vec![engine_answer().map_err(failed)?];
    for path in models {
        answers.push(known_answer(&run::open_model(path).map_err(failed)?).map_err(failed)?);
    }
    let right = answers.iter().all(KnownAnswer::is_right);
    if json {
        print(&serde_json::json!({ "right": right, "answers": answers }).to_string())?;
    } else {
        for a in &answers {
            let word = if a.is_right() { "right" } else { "WRONG" };
            let (difference, tolerance) = (a.difference, a.tolerance);
            print(&format!(
                "{:<16} {word}: differs by {difference:.1e} of {tolerance:.1e} allowed, {:.1} ms, {}",
                a.model, a.server_ms, a.backend
            ))?;
        }
    }
    if right { Ok(()) } else { Err(Ended::Wrong) }
}

fn infer(model: &Path, keys: &Path, input: &Path, out: &Path, json: bool) -> Result<(), Ended> {
    let served = run::open_model(model).map_err(failed)?;
    let bytes = offline::infer(&served, keys, input, out).map_err(|failure| match failure.detail {
        Some(detail) => failed(detail),
        None => failed(format!("{}; {}", failure.error, failure.hint)),
    })?;
    if json {
        return print(
            &serde_json::json!({ "out": out, "bytes": bytes, "manifest": served.interface.manifest_sha256 }).to_string(),
        );
    }
    print(&format!("{bytes} bytes written to {}", out.display()))
}

fn main_with(cli: Cli) -> Result<(), Ended> {
    let json = cli.json;
    match cli.command {
        Command::Serve(args) => {
            let again = args.clone();
            let config = args.config()?;
            let scheme = if config.server.tls.is_some() { "https" } else { "http" };
            let told = |address: SocketAddr| {
                let url = format!("{scheme}://{address}");
                // A closed standard output does not stop the daemon.
                let _ = print(&if json { serde_json::json!({ "url": url }).to_string() } else { url });
            };
            Ok(serve(config, move || again.clone().config(), told)?)
        }
        Command::CheckConfig(args) => check_config(&args.config()?, json),
        Command::Selftest { models } => selftest(&models, json),
        Command::Infer { model, keys, input, out } => infer(&model, &keys, &input, &out, json),
        Command::Token => {
            let (token, hash) = tokens::generate().map_err(failed)?;
            if json {
                return print(&serde_json::json!({ "token": token, "hash": hash }).to_string());
            }
            print(&format!("token: {token}\nhash = \"{hash}\""))
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(name) = empty_variable(&cli.command) {
        eprintln!("veilrayd: {name} is set and empty: give it a value, or unset it");
        return ExitCode::from(2);
    }
    let filter = match cli.log.parse::<Targets>() {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("veilrayd: --log {}: wanted LEVEL or PART=LEVEL, separated by commas: {error}", cli.log);
            return ExitCode::from(2);
        }
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Json => tracing_subscriber::registry().with(log.json().flatten_event(true)).with(filter).init(),
        LogFormat::Text => tracing_subscriber::registry().with(log).with(filter).init(),
    }
    match main_with(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Wrong) => {
            eprintln!("veilrayd: a known answer is wrong: do not serve from this machine");
            ExitCode::from(4)
        }
        Err(Ended::Config(why)) => {
            eprintln!("veilrayd: {why}");
            ExitCode::from(3)
        }
        Err(Ended::Failed(why)) => {
            eprintln!("veilrayd: {why}");
            ExitCode::from(1)
        }
    }
}
