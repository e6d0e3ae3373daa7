//! How close a reconstruction is to its image, and how much of a codebook is used.
//!
//! Images are single-channel, row by row, `[height, width]`, and the range of their values is stated by the caller: a metric that
//! guesses it from the pixels would score a dark image higher than a bright one. All arithmetic is in `f64`.

use std::fmt;

/// Result of every fallible operation of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a metric has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The two images differ in size, or the values are not `width` × `height`.
    #[error("an image of {width} × {height} needs that many values in both, {first} and {second} came")]
    Size {
        /// Columns that were announced.
        width: usize,
        /// Rows that were announced.
        height: usize,
        /// Values of the first image.
        first: usize,
        /// Values of the second image.
        second: usize,
    },
    /// A side too short for the window at the coarsest scale.
    #[error("a side of {found} pixels is too short, {wanted} are needed")]
    TooSmall {
        /// The image's shorter side, pixels.
        found: usize,
        /// The least side that the window fits at the coarsest scale, pixels.
        wanted: usize,
    },
    /// A codebook index is not below the codebook's number of entries.
    #[error("index {index} is not in a codebook of {size} entries")]
    Index {
        /// The index that came.
        index: u32,
        /// Entries of the codebook.
        size: usize,
    },
    /// No codebook index at all, or an empty codebook.
    #[error("codebook use of nothing: at least one index and one entry are wanted")]
    Empty,
}

/// What values an image's pixels take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// [0, 1]: a data range of 1.
    Unit,
    /// [−1, 1], the canonical form: a data range of 2.
    Symmetric,
}

impl Range {
    /// Largest minus smallest value, the L of the formulas.
    pub fn span(self) -> f64 {
        match self {
            Self::Unit => 1.0,
            Self::Symmetric => 2.0,
        }
    }
}

/// Two images of one size, to be compared.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    width: usize,
    height: usize,
    first: &'a [f32],
    second: &'a [f32],
    range: Range,
}

impl fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair {{ {} × {}, {:?}, pixels not shown }}", self.width, self.height, self.range)
    }
}

/// Taps of the SSIM window; its standard deviation is 1.5 pixels (Wang et al. 2004).
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// K₁ and K₂ of SSIM.
const K: [f64; 2] = [0.01, 0.03];
/// Exponents of the five scales, finest first (Wang, Simoncelli and Bovik 2003).
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

impl<'a> Pair<'a> {
    /// Two images `[height, width]`.
    ///
    /// # Errors
    /// [`Error::Size`] unless both have `width` × `height` > 0 values.
    pub fn new(width: usize, height: usize, first: &'a [f32], second: &'a [f32], range: Range) -> Result<Self> {
        let count = width.checked_mul(height).filter(|&count| count > 0);
        if count != Some(first.len()) || count != Some(second.len()) {
            return Err(Error::Size { width, height, first: first.len(), second: second.len() });
        }
        Ok(Self { width, height, first, second, range })
    }

    /// Mean squared difference of the values, 0 to the square of the range's span.
    pub fn mean_squared_error(&self) -> f64 {
        let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        self.first.iter().zip(self.second).map(square).sum::<f64>() / self.first.len() as f64
    }

    /// Peak signal-to-noise ratio, dB: 10 log₁₀(L² / MSE); infinite for equal images.
    pub fn psnr(&self) -> f64 {
        10.0 * (self.range.span().powi(2) / self.mean_squared_error()).log10()
    }

    /// Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13(4), 2004): Gaussian window of 11 × 11 with σ = 1.5,
    /// K = (0.01, 0.03), population variances, the mean over all positions where the window fits. 1 for equal images.
    ///
    /// # Errors
    /// [`Error::TooSmall`] if a side is below 11 pixels.
    pub fn ssim(&self) -> Result<f64> {
        self.wide_enough(WINDOW)?;
        let (a, b) = self.planes();
        Ok(similarity(&a, &b, self.range.span()).0)
    }

    /// Multi-scale structural similarity (Wang, Simoncelli and Bovik, Asilomar 2003): contrast and structure at five scales, each half
    /// of the one before by the mean of 2 × 2 pixels (an odd last row or column is dropped), luminance at the coarsest. A negative
    /// factor counts as 0.
    ///
    /// # Errors
    /// [`Error::TooSmall`] if a side is below 176 pixels, 11 at the coarsest scale.
    pub fn ms_ssim(&self) -> Result<f64> {
        self.wide_enough(WINDOW << (SCALES.len() - 1))?;
        let (mut a, mut b) = self.planes();
        let mut product = 1.0;
        for (scale, exponent) in SCALES.into_iter().enumerate() {
            let (full, structure) = similarity(&a, &b, self.range.span());
            let last = scale + 1 == SCALES.len();
            product *= (if last { full } else { structure }).max(0.0).powf(exponent);
            if !last {
                (a, b) = (a.halved(), b.halved());
            }
        }
        Ok(product)
    }

