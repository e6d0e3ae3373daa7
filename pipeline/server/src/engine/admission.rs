//! Memory as a budget: a request reserves the bytes that it needs, waits a while if they are not free, and is then refused as busy.
//!
//! The engine keeps the buffers of a parameter set for reuse, so memory that one model gave back is not yet free for another. Each account
//! therefore remembers the most it held since it was last trimmed, and that is what counts against the limit.

use crate::fair::Turns;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Why bytes were not reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not even an idle daemon has so many.
    Never,
    /// No memory was free in time, or too many wait already: the same request may succeed later.
    Busy,
    /// As many of this tenant's requests wait already as may, or hold as much.
    Share,
}

/// An account of the budget.
pub(crate) type Account = usize;

#[derive(Debug, Default, Clone)]
struct Balance {
    in_use: u64,
    /// Most in use since the last trim, for buffers that are kept; else what is in use.
    held: u64,
    /// Whether what is given back is kept for reuse.
    keeps: bool,
    /// Most that this account may use.
    most: u64,
    /// Most that one tenant may use of it.
    share: u64,
    /// In use by tenant, where one may not use all.
    tenants: HashMap<String, u64>,
}

/// Bytes of memory that requests reserve before they use them.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    accounts: Mutex<Vec<Balance>>,
    limit: u64,
    freed: Notify,
    /// Its holder is next: later requests cannot overtake a large one. It goes round the tenants.
    order: Arc<Turns>,
    /// Who waits: requests by tenant.
    waiting: Mutex<HashMap<String, usize>>,
    queue: QueueLength,
}

/// How many requests may wait for memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLength {
    /// Of one tenant.
    pub(crate) tenant: usize,
    /// Of all.
    pub(crate) all: usize,
}

/// Reserved bytes, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<MemoryBudget>,
    tenant: String,
    parts: Vec<(Account, u64)>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut accounts = self.budget.lock();
        for (account, bytes) in &self.parts {
            if let Some(balance) = accounts.get_mut(*account) {
                balance.in_use = balance.in_use.saturating_sub(*bytes);
                if let Some(own) = balance.tenants.get_mut(&self.tenant) {
                    *own = own.saturating_sub(*bytes);
                    balance.tenants.retain(|_, own| *own > 0);
                }
                if !balance.keeps {
                    balance.held = balance.in_use;
                }
            }
        }
        drop(accounts);
        self.budget.freed.notify_waiters();
    }
}

