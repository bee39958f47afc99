//! When a run of a worker ends by itself.

use std::time::Duration;

/// The limits of one run. Reaching one stops the worker gracefully.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLimits {
    pub(crate) max_jobs: Option<u64>,
    pub(crate) max_time: Option<Duration>,
    pub(crate) max_memory: Option<u64>,
    pub(crate) stop_when_empty: bool,
}

impl RunLimits {
    pub(crate) fn check(&self, faults: &mut Vec<String>) {
        if self.max_jobs == Some(0) {
            faults.push("max_jobs is 0: the worker would have nothing to do".to_owned());
        }
        if self.max_memory.is_some() && resident_bytes().is_none() {
            faults.push("max_memory is known on Linux only, from /proc/self/status".to_owned());
        }
    }
}

/// The memory of this process that is in RAM; `None` where it cannot be known.
///
/// From `status` and not `statm`, whose unit is the page, which differs between machines.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_memory_of_this_process_is_known() {
        let bytes = resident_bytes().unwrap();

        assert!((100_000..100_000_000_000).contains(&bytes), "{bytes}");
    }
}
