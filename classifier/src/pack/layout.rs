//! Where a tensor's values lie in ciphertexts and slots.

use super::error::PackError;
use crate::spec::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What one bit of an address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressBit {
    /// The next bit of the channel.
    Channel,
    /// The next bit of the row.
    Row,
    /// The next bit of the column.
    Column,
    /// A bit that belongs to no axis.
    Free,
}

/// Addresses of the values of a tensor: each bit of an address is a bit of channel, row or column, or free. The low bits are the slot,
/// those beyond the number of slots the ciphertext.
///
/// One scheme covers dense and multiplexed packing: a stride frees the low bits of row and column in place, and other channels may take
/// them. Slots whose address has a free bit set hold the same values again where that bit is at or above the period, unspecified ones
/// where it is below; unless the layout is clean, when they hold zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Layout {
    shape: Shape,
    log_slots: u32,
    address_bits: Vec<AddressBit>,
    period: usize,
    clean: bool,
    /// Addresses of the channels, rows and columns, added up for a value's.
    channels: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

/// A [`Layout`] as it travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    shape: Shape,
    log_slots: u32,
    /// A letter per bit, lowest first: c, r or x for the next bit of channel, row or column, - for none.
    #[serde(rename = "places")]
    address_bits: String,
    period: usize,
    clean: bool,
}

const LETTERS: [(AddressBit, char); 4] =
    [(AddressBit::Channel, 'c'), (AddressBit::Row, 'r'), (AddressBit::Column, 'x'), (AddressBit::Free, '-')];

impl From<Layout> for Stored {
    fn from(layout: Layout) -> Self {
        let letter = |bit: &AddressBit| LETTERS.iter().find(|(known, _)| known == bit).map(|(_, letter)| *letter);
        let Layout { shape, log_slots, period, clean, .. } = layout;
        Self { shape, log_slots, address_bits: layout.address_bits.iter().filter_map(letter).collect(), period, clean }
    }
}

impl TryFrom<Stored> for Layout {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { shape, log_slots, address_bits, period, clean } = stored;
        shape.check("the layout").map_err(|e| e.to_string())?;
        let bit = |letter: char| LETTERS.iter().find(|(_, known)| *known == letter).map(|(bit, _)| *bit);
        let read: Option<Vec<AddressBit>> = address_bits.chars().map(bit).collect();
        let read = read.ok_or_else(|| format!("the places {address_bits:?} must be letters of \"crx-\""))?;
        if read.len() > 40 || log_slots > 16 || !period.is_power_of_two() || period > 1 << log_slots {
            return Err(format!("{} places, period {period} over 2^{log_slots} slots: no layout of this crate", read.len()));
        }
        let mut out = Self::with_period(shape, log_slots, read, period, clean).map_err(|e| e.to_string())?;
        out.clean = clean;
        Ok(out)
    }
}

impl Layout {
    /// A layout by its bits, lowest first; each axis takes its bits in order.
    ///
    /// # Errors
    /// [`PackError::Layout`] if an axis has fewer bits than it needs, or there are fewer bits than slots.
    pub fn new(shape: Shape, log_slots: u32, address_bits: Vec<AddressBit>) -> Result<Self, PackError> {
        let mut slot_bits = address_bits.iter().take(log_slots as usize);
        let used = slot_bits.rposition(|p| *p != AddressBit::Free).map_or(0, |top| top + 1);
        Self::with_period(shape, log_slots, address_bits, 1 << used, false)
    }

    fn with_period(
        shape: Shape,
        log_slots: u32,
        address_bits: Vec<AddressBit>,
        period: usize,
        clean: bool,
    ) -> Result<Self, PackError> {
        let axis = |bit: AddressBit, extent: usize| {
            let bits: Vec<usize> = address_bits.iter().enumerate().filter(|(_, p)| **p == bit).map(|(i, _)| 1 << i).collect();
            let address = |v: usize| bits.iter().enumerate().filter(|(j, _)| v >> j & 1 == 1).map(|(_, bit)| bit).sum();
            let fits = bits.len() >= bits_for(extent) as usize && bits.len() < usize::BITS as usize / 2;
            fits.then(|| (0..extent).map(address).collect::<Vec<usize>>())
        };
        let axes = (
            axis(AddressBit::Channel, shape.channels),
            axis(AddressBit::Row, shape.height),
            axis(AddressBit::Column, shape.width),
        );
        match axes {
            (Some(channels), Some(rows), Some(columns)) if address_bits.len() >= log_slots as usize && log_slots < 31 => {
                Ok(Self { shape, log_slots, address_bits, period, clean, channels, rows, columns })
            }
            _ => Err(PackError::Layout { shape, slots: 1 << log_slots.min(31), bits: address_bits.len() }),
        }
    }

