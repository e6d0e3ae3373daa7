//! Tests that the programs share: `--help` of every command against a committed text, and the handbook's tables of exit codes and
//! environment variables against the program.

use clap::Command;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Set to anything, writes the committed text anew instead of comparing with it.
const RENEW: &str = "RENEW_SNAPSHOTS";

/// `--help` of a command and of those below it, one after the other. No value of a variable is shown, and nothing depends on the terminal.
fn help(command: Command) -> String {
    fn without_values(command: Command) -> Command {
        command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_values)
    }
    fn write(command: &mut Command, out: &mut String) {
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        // As clap decides for `--help`.
        let long = command.get_long_about().is_some() || command.get_arguments().any(|arg| arg.get_long_help().is_some());
        let text = if long { command.render_long_help() } else { command.render_help() }.to_string();
        let lines = text.trim_end().lines().map(|line| format!("{}\n", line.trim_end()));
        out.push_str(&format!("$ {name} --help\n{}\n", lines.collect::<String>()));
        let shown = |command: &&mut Command| !command.is_hide_set() && command.get_name() != "help";
        command.get_subcommands_mut().filter(shown).for_each(|command| write(command, out));
    }
    let (mut command, mut out) = (without_values(command), String::new());
    command.build();
    write(&mut command, &mut out);
    out
}

/// Compares with `tests/snapshots/help.txt` of the package.
pub(crate) fn expect_help(command: Command) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/help.txt");
    let found = help(command);
    if std::env::var_os(RENEW).is_some() {
        fs::write(&path, &found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap();
    let line = wanted.lines().zip(found.lines()).take_while(|(wanted, found)| wanted == found).count();
    assert!(
        wanted == found,
        "{}:{}: `{}` is committed, `{}` is what the program says now; if that is meant so, set {RENEW}=1, run this test again and \
         commit the file",
        path.display(),
        line + 1,
        wanted.lines().nth(line).unwrap_or_default(),
        found.lines().nth(line).unwrap_or_default()
    );
}

/// The first two cells of each row of the page's only table whose first head is `head`.
fn table(page: &str, head: &str) -> Vec<[String; 2]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let start = format!("| {head} |");
    assert_eq!(text.lines().filter(|line| line.starts_with(&start)).count(), 1, "{page}: tables that begin with {start}");
    let rows = text.lines().skip_while(|line| !line.starts_with(&start)).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().to_owned());
        [(); 2].map(|()| cells.next().unwrap())
    })
    .collect()
}

/// Compares the exit codes that `--help` states (`  CODE  meaning`) with the page's table.
pub(crate) fn expect_exit_codes(help: &str, page: &str) {
    let split = |line: &str| line.trim().split_once("  ").map(|(code, meaning)| [code.to_owned(), meaning.to_owned()]).unwrap();
    let stated: Vec<[String; 2]> = help.lines().skip(1).map(split).collect();
    assert_eq!(stated, table(page, "code"), "{page}");
}

/// Compares the variables that flags may be given by, and `others`, with the page's table, which has each once.
pub(crate) fn expect_variables(command: &Command, others: &[&str], page: &str) {
    fn collect(command: &Command, into: &mut BTreeSet<String>) {
        into.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())));
        command.get_subcommands().for_each(|command| collect(command, into));
    }
    let mut read: BTreeSet<String> = others.iter().map(|name| (*name).to_owned()).collect();
    collect(command, &mut read);
    let mut listed: Vec<String> = table(page, "variable").into_iter().map(|[name, _]| name.replace('`', "")).collect();
    listed.sort();
    assert_eq!(listed, read.into_iter().collect::<Vec<_>>(), "{page}");
}
