//! The range of every number of the configuration.

use super::{ConfigError, Limits, Server};

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
const TIB: f64 = 1024.0 * 1024.0 * MIB;
const DAY: f64 = 86_400.0;

/// A number and what it may be.
pub(super) struct Bound {
    pub(super) field: &'static str,
    pub(super) value: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// Why no other.
    why: &'static str,
}

const fn bound(field: &'static str, value: f64, least: f64, most: f64, why: &'static str) -> Bound {
    Bound { field, value, least, most, why }
}

/// All numbers. The patterns name every field: one that is added does not compile until it is here.
pub(super) fn bounds(server: &Server, limits: &Limits) -> Vec<Bound> {
    let Server { bind: _, tls: _, hosts: _, data_dir: _, threads, drain_seconds } = server;
    let Limits {
        memory_bytes,
        disk_bytes,
        body_bytes,
        key_bytes,
        connections,
        connections_per_peer,
        header_seconds,
        idle_seconds,
        min_bytes_per_second,
        request_seconds,
        queue_seconds,
        queue_length,
        tenant_queue_length,
        evaluations,
        key_ttl_seconds,
        part_ttl_seconds,
        job_ttl_seconds,
        max_jobs,
        max_waiting_jobs,
        max_uploads,
        reserve_bytes,
    } = limits;
    let ttl = "what is removed sooner is gone before it can be used; 10 years keep it for good";
    let count = |n: &usize| *n as f64;
    let bytes = |n: &u64| *n as f64;
    vec![
        bound("server.threads", count(threads), 0.0, 1024.0, "0 takes all cores; more threads than cores only slow it down"),
        bound("server.drain_seconds", *drain_seconds, 0.0, DAY, "it stops within a day"),
        bound("limits.memory_bytes", bytes(memory_bytes), 0.0, 64.0 * TIB, "0 takes three quarters of what is there"),
        bound("limits.disk_bytes", bytes(disk_bytes), MIB, 1024.0 * TIB, "a set of keys has millions of bytes"),
        bound("limits.body_bytes", bytes(body_bytes), 4.0 * KIB, TIB, "no ciphertext is smaller, no request larger"),
        bound("limits.key_bytes", bytes(key_bytes), 64.0 * KIB, TIB, "no set of keys is smaller or larger"),
        bound("limits.connections", count(connections), 1.0, 1e6, "each takes a file descriptor"),
        bound("limits.connections_per_peer", count(connections_per_peer), 0.0, 1e6, "0 sets no bound of its own"),
        bound("limits.header_seconds", *header_seconds, 0.1, 600.0, "a handshake takes tenths of a second; silent ones must end"),
        bound("limits.idle_seconds", *idle_seconds, 0.1, 3600.0, "lines pause for tenths of a second; silent ones must end"),
        bound(
            "limits.min_bytes_per_second",
            bytes(min_bytes_per_second),
            0.0,
            16.0 * MIB,
            "0 sets no bound; above 2^24 honest clients on lines of 100 Mbit/s are cut off",
        ),
        bound("limits.request_seconds", *request_seconds, 1.0, DAY, "an inference takes about a second; a job waits longer"),
        bound("limits.queue_seconds", *queue_seconds, 0.0, 3600.0, "0 refuses at once; clients give up sooner than an hour"),
        bound("limits.queue_length", count(queue_length), 1.0, 65_536.0, "jobs wait in it, so that 0 would refuse them"),
        bound("limits.tenant_queue_length", count(tenant_queue_length), 0.0, 65_536.0, "0 takes half of limits.queue_length"),
        bound("limits.evaluations", count(evaluations), 1.0, 1024.0, "each uses every thread as far as it can"),
        bound("limits.key_ttl_seconds", *key_ttl_seconds, 1.0, 3650.0 * DAY, ttl),
        bound("limits.part_ttl_seconds", *part_ttl_seconds, 1.0, 3650.0 * DAY, ttl),
        bound("limits.job_ttl_seconds", *job_ttl_seconds, 1.0, 3650.0 * DAY, ttl),
        bound("limits.max_jobs", count(max_jobs), 1.0, 1e6, "each is two files"),
        bound("limits.max_waiting_jobs", count(max_waiting_jobs), 0.0, 4e6, "0 takes four times limits.max_jobs"),
        bound("limits.max_uploads", count(max_uploads), 1.0, 1e6, "each is a file"),
        bound("limits.reserve_bytes", bytes(reserve_bytes), 0.0, 1024.0 * MIB, "2^24 are about 60 000 lines"),
    ]
}