    /// Columns, then rows, then channels, dense.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn dense(shape: Shape, log_slots: u32) -> Result<Self, PackError> {
        let axis = |bit: AddressBit, extent: usize| std::iter::repeat_n(bit, bits_for(extent) as usize);
        let columns = axis(AddressBit::Column, shape.width);
        let mut address_bits: Vec<AddressBit> =
            columns.chain(axis(AddressBit::Row, shape.height)).chain(axis(AddressBit::Channel, shape.channels)).collect();
        address_bits.resize(address_bits.len().max(log_slots as usize), AddressBit::Free);
        Self::new(shape, log_slots, address_bits)
    }

    /// The layout of a smaller tensor that lies in this one without the lowest `rows` and `columns` bits of those axes: where the
    /// corners of windows are. Bits that are no longer needed are free, those of ciphertexts go.
    pub(super) fn without_low_bits(&self, shape: Shape, rows: u32, columns: u32) -> Result<Self, PackError> {
        let mut seen = [0; 2];
        let mut strip = |(i, bit): (usize, &AddressBit)| {
            let [y, x] = &mut seen;
            let (count, low, extent) = match bit {
                AddressBit::Row => (y, rows, shape.height),
                AddressBit::Column => (x, columns, shape.width),
                _ => return Some(*bit),
            };
            *count += 1;
            let keeps = *count > low && *count <= low + bits_for(extent);
            if keeps { Some(*bit) } else { (i < self.log_slots as usize).then_some(AddressBit::Free) }
        };
        let address_bits = self.address_bits.iter().enumerate().filter_map(&mut strip).collect();
        Self::with_period(shape, self.log_slots, address_bits, self.period, false)
    }

    /// The layout of one value per channel where this layout has row and column 0; the slots between hold zeros.
    pub(super) fn channels_only(&self) -> Result<Self, PackError> {
        let only = |p: &AddressBit| if *p == AddressBit::Channel { *p } else { AddressBit::Free };
        let (slots, blocks) = self.address_bits.split_at_checked(self.log_slots as usize).unwrap_or((&self.address_bits, &[]));
        let blocks = blocks.iter().filter(|p| **p == AddressBit::Channel);
        let address_bits: Vec<AddressBit> = slots.iter().map(only).chain(blocks.copied()).collect();
        let mut out = Self::new(Shape::flat(self.shape.channels), self.log_slots, address_bits)?;
        out.clean = true;
        Ok(out)
    }

    /// The same layout whose free slots below the period hold zeros.
    pub(super) fn cleaned(mut self) -> Self {
        self.clean = true;
        self
    }

    /// Extents of the tensor.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        1 << self.log_slots
    }

    /// The bits of an address, lowest first.
    pub fn address_bits(&self) -> &[AddressBit] {
        &self.address_bits
    }

    /// Slots after which the values repeat; a power of two.
    pub fn period(&self) -> usize {
        self.period
    }

    /// Whether slots that hold no value hold zero.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// Number of ciphertexts.
    pub fn blocks(&self) -> usize {
        let last = |axis: &[usize]| axis.iter().copied().max().unwrap_or(0);
        let top = last(&self.channels) | last(&self.rows) | last(&self.columns);
        (top >> self.log_slots) + 1
    }

    /// Whether every ciphertext up to the last holds values.
    pub(super) fn is_gapless(&self) -> bool {
        let parts = |axis: &[usize]| axis.iter().map(|a| a >> self.log_slots).collect::<std::collections::BTreeSet<_>>().len();
        parts(&self.channels) * parts(&self.rows) * parts(&self.columns) == self.blocks()
    }

    /// Address of a value by its place in the tensor: slot + slots · ciphertext.
    pub fn address(&self, index: usize) -> usize {
        let (c, y, x) = self.shape.position(index);
        let of = |axis: &[usize], v: usize| axis.get(v).copied().unwrap_or(0);
        of(&self.channels, c) + of(&self.rows, y) + of(&self.columns, x)
    }

    /// Addresses of every channel, row and column, which add up to those of values.
    pub(super) fn axes(&self) -> [&[usize]; 3] {
        [&self.channels, &self.rows, &self.columns]
    }

    /// Steps of the free slot bits below the period, ascending.
    pub(super) fn gaps(&self) -> Vec<usize> {
        let bits = self.address_bits.iter().take(self.log_slots as usize).enumerate();
        bits.filter(|(i, p)| **p == AddressBit::Free && 1 << i < self.period).map(|(i, _)| 1 << i).collect()
    }

    /// Steps of an axis' slot bits, lowest first; bits beyond the slots are missing.
    pub(super) fn steps(&self, bit: AddressBit) -> Vec<usize> {
        let bits = self.address_bits.iter().take(self.log_slots as usize).enumerate();
        bits.filter(|(_, p)| **p == bit).map(|(i, _)| 1 << i).collect()
    }

    /// Steps of the slot bits among an axis' lowest `count` bits.
    pub(super) fn low_steps(&self, bit: AddressBit, count: u32) -> Vec<usize> {
        let bits = self.address_bits.iter().enumerate().filter(|(_, p)| **p == bit).take(count as usize);
        bits.filter(|(i, _)| *i < self.log_slots as usize).map(|(i, _)| 1 << i).collect()
    }

    /// The slots of each ciphertext that hold those values, repeated after every period; zero elsewhere.
    #[must_use]
    pub fn pack(&self, values: &[f64]) -> Vec<Vec<f64>> {
        let mut out = vec![vec![0.0; self.slots()]; self.blocks()];
        for (index, value) in values.iter().enumerate().take(self.shape.len()) {
            let address = self.address(index);
            let (block, slot) = (address / self.slots(), address % self.slots());
            for copy in (slot..self.slots()).step_by(self.period) {
                if let Some(place) = out.get_mut(block).and_then(|b| b.get_mut(copy)) {
                    *place = *value;
                }
            }
        }
        out
    }

    /// The values in those slots, in the tensor's order; missing slots count as zero.
    #[must_use]
    pub fn unpack(&self, blocks: &[Vec<f64>]) -> Vec<f64> {
        let value = |index: usize| {
            let address = self.address(index);
            blocks.get(address / self.slots()).and_then(|b| b.get(address % self.slots())).copied().unwrap_or(0.0)
        };
        (0..self.shape.len()).map(value).collect()
    }
}

