//! Replies that are refused: counted before anything is shown, not provoked again, and the third blocks the keys.

use crate::common::{MASK_MODEL, MODEL, User, daemon};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use veilray::client::keyset::KeySet;
use veilray::client::refusals::MOST;
use veilray_he::{Complex64, Encoder, Encryptor, Params, SecretKey};
use veilrayd::Handle;

/// Between client and daemon: counts inferences and changes the next so many of their replies.
struct Proxy {
    url: String,
    inferences: Arc<AtomicUsize>,
    to_change: Arc<AtomicUsize>,
}

impl Proxy {
    fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let (inferences, to_change) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (inferences.clone(), to_change.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (upstream, (inferences, to_change)) = (upstream.clone(), counters.clone());
                std::thread::spawn(move || relay(&client.unwrap(), &upstream, &inferences, &to_change));
            }
        });
        Self { url, inferences, to_change }
    }

    fn change(&self, replies: usize) {
        self.to_change.store(replies, Ordering::SeqCst);
    }

    fn inferences(&self) -> usize {
        self.inferences.load(Ordering::SeqCst)
    }
}

fn relay(client: &TcpStream, upstream: &str, inferences: &AtomicUsize, to_change: &AtomicUsize) -> Option<()> {
    let server = TcpStream::connect(upstream).ok()?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let (head, body) = message(&mut from_client)?;
        let infers = head.starts_with("POST /v2/models/");
        inferences.fetch_add(usize::from(infers), Ordering::SeqCst);
        (&server).write_all(&[head.as_bytes(), &body].concat()).ok()?;
        let (head, mut body) = message(&mut from_server)?;
        let less = |left: usize| left.checked_sub(1);
        if infers && to_change.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            let at = body.len() - 100;
            body[at] ^= 1;
        }
        let mut client = client;
        client.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