fn refuse(field: &str, found: impl ToString, wanted: String) -> Result<(), ConfigError> {
    Err(ConfigError::Value { field: field.into(), found: found.to_string(), wanted })
}

/// Whether all numbers are in their ranges and fit together.
pub(super) fn check(server: &Server, limits: &Limits) -> Result<(), ConfigError> {
    for Bound { field, value, least, most, why } in bounds(server, limits) {
        // Not a number is in no range.
        if !(least..=most).contains(&value) {
            return refuse(field, value, format!("{least} to {most} is wanted: {why}"));
        }
    }
    if limits.key_bytes > limits.disk_bytes {
        let wanted =
            format!("at most limits.disk_bytes, {}, is wanted: keys of that size could not be stored", limits.disk_bytes);
        return refuse("limits.key_bytes", limits.key_bytes, wanted);
    }
    for (field, value) in [("limits.idle_seconds", limits.idle_seconds), ("limits.queue_seconds", limits.queue_seconds)] {
        if value > limits.request_seconds {
            let wanted =
                format!("at most limits.request_seconds, {}, is wanted: that ends the request first", limits.request_seconds);
            return refuse(field, value, wanted);
        }
    }
    if limits.tenant_queue_length > limits.queue_length {
        let wanted = format!("at most limits.queue_length, {}, is wanted: no more wait in all", limits.queue_length);
        return refuse("limits.tenant_queue_length", limits.tenant_queue_length, wanted);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// The configuration's text with one number replaced; what it is refused with.
    fn with(section: &str, name: &str, value: toml::Value) -> Option<String> {
        let mut all = toml::Table::try_from(Config::default()).unwrap();
        all.get_mut(section).unwrap().as_table_mut().unwrap().insert(name.into(), value);
        all.insert("models".into(), toml::Value::Array(vec![toml::toml! { path = "m" }.into()]));
        let config = Config::from_toml(&all.to_string());
        config.and_then(|config| config.check()).err().map(|e| e.to_string())
    }

    #[test]
    fn every_number_has_a_range_and_is_refused_outside_of_it() {
        let config = Config::default();
        let bounds = bounds(&config.server, &config.limits);
        let mut seen = 0;
        for (section, fields) in toml::Table::try_from(&config).unwrap() {
            for (name, value) in fields.as_table().into_iter().flatten() {
                let integer = value.is_integer();
                if !integer && !value.is_float() {
                    continue;
                }
                let field = format!("{section}.{name}");
                let bound = bounds.iter().find(|bound| bound.field == field).unwrap_or_else(|| panic!("{field} has no range"));
                assert!((bound.least..=bound.most).contains(&bound.value), "{field}: default");
                let set = |to: f64| if integer { toml::Value::Integer(to as i64) } else { toml::Value::Float(to) };
                let step: f64 = if integer { 1.0 } else { 0.05 };
                let mut outside = vec![bound.most + step.max(bound.most * 1e-9), bound.most * 1e3];
                if bound.least > 0.0 || !integer {
                    outside.push(bound.least - step);
                }
                if !integer {
                    outside.extend([f64::NAN, f64::INFINITY]);
                }
                for value in outside {
                    let refused = with(&section, name, set(value));
                    assert!(refused.as_ref().is_some_and(|why| why.starts_with(&field)), "{field} = {value}: {refused:?}");
                }
                if integer {
                    assert!(with(&section, name, set(-1.0)).is_some_and(|why| why.contains(name)), "{field} = -1");
                }
                seen += 1;
            }
        }
        assert_eq!(seen, bounds.len());
    }

    #[test]
    fn numbers_that_contradict_each_other_are_refused_by_field() {
        let cases = [
            ("key_bytes", toml::Value::Integer(65 << 30), "limits.disk_bytes"),
            ("idle_seconds", toml::Value::Float(121.0), "limits.request_seconds"),
            ("queue_seconds", toml::Value::Float(121.0), "limits.request_seconds"),
            ("tenant_queue_length", toml::Value::Integer(65), "limits.queue_length"),
        ];
        for (name, value, with_what) in cases {
            let refused = with("limits", name, value).unwrap();
            assert!(refused.starts_with(&format!("limits.{name}")) && refused.contains(with_what), "{refused}");
        }
    }
}
