//! What the library does not give of a file's root: attributes with their types (it gives those of data sets, but of the root only texts),
//! and the length that the file says it has. What follows walks superblock and object header (HDF5 file format, version 3, II.A and IV.A)
//! with the library's own decoders.

use hdf5::DatatypeMessage;
use hdf5::format::checksum::checksum_metadata;
use hdf5::format::messages::attribute::AttributeMessage;
use hdf5::format::messages::continuation::ContinuationMessage;
use hdf5::format::object_header::{OCHK_SIGNATURE, OHDR_SIGNATURE, ObjectHeader};
use hdf5::format::superblock::{SuperblockV0V1, SuperblockV2V3, detect_superblock_version};
use hdf5::format::{FormatContext, FormatError};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

type Result<T> = std::result::Result<T, String>;

/// Types of header messages (HDF5 file format, IV.A.2).
const ATTRIBUTE: u8 = 0x0c;
const CONTINUATION: u8 = 0x10;
/// Bit of a message's flags: its body lies elsewhere.
const SHARED: u8 = 2;
/// Bits of a header's flags: messages carry a creation order; the size of the first chunk is written in 8 bytes.
const CREATION_ORDER: u8 = 4;
const SIZE_OF_8: u8 = 3;
/// Longest chunk of a header that is read, bytes, and most chunks: the headers of these files have some hundred bytes.
const MAX_CHUNK: u64 = 1 << 20;
const MAX_CHUNKS: usize = 64;

/// Where the root's object header lies, how wide addresses and lengths are, and the file's length, bytes.
struct Superblock {
    root: u64,
    context: FormatContext,
    end: u64,
}

impl Superblock {
    fn read(file: &mut File) -> Result<Self> {
        let start = bytes(file, 0, 256)?;
        Ok(match detect_superblock_version(&start).map_err(text)? {
            0 | 1 => {
                let block = SuperblockV0V1::decode(&start).map_err(text)?;
                let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
                Self { root: block.root_symbol_table_entry.obj_header_addr, context, end: block.end_of_file_address }
            }
            _ => {
                let block = SuperblockV2V3::decode(&start).map_err(text)?;
                let context = FormatContext { sizeof_addr: block.sizeof_offsets, sizeof_size: block.sizeof_lengths };
                Self { root: block.root_group_object_header_address, context, end: block.end_of_file_address }
            }
        })
    }
}

/// The length of a file, bytes, which is refused where it is shorter than it says.
pub(super) fn whole(path: &Path) -> Result<u64> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let (length, end) = (file.metadata().map_err(|e| e.to_string())?.len(), Superblock::read(&mut file)?.end);
    if length < end { Err(format!("it has {length} bytes of {end}")) } else { Ok(length) }
}

/// Type and value, in the file's bytes, of the attribute `name` of the root.
///
/// # Errors
/// What the library says of the file, and where the attribute is not in the object header itself.
pub(super) fn attribute(path: &Path, name: &str) -> Result<(DatatypeMessage, Vec<u8>)> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let Superblock { root: address, context, .. } = Superblock::read(&mut file)?;
    let first = bytes(&mut file, address, MAX_CHUNK)?;
    let mut headers = vec![ObjectHeader::decode_any(&first).map_err(text)?.0];
    let modern = first.starts_with(&OHDR_SIGNATURE);
    let order = first.get(5).copied().unwrap_or_default() & CREATION_ORDER;
    for _ in 0..MAX_CHUNKS {
        let Some(header) = headers.pop() else { break };
        for message in header.messages {
            match message.msg_type {
                ATTRIBUTE if message.flags & SHARED == 0 => {
                    let attribute = AttributeMessage::decode(&message.data, &context).map_err(text)?.0;
                    if attribute.name == name {
                        return Ok((attribute.datatype, attribute.data));
                    }
                }
                CONTINUATION => {
                    let place = ContinuationMessage::decode(&message.data, &context).map_err(text)?.0;
                    let chunk = bytes(&mut file, place.offset, place.length.min(MAX_CHUNK))?;
                    let header = if modern { modern_header(&chunk, order)? } else { old_header(&chunk) };
                    headers.push(ObjectHeader::decode_any(&header).map_err(text)?.0);
                }
                _ => {}
            }
        }
    }
    Err("it is stored outside the root's object header, where files of more than 8 attributes have them".into())
}

/// A continuation of version 2 as a header of its own, which the library decodes.
fn modern_header(chunk: &[u8], order: u8) -> Result<Vec<u8>> {
    let damaged = || "a continuation of the root's object header is damaged".to_string();
    let (body, sum) = chunk.split_last_chunk::<4>().ok_or_else(damaged)?;
    let messages = body.strip_prefix(&OCHK_SIGNATURE).ok_or_else(damaged)?;
    if checksum_metadata(body) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    let mut header = OHDR_SIGNATURE.to_vec();
    header.extend_from_slice(&[2, order | SIZE_OF_8]);
    header.extend_from_slice(&(messages.len() as u64).to_le_bytes());
    header.extend_from_slice(messages);
    header.extend_from_slice(&checksum_metadata(&header).to_le_bytes());
    Ok(header)
}

/// The same of version 1: any number of messages, in that many bytes.
fn old_header(chunk: &[u8]) -> Vec<u8> {
    let mut header = vec![1, 0, 0xff, 0xff, 1, 0, 0, 0];
    header.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(chunk);
    header
}

/// At most `length` bytes from `start`.
fn bytes(file: &mut File, start: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length).read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn text(error: FormatError) -> String {
    error.to_string()
}
