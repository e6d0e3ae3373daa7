//! What the program says of itself and refuses, without a server.

use crate::common::{MASK_MODEL, MODEL, PASSPHRASE, Ran, User, WEIGHTS};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The flags that a variable may stand for, and it: connections, folders and secrets.
const VARIABLES: [(&str, &str); 6] = [
    ("--config", "VEILRAY_CONFIG"),
    ("--keys", "VEILRAY_KEYS"),
    ("--passphrase-file", "VEILRAY_PASSPHRASE_FILE"),
    ("--server", "VEILRAY_SERVER"),
    ("--ca", "VEILRAY_CA"),
    ("--token-file", "VEILRAY_TOKEN_FILE"),
];

#[test]
fn help_states_every_exit_code_and_variables_name_connections_folders_and_secrets_only() {
    let user = User::new();
    let help = user.run(&["--help"]).ends(0);
    for code in 0..=6 {
        assert!(help.out.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert!(!help.out.contains("serve-demo"));
    let mut flags = 0;
    for command in [
        "demo",
        "plan",
        "keygen",
        "encrypt",
        "classify",
        "segment",
        "decrypt",
        "inspect",
        "selftest",
        "keys register",
        "keys destroy",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = user.run(&words).ends(0).out;
        for (at, _) in help.match_indices("\n      --").chain(help.match_indices("\n  -")) {
            let after = &help[at..];
            let flag = after.trim_start().trim_start_matches("-h, ").split([' ', '=', '\n']).next().unwrap();
            let next = after[1..].find("\n      --").map_or(after.len(), |next| next + 1);
            let variable = after[..next].split_once("[env: ").map(|(_, rest)| rest.split('=').next().unwrap());
            let wanted = VARIABLES.iter().find(|(of, _)| *of == flag).map(|(_, variable)| *variable);
            // Where keygen puts the key set is where the other commands look for it.
            let wanted = if command == "keygen" && flag == "--out" { Some("VEILRAY_KEYS") } else { wanted };
            assert_eq!(variable, wanted, "{command} {flag}");
            flags += 1;
        }
        assert!(!help.contains("--passphrase ") && !help.contains("--token "), "{command}: a secret by flag");
    }
    assert!(flags > 60, "{flags} flags were seen");
}

#[test]
fn what_is_not_understood_ends_with_2() {
    let user = User::new();
    user.run(&["no-such-command"]).ends(2);
    user.run(&["classify"]).ends(2);
    user.run(&["classify", "x.png", "--json", "--csv"]).ends(2);
    user.run(&["classify", "x.png", "--assume", "view=SIDEWAYS"]).ends(2).says(&["view=PA"]);
    let config = user.path("config.toml");
    fs::write(&config, "server = \"http://127.0.0.1:1\"\nserverr = 1\n").unwrap();
    user.run(&["--config", config.to_str().unwrap(), "keys", "list"]).ends(2).says(&["config.toml", "serverr"]);
    user.run(&["--config", "missing.toml", "keys", "list"]).ends(1).says(&["missing.toml"]);
    user.run(&["classify", "missing.png"]).ends(2).says(&["missing.png: there is no such file"]);
}

#[test]
fn flags_go_before_variables_before_the_configuration() {
    let user = User::new();
    fs::create_dir(user.path(".veilray")).unwrap();
    fs::write(user.path(".veilray/config.toml"), "keys = \"from-file\"\n").unwrap();
    assert!(user.run(&["keys", "list"]).ends(0).out.contains("from-file"));
    let with =
        |arguments: &[&str]| Ran::of(user.command(arguments).env("VEILRAY_KEYS", "from-variable").output().unwrap()).ends(0).out;
    assert!(with(&["keys", "list"]).contains("from-variable"));
    assert!(with(&["keys", "list", "--keys", "from-flag"]).contains("from-flag"));
}

#[test]
fn keys_and_passphrases_end_with_6() {
    let user = User::new();
    let image = user.chest("a.png", 1);
    let image = image.to_str().unwrap();
    user.run(&["classify", image]).ends(6).says(&["veilray keygen"]);
    let keygen = ["keygen", "--model", MODEL];
    let none = user.command(&keygen).env_remove("VEILRAY_PASSPHRASE").output().unwrap();
    Ran::of(none).ends(6).says(&["VEILRAY_PASSPHRASE", "--passphrase-file"]);
    let short = user.command(&keygen).env("VEILRAY_PASSPHRASE", "1234567").output().unwrap();
    Ran::of(short).ends(6).says(&["8 characters"]);
    assert!(!user.keys().exists() || fs::read_dir(user.keys()).unwrap().next().is_none(), "nothing is half made");

    user.run(&keygen).ends(0);
    user.run(&keygen).ends(6).says(&["already", "rotate"]);
    let wrong = user.command(&["classify", image]).env("VEILRAY_PASSPHRASE", "another passphrase").output().unwrap();
    Ran::of(wrong).ends(6).says(&["passphrase is wrong"]);
    let file = user.path("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    user.run(&["classify", image, "--passphrase-file", "passphrase"]).ends(6).says(&["0644", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    // The passphrase is right; the server is not there.
    let nowhere = ["classify", image, "--passphrase-file", "passphrase", "--server", "http://127.0.0.1:9", "--retry-for", "0"];
    let refused = user.command(&nowhere).env_remove("VEILRAY_PASSPHRASE").output().unwrap();
    Ran::of(refused).ends(5).says(&["http://127.0.0.1:9", "veilrayd"]);
}

#[test]
fn servers_that_are_not_safe_to_ask_end_with_5() {
    let user = User::new();
    for (url, word) in [("http://example.org", "--insecure-http"), ("ftp://x", "https://"), ("https://u:p@example.org", "scheme")]
    {
        user.run(&["keygen", "--model", MODEL, "--server", url]).ends(5).says(&[word]);
    }
}

#[test]
fn a_self_test_checks_engine_vault_encoder_and_models_and_notices_damage() {
    let user = User::new();
    let report = user.run(&["selftest", "--json"]).ends(0).json().remove(0);
    let names: Vec<&str> = report["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["engine", "vault", "encoder-f8", MODEL, MASK_MODEL]);
    assert!(report["checks"][0]["detail"].as_str().unwrap().contains("scalar"));

    let copy = user.path("weights");
    fs::create_dir_all(copy.join(MODEL)).unwrap();
    for file in fs::read_dir(WEIGHTS.path().join(MODEL)).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        if file.extension().is_some_and(|e| e == "safetensors") {
            *bytes.last_mut().unwrap() ^= 1;
        }
        fs::write(copy.join(MODEL).join(file.file_name().unwrap()), bytes).unwrap();
    }
    let damaged = user.command(&["selftest"]).env("VEILRAY_WEIGHTS", &copy).output().unwrap();
    let damaged = Ran::of(damaged).ends(4);
    assert!(damaged.out.contains("FAILED") && damaged.out.contains("SHA-256"), "{}", damaged.out);
}

#[test]
fn a_plan_states_sizes_before_any_key_exists() {
    let plan = User::new().run(&["plan", "--model", MODEL, "--json"]).ends(0).json().remove(0);
    assert_eq!((plan["params"].as_str(), plan["security_bits"].as_u64()), (Some("n13"), Some(128)));
    let keys = |plan: &serde_json::Value| plan["bytes"]["evaluation_keys"].as_u64().unwrap();
    assert!(keys(&plan) > plan["bytes"]["upload"].as_u64().unwrap());
    // A model that was released with a budget of keys is planned as it is served.
    let user = User::new();
    let copy = user.path("weights").join(MODEL);
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(WEIGHTS.path().join(MODEL)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let manifest = copy.join("manifest.toml");
    let budget = 0.85 * keys(&plan) as f64 / 1e6;
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("key_budget = {budget:.2}\n{text}")).unwrap();
    let mut command = user.command(&["plan", "--model", MODEL, "--reference", "--json"]);
    let held = Ran::of(command.env("VEILRAY_WEIGHTS", user.path("weights")).output().unwrap()).ends(0).json().remove(0);
    assert!(keys(&held) as f64 <= budget * 1e6, "{} of {budget} MB", keys(&held));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let user = User::new();
    let mut child = user.command(&["--help"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let mut child = user.command(&["keys", "list"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_path_steers_no_terminal_and_numbers_that_do_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_veilray"));
        command.args(arguments).envs(variables.iter().copied()).env("HOME", folder.path()).current_dir(folder.path());
        command.output().unwrap()
    };
    for arguments in [
        &["inspect", "ev\u{1b}[31mil"][..],
        &["keys", "list", "--keys", "ev\u{1b}[31mil"],
        &["plan", "--model", "ev\u{1b}[31mil"],
        &["selftest", "--config", "ev\u{202e}il"],
    ] {
        let out = run(arguments, &[]);
        let shown = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(shown.contains("ev") && !shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
    for arguments in [
        &["classify", "x.png", "--requests", "0"][..],
        &["classify", "x.png", "--prepare", "0"],
        &["plan", "--model", "nih14-f8", "--threads", "0"],
    ] {
        assert_eq!(run(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
    let nowhere = run(&["selftest"], &[("VEILRAY_WEIGHTS", "/nowhere")]);
    assert!(!nowhere.status.success() && String::from_utf8_lossy(&nowhere.stdout).contains("/nowhere"));
}
