//! Sparse matrices over the values of a tensor: what a layer does when it is linear.

/// A matrix by rows: `y[r] = Σ value · x[column]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    columns: usize,
    /// Where each row begins among the entries; one more than there are rows.
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
}

impl Sparse {
    /// A matrix of `columns` columns, its rows one after the other. Entries of the same place are added, zeros left out, columns beyond
    /// the last one ignored.
    pub fn from_rows<R: IntoIterator<Item = (usize, f64)>>(columns: usize, rows: impl IntoIterator<Item = R>) -> Self {
        let mut out = Self { columns, starts: vec![0], entries: Vec::new() };
        let mut row: Vec<(u32, f64)> = Vec::new();
        for entries in rows {
            row.clear();
            row.extend(entries.into_iter().filter(|(c, _)| *c < columns).map(|(c, v)| (c as u32, v)));
            out.push(&mut row);
        }
        out
    }

    fn push(&mut self, row: &mut Vec<(u32, f64)>) {
        row.sort_unstable_by_key(|(c, _)| *c);
        row.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        self.entries.extend(row.iter().filter(|(_, v)| *v != 0.0));
        self.starts.push(self.entries.len());
    }

    /// The square matrix with those values on its diagonal.
    pub fn diagonal(values: &[f64]) -> Self {
        Self::from_rows(values.len(), values.iter().enumerate().map(|(i, v)| [(i, *v)]))
    }

    /// The matrix that changes nothing.
    pub fn identity(size: usize) -> Self {
        Self::diagonal(&vec![1.0; size])
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of entries that are not zero.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether every entry is zero.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Column and value of the entries of a row, ascending; none beyond the last row.
    pub fn row(&self, row: usize) -> &[(u32, f64)] {
        match (self.starts.get(row), self.starts.get(row + 1)) {
            (Some(start), Some(end)) => self.entries.get(*start..*end).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Row, column and value of every entry, row by row.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        (0..self.rows()).flat_map(move |r| self.row(r).iter().map(move |(c, v)| (r, *c as usize, *v)))
    }

    /// The values on the diagonal, if there are no others and the matrix is square.
    pub fn as_diagonal(&self) -> Option<Vec<f64>> {
        let value = |r: usize| match self.row(r) {
            [] => Some(0.0),
            [(c, v)] if *c as usize == r => Some(*v),
            _ => None,
        };
        if self.rows() == self.columns { (0..self.rows()).map(value).collect() } else { None }
    }

    /// Matrix times vector; a missing value counts as zero.
    #[must_use]
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let dot = |r: usize| self.row(r).iter().map(|(c, v)| v * x.get(*c as usize).copied().unwrap_or(0.0)).sum();
        (0..self.rows()).map(dot).collect()
    }

    /// Each row times its factor.
    #[must_use]
    pub fn scale_rows(&self, factors: &[f64]) -> Self {
        let mut out = Self { columns: self.columns, starts: vec![0], entries: Vec::with_capacity(self.entries.len()) };
        for r in 0..self.rows() {
            let factor = factors.get(r).copied().unwrap_or(0.0);
            out.entries.extend(self.row(r).iter().map(|(c, v)| (*c, v * factor)).filter(|(_, v)| *v != 0.0));
            out.starts.push(out.entries.len());
        }
        out
    }

    fn scale_columns(&self, factors: &[f64]) -> Self {
        let mut out = Self { columns: self.columns, starts: vec![0], entries: Vec::with_capacity(self.entries.len()) };
        let factor = |c: u32| factors.get(c as usize).copied().unwrap_or(0.0);
        for r in 0..self.rows() {
            out.entries.extend(self.row(r).iter().map(|(c, v)| (*c, v * factor(*c))).filter(|(_, v)| *v != 0.0));
            out.starts.push(out.entries.len());
        }
        out
    }

    /// self · inner: first `inner`, then self.
    #[must_use]
    pub fn after(&self, inner: &Self) -> Self {
        if let Some(factors) = inner.as_diagonal() {
            return self.scale_columns(&factors);
        }
        let mut out = Self { columns: inner.columns, starts: vec![0], entries: Vec::new() };
        let mut sums = vec![0.0; inner.columns];
        let mut touched = vec![false; inner.columns];
        let (mut places, mut row): (Vec<u32>, Vec<(u32, f64)>) = (Vec::new(), Vec::new());
        for r in 0..self.rows() {
            for (middle, factor) in self.row(r) {
                for (column, value) in inner.row(*middle as usize) {
                    let at = *column as usize;
                    if let (Some(sum), Some(touched)) = (sums.get_mut(at), touched.get_mut(at)) {
                        *sum += factor * value;
                        if !std::mem::replace(touched, true) {
                            places.push(*column);
                        }
                    }
                }
            }
            row.clear();
            for column in places.drain(..) {
                if let (Some(sum), Some(touched)) = (sums.get_mut(column as usize), touched.get_mut(column as usize)) {
                    row.push((column, std::mem::take(sum)));
                    *touched = false;
                }
            }
            out.push(&mut row);
        }
        out
    }

    /// self + other, for matrices of one shape.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let rows = self.rows().max(other.rows());
        let both = |r: usize| self.row(r).iter().chain(other.row(r)).map(|(c, v)| (*c as usize, *v));
        Self::from_rows(self.columns.max(other.columns), (0..rows).map(both))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Sparse {
        Sparse::from_rows(3, [vec![(2, 1.0), (0, 2.0), (2, 3.0)], vec![(1, 0.0)], vec![(1, -1.0), (7, 5.0)]])
    }

    #[test]
    fn entries_of_one_place_are_added_and_zeros_dropped() {
        assert_eq!(matrix().iter().collect::<Vec<_>>(), [(0, 0, 2.0), (0, 2, 4.0), (2, 1, -1.0)]);
        assert_eq!(matrix().apply(&[1.0, 2.0, 3.0]), [14.0, 0.0, -2.0]);
        assert_eq!(matrix().row(9), []);
    }

    #[test]
    fn products_and_sums_act_like_what_they_are_made_of() {
        let (a, b) = (matrix(), Sparse::from_rows(2, [[(0, 1.0)], [(1, 2.0)], [(0, -3.0)]]));
        let x = [0.5, -2.0];
        assert_eq!(a.after(&b).apply(&x), a.apply(&b.apply(&x)));
        assert_eq!(a.plus(&a).apply(&[1.0, 2.0, 3.0]), [28.0, 0.0, -4.0]);
        assert_eq!(a.scale_rows(&[2.0, 1.0, -1.0]).apply(&[1.0, 2.0, 3.0]), [28.0, 0.0, 2.0]);
        assert_eq!(a.after(&Sparse::identity(3)), a);
        assert_eq!(Sparse::identity(3).as_diagonal(), Some(vec![1.0; 3]));
        assert_eq!(a.as_diagonal(), None);
    }
}
