use super::db::{Db, KEYS, META};
use super::error::StoreError;
use super::key_store::{Bounds, KeyRecord, KeyStore, Recovery};
use super::reserve::Reserve;
use super::upload::{Begun, Upload};
use crate::config::tokens::{Tenant, Tokens};
use std::sync::Arc;
use std::time::Duration;
use veilray_base::clock;
use veilray_base::digest::sha256_hex;
use veilray_protocol::KeyDigest;
use veilray_protocol::messages::KeyStatus;

struct Fixture {
    folder: tempfile::TempDir,
    tenant: Arc<Tenant>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), tenant: Tokens::new(&[]).admit(None, 0).unwrap() }
    }

    fn open(&self) -> (Arc<KeyStore>, Recovery) {
        let (key_ttl, part_ttl) = (Duration::from_secs(1000), Duration::from_secs(1000));
        self.open_with(Bounds { disk_bytes: 10_000, key_ttl, part_ttl, uploads: 3 })
    }

    fn open_with(&self, bounds: Bounds) -> (Arc<KeyStore>, Recovery) {
        let db = Arc::new(Db::open(&self.folder.path().join("db")).unwrap());
        let (store, recovery) =
            KeyStore::open(self.folder.path(), db, Arc::new(Reserve::open(self.folder.path(), 0)), bounds).unwrap();
        (Arc::new(store), recovery)
    }

    /// As if the daemon had run for so many seconds.
    fn ran_for(&self, seconds: u64) {
        Db::open(&self.folder.path().join("db")).unwrap().put(META, "seconds_run", &seconds).unwrap();
    }

    fn begin(&self, store: &Arc<KeyStore>, bytes: &[u8], offset: u64) -> Result<Upload, StoreError> {
        match Upload::begin(store, &self.tenant, &digest(bytes), offset, bytes.len() as u64)? {
            Begun::Upload(upload) => Ok(upload),
            Begun::Whole(record) => panic!("{record:?}"),
        }
    }

    fn store(&self, store: &Arc<KeyStore>, bytes: &[u8]) -> Result<KeyRecord, StoreError> {
        let mut upload = self.begin(store, bytes, 0)?;
        upload.append(bytes)?;
        upload.verify()?.commit("n13", 1)
    }

    fn status(&self, store: &KeyStore, bytes: &[u8]) -> Option<KeyStatus> {
        store.status(&self.tenant.folder, &digest(bytes)).unwrap()
    }
}

fn digest(bytes: &[u8]) -> KeyDigest {
    KeyDigest::parse(&sha256_hex(bytes)).unwrap()
}

#[test]
fn an_interrupted_upload_goes_on_where_it_stopped_even_after_a_restart() {
    let (fixture, bytes) = (Fixture::new(), vec![7; 3000]);
    let (store, _) = fixture.open();
    let mut upload = fixture.begin(&store, &bytes, 0).unwrap();
    upload.append(&bytes[..1000]).unwrap();
    assert!(matches!(fixture.begin(&store, &bytes, 0), Err(StoreError::InUse)));
    drop(upload);
    drop(store);
    let (store, recovery) = fixture.open();
    assert_eq!(recovery, Recovery::default());
    let status = fixture.status(&store, &bytes).unwrap();
    assert_eq!((status.received, status.complete), (1000, false));
    assert!(matches!(fixture.begin(&store, &bytes, 0), Err(StoreError::Offset { have: 1000 })));
    let mut upload = fixture.begin(&store, &bytes, 1000).unwrap();
    upload.append(&bytes[1000..]).unwrap();
    assert!(upload.is_whole());
    upload.verify().unwrap().commit("n13", 1).unwrap();
    assert!(fixture.status(&store, &bytes).unwrap().complete);
    assert!(matches!(
        Upload::begin(&store, &fixture.tenant, &digest(&bytes), 0, 3000).unwrap(),
        Begun::Whole(KeyRecord { bytes: 3000, .. })
    ));
}

