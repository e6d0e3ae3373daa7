//! Tenants beside each other, and many requests for one thing at the same time.

use super::common::{Ask, Client, config, finished, fixture, sha256, start};
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use veilrayd::Handle;
use veilrayd::config::{Config, TokenEntry};

fn token(name: &str, more: &str) -> TokenEntry {
    let text = format!("hash = '{}'\ntenant = '{name}'\nrate_per_minute = 0\n{more}", sha256(name.as_bytes()));
    toml::from_str(&text).unwrap()
}

/// A daemon with tenants a and b, which have the fixture's keys.
fn two(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Handle, Ask, Ask) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder.path().join("data"));
    config.tokens = vec![token("a", ""), token("b", "")];
    change(&mut config);
    let daemon = start(config);
    let (a, b) = (Ask::with(&daemon, "a"), Ask::with(&daemon, "b"));
    for ask in [&a, &b] {
        assert_eq!(ask.put_keys(&fixture().client).status, 201);
    }
    (folder, daemon, a, b)
}

fn submit(ask: &Ask, request: &(Vec<u8>, usize)) -> Result<String, (u16, String)> {
    let answer = ask.post("/v1/models/tiny/jobs", &request.0, request.1);
    if answer.status == 202 { Ok(answer.header("location").unwrap().into()) } else { Err(answer.code()) }
}

