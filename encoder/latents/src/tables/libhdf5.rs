//! HDF5 through its C library.

use super::number::sealed::Number;
use super::{Attribute, DEFLATE, Element, Layout, Rows};
use libhdf5::types::{FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};
use libhdf5::{Dataset, Extent, File, Hyperslab, SliceOrIndex, filters::Filter};
use ndarray::{ArrayViewD, IxDyn};
use std::ops::Range;
use std::path::Path;

pub(super) use libhdf5::H5Type as Stored;

/// Longest texts of fixed length that are read, bytes.
const FIXED: usize = 1024;

type Result<T> = std::result::Result<T, String>;

/// A file that is being written.
pub(super) struct Created(File);

impl Created {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self(File::create(path).map_err(text)?))
    }

    pub(super) fn attribute(&mut self, name: &str, value: &Attribute) -> Result<()> {
        fn scalar<T: Stored>(file: &File, name: &str, value: &T) -> Result<()> {
            file.new_attr::<T>().create(name).and_then(|attribute| attribute.write_scalar(value)).map_err(text)
        }
        match value {
            Attribute::Text(value) => scalar(&self.0, name, &unicode(value)?),
            Attribute::U8(value) => scalar(&self.0, name, value),
            Attribute::U32(value) => scalar(&self.0, name, value),
            Attribute::U64(value) => scalar(&self.0, name, value),
            Attribute::F64(value) => scalar(&self.0, name, value),
        }
    }

    pub(super) fn numbers<T: Number>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<()> {
        let view = ArrayViewD::from_shape(shape, values).map_err(|e| e.to_string())?;
        self.0.new_dataset_builder().with_data(view).create(name).map(drop).map_err(text)
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[&str]) -> Result<()> {
        let texts: Vec<VarLenUnicode> = texts.iter().map(|value| unicode(value)).collect::<Result<_>>()?;
        self.0.new_dataset_builder().with_data(&texts).create(name).map(drop).map_err(text)
    }

    pub(super) fn rows<T: Number>(&mut self, name: &str, rows: &Rows<'_>) -> Result<()> {
        let chunk: Vec<usize> = [rows.per_chunk].into_iter().chain(rows.shape.iter().copied()).collect();
        let first = Extent::from(rows.count..);
        let extents: Vec<Extent> = [first].into_iter().chain(rows.shape.iter().map(|&side| Extent::from(side))).collect();
        let builder = self.0.new_dataset::<T>().chunk(chunk).shuffle().deflate(DEFLATE).shape(extents);
        builder.create(name).map(drop).map_err(text)
    }

    pub(super) fn append<T: Number>(&mut self, name: &str, written: usize, row: &[usize], values: &[T]) -> Result<()> {
        let count = values.len() / row.iter().product::<usize>().max(1);
        let shape: Vec<usize> = [count].into_iter().chain(row.iter().copied()).collect();
        let view = ArrayViewD::from_shape(IxDyn(&shape), values).map_err(|e| e.to_string())?;
        let set = self.0.dataset(name).map_err(text)?;
        set.write_slice(view, slab(written..written + count, row)).map_err(text)
    }

    pub(super) fn close(self) -> Result<()> {
        self.0.close().map_err(text)
    }
}

/// A file that is being read.
pub(super) struct Opened(File);

