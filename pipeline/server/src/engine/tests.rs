use super::*;
use crate::storage::db::Db;
use crate::storage::key_store::Bounds;
use crate::storage::reserve::Reserve;
use futures_util::FutureExt;
use std::sync::atomic::{AtomicBool, Ordering};

fn engine(folder: &std::path::Path) -> Engine {
    let db = Arc::new(Db::open(&folder.join("db")).unwrap());
    let bounds = Bounds { disk_bytes: 1, key_ttl: Duration::MAX, part_ttl: Duration::MAX, uploads: 1 };
    let reserve = Arc::new(Reserve::open(folder, 0));
    let parts = Parts {
        pool: rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap(),
        models: Vec::new(),
        memory: (1 << 30, 0),
        queue: QueueLength { tenant: 1, all: 1 },
        evaluations: 1,
        tenants: 1,
        store: Arc::new(KeyStore::open(folder, db, Arc::clone(&reserve), bounds).unwrap().0),
        audit: Arc::new(Audit::open(&folder.join("audit"), reserve).unwrap()),
        metrics: Arc::default(),
    };
    Engine::new(parts).unwrap()
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_threads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let failed = engine.compute::<()>(|| panic!("on purpose")).await.unwrap_err();
    assert_eq!(failed.code, ErrorCode::Internal);
    assert!(failed.detail.is_some() && !failed.error.contains("purpose"));
    assert_eq!(engine.compute(|| Ok(7)).await.unwrap(), 7);
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_computed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let mut first = Box::pin(engine.compute(move || Ok(wait.recv().is_ok())));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(engine.compute(move || {
        seen.store(true, Ordering::Relaxed);
        Ok(())
    }));
    assert!((&mut second).now_or_never().is_none());
    drop(second);
    go.send(()).unwrap();
    assert!(first.await.unwrap());
    engine.compute(|| Ok(())).await.unwrap();
    assert!(!ran.load(Ordering::Relaxed));
}
