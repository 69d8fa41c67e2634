//! What this machine has room for, and taking it. Knows nothing of what it is taken for.

use std::fs;

use rlimit::Resource;

use super::Problem;
use crate::settings::Room;

/// What Linux gives by default.
const PORTS_DEFAULT: u64 = 28_232;

/// Descriptors and local ports.
pub fn room() -> Room {
    let open_files = Resource::NOFILE.get_hard().unwrap_or(u64::MAX);
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    Room { open_files, ports: ports(&range).unwrap_or(PORTS_DEFAULT) }
}

/// All descriptors that may be had; processes that are started inherit it.
pub fn take_open_files() -> Result<(), Problem> {
    let failed = |needed, error| Problem::OpenFiles { needed, error };
    let (soft, hard) = Resource::NOFILE.get().map_err(|error| failed(0, error))?;
    if soft < hard {
        Resource::NOFILE.set(hard, hard).map_err(|error| failed(hard, error))?;
    }
    Ok(())
}

/// The first and the last, both included.
fn ports(range: &str) -> Option<u64> {
    let mut bounds = range.split_ascii_whitespace().map(str::parse::<u64>);
    let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    last.checked_sub(first).map(|ports| ports + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_ports_is_read() {
        assert_eq!(ports("32768\t60999\n"), Some(PORTS_DEFAULT));
        assert_eq!(ports(""), None);
        assert_eq!(ports("5 1"), None);
    }

    #[test]
    fn all_descriptors_are_taken() {
        take_open_files().unwrap();
        assert_eq!(Resource::NOFILE.get_soft().unwrap(), room().open_files);
    }
}
