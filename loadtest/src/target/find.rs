//! Which process of this host listens at an address: proc(5), `/proc/net/tcp` for the socket's inode,
//! `/proc/PID/fd` for who has it open. Knows nothing of what that process is.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// `TCP_LISTEN` in the column `st`.
const LISTEN: &str = "0A";

/// The one process that listens there; `None` if the address is another host's, if the process may not be looked
/// at, or if several share the socket and none of them is the server alone.
pub fn listener_of(address: SocketAddr) -> Option<u32> {
    let pids = listeners_of(address);
    (pids.len() == 1).then(|| pids.into_iter().next())?
}

/// All processes that have a socket open that listens there.
pub fn listeners_of(address: SocketAddr) -> BTreeSet<u32> {
    if !is_of_this_host(address.ip()) {
        return BTreeSet::new();
    }
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        inodes.extend(listening(&fs::read_to_string(table).unwrap_or_default(), address));
    }
    if inodes.is_empty() {
        return BTreeSet::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| has_open(*pid, &inodes)).collect()
}

/// Only an address of this host can be bound.
fn is_of_this_host(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn has_open(pid: u32, inodes: &HashSet<u64>) -> bool {
    let descriptors = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"));
    descriptors.into_iter().flatten().flatten().any(|entry| {
        let link = fs::read_link(entry.path()).unwrap_or_default();
        let inode = link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

/// Inodes of the sockets in a table that listen at the address, or at all addresses on its port.
fn listening(table: &str, address: SocketAddr) -> Vec<u64> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let local = socket_address(columns.get(1)?)?;
        let inode = columns.get(9)?.parse().ok()?;
        (columns.get(3) == Some(&LISTEN) && answers(local, address)).then_some(inode)
    });
    rows.collect()
}

fn answers(local: SocketAddr, asked: SocketAddr) -> bool {
    let (local_ip, asked_ip) = (local.ip().to_canonical(), asked.ip().to_canonical());
    local.port() == asked.port() && (local_ip == asked_ip || local_ip.is_unspecified())
}

/// `0100007F:1F90`: 32-bit words in the host's byte order, and the port as a number.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for index in 0..4 {
                bytes[index * 4..index * 4 + 4].copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn tables_are_read_as_proc_5_says() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0
   3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0 100 0 0 10 0
   4: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4715 1 0 100 0 0 10 0
";
        assert_eq!(listening(table, "127.0.0.1:8080".parse().unwrap()), [4711, 4713]);
        let six = "00000000000000000000000001000000:1F90";
        assert_eq!(socket_address(six), Some("[::1]:8080".parse().unwrap()));
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert!(answers(socket_address(mapped).unwrap(), "127.0.0.1:8080".parse().unwrap()));
        assert_eq!(socket_address("rubbish"), None);
    }

    #[test]
    fn this_process_is_found_while_it_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Another test's child may share it for a moment, between fork and exec.
        assert!(listeners_of(address).contains(&std::process::id()));
        drop(listener);
        assert!(!listeners_of(address).contains(&std::process::id()));
    }

    #[test]
    fn another_hosts_address_is_nobodys() {
        // TEST-NET-1 of RFC 5737.
        assert_eq!(listener_of("192.0.2.1:80".parse().unwrap()), None);
    }
}
