//! The memory that is there: the machine's, and what its containers leave of it.

use super::{ConfigError, Limits};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Most that the daemon takes where the configuration does not say, bytes.
const MOST: u64 = 8 << 30;

/// The least of the limits on this process's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Available {
    /// Bytes.
    pub bytes: u64,
    /// What sets it: the machine, or the file of a control group.
    pub source: String,
}

/// What the daemon may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes.
    pub bytes: u64,
    /// Where the number comes from.
    pub source: String,
}

impl Available {
    /// Of this process; none where the system does not say.
    #[must_use]
    pub fn here() -> Option<Self> {
        Self::under(Path::new("/"))
    }

    /// As [`Available::here`], with `root` for the root of the file system.
    fn under(root: &Path) -> Option<Self> {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let meminfo = read("proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: Option<u64> = total.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let machine = kib.map(|kib| Self { bytes: kib.saturating_mul(1024), source: "the machine's memory".into() });
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let limits = mounts.lines().filter_map(Mount::parse).flat_map(|mount| mount.limits(root, &groups));
        machine.into_iter().chain(limits).min_by_key(|limit| limit.bytes)
    }
}

/// Where control groups that bound memory are mounted.
struct Mount {
    /// The group that is mounted.
    group: String,
    /// Where, from the root, without its slash.
    point: String,
    /// Version 2 of control groups.
    unified: bool,
}

impl Mount {
    /// A line of `/proc/self/mountinfo`; none if it mounts something else.
    fn parse(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (group, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let name = kind.next()?;
        let options = kind.nth(1).unwrap_or_default();
        let unified = name == "cgroup2";
        if !(unified || name == "cgroup" && options.split(',').any(|option| option == "memory")) {
            return None;
        }
        Some(Self { group: group.into(), point: point.trim_start_matches('/').into(), unified })
    }

    /// The limits of the process's group and of those around it, as far as they are mounted.
    fn limits(&self, root: &Path, groups: &str) -> Vec<Available> {
        let own = groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let fits = if self.unified { controllers.is_empty() } else { controllers.split(',').any(|name| name == "memory") };
            fits.then_some(path)
        });
        let top = root.join(&self.point);
        // A container may see its own group as the root of the mount.
        let below = own.and_then(|own| own.strip_prefix(self.group.trim_end_matches('/'))).unwrap_or_default();
        let inside = !below.split('/').any(|part| part == "..");
        let mut folder: PathBuf = if inside { top.join(below.trim_start_matches('/')) } else { top.clone() };
        let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        let mut found = Vec::new();
        loop {
            let path = folder.join(file);
            if let Some(bytes) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
                found.push(Available { bytes, source: path.display().to_string() });
            }
            if folder == top || !folder.pop() {
                return found;
            }
        }
    }
}

impl Limits {
    /// The memory that the daemon may take: that of the configuration, or three quarters of what is there and at most 8 GiB.
    ///
    /// # Errors
    /// A configuration that names more than is there: the system would end the daemon, and every client's work with it.
    pub fn memory(&self, available: Option<&Available>) -> Result<Memory, ConfigError> {
        match (self.memory_bytes, available) {
            (0, None) => Ok(Memory { bytes: MOST, source: "the default, for the system does not say what is there".into() }),
            (0, Some(there)) => {
                let share = there.bytes / 4 * 3;
                let (bytes, what) =
                    if share < MOST { (share, "three quarters of") } else { (MOST, "the default, less than three quarters of") };
                Ok(Memory { bytes, source: format!("{what} {} bytes ({})", there.bytes, there.source) })
            }
            (bytes, Some(there)) if bytes > there.bytes => Err(ConfigError::Value {
                field: "limits.memory_bytes".into(),
                found: bytes.to_string(),
                wanted: format!(
                    "at most {} are there ({}); 0, the default, takes three quarters of them and at most 8 GiB",
                    there.bytes, there.source
                ),
            }),
            (bytes, _) => Ok(Memory { bytes, source: "the configuration".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
    const V2: (&str, &str) =
        ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    const V1: (&str, &str) = (
        "proc/self/mountinfo",
        "36 32 0:31 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n37 32 0:32 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
    );

    fn bytes(files: &[(&str, &str)]) -> u64 {
        Available::under(tree(files).path()).unwrap().bytes
    }

    #[test]
    fn the_least_of_machine_and_nested_groups_counts() {
        assert_eq!(bytes(&[MEMINFO]), 16 << 30);
        let own = ("proc/self/cgroup", "0::/a.slice/b.service\n");
        let max = |folder: &'static str, text: &'static str| (folder, text);
        let outer = max("sys/fs/cgroup/a.slice/memory.max", "3000000\n");
        let inner = max("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
        let other = max("sys/fs/cgroup/c.slice/memory.max", "1000\n");
        assert_eq!(bytes(&[MEMINFO, V2, own, outer, inner, other]), 3_000_000);
        let inner = max("sys/fs/cgroup/a.slice/b.service/memory.max", "2000000\n");
        assert_eq!(bytes(&[MEMINFO, V2, own, outer, inner]), 2_000_000);
        // A container with a namespace of its own.
        let own = ("proc/self/cgroup", "0::/\n");
        assert_eq!(bytes(&[MEMINFO, V2, own, max("sys/fs/cgroup/memory.max", "5000000\n")]), 5_000_000);
        assert!(Available::under(tree(&[]).path()).is_none());
    }

    #[test]
    fn groups_of_version_1_count_as_well() {
        let own = ("proc/self/cgroup", "3:cpu:/x\n9:hugetlb,memory:/docker/x/y\n0::/z\n");
        let inner = ("sys/fs/cgroup/memory/y/memory.limit_in_bytes", "9223372036854771712\n");
        let outer = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576000\n");
        assert_eq!(bytes(&[MEMINFO, V1, own, inner, outer]), 1_048_576_000);
        assert_eq!(bytes(&[MEMINFO, V1, own, inner]), 16 << 30);
    }

    #[test]
    fn the_default_follows_what_is_there_and_more_than_that_is_refused() {
        let there = |bytes| Available { bytes, source: "memory.max".into() };
        let with = |memory_bytes, there: Option<Available>| {
            Limits { memory_bytes, ..Limits::default() }.memory(there.as_ref()).map(|memory| memory.bytes)
        };
        assert_eq!(with(0, Some(there(1_048_576_000))).unwrap(), 786_432_000);
        assert_eq!((with(0, Some(there(64 << 30))).unwrap(), with(0, None).unwrap()), (8 << 30, 8 << 30));
        assert_eq!(with(1000, Some(there(1000))).unwrap(), 1000);
        let refused = with(1001, Some(there(1000))).unwrap_err().to_string();
        assert!(refused.contains("limits.memory_bytes is 1001") && refused.contains("memory.max"), "{refused}");
    }
}
