//! A disk that is really full: a small file system in memory. Mounting one needs root; where that is not possible, the tests say so.

use super::common::{Ask, Client, Process, config, fixture};
use std::path::PathBuf;

/// A file system of its own, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(mib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: no file system can be mounted here; run this as root");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.path("filler")).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn disk(ask: &Ask) -> (u16, String) {
    let ready = ask.get("/readyz");
    (ready.status, ready.json()["disk"].as_str().unwrap_or("not said").into())
}

fn parts(small: &Small) -> usize {
    let Ok(tenants) = std::fs::read_dir(small.path("data/parts")) else { return 0 };
    tenants.map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn an_upload_that_does_not_fit_is_refused_whole_and_inference_goes_on() {
    let f = fixture();
    let mib = f.client.keys.len() as u64 / (1 << 20);
    // Room for one set of keys, the reserve and the metadata, not for a second set.
    let Some(small) = Small::mount(mib + 24) else { return };
    let daemon = Process::start(&config(&small.path("data")), "");
    let ask = daemon.ask();
    assert_eq!(ask.put_keys(&f.client).status, 201);
    let late = Client::new(&f.served);
    let refused = ask.put_keys(&late);
    assert_eq!(refused.code(), (507, "quota_exceeded".into()));
    assert!(refused.error().error.contains("nothing of this request was stored"), "{}", refused.error().error);
    assert_eq!((parts(&small), ask.get(&format!("/v1/keys/{}", late.sha)).status), (0, 404));
    for seed in 0..3 {
        assert!(f.is_answer(&f.client, &ask.infer(&f.infer_body(&f.client, seed)), seed));
    }
    assert_eq!(disk(&ask), (200, "ok".into()));
}

#[test]
fn inference_is_answered_and_written_down_on_a_full_disk_and_all_works_again_with_room() {
    let f = fixture();
    let mib = f.client.keys.len() as u64 / (1 << 20);
    let Some(small) = Small::mount(3 * mib + 64) else { return };
    let mut daemon = Process::start(&config(&small.path("data")), "");
    let ask = daemon.ask();
    assert_eq!(ask.put_keys(&f.client).status, 201);
    // It fills up while an upload comes.
    let late = Client::new(&f.served);
    let (path, total) = (format!("/v1/keys/{}", late.sha), late.keys.len().to_string());
    let half = late.keys.len() / 2;
    assert_eq!(ask.send("PUT", &path, &[("upload-length", &total)], &late.keys[..half]).status, 202);
    small.fill();
    let at = half.to_string();
    let headers = [("upload-offset", at.as_str()), ("upload-length", total.as_str())];
    assert_eq!(ask.send("PUT", &path, &headers, &late.keys[half..]).code(), (507, "quota_exceeded".into()));

    let audit = || std::fs::read_to_string(small.path("data/audit.jsonl")).unwrap().lines().count();
    let before = audit();
    for seed in 0..20 {
        assert!(f.is_answer(&f.client, &ask.infer(&f.infer_body(&f.client, seed % 3)), seed % 3), "{seed}");
    }
    assert_eq!(audit(), before + 20);
    let (body, length) = f.infer_body(&f.client, 1);
    assert_eq!(ask.post("/v1/models/tiny/jobs", &body, length).code(), (507, "quota_exceeded".into()));
    assert_eq!(disk(&ask), (200, "low".into()));
    // It also starts on a full disk, and keys can be deleted.
    daemon.kill();
    let daemon = Process::start(&config(&small.path("data")), "");
    let ask = daemon.ask();
    assert_eq!(disk(&ask), (200, "low".into()));
    assert!(f.is_answer(&f.client, &ask.infer(&f.infer_body(&f.client, 1)), 1));
    assert_eq!(ask.send("DELETE", &path, &[], &[]).status, 204);

    small.make_room();
    assert_eq!(ask.post("/v1/models/tiny/jobs", &body, length).status, 202);
    assert_eq!(ask.put_keys(&late).status, 201);
    assert_eq!(disk(&ask), (200, "ok".into()));
    assert!(f.is_answer(&late, &ask.infer(&f.infer_body(&late, 1)), 1));
}

#[test]
fn an_upload_that_fills_the_disk_is_freed_at_once() {
    let f = fixture();
    let mib = f.client.keys.len() as u64 / (1 << 20);
    let Some(small) = Small::mount(mib + mib / 2) else { return };
    // Without a reserve nothing is refused beforehand.
    let mut config = config(&small.path("data"));
    config.limits.reserve_bytes = 0;
    let daemon = Process::start(&config, "");
    let ask = daemon.ask();
    assert_eq!(ask.put_keys(&f.client).status, 201);
    let refused = ask.put_keys(&Client::new(&f.served));
    assert_eq!(refused.code(), (507, "quota_exceeded".into()));
    assert!(refused.error().error.contains("what came of this upload was removed"), "{}", refused.error().error);
    assert_eq!(refused.header("upload-offset"), Some("0"));
    assert_eq!(parts(&small), 0);
    assert!(f.is_answer(&f.client, &ask.infer(&f.infer_body(&f.client, 1)), 1));
}