#[test]
fn bytes_of_another_digest_or_beyond_the_announced_length_are_not_kept() {
    let (fixture, bytes) = (Fixture::new(), vec![7; 100]);
    let (store, _) = fixture.open();
    let mut upload = fixture.begin(&store, &bytes, 0).unwrap();
    upload.append(&[8; 100]).unwrap();
    assert!(matches!(upload.verify(), Err(StoreError::Digest { .. })));
    assert_eq!(fixture.status(&store, &bytes), None);
    let mut upload = fixture.begin(&store, &bytes, 0).unwrap();
    assert!(matches!(upload.append(&[7; 101]), Err(StoreError::Excess { wanted: 100 })));
}

#[test]
fn a_start_removes_files_without_record_and_records_without_file() {
    let (fixture, kept, lost) = (Fixture::new(), vec![1; 10], vec![2; 20]);
    let (store, _) = fixture.open();
    fixture.store(&store, &kept).unwrap();
    fixture.store(&store, &lost).unwrap();
    let folder = fixture.tenant.folder.clone();
    std::fs::write(store.file(&folder, &digest(b"orphan")), b"orphan").unwrap();
    std::fs::write(store.file(&folder, &digest(&lost)), b"short").unwrap();
    drop(store);
    let (store, recovery) = fixture.open();
    assert_eq!(recovery, Recovery { orphans: 2, lost: 1 });
    assert!(fixture.status(&store, &kept).unwrap().complete);
    assert_eq!(fixture.status(&store, &lost), None);
    drop(store);
    assert_eq!(fixture.open().1, Recovery::default());
}

#[test]
fn an_upload_cut_off_between_its_last_two_steps_goes_on() {
    let (fixture, bytes) = (Fixture::new(), vec![1; 100]);
    let (store, _) = fixture.open();
    let mut upload = fixture.begin(&store, &bytes, 0).unwrap();
    upload.append(&bytes).unwrap();
    assert_eq!(upload.keep().unwrap(), 100, "acknowledged");
    let folder = fixture.tenant.folder.clone();
    let file = store.file(&folder, &digest(&bytes));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::rename(store.part(&folder, &digest(&bytes)), &file).unwrap();
    drop(store);
    let (store, recovery) = fixture.open();
    assert_eq!(recovery, Recovery::default());
    let status = fixture.status(&store, &bytes).unwrap();
    assert_eq!((status.received, status.complete), (100, false));
    fixture.begin(&store, &bytes, 100).unwrap().verify().unwrap().commit("n13", 1).unwrap();
    assert!(fixture.status(&store, &bytes).unwrap().complete);
}

#[test]
fn uploads_count_with_what_they_announce_and_what_would_be_too_much_is_refused() {
    let fixture = Fixture::new();
    let (store, _) = fixture.open();
    fixture.store(&store, &[1; 4000]).unwrap();
    let under_way = fixture.begin(&store, &[2; 5000], 0).unwrap();
    assert!(matches!(fixture.begin(&store, &[3; 1001], 0), Err(StoreError::Quota { found: 10_001, most: 10_000 })));
    assert!(fixture.begin(&store, &[3; 1000], 0).is_ok());
    under_way.discard().unwrap();
    assert!(fixture.begin(&store, &[4; 5900], 0).is_ok());
}

