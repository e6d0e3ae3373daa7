//! Working memory that each thread keeps between calls, so that hot loops neither allocate nor fault pages in.

use std::cell::RefCell;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` on `len` floats of **any** content. Calls may nest; each gets memory of its own.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(buffer.get_mut(..len).unwrap_or_default());
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    #[test]
    fn nested_calls_get_disjoint_memory_and_later_ones_the_same() {
        let first = super::with(10, |a| {
            a.fill(1.0);
            super::with(20, |b| b.fill(2.0));
            assert!(a.iter().all(|v| *v == 1.0));
            a.as_ptr()
        });
        let again = super::with(10, |a| a.as_ptr());
        assert_eq!(first, again);
    }
}
