//! What an experiment ran on: processor, commit, load of others; and the memory that it asked for.

mod load;

pub use load::Ticks;

use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};
use std::path::Path;
use veilray_he::simd::Backend;

/// Instruction sets that the engine or the training can use.
const FEATURES: [&str; 7] = ["avx2", "fma", "avx512f", "avx512dq", "avx512ifma", "avx512_vnni", "asimd"];

/// The machine, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Its instruction sets that matter, and the engine's choice.
    pub features: String,
    /// Logical cores that the process may use.
    pub cores: usize,
    /// The source's commit, with `-dirty` where files differ from it; `unknown` outside of a repository.
    pub commit: String,
    /// Seconds since 1970.
    pub unix_time: u64,
}

impl Machine {
    /// The machine that this process runs on.
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_string())
        };
        let flags = field("flags").or_else(|| field("Features")).unwrap_or_default();
        let mut features: Vec<String> =
            FEATURES.iter().filter(|name| flags.split_whitespace().any(|flag| flag == **name)).map(ToString::to_string).collect();
        features.push(format!("engine {}", Backend::detect().map_or("none", Backend::name)));
        Self {
            processor: field("model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            features: features.join(" "),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            commit: commit().unwrap_or_else(|| "unknown".into()),
            unix_time: veilray_base::clock::now(),
        }
    }
}

/// The commit of the tree that this program was built from, where that is still there.
fn commit() -> Option<String> {
    // A build outside of a repository may state it.
    if let Some(given) = option_env!("VEILRAY_COMMIT") {
        return Some(given.into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { head } else { format!("{head}-dirty") })
}

/// Bytes of memory that the machine has, where Linux says.
pub fn memory_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

/// The allocator of every program that links this crate: the system's, counted.
#[global_allocator]
static ALLOCATOR: PeakMemAlloc<std::alloc::System> = PeakMemAlloc::new(std::alloc::System);

/// Forgets the peak of what was allocated: the next [`peak_allocated_bytes`] counts from here.
pub fn forget_peak() {
    ALLOCATOR.reset_peak_memory();
}

/// The most that was allocated on top of what there was at [`forget_peak`]. Unlike the resident size it does not depend on which freed pages
/// the process still holds.
pub fn peak_allocated_bytes() -> usize {
    ALLOCATOR.get_peak_memory()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let here = Machine::here();
        assert!(here.cores > 0 && here.features.contains("engine") && !here.processor.is_empty());
        assert!(memory_bytes().is_none_or(|all| all > 1 << 28));
    }

    #[test]
    fn the_peak_is_of_what_was_allocated_since() {
        let (large, small) = (1 << 28, 1 << 26);
        drop(std::hint::black_box(vec![1u8; large]));
        forget_peak();
        drop(std::hint::black_box(vec![1u8; small]));
        // Tests beside this one allocate and free a little too.
        let peak = peak_allocated_bytes();
        assert!(peak > small / 2 && peak < large, "{peak}");
    }
}
