//! Whether `serve` would start: everything that the configuration names is opened, and nothing is changed.

use super::open::{models, resident};
use super::{ServeError, pool, tls};
use crate::config::{Available, Config, Memory};
use crate::engine::least_memory;
use crate::engine::needs::Needs;
use crate::storage::disk;
use serde::Serialize;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use veilray_classifier::served::Served;

/// Days before its end from which a certificate is warned about.
const DAYS: i64 = 30;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `serve` would not start.
    pub refused: bool,
    /// What it is about, and what would do.
    pub text: String,
}

/// What `check-config` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The memory that the daemon may take; none where the configuration's cannot be had.
    pub memory: Option<Memory>,
    /// What is wrong, or soon will be.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether `serve` would refuse.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.refused)
    }

    fn refuse(&mut self, text: impl ToString) {
        self.findings.push(Finding { refused: true, text: text.to_string() });
    }

    fn warn(&mut self, text: String) {
        self.findings.push(Finding { refused: false, text });
    }
}

/// Opens what a configuration names, as [`serve`](super::serve) would, without a change on disk. The address is not bound: a daemon that
/// runs may hold it, and its folder, while its next configuration is looked at.
///
/// # Errors
/// [`ServeError::Config`] for what can be told without opening anything; [`ServeError::Start`] if there are no threads.
pub fn check(config: &Config) -> Result<Report, ServeError> {
    config.check()?;
    let mut report = Report { memory: None, findings: Vec::new() };
    match config.limits.memory(Available::here().as_ref()) {
        Ok(memory) => report.memory = Some(memory),
        Err(error) => report.refuse(error),
    }
    if let Some(files) = &config.server.tls {
        match tls::read(files) {
            Ok((_, Some(days))) if days < DAYS => {
                report.warn(format!("server.tls.cert {}: ends in {days} days; renew it", files.cert.display()));
            }
            Ok(_) => {}
            Err(error) => report.refuse(error),
        }
    }
    folder(&config.server.data_dir, &mut report);
    let pool = pool(config.server.threads)?;
    let mut opened: Vec<(Served, Needs)> = Vec::new();
    for model in models(config, &pool) {
        match model {
            Ok(model) => opened.push(model),
            Err(error) => report.refuse(error),
        }
    }
    if let Some(memory) = &report.memory {
        let (found, wanted) = (memory.bytes, least_memory(opened.iter().map(|(_, needs)| needs), resident(&opened)));
        if found < wanted {
            report.refuse(ServeError::Memory { found, wanted });
        }
    }
    sizes(config, &opened, &mut report);
    Ok(report)
}

/// Limits that the models' clients will meet.
fn sizes(config: &Config, opened: &[(Served, Needs)], report: &mut Report) {
    let limits = &config.limits;
    for (served, needs) in opened {
        let name = &served.interface.model;
        let bounds =
            [("limits.body_bytes", limits.body_bytes, needs.body), ("limits.key_bytes", limits.key_bytes, needs.sent_keys)];
        for (field, found, wanted) in bounds {
            if found < wanted {
                report.warn(format!("{field} is {found}: model {name} wants {wanted}; its clients will be refused"));
            }
        }
        for (i, token) in config.tokens.iter().enumerate().filter(|(_, token)| token.quota_bytes < needs.sent_keys) {
            let (tenant, quota, wanted) = (&token.tenant, token.quota_bytes, needs.sent_keys);
            report.warn(format!(
                "tokens[{i}].quota_bytes is {quota}: one set of keys of model {name} has {wanted}; {tenant} cannot use it"
            ));
        }
    }
    let ttls = [
        ("limits.key_ttl_seconds", limits.key_ttl_seconds),
        ("limits.part_ttl_seconds", limits.part_ttl_seconds),
        ("limits.job_ttl_seconds", limits.job_ttl_seconds),
    ];
    for (field, value) in ttls.into_iter().filter(|(_, value)| *value < 60.0) {
        report.warn(format!("{field} is {value}: less than a minute removes what clients still need; it is meant for tests"));
    }
}

/// The data folder: there or to be made, of this user alone, writable, and not another daemon's.
fn folder(path: &Path, report: &mut Report) {
    let refuse = |why: String| ServeError::Data { path: path.into(), why };
    match disk::others(path) {
        Ok(None) => {}
        Ok(Some(mode)) => return report.refuse(super::open::shared(path, mode)),
        Err(error) => return report.refuse(refuse(error.to_string())),
    }
    // It, or the nearest folder around it that is there.
    let around = path.ancestors().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let Some(there) = around.into_iter().find(|folder| folder.exists()) else {
        return report.refuse(refuse("no folder around it is there".into()));
    };
    if !there.is_dir() {
        return report.refuse(refuse(format!("{} is no folder", there.display())));
    }
    if let Err(error) = writable(there) {
        return report.refuse(refuse(format!("cannot write to {}: {error}", there.display())));
    }
    let database = path.join("veilrayd.redb");
    match File::open(&database) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                report.warn(format!(
                    "the data folder {}: a running veilrayd uses it; a second one would not start",
                    path.display()
                ));
            }
            Err(TryLockError::Error(error)) => report.refuse(refuse(error.to_string())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => report.refuse(refuse(format!("{}: {error}", database.display()))),
    }
}

/// Whether this user can make files in a folder.
#[cfg(unix)]
fn writable(folder: &Path) -> std::io::Result<()> {
    use rustix::fs::Access;
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
    // The system's own trees let root write and yet hold no files.
    if rustix::fs::statvfs(folder)?.f_blocks == 0
        && ["/proc", "/sys"].iter().any(|tree| fs::canonicalize(folder).is_ok_and(|at| at.starts_with(tree)))
    {
        return Err(std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, "it holds no files"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> std::io::Result<()> {
    if fs::metadata(folder)?.permissions().readonly() {
        return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
    }
    Ok(())
}
