//! `kill -9` at bad moments: what was acknowledged is there afterwards.

use super::common::{Client, Process, finished, fixture, place};
use std::io::Write;
use std::time::Duration;

#[test]
fn an_upload_goes_on_where_a_kill_cut_it() {
    let (f, (_folder, config)) = (fixture(), place());
    let mut daemon = Process::start(&config, "");
    let path = format!("/v1/keys/{}", f.client.sha);
    let mut stream = daemon.ask().connect();
    stream.write_all(daemon.ask().head("PUT", &path, &[], f.client.keys.len()).as_bytes()).unwrap();
    let most = f.client.keys.len() * 3 / 4;
    stream.write_all(&f.client.keys[..most]).unwrap();
    let acknowledged = loop {
        let status = daemon.ask().get(&path);
        if let Some(received) = (status.status == 200).then(|| status.json()["received"].as_u64().unwrap()).filter(|r| *r > 0) {
            break received;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    daemon.kill();

    let daemon = Process::start(&config, "");
    let status = daemon.ask().get(&path).json();
    let have = status["received"].as_u64().unwrap();
    assert!(have >= acknowledged && have as usize <= most && status["complete"] == false, "{status}");
    let (at, total) = (have.to_string(), f.client.keys.len().to_string());
    let headers = [("upload-offset", at.as_str()), ("upload-length", total.as_str())];
    let rest = daemon.ask().send("PUT", &path, &headers, &f.client.keys[have as usize..]);
    assert_eq!(rest.status, 201);
    assert!(f.is_answer(&f.client, &daemon.ask().infer(&f.infer_body(&f.client, 1)), 1));
}

#[test]
fn keys_and_jobs_survive_a_kill_during_inference() {
    let (f, (_folder, config)) = (fixture(), place());
    let mut daemon = Process::start(&config, "");
    assert_eq!(daemon.ask().put_keys(&f.client).status, 201);
    let submit = |seed| {
        let (body, length) = f.infer_body(&f.client, seed);
        let accepted = daemon.ask().post("/v1/models/tiny/jobs", &body, length);
        assert_eq!(accepted.status, 202);
        accepted.header("location").unwrap().to_string()
    };
    let jobs: Vec<(u64, String)> = (0..5).map(|seed| (seed, submit(seed))).collect();
    // Requests under way when it dies.
    let (request, ask) = (f.infer_body(&f.client, 9), daemon.ask());
    let inferring = std::thread::spawn(move || {
        ask.try_send("POST", "/v2/models/tiny/infer", &[("inference-header-content-length", &request.1.to_string())], &request.0)
    });
    std::thread::sleep(Duration::from_millis(30));
    daemon.kill();
    let _ = inferring.join().unwrap();

    let daemon = Process::start(&config, "");
    assert_eq!(daemon.ask().get(&format!("/v1/keys/{}", f.client.sha)).json()["complete"], true);
    for (seed, path) in jobs {
        assert_eq!(finished(&daemon.ask(), &path), "done");
        assert!(f.is_answer(&f.client, &daemon.ask().get(&format!("{path}/result")), seed), "job {seed}");
    }
}

#[test]
fn a_kill_during_eviction_leaves_whole_keys_or_none() {
    let (f, (folder, mut config)) = (fixture(), place());
    config.limits.key_ttl_seconds = 1.0;
    let clients: Vec<Client> = (0..3).map(|_| Client::new(&f.served)).collect();
    for round in 0..3 {
        let mut daemon = Process::start(&config, "");
        for client in &clients {
            assert!([200, 201].contains(&daemon.ask().put_keys(client).status));
        }
        // Keys expire after more than a second; the sweeps come four times a second.
        std::thread::sleep(Duration::from_millis(1900 + 130 * round));
        daemon.kill();

        // This one evicts nothing, so that what the other left can be looked at.
        let mut calm = config.clone();
        calm.limits.key_ttl_seconds = 1000.0;
        let daemon = Process::start(&calm, "");
        let listed = daemon.ask().get("/v1/keys").json();
        let files: usize = std::fs::read_dir(folder.path().join("data/keys"))
            .unwrap()
            .map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap().count())
            .sum();
        assert_eq!(listed.as_array().unwrap().len(), files);
        for client in &clients {
            let status = daemon.ask().get(&format!("/v1/keys/{}", client.sha));
            assert!(status.status == 404 || status.json()["complete"] == true, "{status:?}");
            let reply = daemon.ask().infer(&f.infer_body(client, 1));
            assert!(reply.status == 404 || f.is_answer(client, &reply, 1), "{reply:?}");
        }
    }
}
