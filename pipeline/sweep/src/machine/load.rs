//! How much of the machine others use.

/// Processor time so far, in the kernel's ticks: of all processes, of this one, and in all.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    busy: u64,
    own: u64,
    total: u64,
}

impl Ticks {
    /// Now, where Linux tells.
    pub fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let all: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
        let total: u64 = all.iter().sum();
        let idle: u64 = all.iter().skip(3).take(2).sum();
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the program's name, which may hold spaces: user and system time are the twelfth and thirteenth field.
        let own = own.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        Some(Self { busy: u64::saturating_sub(total, idle), own, total })
    }

    /// The part of the machine's processor time since `before` that other processes took, 0 to 1.
    pub fn foreign_since(self, before: Self) -> Option<f64> {
        let others = self.busy.saturating_sub(before.busy).saturating_sub(self.own.saturating_sub(before.own));
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        Some((others as f64 / total as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_of_others_is_what_is_neither_idle_nor_ours() {
        let before = Ticks { busy: 100, own: 40, total: 1000 };
        let after = Ticks { busy: 160, own: 80, total: 1200 };
        assert_eq!(after.foreign_since(before), Some(0.1));
        assert_eq!(before.foreign_since(before), None);
    }
}
