//! HDF5 through `rust-hdf5`, in Rust alone.

use super::number::sealed::Number;
use super::root;
use super::{Attribute, DEFLATE, Element, Layout, Rows};
use hdf5::{DatatypeMessage, Filter, H5Dataset, H5File};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

pub(super) use hdf5::H5Type as Stored;

/// Identifiers of the filters (HDF5 file format, version 3, IV.A.2.l).
const DEFLATE_FILTER: u16 = 1;
const SHUFFLE_FILTER: u16 = 2;
/// Texts of a chunk of a column that has none.
const TEXTS_PER_CHUNK: usize = 64;
/// Chunks that a data set may have however short its file is; beyond them each takes an address in the file's index, of four bytes at least.
const MIN_CHUNKS: u64 = 1 << 16;
const ADDRESS: u64 = 4;
/// Bytes that a chunk may have however short its file is; beyond them it is stored in this part of them at least (deflate leaves 1/1032).
const MIN_CHUNK: u64 = 16 << 20;
const MAX_INFLATION: u64 = 2048;

type Result<T> = std::result::Result<T, String>;

/// Runs the library on a file that may be damaged: an error as text, and a panic in it as an error.
fn guarded<T>(read: impl FnOnce() -> hdf5::Result<T>) -> Result<T> {
    // Unwind safe: after a panic the caller has an error, and what it reads next is checked as before.
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|e| e.to_string()),
        Err(_) => Err("the file broke the HDF5 library".into()),
    }
}

/// A file that is being written.
pub(super) struct Created {
    file: H5File,
    /// The data sets that rows are appended to.
    open: BTreeMap<String, H5Dataset>,
}

impl Created {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { file: H5File::create(path).map_err(text)?, open: BTreeMap::new() })
    }

    pub(super) fn attribute(&mut self, name: &str, value: &Attribute) -> Result<()> {
        match value {
            Attribute::Text(value) => self.file.set_attr_string(name, value),
            Attribute::U8(value) => self.file.set_attr_numeric(name, value),
            Attribute::U32(value) => self.file.set_attr_numeric(name, value),
            Attribute::U64(value) => self.file.set_attr_numeric(name, value),
            Attribute::F64(value) => self.file.set_attr_numeric(name, value),
        }
        .map_err(text)
    }

    pub(super) fn numbers<T: Number>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<()> {
        let set = self.file.new_dataset::<T>().shape(shape).create(name).map_err(text)?;
        if values.is_empty() { Ok(()) } else { set.write_raw(values).map_err(text) }
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[&str]) -> Result<()> {
        let set = match texts {
            // What `write_vlen_strings` makes of no texts at all, netCDF4 and PyTables call corrupt.
            [] => self.file.create_appendable_vlen_dataset(name, TEXTS_PER_CHUNK, None),
            _ => self.file.write_vlen_strings(name, texts),
        };
        set.map(drop).map_err(text)
    }

    pub(super) fn rows<T: Number>(&mut self, name: &str, rows: &Rows<'_>) -> Result<()> {
        let with = |first: usize| [first].into_iter().chain(rows.shape.iter().copied()).collect::<Vec<usize>>();
        let most: Vec<Option<usize>> = [None].into_iter().chain(rows.shape.iter().copied().map(Some)).collect();
        let builder = self.file.new_dataset::<T>().shape(with(0)).chunk(&with(rows.per_chunk)).max_shape(&most);
        let set = builder.shuffle_deflate(u32::from(DEFLATE)).create(name).map_err(text)?;
        self.open.insert(name.into(), set);
        Ok(())
    }

    pub(super) fn append<T: Number>(&mut self, name: &str, _: usize, _: &[usize], values: &[T]) -> Result<()> {
        self.open.get(name).ok_or("it was not started")?.append(values).map_err(text)
    }

    pub(super) fn close(self) -> Result<()> {
        drop(self.open);
        self.file.close().map_err(text)
    }
}