/// The same from many connections at one moment; how often each status came.
fn at_once(count: usize, ask: &Ask, method: &str, path: &str) -> BTreeMap<u16, usize> {
    let barrier = Barrier::new(count);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let one = || {
            barrier.wait();
            ask.send(method, path, &[], &[]).status
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.into_iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

#[test]
fn jobs_deleted_many_times_at_once_are_deleted_once_and_others_are_taken() {
    let (f, (_folder, _daemon, a, _)) = (fixture(), two(|config| config.limits.max_jobs = 3));
    let request = f.infer_body(&f.client, 1);
    for _ in 0..4 {
        let job = submit(&a, &request).unwrap();
        assert_eq!(finished(&a, &job), "done");
        assert_eq!(at_once(16, &a, "DELETE", &job), BTreeMap::from([(204, 1), (404, 15)]));
    }
    // The bound is where it was: three, not fewer and not more.
    let jobs: Vec<String> = (0..3).map(|_| submit(&a, &request).unwrap()).collect();
    assert_eq!(submit(&a, &request), Err((429, "busy".into())));
    for job in jobs {
        assert_eq!(finished(&a, &job), "done");
    }
}

#[test]
fn a_job_deleted_while_it_starts_is_gone() {
    let (f, (folder, daemon, a, _)) = (fixture(), two(|_| {}));
    let request = f.infer_body(&f.client, 1);
    let mut jobs = Vec::new();
    for round in 0..24 {
        let job = submit(&a, &request).unwrap();
        std::thread::sleep(Duration::from_millis(round / 4));
        assert_eq!(a.send("DELETE", &job, &[], &[]).status, 204);
        jobs.push(job);
    }
    // All that were begun have ended when this one has.
    let last = submit(&a, &request).unwrap();
    assert_eq!(finished(&a, &last), "done");
    for job in &jobs {
        assert_eq!(a.get(job).code(), (404, "not_found".into()));
    }
    daemon.stop().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path().join("data/jobs")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, [format!("{}.out", last.rsplit('/').next().unwrap()).as_str()]);
}

#[test]
fn finished_jobs_of_one_tenant_do_not_stop_another() {
    let (f, (_folder, _daemon, a, b)) = (fixture(), two(|config| config.limits.max_jobs = 3));
    let request = f.infer_body(&f.client, 1);
    let jobs: Vec<String> = (0..3).map(|_| submit(&a, &request).unwrap()).collect();
    for job in &jobs {
        assert_eq!(finished(&a, job), "done");
    }
    assert_eq!(submit(&a, &request), Err((429, "busy".into())));
    let job = submit(&b, &request).unwrap();
    assert_eq!(finished(&b, &job), "done");
    assert_eq!(b.send("DELETE", &jobs[0], &[], &[]).code(), (404, "not_found".into()));
}

#[test]
fn a_tenant_with_many_jobs_delays_anothers_by_one() {
    let (f, (_folder, _daemon, a, b)) = (fixture(), two(|_| {}));
    let request = f.infer_body(&f.client, 1);
    let jobs: Vec<String> = (0..60).map(|_| submit(&a, &request).unwrap()).collect();
    let other = submit(&b, &request).unwrap();
    assert_eq!(finished(&b, &other), "done");
    let done = jobs.iter().filter(|job| a.get(job).json()["state"] == "done").count();
    assert!(done < 50, "{done} of 60 jobs went before");
}

#[test]
fn jobs_count_to_the_quota_and_give_it_back() {
    let f = fixture();
    let request = f.infer_body(&f.client, 1);
    // Room for the keys and two inputs.
    let quota = f.client.keys.len() + request.0.len() * 5 / 2;
    let (_folder, _daemon, a, b) = two(|config| config.tokens[0] = token("a", &format!("quota_bytes = {quota}\n")));
    let jobs: Vec<String> = (0..200).map_while(|_| submit(&a, &request).ok()).collect();
    assert!(jobs.len() < 200, "the quota stops nothing");
    let refused = a.post("/v1/models/tiny/jobs", &request.0, request.1);
    // A result is smaller than its input, so there may be room by now.
    assert!(refused.status == 202 || refused.code() == (507, "quota_exceeded".into()), "{refused:?}");
    assert!(submit(&b, &request).is_ok());
    for job in &jobs {
        finished(&a, job);
        assert_eq!(a.send("DELETE", job, &[], &[]).status, 204);
    }
    assert!(submit(&a, &request).is_ok());
}

#[test]
fn unfinished_uploads_of_one_tenant_are_bounded_and_do_not_stop_another() {
    let (_folder, _daemon, a, b) = two(|config| config.limits.max_uploads = 2);
    let begin = |ask: &Ask, i: u8| {
        let path = format!("/v1/keys/{}", sha256(&[i; 1000]));
        ask.send("PUT", &path, &[("upload-length", "1000")], &[i; 10])
    };
    assert_eq!([begin(&a, 0).status, begin(&a, 1).status], [202, 202]);
    assert_eq!(begin(&a, 2).code(), (507, "quota_exceeded".into()));
    assert_eq!(begin(&b, 2).status, 202);
    assert_eq!(a.send("DELETE", &format!("/v1/keys/{}", sha256(&[0; 1000])), &[], &[]).status, 204);
    assert_eq!(begin(&a, 2).status, 202);
}

#[test]
fn a_wrong_upload_length_is_refused_and_what_came_is_kept() {
    let (f, (_folder, _daemon, a, _)) = (fixture(), two(|_| {}));
    let client = Client::new(&f.served);
    let (path, half) = (format!("/v1/keys/{}", client.sha), client.keys.len() / 2);
    let total = client.keys.len().to_string();
    assert_eq!(a.send("PUT", &path, &[("upload-length", &total)], &client.keys[..half]).status, 202);
    let at = half.to_string();
    for (length, body) in [(half + 5, 10), (half + 5, 5), (half - 1, 0), (client.keys.len() + 1, 10)] {
        let length = length.to_string();
        let headers = [("upload-offset", at.as_str()), ("upload-length", length.as_str())];
        let refused = a.send("PUT", &path, &headers, &client.keys[half..half + body]);
        assert_eq!(refused.code(), (400, "malformed".into()), "{length}");
        assert_eq!(a.send("HEAD", &path, &[], &[]).header("upload-offset"), Some(at.as_str()));
    }
    let headers = [("upload-offset", at.as_str()), ("upload-length", total.as_str())];
    assert_eq!(a.send("PUT", &path, &headers, &client.keys[half..]).status, 201);
}

#[test]
fn keys_that_were_deleted_are_of_no_use_though_they_are_in_memory() {
    let (f, (_folder, _daemon, a, b)) = (fixture(), two(|_| {}));
    let request = f.infer_body(&f.client, 1);
    for _ in 0..6 {
        assert!([200, 201].contains(&a.put_keys(&f.client).status));
        assert_eq!(a.infer(&request).status, 200);
        let stop = Instant::now() + Duration::from_millis(300);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while Instant::now() < stop {
                        let reply = a.infer(&request);
                        assert!([200, 404].contains(&reply.status), "{reply:?}");
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(60));
            let counts = at_once(4, &a, "DELETE", &format!("/v1/keys/{}", f.client.sha));
            assert_eq!(counts.get(&204), Some(&1), "{counts:?}");
        });
        assert_eq!(a.infer(&request).code(), (404, "not_found".into()));
        assert_eq!(a.get(&format!("/v1/keys/{}", f.client.sha)).status, 404);
    }
    assert_eq!(b.infer(&request).status, 200);
}
