//! What the kernel says about this process (proc(5)). Read when metrics are asked for, never before.

use std::fs;

/// Figures of this process; `None` where the kernel did not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessFigures {
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// User and system time since the start.
    pub(super) cpu_secs: Option<f64>,
    /// Seconds since the Unix epoch.
    pub(super) started_at_secs: Option<f64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<u64>,
    /// The soft limit of the above.
    pub(super) max_fds: Option<u64>,
}

/// USER_HZ: the kernel shows times to user space in hundredths of a second on every architecture that
/// Rust's standard library runs Linux on, whatever its own tick is (proc(5), time(7)).
const TICKS_PER_SEC: f64 = 100.0;

pub(super) fn read() -> ProcessFigures {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu_secs, after_boot_secs) = times(&text("/proc/self/stat"));
    let booted_at_secs = number_after(&text("/proc/stat"), "btime ");
    ProcessFigures {
        resident_bytes: number_after(&text("/proc/self/status"), "VmRSS:").map(|kib| kib * 1024),
        cpu_secs,
        started_at_secs: after_boot_secs.zip(booted_at_secs).map(|(after, boot)| boot as f64 + after),
        open_fds: open_fds(),
        max_fds: number_after(&text("/proc/self/limits"), "Max open files"),
    }
}

/// From Linux 6.2 the directory's size is the number of descriptors; before it is 0, and counting is the
/// only way (milliseconds with tens of thousands of sockets).
fn open_fds() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        // The listing holds itself open.
        0 => Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

/// CPU seconds, and seconds from boot to start: fields 14, 15 and 22 of /proc/self/stat. The second field
/// is the program's name and may hold spaces, so counting begins after its parenthesis.
fn times(stat: &str) -> (Option<f64>, Option<f64>) {
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return (None, None);
    };
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<f64>().ok();
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SEC);
    (cpu, field(22).map(|ticks| ticks / TICKS_PER_SEC))
}

fn number_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_strange_name_is_read() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 12345 99 1";
        assert_eq!(times(stat), (Some(3.0), Some(123.45)));
        assert_eq!(times(""), (None, None));
    }

    #[test]
    fn this_process_is_alive() {
        let figures = read();
        assert!(figures.resident_bytes.unwrap() > 100_000);
        assert!(figures.open_fds.unwrap() >= 3);
        assert!(figures.max_fds.unwrap() >= figures.open_fds.unwrap());
        assert!(figures.started_at_secs.unwrap() > 1_500_000_000.0);
        assert!(figures.cpu_secs.is_some());
    }
}
