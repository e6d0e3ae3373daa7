//! A small model with random weights, its client, and HTTP by hand, so that tests can be as slow, short and wrong as they like.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use veilray_base::Rng;
use veilray_base::digest::sha256_hex;
use veilray_classifier::execute::{ClearExecutor, client};
use veilray_classifier::networks;
use veilray_classifier::operating_point::{OperatingPoint, Temperature, Thresholds};
use veilray_classifier::range::RangeContract;
use veilray_classifier::release::{FORMAT, Manifest, Model};
use veilray_classifier::served::Served;
use veilray_classifier::spec::Shape;
use veilray_classifier::weights::Weights;
use veilray_he::{Ciphertext, Decryptor, Encryptor, EvaluationKeys, SecretKey};
use veilray_protocol::ErrorBody;
use veilray_protocol::body::{INPUT, OUTPUT, body, ciphertexts, elements, split, tensor};
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;
use veilray_protocol::messages::{InferParameters, InferRequest, InferResponse};
use veilrayd::config::{Config, ModelPath};
use veilrayd::{Handle, spawn};

pub(crate) const MODEL: &str = "tiny";

/// The model, and one client of it.
pub(crate) struct Fixture {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub served: Served,
    pub client: Client,
}

/// Secret key, evaluation keys as sent, and their digest.
pub(crate) struct Client {
    pub secret: SecretKey,
    pub keys: Vec<u8>,
    pub sha: String,
}

impl Client {
    pub(crate) fn new(served: &Served) -> Self {
        let secret = SecretKey::generate(served.model.params()).unwrap();
        let keys = EvaluationKeys::generate(&secret, served.circuit.key_spec()).unwrap().to_bytes().unwrap();
        let sha = sha256(&keys);
        Self { secret, keys, sha }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha256_hex(bytes)
}

pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MODEL);
        let spec = networks::named("veilnet-xs", Shape::new(4, 16, 16), 3).unwrap();
        let thresholds = Thresholds { labels: ["a", "b", "c"].map(String::from).into(), values: vec![0.5; 3] };
        let manifest = Manifest {
            format: FORMAT,
            name: MODEL.into(),
            encoder: "encoder-f8".into(),
            encoder_sha256: sha256(b"encoder"),
            params: "n13".into(),
            network_sha256: String::new(),
            weights_sha256: String::new(),
            key_budget: None,
            reply_bits: None,
            data: [("synthetic".to_string(), 1)].into(),
            mask: None,
            operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
            range: RangeContract { images: 1, layers: Vec::new(), logits: 1.0 },
        };
        Model::write(&path, manifest, &spec, &Weights::random(&spec, 1).unwrap()).unwrap();
        let served = Served::open(&path).unwrap();
        let client = Client::new(&served);
        Fixture { _folder: folder, path, served, client }
    })
}

impl Fixture {
    pub(crate) fn image(&self, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, "image");
        (0..self.served.interface.io.input().values()).map(|_| rng.normal()).collect()
    }

    pub(crate) fn encrypted(&self, client: &Client, image: &[f64]) -> Vec<Vec<u8>> {
        let encryptor = Encryptor::new(&client.secret);
        let sent = client::encrypt(&self.served.interface.io, self.served.model.params(), &encryptor, image).unwrap();
        sent.iter().map(|c| c.to_bytes().unwrap()).collect()
    }

    pub(crate) fn request(&self, client: &Client, ciphertexts: &[Vec<u8>]) -> (Vec<u8>, usize) {
        let bytes = elements(ciphertexts);
        let (keys, manifest) = (client.sha.clone(), self.served.interface.manifest_sha256.clone());
        let parameters = InferParameters { keys, manifest };
        let inputs = vec![tensor(INPUT, ciphertexts.len(), bytes.len())];
        body(&InferRequest { id: Some("client-id".into()), parameters, inputs }, &bytes).unwrap()
    }

    pub(crate) fn infer_body(&self, client: &Client, seed: u64) -> (Vec<u8>, usize) {
        self.request(client, &self.encrypted(client, &self.image(seed)))
    }

    /// Whether a reply is the model's answer to the image of that seed.
    pub(crate) fn is_answer(&self, client: &Client, reply: &Answer, seed: u64) -> bool {
        let length: usize = reply.header(INFERENCE_HEADER_LENGTH).unwrap().parse().unwrap();
        let (header, rest) = split::<InferResponse>(&reply.body, length).unwrap();
        let reply = ciphertexts(&header.outputs, OUTPUT, rest).unwrap()[0];
        self.is_right(client, reply, seed)
    }

    pub(crate) fn is_right(&self, client: &Client, reply: &[u8], seed: u64) -> bool {
        let params = self.served.model.params();
        let reply = Ciphertext::from_bytes(params, reply, reply.len()).unwrap();
        let slots = Decryptor::new(&client.secret).decrypt(&reply, 16).unwrap();
        let (logits, _) = self.served.interface.io.logits(&slots);
        let clear = ClearExecutor::new(self.served.circuit.circuit()).unwrap().run(&self.image(seed));
        let largest = clear.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        assert_eq!(clear.len(), logits.len());
        clear.iter().zip(&logits).all(|(a, b)| (a - b).abs() < 0.02 * largest)
    }
}