/// A file that is being read.
pub(super) struct Opened {
    path: PathBuf,
    /// Its length, bytes.
    length: u64,
    file: H5File,
}

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let length = guarded(|| Ok(root::whole(path)))??;
        Ok(Self { path: path.into(), length, file: guarded(|| H5File::open(path))? })
    }

    /// A data set whose index the library may go through: it takes memory for every chunk that the extents announce, there or not.
    fn set(&self, name: &str) -> hdf5::Result<std::result::Result<H5Dataset, String>> {
        let set = self.file.dataset(name)?;
        let Some(chunk) = set.chunk_dims() else { return Ok(Ok(set)) };
        let element = u64::from(set.datatype()?.element_size());
        let bytes = chunk.iter().try_fold(element, |all, &side| all.checked_mul(side as u64));
        let most = self.length.saturating_mul(MAX_INFLATION).max(MIN_CHUNK);
        if bytes.is_none_or(|bytes| bytes > most) {
            return Ok(Err(format!("it announces chunks of {chunk:?}: {most} bytes at most can be in this file")));
        }
        let (shape, largest) = (set.shape(), set.max_shape()?);
        let largest = largest.into_iter().chain(std::iter::repeat(None));
        // Only the first side grows; the index has room for the others at their largest.
        let sides = shape
            .iter()
            .zip(largest)
            .enumerate()
            .map(|(i, (&now, most))| if i == 0 { now } else { most.unwrap_or(now).max(now) });
        let chunks = sides.zip(&chunk).try_fold(1u64, |all, (side, &of)| all.checked_mul(side.div_ceil(of.max(1)) as u64));
        let most = (self.length / ADDRESS).max(MIN_CHUNKS);
        Ok(match chunks.filter(|chunks| *chunks <= most) {
            Some(_) => Ok(set),
            None => Err(format!("it announces a shape of {shape:?} in chunks of {chunk:?}: at most {most} can be in this file")),
        })
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&H5Dataset) -> hdf5::Result<T>) -> Result<T> {
        let set = guarded(|| self.set(name))??;
        guarded(|| read(&set))
    }

    pub(super) fn names(&self) -> Vec<String> {
        guarded(|| Ok(self.file.dataset_names())).unwrap_or_default()
    }

    pub(super) fn attribute_names(&self) -> Result<Vec<String>> {
        guarded(|| self.file.attr_names())
    }

    /// None for an attribute of another type.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        let read = || Ok(root::attribute(&self.path, name));
        let (datatype, mut value) = guarded(read)??;
        if matches!(datatype, DatatypeMessage::VarLenString { .. } | DatatypeMessage::FixedString { .. }) {
            return guarded(|| self.file.attr_string(name)).map(|value| Some(Attribute::Text(value)));
        }
        if let DatatypeMessage::FixedPoint { byte_order, .. } | DatatypeMessage::FloatingPoint { byte_order, .. } = datatype
            && byte_order == hdf5::ByteOrder::BigEndian
        {
            value.reverse();
        }
        Ok(match (element(&datatype), value.as_slice()) {
            (Element::U8, &[value]) => Some(Attribute::U8(value)),
            (Element::U32, value) => value.try_into().ok().map(|bytes| Attribute::U32(u32::from_le_bytes(bytes))),
            (Element::U64, value) => value.try_into().ok().map(|bytes| Attribute::U64(u64::from_le_bytes(bytes))),
            (Element::F64, value) => value.try_into().ok().map(|bytes| Attribute::F64(f64::from_le_bytes(bytes))),
            _ => None,
        })
    }

    pub(super) fn layout(&self, name: &str) -> Result<Layout> {
        guarded(|| {
            let set = self.file.dataset(name)?;
            let filters: Vec<u16> = set.filters()?.iter().map(|Filter { id, .. }| *id).collect();
            Ok(Layout {
                element: element(&set.datatype()?),
                shape: set.shape(),
                chunk: set.chunk_dims(),
                compressed: filters == [SHUFFLE_FILTER, DEFLATE_FILTER],
            })
        })
    }

    pub(super) fn numbers<T: Number>(&self, name: &str) -> Result<Vec<T>> {
        self.read(name, H5Dataset::read_raw)
    }

    pub(super) fn rows<T: Number>(&self, name: &str, rows: Range<usize>, row: &[usize]) -> Result<Vec<T>> {
        let mut starts = vec![0; row.len() + 1];
        starts.iter_mut().take(1).for_each(|start| *start = rows.start);
        let counts: Vec<usize> = [rows.len()].into_iter().chain(row.iter().copied()).collect();
        self.read(name, |set| set.read_slice(&starts, &counts))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        self.read(name, H5Dataset::read_strings)
    }
}

/// The type of elements; numbers of the other byte order, which the library turns around in data sets, are of the same type.
fn element(datatype: &DatatypeMessage) -> Element {
    let mut datatype = datatype.clone();
    if let DatatypeMessage::FixedPoint { byte_order, .. } | DatatypeMessage::FloatingPoint { byte_order, .. } = &mut datatype {
        *byte_order = hdf5::ByteOrder::LittleEndian;
    }
    let same = |known: DatatypeMessage| known == datatype;
    match datatype {
        DatatypeMessage::VarLenString { .. } | DatatypeMessage::FixedString { .. } => Element::Text,
        _ if same(u8::hdf5_type()) => Element::U8,
        _ if same(u32::hdf5_type()) => Element::U32,
        _ if same(i64::hdf5_type()) => Element::I64,
        _ if same(u64::hdf5_type()) => Element::U64,
        _ if same(f32::hdf5_type()) => Element::F32,
        _ if same(f64::hdf5_type()) => Element::F64,
        _ => Element::Other,
    }
}

fn text(error: hdf5::Hdf5Error) -> String {
    error.to_string()
}
