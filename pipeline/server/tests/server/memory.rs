//! Memory: what was reckoned and what is taken.

use super::common::{Ask, Client, config, fixture, start};
use veilray_classifier::served::Served;
use veilray_he::{Ciphertext, EvaluationKeys, ExpandedKeys};
use veilrayd::engine::needs::Needs;
use veilrayd::{ServeError, spawn};

#[test]
fn what_is_reckoned_bounds_what_is_taken_and_not_by_much() {
    let f = fixture();
    // Parameters of its own, so that nothing else uses their buffers.
    let served = Served::open(&f.path).unwrap();
    let params = served.model.params();
    let threads = rayon::current_num_threads();
    let needs = Needs::of(&served, threads).unwrap();
    let taken = |since: usize| (params.buffer_bytes() - since) as u64;
    let near = |found: u64, bound: u64, what: &str| {
        assert!(found <= bound && 4 * found >= bound, "{what}: {found} of {bound}");
    };
    params.trim();
    let before = params.buffer_bytes();
    let sent = EvaluationKeys::from_bytes(params, &f.client.keys, f.client.keys.len()).unwrap();
    near(taken(before), needs.read_keys, "reading keys");
    assert_eq!(f.client.keys.len() as u64, needs.sent_keys);
    let keys = ExpandedKeys::new(&sent).unwrap();
    near(taken(before), needs.read_keys + needs.keys, "keys");
    assert!(keys.memory_bytes() as u64 <= needs.keys && needs.keys < keys.memory_bytes() as u64 * 21 / 20);
    drop(sent);

    params.trim();
    let before = params.buffer_bytes();
    let bytes = f.encrypted(&f.client, &f.image(1));
    let image: Vec<Ciphertext> = bytes.iter().map(|b| Ciphertext::from_bytes(params, b, b.len()).unwrap()).collect();
    served.circuit.run(&image, &keys).unwrap();
    near(taken(before), needs.work, "an inference");
    println!("work: {} of {}; keys: {}", taken(before), needs.work, needs.keys);
}

/// The least memory that a daemon starts with, found by asking it.
fn least() -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.limits.memory_bytes = 1 << 20;
    match spawn(config) {
        Err(ServeError::Memory { wanted, .. }) => wanted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_whose_keys_do_not_fit_together_take_turns() {
    let f = fixture();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let needs = Needs::of(&f.served, 2).unwrap();
    // Room for two clients' keys, not for four; a margin for what other tests make this process take meanwhile.
    config.limits.memory_bytes = (least() + needs.keys) * 4 / 3 + (64 << 20);
    let daemon = start(config);
    let clients: Vec<Client> = (0..4).map(|_| Client::new(&f.served)).collect();
    let ask = Ask::of(&daemon);
    for client in &clients {
        assert_eq!(ask.put_keys(client).status, 201);
    }
    for round in 0..2 {
        for (i, client) in clients.iter().enumerate() {
            let seed = 10 * round + i as u64;
            let reply = ask.infer(&f.infer_body(client, seed));
            assert!(reply.status == 200 && f.is_answer(client, &reply, seed), "{reply:?}");
        }
    }
}
