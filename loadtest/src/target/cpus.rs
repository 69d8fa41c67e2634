//! Lists of CPUs, and keeping a thread on them. Knows no process but its own.

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Deserialize;

/// CPUs by number, ascending, each once, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CpuList(Vec<usize>);

/// Why a text is no list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no list of CPUs: expected something like 0 or 0-3,8, each below {}", CpuSet::MAX_CPU)]
pub struct BadCpuList {
    text: String,
}

impl CpuList {
    /// The CPUs.
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }

    /// Keeps the calling thread, and all threads and processes it starts from now on, on these CPUs.
    pub fn pin_this_thread(&self) -> io::Result<()> {
        let mut set = CpuSet::new();
        for cpu in &self.0 {
            set.set(*cpu);
        }
        Ok(sched_setaffinity(None, &set)?)
    }
}

impl std::str::FromStr for CpuList {
    type Err = BadCpuList;

    /// `0-3,8,10-11`, the "List format" of cpuset(7).
    fn from_str(text: &str) -> Result<Self, BadCpuList> {
        let bad = || BadCpuList { text: text.to_owned() };
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.trim().parse().map_err(|_| bad())?;
            let last: usize = last.trim().parse().map_err(|_| bad())?;
            if first > last || last >= CpuSet::MAX_CPU {
                return Err(bad());
            }
            cpus.extend(first..=last);
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Self(cpus))
    }
}

impl TryFrom<String> for CpuList {
    type Error = BadCpuList;

    fn try_from(text: String) -> Result<Self, BadCpuList> {
        text.parse()
    }
}

impl std::fmt::Display for CpuList {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        for (text, cpus) in [("0", vec![0]), ("0-3", vec![0, 1, 2, 3]), ("8,0-1", vec![0, 1, 8]), ("1,1-2", vec![1, 2])]
        {
            assert_eq!(text.parse::<CpuList>().unwrap().cpus(), cpus, "{text}");
        }
        for text in ["", "a", "3-1", "0,", "-1", "0-", "1024", "0-99999999999"] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_thread_and_what_it_starts_stay_there() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cpu = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
        let list: CpuList = cpu.to_string().parse().unwrap();
        let seen = std::thread::spawn(move || {
            list.pin_this_thread().unwrap();
            std::thread::spawn(|| rustix::thread::sched_getaffinity(None).unwrap()).join().unwrap()
        });
        let seen = seen.join().unwrap();
        assert_eq!(seen.count(), 1);
        assert!(seen.is_set(cpu));
    }
}
