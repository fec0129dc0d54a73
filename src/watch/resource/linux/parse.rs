//! The files of `/proc` that tell how much is used. What is not as it should be is not guessed at.

use crate::watch::resource::{Cpu, Room, tenth};
use serde::{Deserialize, Serialize};

/// Processor time since the boot, of all processors, in clock ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    /// In all.
    pub total: u64,
    /// Doing nothing.
    pub idle: u64,
    /// Waiting for a disk.
    pub waiting: u64,
    /// Taken by other machines.
    pub stolen: u64,
}

/// Parses `/proc/stat`: the time of all processors, and how many there are.
#[must_use]
pub fn parse_stat(stat: &[u8]) -> Option<(Ticks, u32)> {
    let text = std::str::from_utf8(stat).ok()?;
    let mut lines = text.lines();
    let numbers: Option<Vec<u64>> = lines
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect();
    let numbers = numbers?;
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    if numbers.len() < 4 {
        return None;
    }
    // The time of guests is counted in that of users already.
    let total = numbers.iter().take(8).try_fold(0_u64, |sum, number| sum.checked_add(*number))?;
    let ticks = Ticks { total, idle: at(3), waiting: at(4), stolen: at(7) };
    let processors = lines.take_while(|line| line.starts_with("cpu")).count();
    Some((ticks, u32::try_from(processors.max(1)).ok()?))
}

/// How busy the processors were between two readings; nothing if they are too near to one another, or do not
/// follow one another (waiting time may go backwards: then it counts as none).
#[must_use]
pub fn cpu_between(from: Ticks, to: Ticks, processors: u32, ticks_per_second: u64) -> Option<Cpu> {
    let total = to.total.checked_sub(from.total)?;
    let per_second = u64::from(processors).max(1).saturating_mul(ticks_per_second.max(1));
    // A tenth of a second is the least that tells anything.
    if total == 0 || total.saturating_mul(10) < per_second {
        return None;
    }
    let share = |from: u64, to: u64| to.saturating_sub(from).min(total) as f64 / total as f64 * 100.0;
    let (idle, waiting) = (share(from.idle, to.idle), share(from.waiting, to.waiting));
    Some(Cpu {
        used: tenth((100.0 - idle - waiting).clamp(0.0, 100.0)),
        waiting: tenth(waiting),
        stolen: tenth(share(from.stolen, to.stolen)),
        seconds: tenth(total as f64 / per_second as f64),
    })
}