impl Permit {
    /// Splits off what was reserved in one account.
    pub(crate) fn split(&mut self, account: Account) -> Self {
        let (taken, kept) = self.parts.iter().partition(|(of, _)| *of == account);
        self.parts = kept;
        Self { budget: Arc::clone(&self.budget), tenant: self.tenant.clone(), parts: taken }
    }
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: u64, queue: QueueLength) -> Self {
        let (accounts, freed, order) = (Mutex::default(), Notify::new(), Turns::new(1));
        Self { accounts, limit, freed, order, waiting: Mutex::default(), queue }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Balance>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn those_waiting(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an account: one whose memory is kept for reuse or goes back to the system, of at most `most` bytes.
    pub(crate) fn account(&self, keeps: bool, most: u64) -> Account {
        let mut accounts = self.lock();
        accounts.push(Balance { keeps, most, share: most, ..Balance::default() });
        accounts.len() - 1
    }

    /// Bounds what one tenant may use of an account at one time: what it sends slowly may not keep others out.
    pub(crate) fn share(&self, account: Account, share: u64) {
        if let Some(balance) = self.lock().get_mut(account) {
            balance.share = share.min(balance.most);
        }
    }

    /// Bytes in use, and bytes held with those kept for reuse.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let accounts = self.lock();
        (accounts.iter().map(|b| b.in_use).sum(), accounts.iter().map(|b| b.held).sum())
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.those_waiting().values().sum()
    }

    /// Notes that an account's free buffers have gone back to the system.
    pub(crate) fn trimmed(&self, accounts: &[Account]) {
        let mut all = self.lock();
        for account in accounts {
            if let Some(balance) = all.get_mut(*account) {
                balance.held = balance.in_use;
            }
        }
    }

    /// Reserves for a tenant at once or not at all.
    pub(crate) fn try_reserve(self: &Arc<Self>, tenant: &str, wants: &[(Account, u64)]) -> Result<Permit, Refused> {
        let mut accounts = self.lock();
        let mut after = accounts.clone();
        for (account, bytes) in wants {
            let balance = after.get_mut(*account).ok_or(Refused::Never)?;
            if *bytes > balance.most {
                return Err(Refused::Never);
            }
            balance.in_use = balance.in_use.saturating_add(*bytes);
            balance.held = balance.held.max(balance.in_use);
            if balance.share < balance.most {
                let own = balance.tenants.entry(tenant.into()).or_default();
                *own = own.saturating_add(*bytes);
                if *own > balance.share {
                    return Err(Refused::Share);
                }
            }
            if balance.in_use > balance.most {
                return Err(Refused::Busy);
            }
        }
        if wants.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add) > self.limit {
            return Err(Refused::Never);
        }
        if after.iter().map(|b| b.held).fold(0, u64::saturating_add) > self.limit {
            return Err(Refused::Busy);
        }
        *accounts = after;
        Ok(Permit { budget: Arc::clone(self), tenant: tenant.into(), parts: wants.to_vec() })
    }

    /// Reserves for a tenant, waiting up to `longest_wait` behind those of its requests that came before; the tenants take turns. `wants` is
    /// asked anew at every try, because what is needed may change while waiting; `reclaim` frees something unused and says whether there was anything.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn reserve<W>(
        self: &Arc<Self>,
        tenant: &str,
        longest_wait: Duration,
        mut wants: impl FnMut() -> (Vec<(Account, u64)>, W),
        reclaim: impl Fn() -> bool,
    ) -> Result<(Permit, W), Refused> {
        let mut attempt = || loop {
            let (wanted, with) = wants();
            match self.try_reserve(tenant, &wanted) {
                Ok(permit) => return Ok((permit, with)),
                Err(Refused::Busy) if reclaim() => {}
                Err(refused) => return Err(refused),
            }
        };
        if self.order.is_free() {
            match attempt() {
                Err(Refused::Busy) => {}
                outcome => return outcome,
            }
        }
        let _counted = Counted::enter(self, tenant)?;
        let waited = tokio::time::timeout(longest_wait, async {
            let Some(_next) = self.order.acquire(tenant).await else { return Err(Refused::Busy) };
            loop {
                let freed = self.freed.notified();
                tokio::pin!(freed);
                // Registered before the try, so that nothing freed in between is missed.
                freed.as_mut().enable();
                match attempt() {
                    Err(Refused::Busy) => freed.await,
                    outcome => return outcome,
                }
            }
        });
        waited.await.unwrap_or(Err(Refused::Busy))
    }
}

/// One who waits.
struct Counted<'a> {
    budget: &'a MemoryBudget,
    tenant: &'a str,
}

