//! The process's memory: how much it took, and keeping what was freed, so that a training step does not fault its pages in again.
//!
//! A step allocates and frees hundreds of megabytes. The GNU C library's allocator gives such memory back to the system at once, and
//! the next step pays for every page anew: about an eighth of the time of an autoencoder's step on two cores. Its tunables are read
//! when a program starts, so the only way to set them without `unsafe` is to start the program again.

/// Restarts the program once, under the same process id, with an allocator that keeps what it was given. Call it first in `main` of a
/// program that trains; it returns at once where `GLIBC_TUNABLES` is set already (as it is the second time), where the C library is
/// another, or where the restart fails.
///
/// The process then never shrinks; its children inherit the setting.
pub fn keep_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::os::unix::process::CommandExt;
        const VARIABLE: &str = "GLIBC_TUNABLES";
        // No block of its own mapping, nothing trimmed from the top of the heap, growth by 64 MiB.
        const SETTING: &str = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864";
        if std::env::var_os(VARIABLE).is_some() {
            return;
        }
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        if let Ok(program) = std::env::current_exe() {
            // Returns only where it failed; the program then goes on as it is.
            let _ = std::process::Command::new(program).arg0(name).args(arguments).env(VARIABLE, SETTING).exec();
        }
    }
}

/// The process's largest resident size so far, bytes, where Linux tells.
#[must_use]
pub fn peak_resident_bytes() -> Option<u64> {
    peak_resident_bytes_of("self")
}

/// The same of another process by its number.
#[must_use]
pub fn peak_resident_bytes_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
