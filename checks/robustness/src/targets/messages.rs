//! What crosses the connection between client and daemon, and the file that takes its place.

use crate::seeds::objects::{LIMIT, OBJECTS};
use crate::target::{Outcome, SeedError, Seeds, Target, said};
use serde::Serialize;
use serde::de::DeserializeOwned;
use veilray_he::Ciphertext;
use veilray_protocol::body::{self, INPUT, OUTPUT};
use veilray_protocol::container::{Head, Kind, Reader, write_ciphertext, write_head};
use veilray_protocol::messages::{InferParameters, InferRequest, InferResponse, JobStatus, KeyStatus, ModelEntry, TensorHeader};
use veilray_protocol::{ErrorBody, KeyDigest};

pub(crate) const TARGETS: &[Target] = &[
    Target::binary("infer-body", infer, bodies, 40),
    Target::binary("vct-container", container, containers, 60),
    Target::text("reply-json", replies, answers, 60),
];

/// A body behind the length of its JSON part, which stands in a header of the request: two bytes, the lower first.
fn infer(bytes: &[u8]) -> Outcome {
    let (length, body) = bytes.split_first_chunk::<2>().ok_or("no length")?;
    let length = usize::from(u16::from_le_bytes(*length));
    let request = body::split::<InferRequest>(body, length).map_err(said);
    let request = request.and_then(|(header, rest)| read(&header.inputs, INPUT, rest));
    let response = body::split::<InferResponse>(body, length).map_err(said);
    request.or(response.and_then(|(header, rest)| read(&header.outputs, OUTPUT, rest)))
}

fn read(tensors: &[TensorHeader], name: &str, rest: &[u8]) -> Outcome {
    let params = &OBJECTS.as_ref().map_err(Clone::clone)?.params;
    let found = body::ciphertexts(tensors, name, rest).map_err(said)?;
    found.into_iter().try_for_each(|bytes| Ciphertext::from_bytes(params, bytes, LIMIT).map(drop).map_err(said))
}

fn bodies() -> Seeds {
    let elements = body::elements(&OBJECTS.as_ref().map_err(Clone::clone)?.ciphertexts()?);
    let parameters = InferParameters { keys: "5f".repeat(32), manifest: "0a".repeat(32) };
    let inputs = vec![body::tensor(INPUT, 3, elements.len())];
    let request = InferRequest { id: Some("1".into()), parameters, inputs };
    let response = serde_json::json!({
        "model_name": "tiny",
        "model_version": "1",
        "id": "1",
        "outputs": [body::tensor(OUTPUT, 3, elements.len())],
        "parameters": { "queue_ms": 1.5, "server_ms": 200.0 },
    });
    Ok(vec![framed(&request, &elements)?, framed(&response, &elements)?])
}

fn framed(header: &impl Serialize, elements: &[u8]) -> Result<Vec<u8>, SeedError> {
    let (body, length) = body::body(header, elements)?;
    Ok([u16::try_from(length)?.to_le_bytes().as_slice(), &body].concat())
}

fn container(bytes: &[u8]) -> Outcome {
    let params = &OBJECTS.as_ref().map_err(Clone::clone)?.params;
    let mut reader = Reader::open(bytes).map_err(said)?;
    while let Some(ciphertext) = reader.next_ciphertext(LIMIT).map_err(said)? {
        Ciphertext::from_bytes(params, &ciphertext, LIMIT).map_err(said)?;
    }
    Ok(())
}

fn containers() -> Seeds {
    let ciphertexts = OBJECTS.as_ref().map_err(Clone::clone)?.ciphertexts()?;
    let file = |kind, images| -> Result<Vec<u8>, SeedError> {
        let mut out = Vec::new();
        let head = Head {
            kind,
            model: "tiny".into(),
            manifest_sha256: "0a".repeat(32),
            params: "n12".into(),
            keys_sha256: "5f".repeat(32),
            images,
            ciphertexts_per_image: 1,
        };
        write_head(&mut out, &head)?;
        for ciphertext in ciphertexts.iter().take(images) {
            write_ciphertext(&mut out, ciphertext)?;
        }
        Ok(out)
    };
    Ok(vec![file(Kind::Request, 3)?, file(Kind::Reply, 1)?, file(Kind::Reply, 0)?])
}

/// The JSON that a client reads of a server, as each of its forms.
fn replies(bytes: &[u8]) -> Outcome {
    fn is<T: DeserializeOwned>(bytes: &[u8]) -> Outcome {
        serde_json::from_slice::<T>(bytes).map(drop).map_err(said)
    }
    let text = std::str::from_utf8(bytes).map_err(said)?;
    let _ = KeyDigest::parse(text.trim());
    let forms = [is::<ErrorBody>, is::<KeyStatus>, is::<JobStatus>, is::<Vec<ModelEntry>>, is::<InferResponse>];
    forms.into_iter().map(|form| form(bytes)).reduce(Result::or).unwrap_or(Ok(()))
}

fn answers() -> Seeds {
    let texts = [
        serde_json::json!({ "error": "no such keys", "code": "not_found", "hint": "register them", "request_id": "1" }),
        serde_json::json!([{ "name": "tiny", "manifest_sha256": "0a".repeat(32), "params": "n13", "labels": ["a", "b"] }]),
        serde_json::json!({
            "sha256": "5f".repeat(32), "bytes": 1000, "received": 1000, "complete": true, "params": "n13", "created_unix": 1,
            "last_used_unix": 2, "expires_unix": 3,
        }),
        serde_json::json!({
            "job": "1", "model": "tiny", "state": "done", "status_url": "/v1/jobs/1", "created_unix": 1, "finished_unix": 2,
        }),
    ];
    Ok(texts.iter().map(|text| text.to_string().into_bytes()).collect())
}