impl fmt::Display for Layout {
    /// The bits, lowest first: `c`, `y`, `x` or `-`; a bar where the ciphertext's begin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, bit) in self.address_bits.iter().enumerate() {
            if i == self.log_slots as usize {
                f.write_str("|")?;
            }
            f.write_str(match bit {
                AddressBit::Channel => "c",
                AddressBit::Row => "y",
                AddressBit::Column => "x",
                AddressBit::Free => "-",
            })?;
        }
        Ok(())
    }
}

/// Bits that tell `extent` values apart.
pub(super) fn bits_for(extent: usize) -> u32 {
    extent.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressBit::{Channel as C, Column as X, Free as F, Row as Y};

    #[test]
    fn values_come_back_from_their_slots_and_repeat() {
        let shape = Shape::new(3, 4, 2);
        for address_bits in [vec![X, Y, Y, C, C, F], vec![C, F, X, Y, C, Y], vec![F, X, Y, C, Y, C, C], vec![C, X, Y, Y, C, F, F]]
        {
            let layout = Layout::new(shape, 4, address_bits).unwrap();
            let values: Vec<f64> = (1..=24).map(f64::from).collect();
            let blocks = layout.pack(&values);
            assert_eq!(layout.unpack(&blocks), values, "{layout}");
            for block in blocks {
                assert!((0..16).all(|i| block[i] == block[i % layout.period()]), "{layout}");
            }
        }
    }

    #[test]
    fn dense_is_the_order_of_the_tensor_and_narrow_layouts_are_refused() {
        let layout = Layout::dense(Shape::new(4, 2, 8), 7).unwrap();
        assert!((0..64).all(|i| layout.address(i) == i));
        assert_eq!((layout.to_string().as_str(), layout.period(), layout.blocks()), ("xxxycc-", 64, 1));
        assert_eq!(Layout::dense(Shape::new(4, 2, 8), 5).unwrap().to_string(), "xxxyc|c");
        assert!(Layout::new(Shape::new(4, 2, 8), 7, vec![X, X, Y, C, C, F, F]).is_err());
        assert!(Layout::new(Shape::new(2, 1, 1), 3, vec![C, F]).is_err());
    }

    #[test]
    fn corners_of_windows_lie_where_the_low_bits_are_zero() {
        let layout = Layout::new(Shape::new(2, 8, 8), 8, vec![X, X, X, Y, Y, Y, C, F]).unwrap();
        let corners = layout.without_low_bits(Shape::new(2, 4, 2), 1, 2).unwrap();
        assert_eq!((corners.to_string().as_str(), corners.period()), ("--x-yyc-", 128));
        assert_eq!(corners.address(Shape::new(2, 4, 2).index(1, 3, 1)), 64 + 32 + 16 + 4);
        assert_eq!(layout.channels_only().unwrap().to_string(), "------c-");
    }
}