/// A configuration for this machine and that folder.
pub(crate) fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.server.bind = "127.0.0.1:0".parse().unwrap();
    config.server.data_dir = data.into();
    // A daemon takes no folder that others can enter.
    #[cfg(unix)]
    if data.exists() {
        std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    config.server.threads = 2;
    config.server.drain_seconds = 20.0;
    config.limits.memory_bytes = 4 << 30;
    config.models = vec![ModelPath { path: fixture().path.clone() }];
    config
}

/// A daemon that is ready.
pub(crate) fn start(config: Config) -> Handle {
    let handle = spawn(config).unwrap();
    assert!(handle.wait_ready(Duration::from_secs(120)));
    handle
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn error(&self) -> ErrorBody {
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        assert_eq!(Some(body.request_id.as_str()), self.header("x-request-id"));
        assert!(!body.error.is_empty() && !body.hint.is_empty());
        body
    }

    /// Status and code in one, for comparing.
    pub(crate) fn code(&self) -> (u16, String) {
        (self.status, serde_json::to_value(self.error().code).unwrap().as_str().unwrap().into())
    }
}

/// One request on a connection of its own.
pub(crate) struct Ask {
    pub addr: SocketAddr,
    pub token: Option<String>,
}

impl Ask {
    pub(crate) fn of(handle: &Handle) -> Self {
        Self { addr: handle.addr(), token: None }
    }

    pub(crate) fn with(handle: &Handle, token: &str) -> Self {
        Self { addr: handle.addr(), token: Some(token.into()) }
    }

    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n");
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap()
    }

    pub(crate) fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        stream.write_all(self.head(method, path, headers, body.len()).as_bytes())?;
        // A daemon that refuses early may stop reading; its answer counts.
        let _ = stream.write_all(body);
        answer(stream, method)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], &[])
    }

    pub(crate) fn put_keys(&self, client: &Client) -> Answer {
        loop {
            let answer = self.send("PUT", &format!("/v1/keys/{}", client.sha), &[("veilray-model", MODEL)], &client.keys);
            // Another test may be at it.
            if answer.status != 409 {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn infer(&self, (body, length): &(Vec<u8>, usize)) -> Answer {
        self.post("/v2/models/tiny/infer", body, *length)
    }

    pub(crate) fn post(&self, path: &str, body: &[u8], length: usize) -> Answer {
        self.send("POST", path, &[(INFERENCE_HEADER_LENGTH, &length.to_string())], body)
    }
}

pub(crate) fn answer(stream: TcpStream, method: &str) -> std::io::Result<Answer> {
    answer_from(stream, method)
}

pub(crate) fn answer_from(stream: impl Read, method: &str) -> std::io::Result<Answer> {
    let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_string()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if method != "HEAD" {
        let length = answer.header("content-length").and_then(|l| l.parse::<usize>().ok());
        reader.read_to_end(&mut answer.body)?;
        if length.is_some_and(|length| length != answer.body.len()) {
            return Err(broken());
        }
    }
    Ok(answer)
}

/// `veilrayd serve` in a process of its own.
pub(crate) struct Process {
    pub child: std::process::Child,
    pub addr: SocketAddr,
    pub log: PathBuf,
}

impl Process {
    /// Starts it under `prefix` (a shell that ends in `exec "$@"`, or nothing) and waits until it is ready.
    pub(crate) fn start(config: &Config, shell: &str) -> Self {
        let folder = config.server.data_dir.parent().unwrap();
        let file = folder.join("server.toml");
        std::fs::write(&file, toml::to_string(config).unwrap()).unwrap();
        let log = folder.join("log");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = std::process::Command::new("bash")
            .args([
                "-c",
                &format!("{shell} exec \"$@\""),
                "bash",
                env!("CARGO_BIN_EXE_veilrayd"),
                "serve",
                "--json",
                "--log",
                "debug",
                "--config",
            ])
            .arg(&file)
            .stdout(std::process::Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(&log).unwrap()));
        let url = line["url"].as_str().unwrap();
        let addr = url.rsplit('/').next().unwrap().parse().unwrap();
        let process = Self { child, addr, log };
        while url.starts_with("http:") && process.ask().get("/readyz").status != 200 {
            std::thread::sleep(Duration::from_millis(20));
        }
        process
    }

    pub(crate) fn ask(&self) -> Ask {
        Ask { addr: self.addr, token: None }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A line of /proc/PID/status, in bytes.
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        value.trim().split(' ').next().unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log().lines().rev().take(20).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A folder with `data` to be made in it, and a configuration for it.
pub(crate) fn place() -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder.path().join("data"));
    (folder, config)
}

/// Waits for a job's end.
pub(crate) fn finished(ask: &Ask, path: &str) -> String {
    for _ in 0..3000 {
        let state = ask.get(path).json()["state"].as_str().unwrap().to_string();
        if state == "done" || state == "failed" {
            return state;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{path} does not end");
}
