//! `veilray keygen` and `veilray keys`: making key sets, and registering, replacing and removing them.

use super::output::{bar, megabytes, report};
use super::settings::{KeyArgs, ServerArgs, Settings};
use crate::client::keyset::{self, KeySet, State};
use crate::client::remote::Remote;
use crate::client::session::open_encoder;
use crate::client::{Error, Exit, Result, refusals, vault};
use serde::Serialize;
use std::path::{Path, PathBuf};
use veilray_base::release::find;
use veilray_classifier::interface::Interface;
use veilray_classifier::release::MANIFEST;
use veilray_classifier::served::Served;

/// Arguments of `keygen`.
#[derive(clap::Args)]
pub(crate) struct Keygen {
    /// The model: its folder, or its name: at the server where one is named, otherwise in the folder of released models.
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
    /// Folder in which the key set gets a folder of its own; default ~/.veilray/keys.
    #[arg(long, env = "VEILRAY_KEYS", value_name = "DIR")]
    out: Option<PathBuf>,
    /// File whose first line is the new passphrase; mode 0600.
    #[arg(long, env = "VEILRAY_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    /// Refuses a model that needs more bytes of evaluation keys; default 2000000000.
    #[arg(long, value_name = "BYTES")]
    max_key_bytes: Option<usize>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Commands of `keys`.
#[derive(clap::Subcommand)]
pub(crate) enum Keys {
    /// The key sets of this machine.
    List {
        #[command(flatten)]
        keys: KeyArgs,
        /// Prints one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Brings the evaluation keys to the server; goes on where an earlier upload stopped.
    Register(OneSet),
    /// Makes new keys for the model as the server has it now, registers them and marks the old ones.
    Rotate(OneSet),
    /// Has the server delete the evaluation keys and marks the set.
    Revoke(OneSet),
    /// Overwrites and removes the secret key: what was encrypted under it can never be read again.
    Destroy {
        #[command(flatten)]
        set: OneSet,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// Which key set, and the server.
#[derive(clap::Args)]
pub(crate) struct OneSet {
    /// The set: its folder's name, or the start of its digest; default the newest active one.
    #[arg(value_name = "SET")]
    id: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// A key set as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    set: String,
    folder: PathBuf,
    #[serde(flatten)]
    record: keyset::Record,
    #[serde(flatten)]
    count: refusals::Count,
}

impl Listed {
    fn of(set: &KeySet) -> Self {
        Self {
            set: keyset::name(set.folder()),
            folder: set.folder().into(),
            record: set.record().clone(),
            count: refusals::count(set.folder()),
        }
    }

    fn line(&self) -> String {
        let Self { set, record, count, .. } = self;
        let state = if count.blocked && record.state == State::Active { "blocked".to_owned() } else { record.state.to_string() };
        let refusals = count.refusals.map_or("unknown".to_owned(), |n| n.to_string());
        format!("{set:<36} {:<8} {state:<10} {:>10} {refusals:>15}", record.params, megabytes(record.evaluation_keys_bytes))
    }
}

/// Runs `keygen`.
///
/// # Errors
/// No such model or encoder, no passphrase, active keys that exist already.
pub(crate) fn keygen(args: &Keygen, settings: &Settings) -> Result<Exit> {
    let root = settings.keys(args.out.as_ref())?;
    let model =
        settings.model(args.model.as_ref()).ok_or_else(|| Error::Usage("name the model, such as --model nih14-f8".into()))?;
    let interface = interface(&model, &args.server, settings)?;
    let most = settings.max_key_bytes(args.max_key_bytes);
    keyset::checked(&interface, most)?;
    // Without the encoder the keys would be of no use: better known now.
    open_encoder(&interface)?;
    let exists = KeySet::list(&root)?
        .iter()
        .any(|set| set.record().state == State::Active && set.record().manifest_sha256 == interface.manifest_sha256);
    if exists {
        let why = format!(
            "there are active keys for {} already: use them, or replace them with `veilray keys rotate`",
            interface.model
        );
        return Err(Error::Keys { path: root, why });
    }
    let passphrase = settings.passphrase(args.passphrase_file.as_ref()).new_one()?;
    let set = KeySet::create(&root, &interface, passphrase.as_bytes(), vault::Cost::DEFAULT, most)?;
    let listed = Listed::of(&set);
    report(args.json, &listed, || {
        format!(
            "Made keys for {}, parameters {} (128-bit security): {}\n  evaluation keys  {}, for the server: veilray keys register\n  secret key       \
             sealed by your passphrase; without it nothing can be decrypted, and nobody can restore it",
            listed.record.model,
            listed.record.params,
            crate::client::text::path(set.folder()),
            megabytes(listed.record.evaluation_keys_bytes)
        )
    })?;
    Ok(Exit::Done)
}

/// A model's interface: from its folder if that is what is named, from the server if one is, else from the released models here.
fn interface(model: &str, server: &ServerArgs, settings: &Settings) -> Result<Interface> {
    let local = |folder: &Path| Ok(Served::open(folder)?.interface);
    let folder = Path::new(model);
    if folder.join(MANIFEST).is_file() {
        return local(folder);
    }
    if settings.names_server(server) {
        let interface = settings.remote(server)?.interface(model)?;
        if interface.model != model {
            return Err(Error::Mismatch {
                what: "the model",
                wanted: model.into(),
                found: interface.model.chars().filter(|c| !c.is_control()).take(64).collect(),
                fix: "the server answers for another model; ask its provider",
            });
        }
        return Ok(interface);
    }
    local(&find(model)?)
}

/// Runs a command of `keys`.
///
/// # Errors
/// No such set, a server that refuses.
pub(crate) fn run(command: &Keys, settings: &Settings) -> Result<Exit> {
    match command {
        Keys::List { keys, json } => list(keys, *json, settings)?,
        Keys::Register(args) => {
            let set = args.set(settings)?;
            let remote = settings.remote(&args.server)?;
            let known = register(&remote, &set, settings.quiet)?;
            args.report(&set, if known { "The server already has the keys of" } else { "Registered" })?;
        }
        Keys::Rotate(args) => rotate(args, settings)?,
        Keys::Revoke(args) => {
            let mut set = args.set(settings)?;
            let deleted = settings.remote(&args.server)?.delete_keys(&set.record().evaluation_keys_sha256)?;
            set.mark(State::Revoked)?;
            args.report(&set, if deleted { "Deleted at the server" } else { "The server had none of it; marked" })?;
        }
        Keys::Destroy { set: args, yes } => {
            let mut set = args.set(settings)?;
            if !yes && !confirmed(&Listed::of(&set).set)? {
                return Err(Error::Usage("nothing was destroyed".into()));
            }
            set.destroy()?;
            args.report(&set, "Destroyed the secret key of")?;
        }
    }
    Ok(Exit::Done)
}

fn list(args: &KeyArgs, json: bool, settings: &Settings) -> Result<()> {
    let root = settings.keys(args.keys.as_ref())?;
    let mut sets = KeySet::list(&root)?;
    if let Some(model) = &args.model {
        sets.retain(|set| set.record().model == *model);
    }
    let listed: Vec<Listed> = sets.iter().map(Listed::of).collect();
    report(json, &listed, || {
        if listed.is_empty() {
            return format!("No keys in {}: make some with `veilray keygen`", crate::client::text::path(&root));
        }
        let (keys, replies) = ("eval. keys", "refused replies");
        let head = format!("{:<36} {:<8} {:<10} {keys:>10} {replies:>15}\n", "set", "params", "state");
        head + &listed.iter().map(Listed::line).collect::<Vec<_>>().join("\n")
    })
}

/// Brings a set's evaluation keys to the server; whether it had them already.
///
/// # Errors
/// The server's.
pub(crate) fn register(remote: &Remote, set: &KeySet, quiet: bool) -> Result<bool> {
    let record = set.record();
    let bar = bar(record.evaluation_keys_bytes, "keys {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left", quiet);
    let mut progress = |at| bar.set_position(at);
    let uploaded = remote.upload_keys(&set.evaluation_keys(), &record.evaluation_keys_sha256, &record.model, &mut progress);
    bar.finish_and_clear();
    Ok(uploaded?.known)
}

fn rotate(args: &OneSet, settings: &Settings) -> Result<()> {
    let mut old = args.set(settings)?;
    let remote = settings.remote(&args.server)?;
    let interface = remote.interface(&old.record().model)?;
    let most = settings.max_key_bytes(None);
    keyset::checked(&interface, most)?;
    open_encoder(&interface)?;
    let root = old.folder().parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let passphrase = settings.passphrase(args.keys.passphrase_file.as_ref()).new_one()?;
    let new = KeySet::create(&root, &interface, passphrase.as_bytes(), vault::Cost::DEFAULT, most)?;
    // Until the server has the new ones the old ones are in use: a broken upload goes on with `keys register`.
    register(&remote, &new, settings.quiet)?;
    old.mark(State::Rotated)?;
    args.report(
        &new,
        &format!("Replaced {} (delete its evaluation keys with `veilray keys revoke {0}`) by", Listed::of(&old).set),
    )
}

/// Whether a name can be no path.
fn plain(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn confirmed(set: &str) -> Result<bool> {
    use std::io::{BufRead, IsTerminal};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::Usage("to destroy a secret key without a terminal, say --yes".into()));
    }
    eprint!("Type {set} to destroy its secret key for ever: ");
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line.trim() == set)
}

impl OneSet {
    fn set(&self, settings: &Settings) -> Result<KeySet> {
        let root = settings.keys(self.keys.keys.as_ref())?;
        let Some(id) = &self.id else { return settings.key_set(&self.keys) };
        let fits = |set: &KeySet| {
            let digest = &set.record().evaluation_keys_sha256;
            keyset::name(set.folder()) == *id || (id.len() >= 6 && digest.starts_with(id.as_str()))
        };
        let mut fitting: Vec<KeySet> = KeySet::list(&root)?.into_iter().filter(fits).collect();
        match (fitting.pop(), fitting.len()) {
            (Some(set), 0) => Ok(set),
            // One that is left out of the list says why.
            (None, _) if plain(id) && root.join(id).is_dir() => KeySet::open(&root.join(id)),
            (None, _) => Err(Error::Keys { path: root, why: format!("no key set {id} here: `veilray keys list` shows them") }),
            _ => Err(Error::Keys { path: root, why: format!("several key sets begin with {id}: give more of the digest") }),
        }
    }

    fn report(&self, set: &KeySet, what: &str) -> Result<()> {
        let listed = Listed::of(set);
        super::output::report(self.json, &listed, || format!("{what} {}", listed.set))
    }
}
