//! `veilrayd` as a command.

use super::common::{fixture, place, sha256};
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veilrayd")).args(args).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[test]
fn the_known_answers_are_found() {
    let tested = run(&["selftest", "--json", "--model", fixture().path.to_str().unwrap()]);
    assert_eq!(tested.status.code(), Some(0));
    let tested = json(&tested);
    assert_eq!((tested["right"].as_bool(), tested["answers"].as_array().unwrap().len()), (Some(true), 2));
    assert!(tested["answers"][1]["difference"].as_f64() > Some(0.0));
    assert_eq!(run(&["selftest", "--model", "no-such-model"]).status.code(), Some(1));
}

#[test]
fn an_image_is_evaluated_from_files() {
    let (f, folder) = (fixture(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    std::fs::write(path("keys"), &f.client.keys).unwrap();
    let ciphertexts = f.encrypted(&f.client, &f.image(8));
    for input in [ciphertexts.concat(), veilray_protocol::body::elements(&ciphertexts)] {
        std::fs::write(path("input"), input).unwrap();
        let (keys, input, out) = (path("keys"), path("input"), path("out"));
        let done = run(&["infer", "--model", f.path.to_str().unwrap(), "--keys", &keys, "--input", &input, "--out", &out]);
        assert!(done.status.success(), "{done:?}");
        assert!(f.is_right(&f.client, &std::fs::read(path("out")).unwrap(), 8));
        std::fs::remove_file(path("out")).unwrap();
    }
    std::fs::write(path("input"), &ciphertexts[0][..100]).unwrap();
    let (keys, input, out) = (path("keys"), path("input"), path("out"));
    let refused = run(&["infer", "--model", f.path.to_str().unwrap(), "--keys", &keys, "--input", &input, "--out", &out]);
    assert_eq!((refused.status.code(), std::fs::exists(path("out")).unwrap()), (Some(1), false));
}

#[test]
fn a_token_and_its_hash_belong_together() {
    let made = json(&run(&["token", "--json"]));
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["hash"].as_str().unwrap(), sha256(token.as_bytes()));
    assert_ne!(made, json(&run(&["token", "--json"])));
}

#[test]
fn flags_go_before_environment_before_file() {
    let (folder, config) = place();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    let data = |flag: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilrayd"));
        command.args(["check-config", "--json", "--config", file.to_str().unwrap()]).args(flag);
        if let Some(value) = variable {
            command.env("VEILRAYD_DATA_DIR", value);
        }
        json(&command.output().unwrap())["server"]["data_dir"].as_str().unwrap().to_string()
    };
    let in_file = config.server.data_dir.to_str().unwrap();
    assert_eq!([data(&[], None), data(&[], Some("b")), data(&["--data-dir", "c"], Some("b"))], [in_file, "b", "c"]);
    // Variables name connections and folders; what is computed with is no such thing.
    let other = Command::new(env!("CARGO_BIN_EXE_veilrayd"))
        .args(["check-config", "--json", "--config", file.to_str().unwrap()])
        .envs([("VEILRAYD_THREADS", "5"), ("VEILRAY_JSON", "1"), ("VEILRAYD_LOG_FORMAT", "nonsense")])
        .output()
        .unwrap();
    assert_eq!(json(&other)["server"]["threads"], config.server.threads);
}