#[test]
fn what_nobody_used_for_too_long_goes_and_what_is_used_stays() {
    let fixture = Fixture::new();
    let bounds = Bounds { disk_bytes: 10_000, key_ttl: Duration::from_secs(100), part_ttl: Duration::ZERO, uploads: 3 };
    fixture.ran_for(1000);
    let (store, _) = fixture.open_with(bounds);
    let (old, used) = (vec![1; 10], vec![2; 10]);
    for bytes in [&old, &used] {
        let record = fixture.store(&store, bytes).unwrap();
        let past = KeyRecord { last_used_unix: clock::now() - 1000, used_at: Some(0), ..record };
        store.put(&fixture.tenant.folder, &digest(bytes), &past).unwrap();
    }
    store.touch(&fixture.tenant.folder, &digest(&used)).unwrap();
    let mut part = fixture.begin(&store, &[3; 10], 0).unwrap();
    part.append(&[3; 5]).unwrap();
    assert_eq!(store.expire().unwrap(), [(fixture.tenant.folder.clone(), digest(&old).as_str().to_string())]);
    assert!(fixture.status(&store, &old).is_none() && fixture.status(&store, &used).is_some());
    part.keep().unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(store.expire().unwrap().len(), 1);
    assert_eq!(fixture.status(&store, &[3; 10]), None);
    assert!(store.delete(&fixture.tenant.folder, &digest(&used)).unwrap());
    assert!(!store.delete(&fixture.tenant.folder, &digest(&used)).unwrap());
}

#[test]
fn an_upload_that_announces_another_length_is_refused_and_what_came_is_kept() {
    let (fixture, bytes) = (Fixture::new(), vec![7; 3000]);
    let (store, _) = fixture.open();
    let mut upload = fixture.begin(&store, &bytes, 0).unwrap();
    upload.append(&bytes[..1000]).unwrap();
    upload.keep().unwrap();
    for (offset, total) in [(1000, 2999), (1000, 3001), (0, 10), (1000, 999), (1000, 1000)] {
        let refused = Upload::begin(&store, &fixture.tenant, &digest(&bytes), offset, total).unwrap_err();
        assert!(matches!(refused, StoreError::Length { have: 1000, wanted: 3000, found } if found == total), "{refused}");
    }
    let mut upload = fixture.begin(&store, &bytes, 1000).unwrap();
    // Too many at once: those before are kept.
    assert!(matches!(upload.append(&[7; 2001]), Err(StoreError::Excess { wanted: 3000 })));
    assert_eq!(upload.keep().unwrap(), 1000);
    assert_eq!(fixture.status(&store, &bytes).unwrap().bytes, 3000);
    drop(store);
    // Also where an earlier version kept it, which noted no length: fewer bytes than are there cannot be all.
    let (store, _) = fixture.open();
    store.space.db.remove(super::db::PARTS, &super::key_store::key(&fixture.tenant.folder, &digest(&bytes))).unwrap();
    drop(store);
    let (store, _) = fixture.open();
    let refused = Upload::begin(&store, &fixture.tenant, &digest(&bytes), 0, 999).unwrap_err();
    assert!(matches!(refused, StoreError::Length { have: 1000, .. }), "{refused}");
    let mut upload = fixture.begin(&store, &bytes, 1000).unwrap();
    upload.append(&bytes[1000..]).unwrap();
    upload.verify().unwrap().commit("n13", 1).unwrap();
    assert!(fixture.status(&store, &bytes).unwrap().complete);
}

#[test]
fn going_on_with_an_upload_does_not_read_again_what_is_there() {
    let (fixture, bytes) = (Fixture::new(), vec![7; 3000]);
    let (store, _) = fixture.open();
    for i in 0..10 {
        let mut upload = fixture.begin(&store, &bytes, i).unwrap();
        upload.append(&bytes[..1]).unwrap();
        assert_eq!(upload.keep().unwrap(), i + 1);
    }
    // Were it read again, this would be noticed here, not when the keys are loaded.
    let part = store.part(&fixture.tenant.folder, &digest(&bytes));
    std::fs::write(&part, [8; 10]).unwrap();
    let mut upload = fixture.begin(&store, &bytes, 10).unwrap();
    upload.append(&bytes[10..]).unwrap();
    upload.verify().unwrap().commit("n13", 1).unwrap();
    assert_eq!(store.hashes.lock().unwrap().len(), 0);
    // After a restart it is read, once all is there.
    let other = vec![9; 30];
    let mut upload = fixture.begin(&store, &other, 0).unwrap();
    upload.append(&other[..10]).unwrap();
    upload.keep().unwrap();
    drop(store);
    std::fs::write(fixture.open().0.part(&fixture.tenant.folder, &digest(&other)), [8; 10]).unwrap();
    let (store, _) = fixture.open();
    let mut upload = fixture.begin(&store, &other, 10).unwrap();
    upload.append(&other[10..]).unwrap();
    assert!(matches!(upload.verify(), Err(StoreError::Digest { .. })));
}