/// Parses `/proc/meminfo`: memory and swap in bytes, the latter if there is any.
#[must_use]
pub fn parse_meminfo(meminfo: &[u8]) -> Option<(Room, Option<Room>)> {
    let text = std::str::from_utf8(meminfo).ok()?;
    let field = |name: &str| -> Option<u64> {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    let total = field("MemTotal")?;
    // Kernels before 3.14 do not estimate it.
    let old = || Some(field("MemFree")?.saturating_add(field("Buffers")?).saturating_add(field("Cached")?));
    let memory = Room { total, available: field("MemAvailable").or_else(old)?.min(total) };
    let swap = field("SwapTotal").filter(|total| *total > 0);
    let swap = swap.zip(field("SwapFree")).map(|(total, free)| Room { total, available: free.min(total) });
    Some((memory, swap))
}

/// Parses `/proc/loadavg`: over one, five and fifteen minutes.
#[must_use]
pub fn parse_loadavg(loadavg: &[u8]) -> Option<[f64; 3]> {
    let mut numbers = std::str::from_utf8(loadavg)
        .ok()?
        .split_ascii_whitespace()
        .map(|number| number.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0));
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Parses a file of `/proc/pressure`: the share of the last minute in which some task stood still, in percent.
#[must_use]
pub fn parse_pressure(pressure: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(pressure).ok()?;
    let mut fields = text.lines().find_map(|line| line.strip_prefix("some "))?.split_ascii_whitespace();
    let share: f64 = fields.find_map(|field| field.strip_prefix("avg60="))?.parse().ok()?;
    (0.0..=100.0).contains(&share).then_some(share)
}

/// Parses `/proc/PID/stat`: the processor time of the process in ticks.
#[must_use]
pub fn parse_process_ticks(stat: &[u8]) -> Option<u64> {
    // Its name stands in brackets and may itself hold any.
    let after = stat.get(stat.iter().rposition(|b| *b == b')')? + 1..)?;
    let mut fields = std::str::from_utf8(after).ok()?.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

/// Parses `/proc/PID/statm`: the pages of the process that are in memory.
#[must_use]
pub fn parse_resident_pages(statm: &[u8]) -> Option<u64> {
    std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Parses `/proc/PID/status`: the bytes of the process that are in swap. Its name comes first and is anybody's
/// text, but the kernel lets no line break into it.
#[must_use]
pub fn parse_swapped(status: &[u8]) -> Option<u64> {
    let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"VmSwap:"))?;
    let kilobytes: u64 = std::str::from_utf8(line).ok()?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processor_time_is_the_difference_of_two_readings() {
        let (from, processors) =
            parse_stat(b"cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n").unwrap();
        assert_eq!((from, processors), (Ticks { total: 1000, idle: 700, waiting: 100, stolen: 0 }, 2));
        let (to, _) = parse_stat(b"cpu  200 0 150 720 120 0 0 10 50 0\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(
            cpu_between(from, to, 2, 100),
            Some(Cpu { used: 80.0, waiting: 10.0, stolen: 5.0, seconds: 1.0 })
        );
        assert_eq!(cpu_between(to, from, 2, 100), None);
        assert_eq!(cpu_between(from, from, 2, 100), None);
        let backwards = Ticks { waiting: 50, ..to };
        assert_eq!(cpu_between(from, backwards, 2, 100).map(|cpu| cpu.waiting), Some(0.0));
    }

    #[test]
    fn what_is_not_processor_time_is_refused() {
        for stat in ["", "cpu 1 2 3\n", "cpu0 1 2 3 4\n", "cpu 1 2 3 x\n", "cpu 18446744073709551615 1 1 1\n"]
        {
            assert_eq!(parse_stat(stat.as_bytes()), None, "{stat}");
        }
    }

    #[test]
    fn memory_that_can_be_given_back_is_available() {
        let text = b"MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\nSwapTotal: 200 kB\nSwapFree: 50 kB\n";
        let (memory, swap) = parse_meminfo(text).unwrap();
        assert_eq!((memory.used(), swap.unwrap().used()), (60.0, 75.0));
        let old = b"MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 150 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        let (memory, swap) = parse_meminfo(old).unwrap();
        assert_eq!((memory.used(), swap), (70.0, None));
        assert_eq!(parse_meminfo(b"MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n"), None);
        assert_eq!(parse_meminfo(b"MemTotal: 5 kB\n"), None);
    }

    #[test]
    fn loads_and_pressure_are_numbers() {
        assert_eq!(parse_loadavg(b"0.52 1.05 2.00 1/234 5678\n"), Some([0.52, 1.05, 2.0]));
        assert_eq!(parse_loadavg(b"NaN 1 1 1/2 3"), None);
        assert_eq!(parse_loadavg(b"1 1"), None);
        let psi = b"some avg10=1.00 avg60=2.50 avg300=0.10 total=5\nfull avg10=0.00 avg60=9.00 avg300=0.00 total=5\n";
        assert_eq!(parse_pressure(psi), Some(2.5));
        assert_eq!(parse_pressure(b"full avg10=0.00 avg60=9.00"), None);
    }

    #[test]
    fn what_a_process_uses() {
        let stat = b"42 (a) R 9) 9) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 100 200 300";
        assert_eq!(parse_process_ticks(stat), Some(200));
        assert_eq!(parse_process_ticks(b"42 (x) S 1"), None);
        assert_eq!(parse_resident_pages(b"1000 250 3 4 0 5 0\n"), Some(250));
        assert_eq!(parse_swapped(b"Name:\t\xff\xfe\nVmSwap:\t     128 kB\nThreads:\t1\n"), Some(131_072));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in "(cpu|MemTotal:|some avg60=|[0-9 .kB):\n(]){0,60}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = (parse_stat(bytes), parse_meminfo(bytes), parse_loadavg(bytes), parse_pressure(bytes));
                let _ = (parse_process_ticks(bytes), parse_resident_pages(bytes), parse_swapped(bytes));
            }
        }

        #[test]
        fn shares_are_between_0_and_100(from: [u64; 4], to: [u64; 4], processors: u32, hertz: u64) {
            let ticks = |[total, idle, waiting, stolen]: [u64; 4]| Ticks { total, idle, waiting, stolen };
            if let Some(cpu) = cpu_between(ticks(from), ticks(to), processors, hertz) {
                for share in [cpu.used, cpu.waiting, cpu.stolen] {
                    prop_assert!((0.0..=100.0).contains(&share));
                }
            }
        }
    }
}
