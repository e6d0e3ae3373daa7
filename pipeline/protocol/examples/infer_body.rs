//! The body of an inference request, put together as a client does and taken apart as a server does:
//! `cargo run --release -p veilray-protocol --example infer_body`.

use std::error::Error;
use veilray_protocol::ErrorCode;
use veilray_protocol::body::{INPUT, body, ciphertexts, elements, split, tensor};
use veilray_protocol::headers::INFERENCE_HEADER_LENGTH;
use veilray_protocol::messages::{InferParameters, InferRequest};

fn main() -> Result<(), Box<dyn Error>> {
    // Two ciphertexts; here they are bytes without meaning.
    let sent = [vec![1; 40], vec![2; 60]];
    let bytes = elements(&sent);

    // The client: a JSON header that names keys and manifest by SHA-256, and the tensor behind it.
    let parameters = InferParameters { keys: "a1".repeat(32), manifest: "b2".repeat(32) };
    let request = InferRequest { id: Some("film 1".into()), parameters, inputs: vec![tensor(INPUT, sent.len(), bytes.len())] };
    let (body, header_length) = body(&request, &bytes)?;
    println!("{} bytes, of which the header is {header_length} ({INFERENCE_HEADER_LENGTH})", body.len());

    // The server: the header first, then the ciphertexts that it announces.
    let (header, tensor) = split::<InferRequest>(&body, header_length)?;
    let found = ciphertexts(&header.inputs, INPUT, tensor)?;
    println!("{} ciphertexts of {:?} bytes", found.len(), found.iter().map(|bytes| bytes.len()).collect::<Vec<_>>());

    // A body that was cut is refused before anything is computed.
    let cut = tensor.split_last().map(|(_, rest)| rest).unwrap_or_default();
    if let Err(why) = ciphertexts(&header.inputs, INPUT, cut) {
        println!("one byte less: {why}");
    }
    for code in ErrorCode::ALL.iter().filter(|code| code.is_temporary()) {
        println!("worth asking again: {} (HTTP {})", code.as_str(), code.status());
    }
    Ok(())
}
