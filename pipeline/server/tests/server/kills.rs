//! `kill -9` at random moments under load: what was acknowledged before is there after the next start, and nothing by halves.

use super::common::{Answer, Ask, Client, Fixture, Process, fixture, place, sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use veilray_base::Rng;

/// What the client was told of its keys or its job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// It is there.
    Present,
    /// It is not.
    Absent,
    /// A request under way may have changed it; of an upload, so many bytes are there.
    Unknown(u64),
}

/// What the daemon acknowledged, in all its lives.
#[derive(Default)]
struct Acknowledged {
    /// Keys by the client's number.
    keys: Mutex<BTreeMap<usize, Told>>,
    /// Jobs by their path, with the image's seed.
    jobs: Mutex<BTreeMap<String, (u64, Told)>>,
    /// Numbers of answered inferences, whose lines must be in the audit log.
    inferences: Mutex<Vec<String>>,
    counts: [AtomicU64; 4],
}

const COUNTED: [&str; 4] = ["inferences", "uploads", "jobs", "results"];

impl Acknowledged {
    fn count(&self, what: usize) {
        self.counts[what].fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self, client: usize) -> Told {
        self.keys.lock().unwrap().get(&client).copied().unwrap_or(Told::Absent)
    }

    fn tell(&self, client: usize, told: Told) {
        self.keys.lock().unwrap().insert(client, told);
    }

    /// Keys go up in two halves and down again.
    fn upload(&self, ask: &Ask, number: usize, client: &Client) -> std::io::Result<()> {
        let path = format!("/v1/keys/{}", client.sha);
        if self.told(number) == Told::Present {
            self.tell(number, Told::Unknown(0));
            let gone = ask.try_send("DELETE", &path, &[], &[])?;
            assert!([200, 204, 404].contains(&gone.status), "{gone:?}");
            self.tell(number, Told::Absent);
            return Ok(());
        }
        let total = client.keys.len().to_string();
        let mut have = received(&ask.try_send("GET", &path, &[], &[])?);
        for until in [client.keys.len() / 2, client.keys.len()] {
            if (have as usize) >= until {
                continue;
            }
            self.tell(number, Told::Unknown(have));
            let at = have.to_string();
            let headers = [("upload-offset", at.as_str()), ("upload-length", total.as_str()), ("veilray-model", "tiny")];
            let answer = ask.try_send("PUT", &path, &headers, &client.keys[have as usize..until])?;
            match answer.status {
                200 | 201 if until == client.keys.len() => {
                    self.tell(number, Told::Present);
                    self.count(1);
                }
                // Half of it; or another request still holds the upload.
                _ => have = received(&ask.try_send("GET", &path, &[], &[])?),
            }
        }
        if self.told(number) != Told::Present {
            self.tell(number, Told::Unknown(received(&ask.try_send("GET", &path, &[], &[])?)));
        }
        Ok(())
    }