    fn wide_enough(&self, wanted: usize) -> Result<()> {
        let found = self.width.min(self.height);
        if found < wanted { Err(Error::TooSmall { found, wanted }) } else { Ok(()) }
    }

    fn planes(&self) -> (Plane, Plane) {
        let plane = |values: &[f32]| Plane { width: self.width, values: values.iter().map(|&v| f64::from(v)).collect() };
        (plane(self.first), plane(self.second))
    }
}

/// Rows of `width` values.
struct Plane {
    width: usize,
    values: Vec<f64>,
}

impl Plane {
    /// Value by value, of two planes of one size.
    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self { width: self.width, values: self.values.iter().zip(&other.values).map(|(&a, &b)| f(a, b)).collect() }
    }

    /// The Gaussian means where the window fits, [`WINDOW`] − 1 fewer rows and columns.
    fn blurred(&self, taps: &[f64; WINDOW]) -> Self {
        let dot = |window: &[f64]| window.iter().zip(taps).map(|(v, t)| v * t).sum::<f64>();
        let across: Vec<f64> = self.values.chunks_exact(self.width).flat_map(|row| row.windows(WINDOW).map(dot)).collect();
        let width = self.width + 1 - WINDOW;
        let mut values = vec![0.0; across.len() - (WINDOW - 1) * width];
        for (shift, tap) in taps.iter().enumerate() {
            for (sum, value) in values.iter_mut().zip(across.iter().skip(shift * width)) {
                *sum += tap * value;
            }
        }
        Self { width, values }
    }

    /// Half the size, by the mean of 2 × 2.
    fn halved(&self) -> Self {
        let rows: Vec<&[f64]> = self.values.chunks_exact(self.width).collect();
        let mean = |(upper, lower): (&[f64], &[f64])| (upper.iter().sum::<f64>() + lower.iter().sum::<f64>()) / 4.0;
        let values = rows
            .as_chunks::<2>()
            .0
            .iter()
            .flat_map(|[upper, lower]| upper.chunks_exact(2).zip(lower.chunks_exact(2)).map(mean))
            .collect();
        Self { width: self.width / 2, values }
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }
}

/// The means of SSIM and of its factor of contrast and structure.
fn similarity(a: &Plane, b: &Plane, span: f64) -> (f64, f64) {
    let taps = gaussian();
    let [c1, c2] = K.map(|k| (k * span).powi(2));
    let square = |mean: f64, of_squares: f64| of_squares - mean * mean;
    let (mean_a, mean_b) = (a.blurred(&taps), b.blurred(&taps));
    let variance_a = mean_a.zip(&a.zip(a, |x, y| x * y).blurred(&taps), square);
    let variance_b = mean_b.zip(&b.zip(b, |x, y| x * y).blurred(&taps), square);
    let covariance = mean_a.zip(&mean_b, |x, y| x * y).zip(&a.zip(b, |x, y| x * y).blurred(&taps), |m, v| v - m);
    let structure = covariance
        .zip(&variance_a.zip(&variance_b, |x, y| x + y), |covariance, variances| (2.0 * covariance + c2) / (variances + c2));
    let luminance = mean_a.zip(&mean_b, |x, y| (2.0 * x * y + c1) / (x * x + y * y + c1));
    (structure.zip(&luminance, |s, l| s * l).mean(), structure.mean())
}

/// The window's taps, of sum 1.
fn gaussian() -> [f64; WINDOW] {
    let centre = (WINDOW / 2) as f64;
    let taps: [f64; WINDOW] = std::array::from_fn(|i| (-((i as f64 - centre) / SIGMA).powi(2) / 2.0).exp());
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

/// How much of a codebook a set of indices uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodebookUse {
    /// Entries of the codebook.
    pub size: usize,
    /// Number of entries that occur.
    pub used: usize,
    /// exp(entropy) of the indices' frequencies: the number of entries that, used equally, would carry as much; 1 to `size`.
    pub perplexity: f64,
}

impl CodebookUse {
    /// Counts `indices` into a codebook of `size` entries.
    ///
    /// # Errors
    /// [`Error::Index`] for one beyond the codebook, [`Error::Empty`] without an index or an entry.
    pub fn of(indices: &[u32], size: usize) -> Result<Self> {
        if indices.is_empty() || size == 0 {
            return Err(Error::Empty);
        }
        let mut counts = vec![0u64; size];
        for &index in indices {
            *counts.get_mut(index as usize).ok_or(Error::Index { index, size })? += 1;
        }
        let occurring: Vec<f64> = counts.iter().filter(|&&n| n > 0).map(|&n| n as f64 / indices.len() as f64).collect();
        let entropy: f64 = occurring.iter().map(|p| -p * p.ln()).sum();
        Ok(Self { size, used: occurring.len(), perplexity: entropy.exp() })
    }

    /// Share of the codebook that occurs, 0 to 1.
    pub fn share(&self) -> f64 {
        self.used as f64 / self.size as f64
    }
}
