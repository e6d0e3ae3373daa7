//! One inference from files, without a daemon: for machines without a network, and to reproduce what a daemon did.

use super::cache::{conform, parse};
use super::disk;
use super::failure::Failure;
use crate::models::Served;
use crate::protocol::{INPUT, ciphertexts, tensor};
use std::path::Path;
use veilray_he::wire::inspect;
use veilray_he::{Ciphertext, ExpandedKeys};

/// The ciphertexts of a file: objects one after the other, or elements of a BYTES tensor, each behind its length.
fn split(bytes: &[u8], blocks: usize) -> Result<Vec<&[u8]>, Failure> {
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

/// Evaluates the ciphertexts in `input` with the evaluation keys in `keys` and writes the encrypted logits to `out`; how many bytes.
///
/// # Errors
/// Files that cannot be read or written, keys or ciphertexts that are not the model's.
pub fn infer(served: &Served, keys: &Path, input: &Path, out: &Path) -> Result<usize, Failure> {
    let params = served.model.params();
    let sent = parse(keys, params, std::fs::metadata(keys)?.len())?;
    conform(&sent, served)?;
    let expanded = ExpandedKeys::new(&sent)?;
    drop(sent);
    let bytes = std::fs::read(input)?;
    let blocks = served.interface.ends.input().layout().blocks();
    let read = |bytes: &&[u8]| Ciphertext::from_bytes(params, bytes, bytes.len());
    let image = split(&bytes, blocks)?.iter().map(read).collect::<veilray_he::Result<Vec<_>>>()?;
    let reply = served.circuit.run(&image, &expanded)?.to_bytes()?;
    disk::write(out, &reply)?;
    Ok(reply.len())
}
