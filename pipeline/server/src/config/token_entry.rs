//! The tokens of the configuration: `[[tokens]]`.

use super::error::ConfigError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::value::{Datetime, Offset};
use veilray_base::clock;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Upload, see and delete keys.
    Keys,
    /// Inference and jobs.
    Infer,
    /// May read `/metrics`.
    Admin,
}

/// One token: who shows it is that tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// SHA-256 of the token, hexadecimal; `veilrayd token` prints it.
    pub hash: String,
    /// Whose it is.
    pub tenant: String,
    /// What it opens.
    #[serde(default = "TokenEntry::default_scopes")]
    pub scopes: Vec<Scope>,
    /// Bytes of keys and jobs that the tenant may keep.
    #[serde(default = "TokenEntry::default_quota")]
    pub quota_bytes: u64,
    /// Requests per minute; 0 sets no bound.
    #[serde(default = "TokenEntry::default_rate")]
    pub rate_per_minute: u32,
    /// When it ends: a date or a date and time in UTC, such as 2027-01-31 or 2027-01-31T12:00:00Z.
    #[serde(default)]
    pub expires: Option<Datetime>,
}

impl TokenEntry {
    fn default_scopes() -> Vec<Scope> {
        vec![Scope::Keys, Scope::Infer]
    }

    fn default_quota() -> u64 {
        8 << 30
    }

    fn default_rate() -> u32 {
        600
    }
}

pub(super) fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// Whether entry number `index` can be used.
pub(super) fn check(index: usize, entry: &TokenEntry) -> Result<(), ConfigError> {
    let refuse = |field: &str, found: String, wanted: &str| {
        Err(ConfigError::Value { field: format!("tokens[{index}].{field}"), found, wanted: wanted.into() })
    };
    if parse_hash(&entry.hash).is_none() {
        // It may be the token itself, which must not stand in a log.
        return refuse(
            "hash",
            format!("{} characters", entry.hash.len()),
            "64 hexadecimal digits are wanted; `veilrayd token` prints them",
        );
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if entry.tenant.is_empty() || entry.tenant.len() > 64 || !entry.tenant.chars().all(plain) {
        return refuse("tenant", format!("{:?}", entry.tenant), "1 to 64 of a-z, A-Z, 0-9, -, _ and . are wanted");
    }
    if entry.scopes.is_empty() {
        return refuse("scopes", "empty".into(), "some of \"keys\", \"infer\" and \"admin\" are wanted");
    }
    if !(1 << 16..=1 << 50).contains(&entry.quota_bytes) {
        let wanted = "65536 to 2^50 bytes are wanted: keys and jobs must have room; remove the entry to shut a tenant out";
        return refuse("quota_bytes", entry.quota_bytes.to_string(), wanted);
    }
    if entry.rate_per_minute > 1_000_000 {
        let wanted = "1 to 1000000 requests are wanted; 0 sets no bound";
        return refuse("rate_per_minute", entry.rate_per_minute.to_string(), wanted);
    }
    match &entry.expires {
        Some(at) if unix(at).is_none() => refuse("expires", at.to_string(), "a date, or date and time in UTC with Z, is wanted"),
        _ => Ok(()),
    }
}

/// Whether entries that can be used each can be used together: a token is one tenant's, and a tenant has one quota.
pub(super) fn check_together(entries: &[TokenEntry]) -> Result<(), ConfigError> {
    let mut tokens = BTreeMap::new();
    let mut quotas = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(other) = tokens.insert(entry.hash.to_ascii_lowercase(), index) {
            return Err(ConfigError::Value {
                field: format!("tokens[{index}].hash"),
                found: format!("that of tokens[{other}]"),
                wanted: "one entry per token is wanted; `veilrayd token` makes another token".into(),
            });
        }
        let (other, quota) = *quotas.entry(entry.tenant.as_str()).or_insert((index, entry.quota_bytes));
        if quota != entry.quota_bytes {
            return Err(ConfigError::Value {
                field: format!("tokens[{index}].quota_bytes"),
                found: entry.quota_bytes.to_string(),
                wanted: format!(
                    "{quota}, as in tokens[{other}], is wanted: both are of tenant {}, and a tenant has one quota",
                    entry.tenant
                ),
            });
        }
    }
    Ok(())
}

/// UNIX seconds of a date (its start) or a date and time in UTC.
pub(super) fn unix(at: &Datetime) -> Option<u64> {
    let date = at.date?;
    let (hour, minute, second) = match (&at.time, &at.offset) {
        (None, None) => (0, 0, 0),
        (Some(time), Some(Offset::Z | Offset::Custom { minutes: 0 })) => {
            (u64::from(time.hour), u64::from(time.minute), u64::from(time.second.unwrap_or(0)))
        }
        _ => return None,
    };
    let days = clock::days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    Some(u64::try_from(days).ok()? * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn refused(tokens: &[(char, &str)]) -> Option<String> {
        let entry = |(digit, rest): &(char, &str)| format!("[[tokens]]\nhash = '{}'\n{rest}\n", digit.to_string().repeat(64));
        let text = format!("[[models]]\npath = 'm'\n{}", tokens.iter().map(entry).collect::<String>());
        Config::from_toml(&text).and_then(|config| config.check()).err().map(|e| e.to_string())
    }

    #[test]
    fn two_entries_of_one_token_are_refused_without_the_hash() {
        let why = refused(&[('a', "tenant = 'x'"), ('b', "tenant = 'y'"), ('A', "tenant = 'y'")]).unwrap();
        assert!(why.contains("tokens[2].hash") && why.contains("tokens[0]"), "{why}");
        assert!(!why.to_ascii_lowercase().contains("aaaa"), "{why}");
        assert!(refused(&[('a', "tenant = 'x'"), ('b', "tenant = 'x'")]).is_none());
    }

    #[test]
    fn a_tenant_has_one_quota() {
        let why = refused(&[('a', "tenant = 'x'"), ('b', "tenant = 'x'\nquota_bytes = 100000")]).unwrap();
        assert!(why.starts_with("tokens[1].quota_bytes is 100000") && why.contains("tokens[0]"), "{why}");
    }

    #[test]
    fn every_number_of_an_entry_has_a_range() {
        for (text, field) in [
            ("quota_bytes = 0", "tokens[0].quota_bytes"),
            ("quota_bytes = 1125899906842625", "tokens[0].quota_bytes"),
            ("rate_per_minute = 1000001", "tokens[0].rate_per_minute"),
            ("rate_per_minute = -1", "rate_per_minute"),
        ] {
            let why = refused(&[('a', &format!("tenant = 'x'\n{text}"))]).unwrap();
            assert!(why.contains(field), "{why}");
        }
    }
}