#[test]
fn a_refused_configuration_has_an_exit_code_of_its_own() {
    let file = file_with("[server]\nbind = '0.0.0.0:1'\n[[models]]\npath = 'm'\n");
    let refused = run(&["check-config", "--config", file.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("tls") && refused.stdout.is_empty());
    assert_eq!(run(&["check-config", "--config", "/no/such/file"]).status.code(), Some(3));
    assert_eq!(run(&["no-such-command"]).status.code(), Some(2));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/server.toml");
    assert_eq!(run(&["check-config", "--config", shipped]).status.code(), Some(0));
}

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// `check-config` and `serve` with a configuration, and what both say on standard error. `serve` is expected to end.
fn both(text: &str) -> [(Option<i32>, String); 2] {
    let file = file_with(text);
    ["check-config", "serve"].map(|command| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_veilrayd"))
            .args([command, "--log", "error", "--config", file.path().to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

#[test]
fn check_config_refuses_what_serve_refuses() {
    let (folder, mut config) = place();
    let base = config.clone();
    let text = |config: &veilrayd::Config| toml::to_string(config).unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut refused = Vec::new();
    config.models.push(veilrayd::config::ModelPath { path: "no-such-model".into() });
    refused.push((text(&config), "no-such-model"));
    config = base.clone();
    config.models.push(config.models[0].clone());
    refused.push((text(&config), "two models are named tiny"));
    config = base.clone();
    config.server.tls = Some(veilrayd::config::Tls { cert: path("nope.pem"), key: path("nope.key") });
    refused.push((text(&config), "nope.pem"));
    config = base.clone();
    config.limits.memory_bytes = 9_000_000_000_000;
    refused.push((text(&config), "limits.memory_bytes"));
    config.limits.memory_bytes = 2 << 20;
    refused.push((text(&config), "one request of the largest model"));
    for (text, wanted) in refused {
        for (code, said) in both(&text) {
            assert_eq!((code, said.contains(wanted)), (Some(3), true), "{wanted}: {said}");
        }
    }
    assert!(!config.server.data_dir.exists(), "nothing may be made");
    // A folder that cannot be made: serve may find another reason later, or be let by root.
    config = base;
    std::fs::write(path("file"), "").unwrap();
    for data in [path("file/data"), "/proc/nope".into()] {
        config.server.data_dir = data;
        let file = file_with(&text(&config));
        let checked = run(&["check-config", "--config", file.path().to_str().unwrap()]);
        assert_eq!(checked.status.code(), Some(3), "{checked:?}");
        assert!(String::from_utf8_lossy(&checked.stderr).contains("the data folder"));
    }
}

#[test]
fn check_config_looks_at_the_certificate_and_its_days() {
    let (folder, mut config) = place();
    let tls = veilrayd::config::Tls { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    config.server.tls = Some(tls.clone());
    let text = toml::to_string(&config).unwrap();
    let certify = |from: (i32, u8), until: (i32, u8)| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
        std::fs::write(&tls.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    };
    for (from, until, wanted) in [((2001, 1), (2002, 1), "it ended"), ((4000, 1), (4001, 1), "it begins")] {
        certify(from, until);
        for (code, said) in both(&text) {
            assert_eq!((code, said.contains(wanted)), (Some(3), true), "{said}");
        }
    }
    certify((2001, 1), (4000, 1));
    let file = file_with(&text);
    let checked = || run(&["check-config", "--json", "--config", file.path().to_str().unwrap()]);
    assert_eq!(checked().status.code(), Some(0));
    assert!(json(&checked())["findings"].as_array().unwrap().is_empty());
    std::fs::write(&tls.key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_eq!(checked().status.code(), Some(3));
}

#[test]
fn check_config_says_where_the_memory_comes_from_and_what_clients_will_miss() {
    let (_folder, mut config) = place();
    config.limits.memory_bytes = 0;
    config.limits.body_bytes = 5000;
    let file = file_with(&toml::to_string(&config).unwrap());
    let checked = run(&["check-config", "--json", "--config", file.path().to_str().unwrap()]);
    let found = json(&checked);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let bytes = found["limits"]["memory_bytes"].as_u64().unwrap();
    assert!(bytes > 0 && bytes <= 8 << 30 && found["memory"]["bytes"] == bytes, "{found}");
    assert!(!found["memory"]["source"].as_str().unwrap().is_empty());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("limits.body_bytes is 5000"), "{checked:?}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_enter_is_refused_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, config) = place();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    std::fs::create_dir(&config.server.data_dir).unwrap();
    std::fs::set_permissions(&config.server.data_dir, PermissionsExt::from_mode(0o755)).unwrap();
    for (code, said) in both(&toml::to_string(&config).unwrap()) {
        assert_eq!((code, said.contains("chmod 700")), (Some(3), true), "{said}");
    }
    assert_eq!(mode(&config.server.data_dir), 0o755);
    std::fs::remove_dir(&config.server.data_dir).unwrap();
    let daemon = super::common::start(config.clone());
    assert_eq!([mode(&config.server.data_dir), mode(&config.server.data_dir.join("keys"))], [0o700; 2]);
    // Beside a daemon that runs, its next configuration can be looked at.
    let file = file_with(&toml::to_string(&config).unwrap());
    let checked = run(&["check-config", "--config", file.path().to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("a running veilrayd uses it"), "{checked:?}");
    daemon.stop().unwrap();
    drop(folder);
}

#[test]
fn variables_that_are_empty_are_no_configuration() {
    for name in ["VEILRAYD_CONFIG", "VEILRAYD_BIND", "VEILRAYD_DATA_DIR", "VEILRAYD_MODELS"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilrayd"));
        let output = command.args(["check-config", "--model", fixture().path.to_str().unwrap()]).env(name, "").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {output:?}");
    }
}

#[test]
fn infer_names_the_file_that_is_wrong() {
    let (f, folder) = (fixture(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    std::fs::write(path("keys"), &f.client.keys).unwrap();
    std::fs::write(path("junk"), "no keys, no ciphertexts").unwrap();
    std::fs::write(path("input"), f.encrypted(&f.client, &f.image(8)).concat()).unwrap();
    let cases = [
        ("missing", "input", "out", "missing"),
        ("junk", "input", "out", "junk"),
        ("keys", "missing", "out", "missing"),
        ("keys", "junk", "out", "junk"),
        ("keys", "input", "none/out", "none/out"),
    ];
    for (keys, input, out, named) in cases {
        let (keys, input, out) = (path(keys), path(input), path(out));
        let failed = run(&["infer", "--model", f.path.to_str().unwrap(), "--keys", &keys, "--input", &input, "--out", &out]);
        assert_eq!(failed.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&failed.stderr).contains(&path(named)), "{failed:?}");
    }
}

#[test]
fn the_unit_does_not_start_a_refused_configuration_again() {
    let unit = include_str!("../../../../deploy/veilrayd.service");
    let setting = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let codes: Vec<&str> = setting("RestartPreventExitStatus=").split(' ').collect();
    assert!(["2", "3", "4"].iter().all(|code| codes.contains(code)), "{codes:?}");
    assert!(setting("StartLimitBurst=").parse::<u32>().is_ok() && setting("ExecStartPre=").is_empty());
}
