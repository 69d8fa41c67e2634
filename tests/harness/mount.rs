//! A small file system of its own for a test that fills it. Needs root; where it cannot be had the test says so loudly, and
//! in CI that is a failure.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs; unmounted when dropped.
pub struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    /// One of so many MiB; `None` if nothing can be mounted here.
    pub fn mount(mib: u64) -> Option<Self> {
        let place = tempfile::tempdir().expect("a place to mount at");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "switchboard-test"])
            .arg(place.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self { place });
        }
        skipped("nothing can be mounted here (that needs root): a full disk was NOT tried");
        None
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Writes until only so many bytes are left, or none is.
    pub fn fill_up_to(&self, left_bytes: u64) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("a ballast file");
        let piece = vec![0xAA; 64 * 1024];
        while let Some(over) = self.free_bytes().checked_sub(left_bytes).filter(|over| *over > 0) {
            let bytes = usize::try_from(over).expect("small").min(piece.len());
            if file.write_all(&piece[..bytes]).is_err() {
                return;
            }
        }
    }

    pub fn remove_ballast(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn free_bytes(&self) -> u64 {
        let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(self.path()).output().expect("stat runs");
        let text = String::from_utf8(output.stdout).expect("numbers");
        let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        numbers.iter().product()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Says that a test was not run; in CI it must be.
#[track_caller]
pub fn skipped(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}");
    eprintln!("\n!!!!!!!! {what} !!!!!!!!\n");
}
