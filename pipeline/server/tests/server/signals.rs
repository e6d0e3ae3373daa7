//! What the system tells a daemon.

use super::common::{Ask, Process, fixture, place, sha256};
use std::path::Path;
use std::time::{Duration, Instant};

fn until(what: &str, seen: impl Fn() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tokens(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[tokens]]\nhash = '{}'\ntenant = '{name}'\n", sha256(name.as_bytes()))).collect()
}

/// Writes the configuration's file again: its own text, and what follows.
fn rewrite(folder: &Path, config: &veilrayd::Config, names: &[&str], more: &str) {
    let text = toml::to_string(config).unwrap().replace("tokens = []\n", "");
    std::fs::write(folder.join("server.toml"), format!("{text}{}{more}", tokens(names))).unwrap();
}

#[test]
fn a_hangup_reads_the_tokens_again_and_a_bad_file_changes_nothing() {
    let (folder, mut config) = place();
    config.tokens = toml::from_str::<veilrayd::Config>(&tokens(&["a", "b"])).unwrap().tokens;
    let mut daemon = Process::start(&config, "");
    let addr = daemon.addr;
    let status = |name: &str| Ask { addr, token: Some(name.into()) }.get("/v1/keys").status;
    config.tokens.clear();
    assert_eq!([status("a"), status("b"), status("c")], [200, 200, 401]);

    rewrite(folder.path(), &config, &["a", "c"], "");
    daemon.signal("HUP");
    until("c is known", || status("c") == 200);
    assert_eq!([status("a"), status("b")], [200, 401]);

    let refusals = |daemon: &Process| daemon.log().matches("read again and refused").count();
    for (i, more) in ["[[tokens]]\nhash = 'short'\ntenant = 'd'\n", "no = toml = at all"].iter().enumerate() {
        rewrite(folder.path(), &config, &["b"], more);
        daemon.signal("HUP");
        until("refused", || refusals(&daemon) == i + 1);
        assert_eq!([status("a"), status("b"), status("c")], [200, 401, 200]);
    }
    // No tokens at all would open the daemon to everybody.
    rewrite(folder.path(), &config, &[], "");
    daemon.signal("HUP");
    until("refused", || refusals(&daemon) == 3);
    assert_eq!([status("a"), status("")], [200, 401]);
    // What cannot change is named.
    config.limits.max_jobs += 1;
    rewrite(folder.path(), &config, &["a"], "");
    daemon.signal("HUP");
    until("told", || daemon.log().contains("\"settings\":\"limits\""));
    assert_eq!([status("a"), status("c")], [200, 401]);

    // What the log says of a model are numbers with names.
    assert!(daemon.log().contains("\"request_bytes\":") && !daemon.log().contains("Needs {"));
    daemon.terminate();
    assert!(daemon.child.wait().unwrap().success());
    let audit = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    let count = |outcome: &str| audit.matches(&format!("\"action\":\"reload\",\"outcome\":\"{outcome}\"")).count();
    assert_eq!((count("ok"), count("refused")), (2, 3), "{audit}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_while_models_are_opened_ends_cleanly() {
    let (folder, mut config) = place();
    // A model that cannot be read to its end: one of its files is a pipe.
    let model = folder.path().join("stuck");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(&fixture().path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_str().unwrap().starts_with("weights") {
            let made = std::process::Command::new("mkfifo").arg(model.join(name)).status().unwrap();
            assert!(made.success());
        } else {
            std::fs::copy(&path, model.join(name)).unwrap();
        }
    }
    config.models[0].path = model;
    let file = folder.path().join("server.toml");
    std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    for name in ["TERM", "INT"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_veilrayd"))
            .args(["serve", "--config"])
            .arg(&file)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        // Until the signals are caught; a daemon that never does is given five seconds.
        let caught = || {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_string();
            u64::from_str_radix(&mask, 16).unwrap() & 0x4000 != 0
        };
        let begun = Instant::now();
        while !caught() && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(200));
        for name in ["HUP", name] {
            std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        let begun = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(10) {
                child.kill().unwrap();
                panic!("it goes on");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(ended.code(), Some(0), "{name}: {ended:?}");
    }
}
