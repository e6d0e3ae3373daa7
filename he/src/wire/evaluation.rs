//! Evaluation keys: a table of kinds, levels and seeds, then the limbs of one key after the other.

use super::header::{self, Header, check_level};
use super::size::{COUNT_BYTES, ENTRY_BYTES, evaluation_keys_bytes, switching_key_limbs};
use super::stream::{Sink, Source, to_vec};
use crate::error::{Result, WireError};
use crate::keys::{EvaluationKeys, KeyKind, SwitchingKey};
use crate::object::Object;
use crate::params::Params;
use crate::seed::Seed;
use bincode::{Decode, Encode};
use std::io::{Read, Write};

/// One key in the table, [`ENTRY_BYTES`] long.
#[derive(Encode, Decode)]
struct Entry {
    /// 0 for relinearisation, else the Galois element.
    kind: u32,
    level: u32,
    seed: [u8; 32],
}

impl EvaluationKeys {
    /// Writes them seed-compressed. `wire::evaluation_keys_bytes` says how many bytes.
    ///
    /// # Errors
    /// [`WireError::Insecure`], or the writer's own.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let limbs = |key: &SwitchingKey| switching_key_limbs(&self.params, key.level);
        let sizes = self.keys.iter().map(|key| ENTRY_BYTES.saturating_add(limbs(key)));
        let payload = sizes.fold(COUNT_BYTES, usize::saturating_add);
        let level = self.keys.iter().map(|key| key.level).max().unwrap_or(0);
        let header = Header::new(&self.params, Object::EvaluationKeys, level, 0.0, payload);
        let mut sink = Sink::open(out, &self.params, &header)?;
        // Levels are below 128, and there is at most one key for every odd number below 2N.
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        sink.bytes(&number(self.keys.len()).to_le_bytes())?;
        for key in &self.keys {
            let kind = match key.kind {
                KeyKind::Relinearisation => 0,
                KeyKind::Galois(element) => element,
            };
            let entry = Entry { kind, level: number(key.level), seed: *key.seed.as_bytes() };
            sink.bytes(&header::encode::<ENTRY_BYTES>(&entry)?)?;
        }
        self.keys.iter().flat_map(|key| &key.b).try_for_each(|b| sink.poly(b))?;
        Ok(())
    }

    /// As [`EvaluationKeys::write_to`], to memory.
    ///
    /// # Errors
    /// As [`EvaluationKeys::write_to`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_vec(evaluation_keys_bytes(&self.params, &self.spec())?, |out| self.write_to(out))
    }

    /// Reads keys of those parameters and at most `limit` bytes in all.
    ///
    /// # Errors
    /// The [`WireError`] that says what is wrong with the bytes.
    pub fn read_from(params: &Params, from: &mut impl Read, limit: usize) -> Result<Self> {
        Self::read(params, Source::stream(from), limit)
    }

    /// As [`EvaluationKeys::read_from`], from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`EvaluationKeys::read_from`], and [`WireError::Trailing`].
    pub fn from_bytes(params: &Params, bytes: &[u8], limit: usize) -> Result<Self> {
        Self::read(params, Source::slice(bytes), limit)
    }

    fn read(params: &Params, mut source: Source<impl Read>, limit: usize) -> Result<Self> {
        let header = source.open_under(params, &[Object::EvaluationKeys], limit)?;
        check_level(params, header.level)?;
        source.whole(&header)?;
        let table = read_table(params, &header, &mut source)?;
        let payload = table.iter().map(|(_, level, _)| ENTRY_BYTES.saturating_add(switching_key_limbs(params, *level)));
        source.expect(&header, payload.fold(COUNT_BYTES, usize::saturating_add))?;
        header.check_fixed(table.iter().map(|(_, level, _)| *level).max().unwrap_or(0), 0.0)?;
        let keys = table.into_iter().map(|(kind, level, seed)| {
            let b = (0..params.digits(level)).map(|_| source.poly(params, params.key_basis(level)));
            Ok(SwitchingKey { kind, level, seed, b: b.collect::<Result<_>>()? })
        });
        Ok(Self { params: params.clone(), keys: keys.collect::<Result<_>>()? })
    }
}

/// The table, each entry checked as it arrives; it grows with the bytes that came, not with the count announced.
fn read_table(
    params: &Params,
    header: &Header,
    source: &mut Source<impl Read>,
) -> Result<Vec<(KeyKind, usize, Seed)>, WireError> {
    if header.payload < COUNT_BYTES as u64 {
        return Err(WireError::Length { wanted: COUNT_BYTES as u64, found: header.payload });
    }
    let count = u32::from_le_bytes(source.array()?);
    // One relinearisation key and the N odd numbers below 2N, the identity apart.
    let max = (params.n() as u64).min((header.payload - COUNT_BYTES as u64) / ENTRY_BYTES as u64);
    if u64::from(count) > max {
        return Err(WireError::KeyCount { max, found: count.into() });
    }
    let mut table = Vec::new();
    let mut previous = None;
    for index in 0..count as usize {
        let Entry { kind: found, level, seed } = header::decode::<_, ENTRY_BYTES>(&source.array()?)?;
        let kind = match found {
            0 => KeyKind::Relinearisation,
            _ if found % 2 == 0 || found == 1 || found as usize >= 2 * params.n() => {
                return Err(WireError::GaloisElement { index, found, n: params.n() });
            }
            _ => KeyKind::Galois(found),
        };
        if let Some(previous) = previous.filter(|previous| *previous >= found) {
            return Err(WireError::KeyOrder { index, previous, found });
        }
        previous = Some(found);
        check_level(params, level as usize)?;
        table.push((kind, level as usize, Seed::from_bytes(seed)));
    }
    Ok(table)
}
