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