#[test]
fn unfinished_uploads_of_a_tenant_are_bounded() {
    let fixture = Fixture::new();
    let (store, _) = fixture.open();
    for i in 0..2 {
        let mut upload = fixture.begin(&store, &[i; 20], 0).unwrap();
        upload.append(&[i; 10]).unwrap();
        upload.keep().unwrap();
    }
    let under_way = fixture.begin(&store, &[2; 20], 0).unwrap();
    assert!(matches!(fixture.begin(&store, &[3; 20], 0), Err(StoreError::Uploads { most: 3 })));
    // What was begun can be finished, and then there is room for another.
    let mut upload = fixture.begin(&store, &[0; 20], 10).unwrap();
    upload.append(&[0; 10]).unwrap();
    upload.verify().unwrap().commit("n13", 1).unwrap();
    drop(under_way);
    assert!(fixture.begin(&store, &[3; 20], 0).is_ok());
}

#[test]
fn a_clock_that_jumps_makes_nothing_older() {
    let (fixture, bytes) = (Fixture::new(), vec![1; 10]);
    let (store, _) = fixture.open();
    let record = fixture.store(&store, &bytes).unwrap();
    let mut upload = fixture.begin(&store, &[2; 10], 0).unwrap();
    upload.append(&[2; 5]).unwrap();
    upload.keep().unwrap();
    // As if they had been used ten years ago by the time of day, or will be in ten years.
    let part = store.part(&fixture.tenant.folder, &digest(&[2; 10]));
    for seconds in [clock::now() - 315_360_000, clock::now() + 315_360_000] {
        let jumped = KeyRecord { last_used_unix: seconds, created_unix: seconds, ..record.clone() };
        store.put(&fixture.tenant.folder, &digest(&bytes), &jumped).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        std::fs::File::options().append(true).open(&part).unwrap().set_modified(time).unwrap();
        assert_eq!(store.expire().unwrap(), []);
        assert!(fixture.status(&store, &bytes).unwrap().expires_unix.unwrap() > clock::now());
    }
    // A record of a version that knew the time of day alone begins to age now.
    let old = serde_json::json!({"bytes": 10, "params": "n13", "memory_bytes": 1, "created_unix": 0, "last_used_unix": 0});
    store.space.db.put(KEYS, &super::key_store::key(&fixture.tenant.folder, &digest(&bytes)), &old).unwrap();
    drop(store);
    let (store, recovery) = fixture.open();
    assert_eq!((recovery, store.expire().unwrap().len()), (Recovery::default(), 0));
    assert!(fixture.status(&store, &bytes).unwrap().complete && fixture.status(&store, &[2; 10]).is_some());
}

#[test]
fn sound_keys_are_not_removed_because_others_were_damaged() {
    let (fixture, bytes) = (Fixture::new(), vec![1; 10]);
    let (store, _) = fixture.open();
    fixture.store(&store, &bytes).unwrap();
    let folder = fixture.tenant.folder.clone();
    assert!(!store.delete_damaged(&folder, &digest(&bytes)).unwrap());
    assert!(fixture.status(&store, &bytes).unwrap().complete);
    std::fs::write(store.file(&folder, &digest(&bytes)), [2; 10]).unwrap();
    assert!(store.delete_damaged(&folder, &digest(&bytes)).unwrap());
    assert!(!store.delete_damaged(&folder, &digest(&bytes)).unwrap());
    assert_eq!(fixture.status(&store, &bytes), None);
}
