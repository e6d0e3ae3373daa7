//! Threads over limbs: one result, bit for bit, at any thread count, because tasks never share what they write.

use rayon::prelude::*;

/// Whether there is more than one thread. On one thread everything runs in the caller; the thread pool is not used.
fn threaded() -> bool {
    rayon::current_num_threads() > 1
}

/// How many parts work should be cut into where parts cost something.
pub(crate) fn parts() -> usize {
    rayon::current_num_threads().max(1)
}

/// Both, at once where there are threads.
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    if threaded() { rayon::join(a, b) } else { (a(), b()) }
}

/// `f(i, chunk i)` for every chunk of `len` elements of `data`.
pub(crate) fn chunks<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    if threaded() && data.len() > len {
        data.par_chunks_mut(len).with_max_len(1).enumerate().for_each(|(i, c)| f(i, c));
    } else {
        data.chunks_mut(len).enumerate().for_each(|(i, c)| f(i, c));
    }
}

/// `f(i, chunk i of a, chunk i of b)`.
pub(crate) fn chunk_pairs(a: &mut [u32], b: &mut [u32], len: usize, f: impl Fn(usize, &mut [u32], &mut [u32]) + Sync + Send) {
    if threaded() && a.len() > len {
        let pairs = a.par_chunks_mut(len).with_max_len(1).zip(b.par_chunks_mut(len).with_max_len(1));
        pairs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        a.chunks_mut(len).zip(b.chunks_mut(len)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// `f(0), …, f(count − 1)`, in order in the result.
pub(crate) fn map<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    if threaded() && count > 1 {
        (0..count).into_par_iter().with_max_len(1).map(f).collect()
    } else {
        (0..count).map(f).collect()
    }
}

/// `f(i, &mut items[i])` for every item.
pub(crate) fn each<T: Send>(items: &mut [T], f: impl Fn(usize, &mut T) + Sync + Send) {
    if threaded() && items.len() > 1 {
        items.par_iter_mut().with_max_len(1).enumerate().for_each(|(i, x)| f(i, x));
    } else {
        items.iter_mut().enumerate().for_each(|(i, x)| f(i, x));
    }
}
