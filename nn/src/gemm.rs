//! One matrix product on slices: the only `unsafe` of the crate.
//!
//! A matrix is a slice with a row and a column stride, so that transposes and sub-matrices need no copy. Every extent is checked
//! against its slice before the kernel of the `gemm` crate (the one candle uses) runs, on the calling thread.

/// A `rows` x `cols` view of a slice; element (r, c) is `data[r * row_stride + c * col_stride]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `row_stride` values, of which the first `cols` count.
    pub(crate) fn rows(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The same memory with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    fn fits(&self) -> bool {
        extent(self.rows, self.cols, self.row_stride, self.col_stride).is_some_and(|end| end <= self.data.len())
    }
}

/// Index after the last element of such a view, or `None` where it overflows.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let last = (rows - 1).checked_mul(row_stride)?.checked_add((cols - 1).checked_mul(col_stride)?)?;
    let within = isize::try_from(last).is_ok();
    within.then_some(())?;
    last.checked_add(1)
}

/// `out = a b` or, with `accumulate`, `out += a b`, where row r of `out` starts at `r * out_stride` and is `b.cols` long.
///
/// # Panics
/// Where an extent leaves its slice or the shapes do not match: a bug of the caller, never of the input.
#[allow(unsafe_code, reason = "the kernel takes raw pointers; every extent is asserted first")]
pub(crate) fn multiply(out: &mut [f32], out_stride: usize, a: Matrix, b: Matrix, accumulate: bool) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert!(a.fits() && b.fits() && b.rows == k, "operands of a {m} x {k} x {n} product leave their slices");
    let fits = (m <= 1 || out_stride >= n) && extent(m, n, out_stride, 1).is_some_and(|end| end <= out.len());
    assert!(fits, "result of a {m} x {k} x {n} product leaves its slice");
    // SAFETY: for each of the three matrices the largest offset that the kernel forms, (rows - 1) * row_stride + (cols - 1) *
    // col_stride, is below the length of its slice (asserted above through `extent`), and strides fit isize because the offsets do
    // or are never used (one row or one column). `out` is borrowed mutably, so it overlaps neither operand; rows of `out` do not
    // overlap each other because its stride is at least its width. f32 has no invalid bit patterns.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_and_transposed_products_equal_the_sum() {
        let (m, k, n, stride) = (5, 7, 3, 11);
        let a: Vec<f32> = (0..m * stride).map(|i| (i % 13) as f32 - 6.0).collect();
        let b: Vec<f32> = (0..n * k).map(|i| (i % 5) as f32 - 2.0).collect();
        let mut out = vec![1.0; m * stride];
        multiply(&mut out, stride, Matrix::rows(&a, m, k, stride), Matrix::rows(&b, n, k, k).transposed(), true);
        for r in 0..m {
            for c in 0..n {
                let sum: f32 = (0..k).map(|i| a[r * stride + i] * b[c * k + i]).sum();
                assert_eq!(out[r * stride + c], sum + 1.0);
            }
            assert!(out[r * stride + n..(r + 1) * stride].iter().all(|v| *v == 1.0), "beyond the row");
        }
    }

    #[test]
    #[should_panic(expected = "leave their slices")]
    fn a_view_beyond_its_slice_is_refused() {
        multiply(&mut [0.0; 4], 2, Matrix::rows(&[0.0; 3], 2, 2, 2), Matrix::rows(&[0.0; 4], 2, 2, 2), false);
    }

    #[test]
    #[should_panic(expected = "leaves its slice")]
    fn rows_of_the_result_may_not_overlap() {
        multiply(&mut [0.0; 8], 1, Matrix::rows(&[0.0; 4], 2, 2, 2), Matrix::rows(&[0.0; 4], 2, 2, 2), false);
    }
}
