//! Where a run takes place, read from `/proc`. What cannot be read is left empty: it decides nothing.

use std::fs;

use crate::result::Machine;

/// This machine; `server` is the version that the server says.
pub fn describe(server: Option<String>) -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, cpus) = cpu_of(&read("/proc/cpuinfo"));
    Machine {
        host: read("/proc/sys/kernel/hostname").trim().to_owned(),
        cpu,
        cpus,
        memory_bytes: memory_of(&read("/proc/meminfo")),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        loadtest: env!("CARGO_PKG_VERSION").to_owned(),
        server,
    }
}

/// Model and number of CPUs online; some architectures name no model.
fn cpu_of(cpuinfo: &str) -> (String, u32) {
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(value);
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    (model.unwrap_or_default(), u32::try_from(cpus).unwrap_or(u32::MAX))
}

fn memory_of(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: A CPU @ 2.0 GHz\n\nprocessor\t: 1\nmodel name\t: A CPU @ 2.0 GHz\n";
        assert_eq!(cpu_of(cpuinfo), ("A CPU @ 2.0 GHz".to_owned(), 2));
        assert_eq!(memory_of("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), 24_576_000 * 1024);
        assert_eq!((cpu_of(""), memory_of("")), ((String::new(), 0), 0));
    }

    #[test]
    fn this_machine_has_something_of_each() {
        let machine = describe(Some("1.2.3".to_owned()));
        assert!(machine.cpus > 0 && machine.memory_bytes > 0 && !machine.kernel.is_empty());
        assert_eq!(machine.server.as_deref(), Some("1.2.3"));
    }
}
