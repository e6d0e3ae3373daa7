//! One thread at a time; which one goes on at each step is drawn from a seed.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex};
use veilray_base::Rng;

struct State {
    current: usize,
    alive: Vec<bool>,
    rng: Rng,
}

struct Scheduler {
    state: Mutex<State>,
    /// One for each thread: only the one whose turn it is wakes up.
    turns: Vec<Condvar>,
}

thread_local! {
    static ME: RefCell<Option<(Arc<Scheduler>, usize)>> = const { RefCell::new(None) };
}

impl Scheduler {
    fn switch(&self, state: &mut State) {
        let alive: Vec<usize> = (0..state.alive.len()).filter(|i| state.alive[*i]).collect();
        if alive.is_empty() {
            return;
        }
        state.current = alive[below(&mut state.rng, alive.len())];
        self.turns[state.current].notify_one();
    }

    fn wait(&self, me: usize) {
        let state = self.state.lock().unwrap();
        drop(self.turns[me].wait_while(state, |state| state.current != me).unwrap());
    }
}

/// The end of a thread, also by a panic: the others go on.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some((scheduler, me)) = ME.take() {
            let mut state = scheduler.state.lock().unwrap();
            state.alive[me] = false;
            scheduler.switch(&mut state);
        }
    }
}

/// A number below `count`.
pub(super) fn below(rng: &mut Rng, count: usize) -> usize {
    ((rng.uniform() * count as f64) as usize).min(count - 1)
}

/// Where another thread may go on.
pub(crate) fn step() {
    let Some((scheduler, me)) = ME.with_borrow(Clone::clone) else { return };
    scheduler.switch(&mut scheduler.state.lock().unwrap());
    scheduler.wait(me);
}

/// Whether this thread is one of a model test.
pub(crate) fn is_scheduled() -> bool {
    ME.with_borrow(Option::is_some)
}

/// Puts a thread back under its scheduler, also after a panic.
struct Back(Option<(Arc<Scheduler>, usize)>);

impl Drop for Back {
    fn drop(&mut self) {
        ME.set(self.0.take());
    }
}

/// Runs something in one piece.
pub(super) fn alone<T>(run: impl FnOnce() -> T) -> T {
    let _back = Back(ME.take());
    run()
}

/// Runs so many threads to their ends, in the interleaving of a seed.
pub(super) fn run(seed: u64, threads: usize, body: impl Fn(usize, &mut Rng) + Sync) {
    let state = State { current: 0, alive: vec![true; threads], rng: Rng::new(seed, "scheduler") };
    let scheduler = Arc::new(Scheduler { state: Mutex::new(state), turns: (0..threads).map(|_| Condvar::new()).collect() });
    std::thread::scope(|scope| {
        for me in 0..threads {
            let (scheduler, body) = (Arc::clone(&scheduler), &body);
            scope.spawn(move || {
                ME.set(Some((Arc::clone(&scheduler), me)));
                scheduler.wait(me);
                let _ended = Ended;
                body(me, &mut Rng::new(seed, &format!("thread {me}")));
            });
        }
    });
}
