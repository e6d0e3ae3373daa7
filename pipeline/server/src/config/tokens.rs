//! Bearer tokens: kept as hashes, each of one tenant.

use super::token_entry::{Scope, TokenEntry, parse_hash, unix};

use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;
use subtle::ConstantTimeEq;
use veilray_base::digest::hex;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No token, or none of ours.
    Unknown,
    /// Its time is over.
    Expired,
    /// Too many requests; seconds until the next one.
    Rate(u64),
}

/// A caller whose token is valid.
#[derive(Debug)]
pub struct Tenant {
    /// Name, as configured; it appears in the audit log.
    pub name: String,
    /// Its folder: a digest of the name, so that no name can be a path.
    pub folder: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Bytes of keys and jobs that it may keep.
    pub quota_bytes: u64,
    hash: [u8; 32],
    expires: Option<u64>,
    rate: Option<Mutex<Bucket>>,
}

/// A token bucket: a minute's requests at once, then at the rate.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Result<(), Denied> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_minute / 60.0).min(self.per_minute);
        self.at = now;
        if self.left < 1.0 {
            return Err(Denied::Rate(((1.0 - self.left) * 60.0 / self.per_minute).ceil().max(1.0) as u64));
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Tenant {
    fn new(name: &str, hash: [u8; 32], entry: Option<&TokenEntry>) -> Arc<Self> {
        let folder =
            hex(&Sha256::new().chain_update(b"veilray tenant\0").chain_update(name).finalize()).chars().take(32).collect();
        let per_minute = entry.map_or(0.0, |entry| f64::from(entry.rate_per_minute));
        let bucket = || Mutex::new(Bucket { per_minute, left: per_minute, at: Instant::now() });
        Arc::new(Self {
            name: name.into(),
            folder,
            scopes: entry.map_or_else(|| vec![Scope::Keys, Scope::Infer, Scope::Admin], |entry| entry.scopes.clone()),
            quota_bytes: entry.map_or(u64::MAX, |entry| entry.quota_bytes),
            hash,
            expires: entry.and_then(|entry| entry.expires.as_ref()).map(|at| unix(at).unwrap_or(0)),
            rate: (per_minute > 0.0).then(bucket),
        })
    }

    /// Whether another has the same token and rights.
    fn is_as(&self, other: &Self) -> bool {
        let rate =
            |tenant: &Self| tenant.rate.as_ref().map(|rate| rate.lock().unwrap_or_else(PoisonError::into_inner).per_minute);
        let of = |tenant: &Self| (tenant.name.clone(), tenant.scopes.clone(), tenant.quota_bytes, tenant.hash, tenant.expires);
        of(self) == of(other) && rate(self) == rate(other)
    }

    /// Whether it may.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The tenants that may ask.
#[derive(Debug)]
pub struct Tokens {
    known: RwLock<Vec<Arc<Tenant>>>,
    /// On loopback without tokens.
    local: Option<Arc<Tenant>>,
}

impl Tokens {
    /// Of a checked configuration.
    pub fn new(entries: &[TokenEntry]) -> Self {
        let local = entries.is_empty().then(|| Tenant::new("local", [0; 32], None));
        let tokens = Self { known: RwLock::default(), local };
        tokens.replace(entries);
        tokens
    }

    /// Takes the entries of another checked configuration. What is left of a rate stays with a token that has not changed. Whether tokens
    /// are needed at all stays as it was: see [`Tokens::required`].
    pub fn replace(&self, entries: &[TokenEntry]) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let renewed = entries.iter().filter_map(|entry| {
            let new = Tenant::new(&entry.tenant, parse_hash(&entry.hash)?, Some(entry));
            Some(known.iter().find(|old| old.is_as(&new)).map_or(new, Arc::clone))
        });
        *known = renewed.collect();
    }

    /// Whose token this `Authorization` header shows, valid or not, asking often or not.
    pub fn owner(&self, header: Option<&[u8]>) -> Option<Arc<Tenant>> {
        let hash: [u8; 32] = Sha256::digest(header.and_then(bearer)?).into();
        // Every entry is compared in full: how long it takes tells nothing of which one fits.
        let mut found = None;
        for tenant in self.known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if bool::from(tenant.hash.ct_eq(&hash)) {
                found = Some(Arc::clone(tenant));
            }
        }
        found
    }

    /// Whether tokens are needed at all.
    pub fn required(&self) -> bool {
        self.local.is_none()
    }

    /// Who shows this `Authorization` header at `now` (UNIX seconds).
    ///
    /// # Errors
    /// [`Denied`]: an unknown or expired token, or one that asks too often.
    pub fn admit(&self, header: Option<&[u8]>, now: u64) -> Result<Arc<Tenant>, Denied> {
        if let Some(local) = &self.local {
            return Ok(Arc::clone(local));
        }
        let tenant = self.owner(header).ok_or(Denied::Unknown)?;
        if tenant.expires.is_some_and(|end| now >= end) {
            return Err(Denied::Expired);
        }
        if let Some(rate) = &tenant.rate {
            rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())?;
        }
        Ok(tenant)
    }
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// A new random token and the hash that the configuration wants.
///
/// # Errors
/// If the operating system gives no randomness.
pub fn generate() -> Result<(String, String), getrandom::Error> {
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret)?;
    let token = format!("vr_{}", hex(&*secret));
    let hash = hex(&Sha256::digest(&token));
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(token: &str, tenant: &str) -> TokenEntry {
        let text = format!("hash = '{}'\ntenant = '{tenant}'\n", hex(&Sha256::digest(token)));
        toml::from_str(&text).unwrap()
    }

    fn header(token: &str) -> Vec<u8> {
        format!("Bearer {token}").into_bytes()
    }

    #[test]
    fn a_token_is_its_tenant_and_no_other() {
        let tokens = Tokens::new(&[entry("a", "clinic-a"), entry("b", "clinic-b")]);
        let name = |token: &str| tokens.admit(Some(&header(token)), 0).map(|tenant| tenant.name.clone());
        assert_eq!((name("a"), name("b")), (Ok("clinic-a".into()), Ok("clinic-b".into())));
        assert_eq!(name("c"), Err(Denied::Unknown));
        for bad in [None, Some(&b"Bearer "[..]), Some(b"Basic a"), Some(b"a"), Some(b"")] {
            assert_eq!(tokens.admit(bad, 0).unwrap_err(), Denied::Unknown);
        }
        let folder = |token: &str| tokens.admit(Some(&header(token)), 0).unwrap().folder.clone();
        assert_ne!(folder("a"), folder("b"));
    }

    #[test]
    fn a_token_ends_on_its_day() {
        let ending = |at: &str| TokenEntry { expires: Some(at.parse().unwrap()), ..entry("a", "a") };
        for (at, second) in [("2027-01-31", 1_801_353_600), ("2000-02-29T01:02:03Z", 951_786_123), ("1970-01-01", 0)] {
            let tokens = Tokens::new(&[ending(at)]);
            assert_eq!(tokens.admit(Some(&header("a")), second).unwrap_err(), Denied::Expired, "{at}");
            if let Some(before) = second.checked_sub(1) {
                assert!(tokens.admit(Some(&header("a")), before).is_ok(), "{at}");
            }
        }
        assert!(super::super::token_entry::check(0, &ending("2027-01-31T00:00:00")).is_err());
    }

    #[test]
    fn a_bucket_gives_a_minutes_requests_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket { per_minute: 2.0, left: 2.0, at: start };
        let after = |seconds| start + std::time::Duration::from_secs(seconds);
        assert_eq!([bucket.take(start), bucket.take(start), bucket.take(start)], [Ok(()), Ok(()), Err(Denied::Rate(30))]);
        assert_eq!(bucket.take(after(29)), Err(Denied::Rate(1)));
        assert_eq!(bucket.take(after(30)), Ok(()));
    }

    #[test]
    fn other_entries_take_the_place_of_the_first_and_spend_what_is_left() {
        let rated = TokenEntry { rate_per_minute: 1, ..entry("a", "a") };
        let tokens = Tokens::new(&[rated.clone(), entry("b", "b")]);
        let name = |token: &str| tokens.admit(Some(&header(token)), 0).map(|tenant| tenant.name.clone());
        assert_eq!(name("a"), Ok("a".into()));
        tokens.replace(&[rated.clone(), entry("c", "c")]);
        assert!(matches!(name("a"), Err(Denied::Rate(_))));
        assert_eq!((name("b"), name("c")), (Err(Denied::Unknown), Ok("c".into())));
        assert_eq!(tokens.owner(Some(&header("a"))).unwrap().name, "a");
        tokens.replace(&[TokenEntry { rate_per_minute: 2, ..rated }]);
        assert_eq!(name("a"), Ok("a".into()));
    }

    #[test]
    fn a_generated_token_opens_what_its_hash_says() {
        let (token, hash) = generate().unwrap();
        let tokens = Tokens::new(&[TokenEntry { hash, ..entry("x", "a") }]);
        assert_eq!(tokens.admit(Some(&header(&token)), 0).unwrap().name, "a");
        assert_ne!(generate().unwrap().0, token);
    }

    #[test]
    fn without_tokens_there_is_one_local_tenant() {
        let tokens = Tokens::new(&[]);
        assert!(!tokens.required() && tokens.admit(None, 0).unwrap().may(Scope::Admin));
    }
}
