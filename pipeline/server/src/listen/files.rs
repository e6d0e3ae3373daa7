//! The system's bound on open files.

/// Files that are open beside connections: the database, the logs, the runtime.
const OTHERS: usize = 64;

/// Fewest connections that are tried, however few files may be open.
const FEWEST: usize = 16;

/// How many of `wanted` connections the process may have: each may have a file open beside its socket.
pub(super) fn connections(wanted: usize) -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&text).map_or(wanted, |most| wanted.min((most.saturating_sub(OTHERS) / 2).max(FEWEST)))
}

/// The soft limit in the text of `/proc/PID/limits`; none if there is none.
fn open_files(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let text = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 1048576              files     \n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
        assert!((1..=7).contains(&connections(7)));
    }
}
