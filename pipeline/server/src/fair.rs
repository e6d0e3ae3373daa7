//! Turns that go round the tenants: who has waited longest of the tenant whose turn it is goes next, so that a tenant with a thousand
//! requests delays another by one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Items by tenant; taken out one of each tenant in turn, within a tenant in the order of coming.
#[derive(Debug)]
pub(crate) struct RoundRobin<T> {
    queues: VecDeque<(String, VecDeque<T>)>,
}

impl<T> Default for RoundRobin<T> {
    fn default() -> Self {
        Self { queues: VecDeque::new() }
    }
}

impl<T> RoundRobin<T> {
    /// Adds an item behind the tenant's others.
    pub(crate) fn push(&mut self, tenant: &str, item: T) {
        match self.queues.iter_mut().find(|(of, _)| of == tenant) {
            Some((_, items)) => items.push_back(item),
            None => self.queues.push_back((tenant.into(), VecDeque::from([item]))),
        }
    }

    /// The next tenant's oldest item; that tenant's turn comes again after all others'.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (tenant, mut items) = self.queues.pop_front()?;
        let item = items.pop_front();
        if !items.is_empty() {
            self.queues.push_back((tenant, items));
        }
        item
    }

    /// Takes out those of a tenant's items that are not wanted.
    pub(crate) fn retain(&mut self, tenant: &str, keep: impl Fn(&T) -> bool) {
        if let Some((_, items)) = self.queues.iter_mut().find(|(of, _)| of == tenant) {
            items.retain(keep);
        }
        self.queues.retain(|(_, items)| !items.is_empty());
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: RoundRobin<oneshot::Sender<Turn>>,
}

/// A number of turns, given to the tenants one after the other.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

/// One turn, passed on when dropped, also where its receiver had given up before it came.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Option<Arc<Turns>>,
}

impl Turns {
    /// So many at one time.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: count, waiting: RoundRobin::default() }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a turn could be had at once.
    pub(crate) fn is_free(&self) -> bool {
        let state = self.lock();
        state.free > 0 && state.waiting.is_empty()
    }

    /// Waits for a turn; none only where the turns themselves are gone.
    pub(crate) async fn acquire(self: &Arc<Self>, tenant: &str) -> Option<Turn> {
        let coming = {
            let mut state = self.lock();
            if state.free > 0 && state.waiting.is_empty() {
                state.free -= 1;
                return Some(Turn { of: Some(Arc::clone(self)) });
            }
            let (send, coming) = oneshot::channel();
            state.waiting.push(tenant, send);
            coming
        };
        coming.await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.of.take() else { return };
        loop {
            let next = {
                let mut state = turns.lock();
                let next = state.waiting.pop();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn { of: Some(Arc::clone(&turns)) }) {
                Ok(()) => return,
                // It gave up waiting; this turn stays here, for the next.
                Err(mut back) => back.of = None,
            }
        }
    }
}

/// Jobs that wait for their turn, by identifier.
#[derive(Debug, Default)]
pub(crate) struct JobQueue {
    jobs: Mutex<RoundRobin<String>>,
    added: Notify,
    stopped: AtomicBool,
}

impl JobQueue {
    fn lock(&self) -> MutexGuard<'_, RoundRobin<String>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job behind the others of its tenant.
    pub(crate) fn push(&self, tenant: &str, id: String) {
        self.lock().push(tenant, id);
        self.added.notify_one();
    }

    /// Takes a job out that will not run.
    pub(crate) fn remove(&self, tenant: &str, id: &str) {
        self.lock().retain(tenant, |other| other != id);
    }

    /// The next job; none once the queue was stopped.
    pub(crate) async fn next(&self) -> Option<String> {
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return None;
            }
            let next = self.lock().pop();
            if next.is_some() {
                return next;
            }
            // A permit is stored where one was added since.
            self.added.notified().await;
        }
    }

    /// Ends [`JobQueue::next`]; what is left is on disk.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.added.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_tenant_with_a_thousand_delays_another_by_one() {
        let mut queue = RoundRobin::default();
        for i in 0..1000 {
            queue.push("a", i);
        }
        queue.push("b", 5000);
        queue.push("c", 6000);
        queue.push("b", 5001);
        let taken: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(taken[..7], [0, 5000, 6000, 1, 5001, 2, 3]);
        assert_eq!(taken.len(), 1003);
        queue.push("a", 1);
        queue.push("a", 2);
        queue.retain("a", |i| *i != 1);
        assert_eq!((queue.pop(), queue.pop(), queue.is_empty()), (Some(2), None, true));
    }

    #[tokio::test]
    async fn turns_go_round_and_none_is_lost_with_those_who_give_up() {
        let turns = Turns::new(1);
        let held = turns.acquire("a").await.unwrap();
        let mut waiting: Vec<_> = ["a", "a", "b"]
            .iter()
            .map(|who| {
                (
                    *who,
                    Box::pin({
                        let turns = Arc::clone(&turns);
                        async move { turns.acquire(who).await }
                    }),
                )
            })
            .collect();
        for (_, one) in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert!(!turns.is_free());
        drop(held);
        // The first of a has it, and gives up before it looks: then it is b's turn, not the second of a.
        drop(waiting.remove(0));
        let turn = waiting[1].1.as_mut().now_or_never().unwrap().unwrap();
        assert!(waiting[0].1.as_mut().now_or_never().is_none());
        drop(turn);
        drop(waiting[0].1.as_mut().now_or_never().unwrap().unwrap());
        assert!(turns.is_free());
    }

    #[tokio::test]
    async fn a_stopped_queue_gives_nothing_more() {
        let queue = JobQueue::default();
        queue.push("a", "1".into());
        queue.push("a", "2".into());
        queue.remove("a", "1");
        assert_eq!(queue.next().await.as_deref(), Some("2"));
        let mut next = Box::pin(queue.next());
        assert!(next.as_mut().now_or_never().is_none());
        queue.stop();
        assert_eq!(next.await, None);
    }
}
