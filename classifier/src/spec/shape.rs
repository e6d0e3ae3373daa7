//! The shape of one image's values between layers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// [channel, height, width] of one image's values; a vector is [channel, 1, 1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Number of channels.
    pub channels: usize,
    /// Height: number of rows.
    pub height: usize,
    /// Width: number of columns.
    pub width: usize,
}

impl Shape {
    /// [channels, height, width].
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// A vector of that many values.
    pub const fn flat(values: usize) -> Self {
        Self { channels: values, height: 1, width: 1 }
    }

    /// Number of values.
    pub const fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether it holds no value.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it is a vector.
    pub const fn is_flat(self) -> bool {
        self.height == 1 && self.width == 1
    }

    /// Place of (channel, row, column) among the values, rows within channels.
    pub const fn index(self, channel: usize, y: usize, x: usize) -> usize {
        (channel * self.height + y) * self.width + x
    }

    /// (channel, row, column) of a place among the values.
    pub const fn position(self, index: usize) -> (usize, usize, usize) {
        let (rows, x) = (index / self.width, index % self.width);
        (rows / self.height, rows % self.height, x)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}]", self.channels, self.height, self.width)
    }
}