impl<'a> Counted<'a> {
    fn enter(budget: &'a MemoryBudget, tenant: &'a str) -> Result<Self, Refused> {
        let mut waiting = budget.those_waiting();
        if waiting.get(tenant).is_some_and(|own| *own >= budget.queue.tenant) || budget.queue.tenant == 0 {
            return Err(Refused::Share);
        }
        if waiting.values().sum::<usize>() >= budget.queue.all {
            return Err(Refused::Busy);
        }
        *waiting.entry(tenant.into()).or_default() += 1;
        Ok(Self { budget, tenant })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut waiting = self.budget.those_waiting();
        if let Some(own) = waiting.get_mut(self.tenant) {
            *own = own.saturating_sub(1);
        }
        waiting.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn budget() -> (Arc<MemoryBudget>, Account, Account) {
        let budget = Arc::new(MemoryBudget::new(100, QueueLength { tenant: 2, all: 3 }));
        let (kept, free) = (budget.account(true, 100), budget.account(false, 40));
        (budget, kept, free)
    }

    #[test]
    fn buffers_that_are_kept_count_until_they_are_trimmed() {
        let (budget, kept, free) = budget();
        drop(budget.try_reserve("a", &[(kept, 90)]).unwrap());
        assert_eq!(budget.try_reserve("a", &[(free, 20)]).unwrap_err(), Refused::Busy);
        assert!(budget.try_reserve("a", &[(kept, 90), (free, 10)]).is_ok());
        budget.trimmed(&[kept]);
        let _free = budget.try_reserve("a", &[(free, 20)]).unwrap();
        assert_eq!(budget.totals(), (20, 20));
        assert_eq!(budget.try_reserve("a", &[(free, 21)]).unwrap_err(), Refused::Busy);
        assert_eq!(budget.try_reserve("a", &[(free, 41)]).unwrap_err(), Refused::Never);
        assert_eq!(budget.try_reserve("a", &[(kept, 70), (free, 31)]).unwrap_err(), Refused::Busy);
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_freed_in_the_order_of_coming() {
        let (budget, kept, _) = budget();
        let first = budget.try_reserve("a", &[(kept, 80)]).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |bytes: u64| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                let reserved = budget.reserve("a", Duration::from_secs(60), || (vec![(kept, bytes)], ()), || false).await;
                order.lock().unwrap().push(bytes);
                reserved
            })
        };
        let large = wait(100);
        while budget.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        // It would fit at once, but must not overtake.
        let small = wait(10);
        while budget.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        let wait = |tenant: &'static str| budget.reserve(tenant, Duration::from_millis(1), || (vec![(kept, 1)], ()), || false);
        assert_eq!(wait("a").await.unwrap_err(), Refused::Share);
        // One tenant's queue is full, another's is not; that of all is, with a third.
        let mut other = Box::pin(wait("b"));
        assert!((&mut other).now_or_never().is_none());
        assert_eq!(wait("c").await.unwrap_err(), Refused::Busy);
        drop(other);
        drop(first);
        drop(large.await.unwrap().unwrap());
        drop(small.await.unwrap().unwrap());
        assert_eq!(*order.lock().unwrap(), [100, 10]);
    }

    #[test]
    fn one_tenant_cannot_hold_all_of_what_is_shared() {
        let (budget, _, free) = budget();
        budget.share(free, 25);
        let mut held = budget.try_reserve("a", &[(free, 20)]).unwrap();
        assert_eq!(budget.try_reserve("a", &[(free, 6)]).unwrap_err(), Refused::Share);
        let _other = budget.try_reserve("b", &[(free, 20)]).unwrap();
        assert_eq!(budget.try_reserve("c", &[(free, 1)]).unwrap_err(), Refused::Busy);
        drop(held.split(free));
        assert!(budget.try_reserve("a", &[(free, 20)]).is_ok());
    }

    #[tokio::test]
    async fn what_nobody_uses_is_reclaimed_before_anyone_is_refused() {
        let (budget, kept, free) = budget();
        drop(budget.try_reserve("a", &[(kept, 100)]).unwrap());
        let reclaim = || {
            let had = budget.totals().1 > budget.totals().0;
            budget.trimmed(&[kept]);
            had
        };
        assert!(budget.reserve("a", Duration::ZERO, || (vec![(free, 40)], ()), reclaim).await.is_ok());
        let _all = budget.try_reserve("a", &[(kept, 100)]).unwrap();
        let refused = budget.reserve("a", Duration::from_millis(1), || (vec![(free, 1)], ()), reclaim).await;
        assert_eq!(refused.unwrap_err(), Refused::Busy);
        assert_eq!(budget.waiting(), 0);
    }
}
