use super::scheduler::{alone, below, run};
use super::{db, folder, pass, reserve, seeds};
use crate::config::tokens::{Tenant, Tokens};
use crate::storage::db::{KEYS, PARTS};
use crate::storage::error::StoreError;
use crate::storage::key_store::{Bounds, KeyRecord, KeyStore, PartRecord};
use crate::storage::upload::{Begun, Upload};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use veilray_base::Rng;
use veilray_base::digest::sha256_hex;
use veilray_protocol::KeyDigest;

const SETS: usize = 4;
const LENGTH: usize = 10;
/// Of four sets, not all fit.
const DISK: u64 = 35;
const TTL: u64 = 15;

/// What the threads were told of one set of keys. Times count the operations' beginnings and ends.
#[derive(Default, Clone)]
struct Told {
    /// Begin and end of the last commit that was acknowledged.
    committed: Option<(u64, u64)>,
    /// A commit may be under way.
    committing: usize,
    /// A removal may be under way.
    removing: usize,
    /// When the last removal began, and when the last acknowledged one did.
    doomed: u64,
    deleted: Option<u64>,
    /// The store's clock at the last acknowledged use, before it.
    used: u64,
}

struct World {
    store: Arc<KeyStore>,
    tenant: Arc<Tenant>,
    told: Mutex<(u64, Vec<Told>)>,
}

fn bytes(set: usize) -> Vec<u8> {
    vec![set as u8; LENGTH]
}

fn digest(set: usize) -> KeyDigest {
    KeyDigest::parse(&sha256_hex(&bytes(set))).unwrap()
}

impl World {
    /// The next moment, and what is done to what was told at it.
    fn tell<T>(&self, set: usize, run: impl FnOnce(u64, &mut Told) -> T) -> T {
        let mut told = self.told.lock().unwrap();
        told.0 += 1;
        let now = told.0;
        run(now, &mut told.1[set])
    }

    fn upload(&self, set: usize, rng: &mut Rng) {
        let have = self.store.status(&self.tenant.folder, &digest(set)).unwrap().map_or(0, |status| status.received);
        let mut upload = match Upload::begin(&self.store, &self.tenant, &digest(set), have, LENGTH as u64) {
            Ok(Begun::Upload(upload)) => upload,
            Ok(Begun::Whole(_)) | Err(StoreError::InUse | StoreError::Quota { .. } | StoreError::Offset { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        let have = have as usize;
        if below(rng, 3) == 0 && have < LENGTH {
            upload.append(&bytes(set)[have..=have]).unwrap();
            upload.keep().unwrap();
            return;
        }
        upload.append(&bytes(set)[have..]).unwrap();
        let begun = self.tell(set, |now, told| {
            told.committing += 1;
            now
        });
        let used = self.store.space.steady.now();
        upload.verify().unwrap().commit("n13", 1).unwrap();
        self.tell(set, |now, told| {
            told.committing -= 1;
            (told.committed, told.used) = (Some((begun, now)), told.used.max(used));
        });
    }

    fn delete(&self, set: usize) {
        let begun = self.tell(set, |now, told| {
            told.removing += 1;
            now
        });
        match self.store.delete(&self.tenant.folder, &digest(set)) {
            Ok(true) => self.tell(set, |now, told| {
                // It may have removed what was committed at any time until now.
                told.doomed = now;
                told.removing -= 1;
                told.deleted = Some(begun);
            }),
            Ok(false) | Err(StoreError::InUse) => self.tell(set, |_, told| told.removing -= 1),
            Err(error) => panic!("{error}"),
        }
    }

    fn expire(&self) {
        pass(&self.store.space, 6);
        (0..SETS).for_each(|set| self.tell(set, |_, told| told.removing += 1));
        self.store.expire().unwrap();
        let clock = self.store.space.steady.now();
        for set in 0..SETS {
            self.tell(set, |now, told| {
                told.removing -= 1;
                if clock - told.used > TTL {
                    told.doomed = now;
                }
            });
        }
    }

    /// What must hold at every moment between two operations of whichever thread.
    fn check(&self, root: &Path) {
        let records = self.store.space.db.scan::<KeyRecord>(KEYS, "").unwrap();
        let parts: u64 = self.store.space.parts().unwrap().iter().map(|(_, length)| length).sum();
        assert!(records.iter().map(|(_, record)| record.bytes).sum::<u64>() + parts <= DISK);
        for set in 0..SETS {
            let key = format!("{}/{}", self.tenant.folder, digest(set).as_str());
            let there = records.iter().any(|(other, _)| *other == key);
            if there {
                assert_eq!(std::fs::read(root.join("keys").join(&key)).ok(), Some(bytes(set)), "a record without its file");
            }
            let told = self.told.lock().unwrap().1[set].clone();
            let clock = self.store.space.steady.now();
            // Acknowledged, and no removal since it began.
            let sure =
                told.committed.is_some_and(|(begun, _)| told.doomed < begun) && told.removing == 0 && clock - told.used <= TTL;
            assert!(there || !sure, "keys {set} are lost");
            let back = told.deleted.is_some_and(|at| told.committed.is_none_or(|(_, end)| end < at)) && told.committing == 0;
            assert!(!there || !back, "keys {set} came back");
        }
    }
}

#[test]
fn keys_are_kept_counted_and_gone_as_was_said() {
    for seed in 0..seeds() {
        let folder = folder();
        let root = folder.path();
        let (key_ttl, part_ttl) = (Duration::from_secs(TTL), Duration::from_secs(TTL));
        let bounds = Bounds { disk_bytes: DISK, key_ttl, part_ttl, uploads: SETS };
        let (store, _) = KeyStore::open(root, db(root), reserve(root), bounds).unwrap();
        let tenant = Tokens::new(&[]).admit(None, 0).unwrap();
        let world = World { store: Arc::new(store), tenant, told: Mutex::new((0, vec![Told::default(); SETS])) };
        run(seed, 4, |_, rng| {
            for _ in 0..10 {
                // One set is asked for more often than the others, so that threads meet.
                let set = below(rng, 2 * SETS) % (SETS + 1) % SETS;
                match below(rng, 9) {
                    0..=3 => world.upload(set, rng),
                    4 | 5 => world.delete(set),
                    6 => {
                        // Young keys are not touched.
                        pass(&world.store.space, 2);
                        let used = world.store.space.steady.now();
                        if world.store.touch(&world.tenant.folder, &digest(set)).unwrap() {
                            // A use is not written anew within a tenth of the time.
                            world.tell(set, |_, told| told.used = told.used.max(used.saturating_sub(TTL / 10)));
                        }
                    }
                    7 => assert!(!world.store.delete_damaged(&world.tenant.folder, &digest(set)).unwrap_or(false)),
                    _ => world.expire(),
                }
                alone(|| world.check(root));
            }
        });
        let (tenant, space) = (&world.tenant.folder, &world.store.space);
        let names = |what: &str| crate::storage::disk::files(&root.join(what).join(tenant)).unwrap();
        let keys =
            |records: Vec<String>| records.iter().map(|key| key.split_once('/').unwrap().1.to_string()).collect::<Vec<_>>();
        let records = keys(space.db.scan::<KeyRecord>(KEYS, "").unwrap().into_iter().map(|(key, _)| key).collect());
        assert_eq!(names("keys"), records, "seed {seed}");
        let parts = keys(space.db.scan::<PartRecord>(PARTS, "").unwrap().into_iter().map(|(key, _)| key).collect());
        assert_eq!(names("parts"), parts, "seed {seed}");
        assert!(space.claims().uploads.is_empty(), "seed {seed}");
    }
}
