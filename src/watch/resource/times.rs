//! How busy processors were, from what Windows counts: time, and not ticks.

use super::{Cpu, tenth};
use serde::{Deserialize, Serialize};

/// Processor time since the start of Windows, of all processors together, in units of 100 nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Of `kernel`, what was idle.
    pub idle: u64,
    /// In the kernel, idle or not.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
}

/// So many units are a second.
const SECOND: f64 = 10_000_000.0;

/// How busy the processors were from one moment to another; nothing if no time passed, or it ran backwards.
#[must_use]
pub fn between(from: Times, to: Times, processors: u32) -> Option<Cpu> {
    let idle = to.idle.checked_sub(from.idle)?;
    let total = to.kernel.checked_sub(from.kernel)?.checked_add(to.user.checked_sub(from.user)?)?;
    let seconds = total as f64 / SECOND / f64::from(processors.max(1));
    // A twentieth of a second is the least that tells anything: Windows counts by its clock's 64 ticks a second.
    if seconds < 0.05 {
        return None;
    }
    let used = 100.0 - idle as f64 / total as f64 * 100.0;
    Some(Cpu { used: tenth(used.clamp(0.0, 100.0)), waiting: 0.0, stolen: 0.0, seconds: tenth(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(idle: u64, kernel: u64, user: u64) -> Times {
        Times { idle, kernel, user }
    }

    #[test]
    fn idle_time_is_part_of_the_kernel_s_and_is_not_used() {
        // Two processors over ten seconds: fifteen idle, two in the kernel, three in programs.
        let second = 10_000_000;
        let from = times(100 * second, 130 * second, 20 * second);
        let to = times(115 * second, 147 * second, 23 * second);
        let cpu = between(from, to, 2);
        assert_eq!(cpu, Some(Cpu { used: 25.0, waiting: 0.0, stolen: 0.0, seconds: 10.0 }));
    }

    #[test]
    fn time_that_did_not_pass_or_ran_backwards_tells_nothing() {
        let from = times(10, 20, 30);
        assert_eq!(between(from, from, 1), None);
        assert_eq!(between(times(10, 20, 30_000_000), times(10, 90_000_000, 30), 1), None);
        assert_eq!(between(times(0, 0, 0), times(u64::MAX, u64::MAX, u64::MAX), 1), None);
        // Counters of several processors are not read at one moment.
        let skewed = between(times(0, 0, 0), times(50_000_000, 40_000_000, 0), 1);
        assert_eq!(skewed.map(|cpu| cpu.used), Some(0.0));
    }
}