    fn infer(&self, f: &Fixture, ask: &Ask, request: &(Vec<u8>, usize), seed: u64) -> std::io::Result<()> {
        let headers = [("inference-header-content-length", request.1.to_string())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = ask.try_send("POST", "/v2/models/tiny/infer", &headers, &request.0)?;
        if answer.status == 200 {
            assert!(f.is_answer(&f.client, &answer, seed), "image {seed} got another answer");
            self.inferences.lock().unwrap().push(answer.header("x-request-id").unwrap().into());
            self.count(0);
        } else {
            assert!([404, 429, 503].contains(&answer.status), "{answer:?}");
        }
        Ok(())
    }

    /// A job is submitted, or one that is done is fetched and deleted.
    fn job(&self, f: &Fixture, ask: &Ask, request: &(Vec<u8>, usize), seed: u64) -> std::io::Result<()> {
        let open: Vec<(String, u64)> = self.jobs.lock().unwrap().iter().map(|(path, (seed, _))| (path.clone(), *seed)).collect();
        if open.len() < 4 {
            let length = request.1.to_string();
            let headers = [("inference-header-content-length", length.as_str())];
            let answer = ask.try_send("POST", "/v1/models/tiny/jobs", &headers, &request.0)?;
            if answer.status == 202 {
                let path = answer.header("location").unwrap().to_owned();
                self.jobs.lock().unwrap().insert(path, (seed, Told::Present));
                self.count(2);
            }
        }
        for (path, seed) in open {
            let status = ask.try_send("GET", &path, &[], &[])?;
            assert_ne!(status.json()["state"], "failed", "{status:?}");
            if status.json()["state"] == "done" {
                let result = ask.try_send("GET", &format!("{path}/result"), &[], &[])?;
                assert!(f.is_answer(&f.client, &result, seed), "{path}: another answer");
                self.count(3);
                self.jobs.lock().unwrap().insert(path.clone(), (seed, Told::Unknown(0)));
                ask.try_send("DELETE", &path, &[], &[])?;
                self.jobs.lock().unwrap().remove(&path);
            }
        }
        Ok(())
    }
}

/// Bytes of an upload that are there.
fn received(status: &Answer) -> u64 {
    if status.status == 200 { status.json()["received"].as_u64().unwrap() } else { 0 }
}

/// Loads the daemon from four sides until it dies; in `calm` rounds keys do not expire and jobs are made.
fn load(f: &Fixture, daemon: &mut Process, clients: &[Client], all: &Acknowledged, after: Duration, calm: bool, round: u64) {
    let (addr, stop) = (daemon.addr, AtomicBool::new(false));
    let requests: Vec<(u64, (Vec<u8>, usize))> =
        (0..3).map(|i| (3 * round + i, f.infer_body(&f.client, 3 * round + i))).collect();
    std::thread::scope(|scope| {
        let until_dead = |step: &(dyn Fn(&Ask) -> std::io::Result<()> + Sync)| {
            let ask = Ask { addr, token: None };
            while !stop.load(Ordering::Relaxed) {
                if step(&ask).is_err() {
                    return;
                }
            }
        };
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || until_dead(&|ask| all.upload(ask, number, client)));
        }
        let [(first, one), (second, two), ..] = requests.as_slice() else { return };
        scope.spawn(move || until_dead(&|ask| all.infer(f, ask, one, *first)));
        if calm {
            scope.spawn(move || until_dead(&|ask| all.job(f, ask, two, *second)));
        }
        std::thread::sleep(after);
        daemon.kill();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Everything that was acknowledged is there; nothing is there by halves. `seen` are the bytes of the audit log that were read before.
fn check(f: &Fixture, daemon: &Process, clients: &[Client], all: &Acknowledged, data: &Path, seen: &mut usize) {
    let ask = daemon.ask();
    for (number, client) in clients.iter().enumerate() {
        let status = ask.get(&format!("/v1/keys/{}", client.sha));
        match all.told(number) {
            Told::Present => assert_eq!(status.json()["complete"], true, "acknowledged keys {number}: {status:?}"),
            Told::Absent => assert_eq!(status.status, 404, "deleted keys {number}"),
            Told::Unknown(have) => {
                assert!(have == 0 || received(&status) >= have, "{have} bytes of keys {number} were there: {status:?}");
                let complete = status.status == 200 && status.json()["complete"] == true;
                all.tell(number, if complete { Told::Present } else { Told::Unknown(0) });
            }
        }
    }
    // Whole files alone stand among the keys, each under the name of its bytes.
    for tenant in std::fs::read_dir(data.join("keys")).unwrap() {
        for file in std::fs::read_dir(tenant.unwrap().path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.file_name().to_str().unwrap(), sha256(&std::fs::read(file.path()).unwrap()), "half a key set");
        }
    }
    let jobs = std::mem::take(&mut *all.jobs.lock().unwrap());
    for (path, (seed, told)) in jobs {
        let status = ask.get(&path);
        if told == Told::Present || status.status == 200 {
            assert!(status.status == 200 && status.json()["state"] != "failed", "acknowledged job {path}: {status:?}");
            all.jobs.lock().unwrap().insert(path, (seed, Told::Present));
        }
    }
    let audit = std::fs::read(data.join("audit.jsonl")).unwrap();
    let new = String::from_utf8_lossy(&audit[*seen..]);
    let lines: Vec<serde_json::Value> = new.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let cut = new.lines().filter(|line| !line.is_empty()).count() - lines.len();
    // One of each life; there were one or two since.
    assert!(cut <= 2, "{cut} lines of the audit log are no JSON");
    for id in all.inferences.lock().unwrap().drain(..) {
        let is = |line: &&serde_json::Value| line["request_id"] == id.as_str() && line["action"] == "infer";
        let line = lines.iter().find(is).unwrap_or_else(|| panic!("no audit line of inference {id}"));
        assert_eq!(line["outcome"], "ok", "{line}");
    }
    *seen = audit.len();
    // The keys of the client whose images are asked: evicted, perhaps.
    assert!([200, 201].contains(&ask.put_keys(&f.client).status));
}

/// Kills the daemon `kills` times; every fourth life is one in which keys expire.
fn killed(kills: u64, seed: u64) {
    let (f, (folder, config)) = (fixture(), place());
    let mut rng = Rng::new(seed, "kills");
    let clients: Vec<Client> = (0..2).map(|_| Client::new(&f.served)).collect();
    let (all, data) = (Acknowledged::default(), folder.path().join("data"));
    let mut seen = 0;
    for round in 0..kills {
        let mut daemon = Process::start(&config, "");
        check(f, &daemon, &clients, &all, &data, &mut seen);
        // Never before the first upload could begin, often before anything has ended.
        let after = Duration::from_secs_f64(0.02 + rng.uniform().powi(2));
        if round % 4 != 3 {
            load(f, &mut daemon, &clients, &all, after, true, round);
            continue;
        }
        daemon.kill();
        let mut short = config.clone();
        short.limits.key_ttl_seconds = 1.0;
        // A job would end without its keys: none is under way when they expire.
        let calm = all.jobs.lock().unwrap().is_empty();
        let mut daemon = if calm { Process::start(&short, "") } else { Process::start(&config, "") };
        load(f, &mut daemon, &clients, &all, after + Duration::from_secs_f64(1.2 * rng.uniform()), !calm, round);
        if calm {
            (0..clients.len()).for_each(|number| all.tell(number, Told::Unknown(0)));
        }
    }
    let daemon = Process::start(&config, "");
    check(f, &daemon, &clients, &all, &data, &mut seen);
    for (path, (seed, _)) in std::mem::take(&mut *all.jobs.lock().unwrap()) {
        assert_eq!(super::common::finished(&daemon.ask(), &path), "done");
        assert!(f.is_answer(&f.client, &daemon.ask().get(&format!("{path}/result")), seed), "{path}");
    }
    let counts: Vec<String> =
        COUNTED.iter().zip(&all.counts).map(|(what, count)| format!("{} {what}", count.load(Ordering::Relaxed))).collect();
    println!("{kills} kills of the daemon (seed {seed}); acknowledged and found again: {}", counts.join(", "));
    assert!(all.counts.iter().all(|count| count.load(Ordering::Relaxed) > 0), "{counts:?}");
}

/// A number in the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "minutes: .ci/tier kill"]
fn what_was_acknowledged_survives_kills_at_random_moments() {
    killed(number("VEILRAY_KILLS", 20), number("VEILRAY_KILL_SEED", 1));
}
