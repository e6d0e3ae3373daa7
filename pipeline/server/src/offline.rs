//! One inference from files, without a daemon: for machines without a network, and to reproduce what a daemon did.

use crate::engine::key_cache::{conform, parse};
use crate::error::ApiError;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use veilray_base::digest::sha256_hex_of_reader;
use veilray_base::file;
use veilray_classifier::served::Served;
use veilray_he::wire::{ciphertext_bytes, inspect};
use veilray_he::{Ciphertext, ExpandedKeys};
use veilray_protocol::ErrorCode;
use veilray_protocol::body::{INPUT, ciphertexts, tensor};
use veilray_protocol::container::{self, ContainerError, Head, Kind, Reader};

/// The ciphertexts of a file: objects one after the other, or elements of a BYTES tensor, each behind its length.
fn split(bytes: &[u8], blocks: usize) -> Result<Vec<&[u8]>, ApiError> {
    if inspect(bytes).is_err() {
        return Ok(ciphertexts(&[tensor(INPUT, blocks, bytes.len())], INPUT, bytes)?);
    }
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let length = usize::try_from(inspect(rest)?.total_bytes()).unwrap_or(usize::MAX);
        let Some((one, behind)) = rest.split_at_checked(length) else {
            // The parser says what is missing.
            out.push(rest);
            break;
        };
        out.push(one);
        rest = behind;
    }
    Ok(out)
}

/// Evaluates the image or images in `input` with the evaluation keys in `keys` and writes the encrypted logits to `out`; how many bytes.
///
/// `input` holds the bare ciphertexts of one image, and `out` then one bare ciphertext; or it is a file of `veilray encrypt`, and `out` then one
/// of replies in the same order. The output appears whole or not at all.
///
/// # Errors
/// Files that cannot be read or written, keys or ciphertexts that are not the model's.
pub fn infer(served: &Served, keys: &Path, input: &Path, out: &Path) -> Result<usize, ApiError> {
    let params = served.model.params();
    let of_keys = |error| named("--keys", keys, error);
    let of_input = |error| named("--input", input, error);
    let length = std::fs::metadata(keys).map_err(|e| unreadable("--keys", keys, &e))?.len();
    let sent = parse(keys, params, length).map_err(of_keys)?;
    conform(&sent, served).map_err(of_keys)?;
    let expanded = ExpandedKeys::new(&sent).map_err(|e| of_keys(e.into()))?;
    drop(sent);
    let mut file = BufReader::new(File::open(input).map_err(|e| unreadable("--input", input, &e))?);
    let reply = if file.fill_buf().map_err(|e| unreadable("--input", input, &e))?.starts_with(&container::MAGIC) {
        let digest = digest(keys).map_err(of_keys)?;
        let images = Reader::open(file).map_err(|e| of_input(malformed(e)))?;
        batch(served, &digest, images, &expanded).map_err(of_input)?
    } else {
        let bytes = std::fs::read(input).map_err(|e| unreadable("--input", input, &e))?;
        let blocks = served.interface.io.input().layout().blocks();
        let one = split(&bytes, blocks).and_then(|image| evaluate_one(served, &image, &expanded));
        one.map_err(of_input)?
    };
    file::write_private(out, &reply).map_err(|e| named("--out", out, e.into()))?;
    Ok(reply.len())
}

/// A file of the command line that cannot be read.
fn unreadable(flag: &str, path: &Path, error: &std::io::Error) -> ApiError {
    ApiError { detail: Some(format!("{flag} {}: cannot be read: {error}", path.display())), ..ApiError::internal(error) }
}

/// An error with the file of the command line that it is about.
fn named(flag: &str, path: &Path, error: ApiError) -> ApiError {
    let why = error.detail.clone().unwrap_or_else(|| format!("{}; {}", error.error, error.hint));
    ApiError { detail: Some(format!("{flag} {}: {why}", path.display())), ..error }
}

/// The reply to one image's ciphertexts.
fn evaluate_one(served: &Served, image: &[impl AsRef<[u8]>], keys: &ExpandedKeys) -> Result<Vec<u8>, ApiError> {
    let read = |bytes: &dyn AsRef<[u8]>| Ciphertext::from_bytes(served.model.params(), bytes.as_ref(), bytes.as_ref().len());
    let image = image.iter().map(|bytes| read(bytes)).collect::<veilray_he::Result<Vec<_>>>()?;
    Ok(served.circuit.run(&image, keys)?.to_bytes()?)
}

/// The replies to a file of images.
fn batch(served: &Served, keys_sha256: &str, mut images: Reader<impl Read>, keys: &ExpandedKeys) -> Result<Vec<u8>, ApiError> {
    let (head, interface) = (images.head().clone(), &served.interface);
    let refuse = |code, error: &str, hint: &str| Err(ApiError::new(code, error, hint));
    if head.kind != Kind::Request {
        return refuse(ErrorCode::Malformed, "the file holds replies, not images", "give the file that `veilray encrypt` wrote");
    }
    if head.manifest_sha256 != interface.manifest_sha256 {
        let error = format!("the images were encrypted for another manifest than that of {}", interface.model);
        return refuse(ErrorCode::ManifestMismatch, &error, "make keys for this model and encrypt the images again");
    }
    if head.keys_sha256 != keys_sha256 {
        let error = "the images were encrypted under other keys than these";
        return refuse(ErrorCode::NotConformant, error, "give the evaluation keys of the key set that encrypted them");
    }
    let blocks = interface.io.input().layout().blocks();
    if head.ciphertexts_per_image != blocks {
        let error = format!("{} ciphertexts per image, {} reads {blocks}", head.ciphertexts_per_image, interface.model);
        return refuse(ErrorCode::NotConformant, &error, "encrypt the images again for this model");
    }
    let limit = ciphertext_bytes(served.model.params(), interface.io.level(), false)?;
    let mut out = Vec::new();
    container::write_head(&mut out, &Head { kind: Kind::Reply, ciphertexts_per_image: 1, ..head }).map_err(malformed)?;
    let mut image = Vec::with_capacity(blocks);
    while let Some(ciphertext) = images.next_ciphertext(limit).map_err(malformed)? {
        image.push(ciphertext);
        if image.len() == blocks {
            container::write_ciphertext(&mut out, &evaluate_one(served, &image, keys)?).map_err(malformed)?;
            image.clear();
        }
    }
    Ok(out)
}

fn malformed(error: ContainerError) -> ApiError {
    ApiError::new(ErrorCode::Malformed, error.to_string(), "encrypt the images again and carry the file whole")
}

/// SHA-256 of a file, hexadecimal.
fn digest(path: &Path) -> Result<String, ApiError> {
    Ok(sha256_hex_of_reader(File::open(path)?)?.0)
}