impl Opened {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(File::open(path).map_err(text)?))
    }

    pub(super) fn names(&self) -> Vec<String> {
        let sets = self.0.datasets().unwrap_or_default();
        sets.iter().map(|set| set.name().trim_start_matches('/').to_owned()).collect()
    }

    pub(super) fn attribute_names(&self) -> Result<Vec<String>> {
        self.0.attr_names().map_err(text)
    }

    /// None for an attribute of another type.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        let attribute = self.0.attr(name).map_err(text)?;
        let datatype = attribute.dtype().and_then(|datatype| datatype.to_descriptor()).map_err(text)?;
        let read = match (element(&datatype), datatype) {
            (Element::U8, _) => attribute.read_scalar().map(Attribute::U8),
            (Element::U32, _) => attribute.read_scalar().map(Attribute::U32),
            (Element::U64, _) => attribute.read_scalar().map(Attribute::U64),
            (Element::F64, _) => attribute.read_scalar().map(Attribute::F64),
            (_, TypeDescriptor::VarLenUnicode) => {
                attribute.read_scalar::<VarLenUnicode>().map(|v| Attribute::Text(v.to_string()))
            }
            (_, TypeDescriptor::VarLenAscii) => attribute.read_scalar::<VarLenAscii>().map(|v| Attribute::Text(v.to_string())),
            _ => return Ok(None),
        };
        read.map(Some).map_err(text)
    }

    pub(super) fn layout(&self, name: &str) -> Result<Layout> {
        let set = self.set(name)?;
        let datatype = set.dtype().and_then(|datatype| datatype.to_descriptor()).map_err(text)?;
        Ok(Layout {
            element: element(&datatype),
            shape: set.shape(),
            chunk: set.chunk(),
            compressed: matches!(set.filters()[..], [Filter::Shuffle, Filter::Deflate(_)]),
        })
    }

    pub(super) fn numbers<T: Number>(&self, name: &str) -> Result<Vec<T>> {
        self.set(name)?.read_raw().map_err(text)
    }

    pub(super) fn rows<T: Number>(&self, name: &str, rows: Range<usize>, row: &[usize]) -> Result<Vec<T>> {
        let block = self.set(name)?.read_slice::<T, _, IxDyn>(slab(rows, row)).map_err(text)?;
        // Contiguous from its first value: it was just read.
        Ok(block.into_raw_vec_and_offset().0)
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let set = self.set(name)?;
        let datatype = set.dtype().and_then(|datatype| datatype.to_descriptor()).map_err(text)?;
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
        match datatype {
            TypeDescriptor::VarLenUnicode => {
                set.read_raw::<VarLenUnicode>().map_err(text)?.iter().map(|value| utf8(value.as_bytes())).collect()
            }
            TypeDescriptor::VarLenAscii => {
                set.read_raw::<VarLenAscii>().map_err(text)?.iter().map(|value| utf8(value.as_bytes())).collect()
            }
            TypeDescriptor::FixedUnicode(length) if length <= FIXED => {
                set.read_raw::<FixedUnicode<FIXED>>().map_err(text)?.iter().map(|value| utf8(value.as_bytes())).collect()
            }
            TypeDescriptor::FixedAscii(length) if length <= FIXED => {
                set.read_raw::<FixedAscii<FIXED>>().map_err(text)?.iter().map(|value| utf8(value.as_bytes())).collect()
            }
            _ => Err(format!("texts of more than {FIXED} bytes each are not read")),
        }
    }

    fn set(&self, name: &str) -> Result<Dataset> {
        self.0.dataset(name).map_err(text)
    }
}

fn slab(rows: Range<usize>, row: &[usize]) -> Hyperslab {
    [rows].into_iter().chain(row.iter().map(|&side| 0..side)).map(SliceOrIndex::from).collect::<Vec<_>>().into()
}

fn element(datatype: &TypeDescriptor) -> Element {
    match datatype {
        TypeDescriptor::Unsigned(IntSize::U1) => Element::U8,
        TypeDescriptor::Unsigned(IntSize::U4) => Element::U32,
        TypeDescriptor::Integer(IntSize::U8) => Element::I64,
        TypeDescriptor::Unsigned(IntSize::U8) => Element::U64,
        TypeDescriptor::Float(FloatSize::U4) => Element::F32,
        TypeDescriptor::Float(FloatSize::U8) => Element::F64,
        TypeDescriptor::VarLenUnicode
        | TypeDescriptor::VarLenAscii
        | TypeDescriptor::FixedUnicode(_)
        | TypeDescriptor::FixedAscii(_) => Element::Text,
        _ => Element::Other,
    }
}

fn unicode(value: &str) -> Result<VarLenUnicode> {
    value.parse().map_err(|e| format!("{e:?}"))
}

fn text(error: libhdf5::Error) -> String {
    error.to_string()
}
