//! What of another configuration a running daemon takes: its tokens and its certificate.

use super::tls;
use crate::config::Config;
use crate::http::app::App;
use crate::listen::TlsSlot;
use std::sync::{Arc, PoisonError};

/// Takes the tokens and the certificate of `new`, both or neither; the settings that differ and wait for a restart.
///
/// # Errors
/// Why nothing was taken.
pub(super) fn apply(app: &App, slot: Option<&TlsSlot>, new: &Config) -> Result<Vec<&'static str>, String> {
    if new.tokens.is_empty() == app.tokens.required() {
        let why = "the first token, and the absence of all, take effect at a restart alone";
        return Err(format!("tokens has {} entries: {why}", new.tokens.len()));
    }
    let certificate = match (slot, &new.server.tls) {
        (Some(slot), Some(files)) => Some((slot, tls::load(files).map_err(|e| e.to_string())?)),
        (None, None) => None,
        (_, found) => {
            let word = if found.is_some() { "set" } else { "not set" };
            return Err(format!("server.tls is {word}, other than at the start: that takes effect at a restart alone"));
        }
    };
    app.tokens.replace(&new.tokens);
    if let Some((slot, certificate)) = certificate {
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&certificate);
    }
    Ok(waiting(&app.config, new))
}

/// The settings that differ and that a running daemon keeps.
fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    let differing = [
        ("server.bind", a.bind != b.bind),
        ("server.hosts", a.hosts != b.hosts),
        ("server.data_dir", a.data_dir != b.data_dir),
        ("server.threads", a.threads != b.threads),
        ("server.drain_seconds", a.drain_seconds != b.drain_seconds),
        ("models", old.models != new.models),
        ("limits", old.limits != new.limits),
    ];
    differing.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        assert!(waiting(&old, &new).is_empty());
        new.limits.max_jobs += 1;
        new.server.threads = 3;
        assert_eq!(waiting(&old, &new), ["server.threads", "limits"]);
    }
}