/// Head and body of an HTTP message of a stated length.
fn message(from: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (from.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")).map_or(0, |n| n.trim().parse().unwrap());
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// The only key set's folder.
fn only_set(user: &User) -> PathBuf {
    KeySet::select(&user.keys(), None).unwrap().folder().into()
}

fn counted(set: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(set.join("refusals.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A reply's bytes from those of its two halves.
fn crafted(params: &Params, halves: [&[u8]; 2]) -> Vec<u8> {
    let [c0, c1] = halves;
    let mut out = b"VEILRAY\0".to_vec();
    out.extend([1u16.to_le_bytes(), 2u16.to_le_bytes()].concat());
    out.extend(0u32.to_le_bytes());
    out.extend(params.scale().to_le_bytes());
    out.extend(params.digest());
    out.extend(((c0.len() + c1.len()) as u64).to_le_bytes());
    [&out, c0, c1].concat()
}

/// A polynomial of those slots at level 0: what an encryption under the key zero holds.
fn half(params: &Params, zero: &SecretKey, slots: &[Complex64]) -> Vec<u8> {
    let plain = Encoder::new(params).encode_complex(slots, 0, params.scale()).unwrap();
    Encryptor::new(zero).encrypt(&plain).unwrap().to_bytes().unwrap()[64 + 32..].to_vec()
}

fn zero_key(params: &Params) -> SecretKey {
    let mut bytes = SecretKey::generate(params).unwrap().to_bytes().unwrap().to_vec();
    bytes[64..].fill(0);
    SecretKey::from_bytes(params, &bytes, 1 << 20).unwrap()
}

/// A reply under keys that are nobody's.
fn strange(params: &Params) -> Vec<u8> {
    let zero = zero_key(params);
    let noise = vec![Complex64::new(1.0, 0.0); params.slots()];
    crafted(params, [&half(params, &zero, &noise), &half(params, &zero, &noise)])
}

/// A daemon, a proxy before it, and a user whose keys it has.
fn registered() -> (tempfile::TempDir, Handle, Proxy, User) {
    let data = tempfile::tempdir().unwrap();
    let server = daemon(&data.path().join("data"));
    let (proxy, user) = (Proxy::before(&server.url()), User::new());
    user.run(&["keygen", "--model", MODEL, "--server", &proxy.url]).ends(0);
    user.run(&["keys", "register", "--server", &proxy.url]).ends(0);
    (data, server, proxy, user)
}

#[test]
fn a_refused_image_is_not_sent_again_unless_asked_for() {
    let (_data, server, proxy, user) = registered();
    let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &proxy.url]].concat());
    user.chest("doe_a.png", 1);
    user.chest("doe_b.png", 2);
    let one_by_one =
        |arguments: &[&str]| run(&[&["classify", "--requests", "1", "--prepare", "1", "--json"], arguments].concat());

    proxy.change(1);
    let first =
        one_by_one(&["doe_a.png", "doe_b.png", "--out", "r.jsonl"]).ends(7).says(&["WARNING", "1 of 3", "security officer"]);
    assert!(!first.err.contains("doe_"), "{}", first.err);
    let status = |rows: &[serde_json::Value]| rows.iter().map(|r| r["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(status(&first.json()), ["reply_refused", "answered"], "the run goes on");
    assert_eq!(proxy.inferences(), 2);
    let set = only_set(&user);
    let lines = counted(&set);
    assert_eq!((lines.len(), &lines[0]["image_sha256"]), (1, &first.json()[0]["sha256"]));
    assert_eq!(fs::metadata(set.join("refusals.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(set.join("refusals.jsonl")).unwrap().contains("doe_"));

    // With the results file: both lines stay, nothing is sent. The code still says why.
    let results = fs::read_to_string(user.path("r.jsonl")).unwrap();
    assert_eq!(one_by_one(&["doe_a.png", "doe_b.png", "--out", "r.jsonl"]).ends(7).json().len(), 0);
    assert_eq!(one_by_one(&["doe_a.png", "--out", "r.jsonl", "--force"]).ends(7).json().len(), 0);
    assert_eq!(fs::read_to_string(user.path("r.jsonl")).unwrap(), results);
    // Without one, under another name, or by a file that is carried: the same.
    fs::copy(user.path("doe_a.png"), user.path("other.png")).unwrap();
    let again = one_by_one(&["other.png"]).ends(7);
    assert_eq!(status(&again.json()), ["reply_refused"]);
    assert!(again.json()[0]["reason"].as_str().unwrap().contains("was refused on 20"), "{}", again.out);
    run(&["classify", "other.png", "--csv"]).ends(7);
    user.run(&["encrypt", "other.png", "--out", "x.vct"]).ends(7);
    assert_eq!((proxy.inferences(), user.path("x.vct").exists()), (2, false));

    let listed = user.run(&["keys", "list", "--json"]).ends(0).json().remove(0);
    assert_eq!((&listed[0]["refusals"], &listed[0]["blocked"]), (&1.into(), &false.into()));
    let sent = one_by_one(&["doe_a.png", "--out", "r.jsonl", "--resend-refused"]).ends(0);
    assert_eq!((status(&sent.json()), proxy.inferences()), (vec!["answered".into()], 3));
    server.stop().unwrap();
}

#[test]
fn the_third_refusal_blocks_the_keys_until_they_are_rotated() {
    let (_data, server, proxy, user) = registered();
    let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &proxy.url]].concat());
    (0..7).for_each(|seed| drop(user.chest(&format!("scans/{seed}.png"), seed)));

    proxy.change(usize::MAX);
    let ran =
        run(&["classify", "scans", "--requests", "3", "--json"]).ends(6).says(&["3 of 3", "blocked", "veilray keys rotate"]);
    let set = only_set(&user);
    assert_eq!(counted(&set).len(), MOST, "requests in flight are not decrypted");
    assert_eq!(ran.json().len(), MOST, "{}", ran.out);
    assert_eq!(ran.err.matches("WARNING").count(), MOST);

    // Another process: nothing is sent, encrypted or decrypted, whatever is asked.
    let sent = proxy.inferences();
    let blocked = |arguments: &[&str]| drop(run(arguments).ends(6).says(&["blocked"]));
    blocked(&["classify", "scans"]);
    blocked(&["classify", "scans", "--resend-refused"]);
    let offline = |arguments: &[&str]| drop(user.run(arguments).ends(6).says(&["blocked"]));
    offline(&["encrypt", "scans", "--out", "x.vct"]);
    fs::write(user.path("reply.ct"), strange(KeySet::open(&set).unwrap().params())).unwrap();
    offline(&["decrypt", "reply.ct"]);
    // An older set of the model does not take its place.
    let older = user.keys().join("older");
    fs::create_dir(&older).unwrap();
    fs::set_permissions(&older, fs::Permissions::from_mode(0o700)).unwrap();
    for file in ["key.toml", "interface.json", "secret.sealed", "evaluation.keys"] {
        fs::copy(set.join(file), older.join(file)).unwrap();
    }
    let record = fs::read_to_string(older.join("key.toml")).unwrap();
    let dated = |line: &str| if line.starts_with("created_unix") { "created_unix = 1".into() } else { line.to_owned() };
    fs::write(older.join("key.toml"), record.lines().map(dated).collect::<Vec<_>>().join("\n")).unwrap();
    blocked(&["classify", "scans"]);
    fs::remove_dir_all(&older).unwrap();
    assert_eq!((proxy.inferences(), counted(&set).len()), (sent, MOST));
    let listed = user.run(&["keys", "list", "--json"]).ends(0).json().remove(0);
    assert_eq!((&listed[0]["refusals"], &listed[0]["blocked"]), (&3.into(), &true.into()));
    assert!(user.run(&["keys", "list"]).ends(0).out.contains("blocked"));

    // New keys count afresh and remember the images.
    proxy.change(0);
    run(&["keys", "rotate"]).ends(0);
    let rows = run(&["classify", "scans", "--json"]).ends(7).json();
    let refused = rows.iter().filter(|row| row["status"] == "reply_refused").count();
    assert_eq!((refused, rows.len(), proxy.inferences()), (MOST, 7, sent + 4));
    // A damaged count blocks too, and is left as it is.
    let set = only_set(&user);
    for bad in ["", "\n", "{}\n", "{\"time\":\"t\",\"reply_sha256\":\"a\",\"image_sha256\":null,\"kind\":\"values\"}"] {
        fs::write(set.join("refusals.jsonl"), bad).unwrap();
        fs::set_permissions(set.join("refusals.jsonl"), fs::Permissions::from_mode(0o600)).unwrap();
        blocked(&["classify", "scans"]);
        assert_eq!(fs::read_to_string(set.join("refusals.jsonl")).unwrap(), bad);
    }
    let listed = user.run(&["keys", "list", "--json"]).ends(0).json().remove(0);
    assert_eq!((&listed[1]["refusals"], &listed[1]["blocked"]), (&serde_json::Value::Null, &true.into()));
    server.stop().unwrap();
}

#[test]
fn processes_that_race_count_exactly_and_one_reply_counts_once() {
    let user = User::new();
    user.run(&["keygen", "--model", MODEL]).ends(0);
    let set = KeySet::select(&user.keys(), None).unwrap();
    fs::write(user.path("same.ct"), strange(set.params())).unwrap();
    user.run(&["decrypt", "same.ct"]).ends(7).says(&["WARNING"]);
    for _ in 0..4 {
        let again = user.run(&["decrypt", "same.ct"]).ends(7);
        assert!(again.err.is_empty() && again.out.contains("not decrypted again"), "{again:?}");
    }
    assert_eq!(counted(set.folder()).len(), 1);

    let mut children = Vec::new();
    for index in 0..6 {
        let name = format!("{index}.ct");
        fs::write(user.path(&name), strange(set.params())).unwrap();
        children.push(user.command(&["decrypt", &name]).stdout(std::process::Stdio::null()).spawn().unwrap());
    }
    let mut codes: Vec<i32> = children.iter_mut().map(|child| child.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!((codes, counted(set.folder()).len()), (vec![6, 6, 6, 6, 7, 7], MOST));
}

#[test]
fn an_oracle_of_crafted_replies_gets_three_refusals_and_no_more() {
    let user = User::new();
    user.run(&["keygen", "--model", MODEL]).ends(0);
    let set = KeySet::select(&user.keys(), None).unwrap();
    let (params, slots) = (set.params(), set.params().slots());
    let zero = zero_key(params);
    // Whether |w Re s(zeta_j) + t| is small: bisects one real number of the key's embedding after another.
    let ask = |j: usize, weight: f64, shift: f64| {
        let only = |value: f64| {
            let mut out = vec![Complex64::default(); slots];
            out[j] = Complex64::new(value, 0.0);
            half(params, &zero, &out)
        };
        fs::write(user.path("reply.ct"), crafted(params, [&only(shift), &only(weight)])).unwrap();
        user.run(&["decrypt", "reply.ct"]).code
    };
    let mut codes = Vec::new();
    for j in [slots / 2 + 5, slots / 2 + 42] {
        let (mut low, mut high) = (-300.0, 300.0);
        for _ in 0..10 {
            let (middle, radius) = ((low + high) / 2.0, (high - low) / 4.0);
            let code = ask(j, 0.02 / radius, -(low + radius) * 0.02 / radius);
            if code == 0 {
                high = middle
            } else {
                low = middle
            }
            codes.push(code);
        }
    }
    let refused = codes.iter().filter(|code| **code == 7).count();
    let first_blocked = codes.iter().position(|code| *code == 6).unwrap();
    assert_eq!((refused, codes[first_blocked - 1]), (MOST, 7), "{codes:?}");
    assert!(codes[first_blocked..].iter().all(|code| *code == 6), "{codes:?}");
}

#[test]
fn a_key_set_that_is_not_sound_does_not_stop_the_others() {
    let user = User::new();
    user.run(&["keygen", "--model", MODEL]).ends(0);
    let good = only_set(&user);
    user.run(&["keygen", "--model", MASK_MODEL]).ends(0);
    let bad = KeySet::select(&user.keys(), Some(MASK_MODEL)).unwrap().folder().to_path_buf();
    fs::write(bad.join("interface.json"), b"{}").unwrap();
    let name = bad.file_name().unwrap().to_str().unwrap();
    let listed = user.run(&["keys", "list", "--json"]).ends(0).says(&["warning", name, "altered"]).json().remove(0);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["folder"].as_str(), good.to_str());
    user.chest("a.png", 1);
    user.run(&["encrypt", "a.png", "--out", "a.vct"]).ends(0).says(&["an older one may be used instead"]);
    user.run(&["keys", "destroy", name, "--yes"]).ends(6).says(&["altered"]);
}
