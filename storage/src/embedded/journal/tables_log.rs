//! fjall's own journal, seen from outside: which file it writes, up to where, and how to make that durable without the
//! writer's lock, which fjall's `persist` holds while it syncs. Must not know what is in it.
//!
//! Relied on, as of fjall 3.1 (`journal/{writer,manager,recovery}.rs`): files are `N.jnl` with a growing N and are only
//! appended to; `rotate` syncs the old file and then the directory before it writes the new one; a file is removed
//! once all in it is in synced tables; a file that ends within a batch, or at a batch's end, opens without that batch
//! and those behind it. Positions are asked for between two batches, by the only thread that writes batches.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Descriptors are numbered so.
type Descriptor = u32;

/// How far the newest file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Position {
    /// The N of its name.
    pub id: u64,
    /// In bytes from its beginning.
    pub offset: u64,
}

/// fjall's journal in one data directory.
#[derive(Clone, Debug)]
pub(in crate::embedded) struct TablesLog {
    /// Without symbolic links, as the kernel names it.
    dir: PathBuf,
    /// The descriptor that was written through when last asked.
    writer: Option<(Descriptor, u64)>,
}

impl TablesLog {
    /// Of the data directory `dir`, which exists.
    pub fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: fs::canonicalize(dir)?, writer: None })
    }

    /// Up to where batches were written. fjall does not tell, so the kernel is asked for the offset of its descriptor.
    pub fn position(&mut self) -> io::Result<Position> {
        if let Some((descriptor, id)) = self.writer
            && let Some(position) = self.position_of(descriptor, id)
        {
            return Ok(position);
        }
        let newest = self.writers()?.into_iter().max_by_key(|(_, id)| *id);
        self.writer = newest;
        newest
            .and_then(|(descriptor, id)| self.position_of(descriptor, id))
            .ok_or_else(|| io::Error::other("the journal of the tables is not found in /proc/self/fd"))
    }

    /// Makes all up to a position durable. A file that is gone is in the tables.
    pub fn sync(&self, position: Position) -> io::Result<()> {
        match File::open(self.path(position.id)) {
            Ok(file) => file.sync_data()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        File::open(&self.dir)?.sync_all()
    }

    /// Before fjall opens: takes away what was written after `position`, which a power loss may have left with holes.
    /// Fails with `Corrupt` if what was durable is not there.
    pub fn cut(&self, position: Position) -> Result<(), StoreError> {
        let failed = |error| StoreError::io(format!("reading the journals in {}", self.dir.display()), error);
        let ids = self.ids().map_err(failed)?;
        self.check(position)?;
        if ids.iter().all(|id| *id < position.id) {
            let path = self.path(position.id);
            return Err(StoreError::corrupt(format!("{} is missing; restore it from a backup", path.display())));
        }
        for id in ids.into_iter().filter(|id| *id >= position.id) {
            let bytes = if id == position.id { position.offset } else { 0 };
            let cut = |path: &Path| {
                let file = OpenOptions::new().write(true).open(path)?;
                file.set_len(bytes)?;
                file.sync_all()
            };
            let path = self.path(id);
            cut(&path).map_err(|error| StoreError::io(format!("cutting {}", path.display()), error))?;
        }
        Ok(())
    }

    /// Whether what was durable is there; fjall cuts a damaged file where the damage begins.
    pub fn check(&self, position: Position) -> Result<(), StoreError> {
        let path = self.path(position.id);
        match fs::metadata(&path) {
            Ok(found) if found.len() < position.offset => Err(StoreError::corrupt(format!(
                "{} is good for {} bytes only, but {} were synced; restore the data directory from a backup",
                path.display(),
                found.len(),
                position.offset
            ))),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StoreError::io(format!("reading {}", path.display()), error)),
        }
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id}.jnl"))
    }

    fn ids(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            ids.extend(self.id_of(&entry?.path()));
        }
        Ok(ids)
    }

    /// The N of a file's name, if it is one of these.
    fn id_of(&self, path: &Path) -> Option<u64> {
        let name = path.strip_prefix(&self.dir).ok()?.to_str()?;
        name.strip_suffix(".jnl")?.parse().ok()
    }

    /// Descriptors open on these files for writing.
    fn writers(&self) -> io::Result<Vec<(Descriptor, u64)>> {
        let mut writers = Vec::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            // Others open and close files meanwhile.
            let Ok(entry) = entry else { continue };
            let descriptor = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let id = fs::read_link(entry.path()).ok().and_then(|path| self.id_of(&path));
            if let (Some(descriptor), Some(id)) = (descriptor, id)
                && self.position_of(descriptor, id).is_some()
            {
                writers.push((descriptor, id));
            }
        }
        Ok(writers)
    }

    /// `None` if the descriptor is another file's by now, or does not write.
    fn position_of(&self, descriptor: Descriptor, id: u64) -> Option<Position> {
        let is_it = || fs::read_link(format!("/proc/self/fd/{descriptor}")).is_ok_and(|path| path == self.path(id));
        is_it().then_some(())?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
        let (offset, flags) = offset_and_flags(&info)?;
        is_it().then_some(())?;
        let (access, append) = (flags & flags_of_open::ACCESS, flags & flags_of_open::APPEND != 0);
        (access != flags_of_open::READ_ONLY).then_some(())?;
        // An appending descriptor's offset says nothing before its first write; its file has no room in advance.
        let offset = if append { fs::metadata(self.path(id)).ok()?.len() } else { offset };
        Some(Position { id, offset })
    }
}

/// As `rustix::fs::OFlags` has them; the kernel writes them in octal.
mod flags_of_open {
    use rustix::fs::OFlags;

    pub(super) const ACCESS: u32 = OFlags::RWMODE.bits();
    pub(super) const READ_ONLY: u32 = OFlags::RDONLY.bits();
    pub(super) const APPEND: u32 = OFlags::APPEND.bits();
}

/// Reads `/proc/self/fdinfo/N` (proc(5)).
fn offset_and_flags(info: &str) -> Option<(u64, u32)> {
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some((field("pos:")?.parse().ok()?, u32::from_str_radix(field("flags:")?, 8).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_newest_writer_is_found_and_followed() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = TablesLog::new(dir.path()).unwrap();
        assert!(log.position().is_err());
        let path = |id: u64| dir.path().join(format!("{id}.jnl"));
        let mut first = File::create_new(path(3)).unwrap();
        first.set_len(1000).unwrap();
        let _reader = File::open(path(3)).unwrap();
        assert_eq!(log.position().unwrap(), Position { id: 3, offset: 0 });
        first.write_all(b"12345").unwrap();
        assert_eq!(log.position().unwrap(), Position { id: 3, offset: 5 });

        fs::write(path(4), b"1234567").unwrap();
        let mut second = OpenOptions::new().append(true).open(path(4)).unwrap();
        drop(first);
        assert_eq!(log.position().unwrap(), Position { id: 4, offset: 7 });
        second.write_all(b"8").unwrap();
        let position = log.position().unwrap();
        assert_eq!(position, Position { id: 4, offset: 8 });
        log.sync(position).unwrap();
        log.sync(Position { id: 1, offset: 5 }).unwrap();
    }

    #[test]
    fn what_was_not_synced_is_cut_off_and_what_was_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let log = TablesLog::new(dir.path()).unwrap();
        let length = |id: u64| fs::metadata(dir.path().join(format!("{id}.jnl"))).unwrap().len();
        for id in 1..=4 {
            fs::write(dir.path().join(format!("{id}.jnl")), [0; 10]).unwrap();
        }
        log.cut(Position { id: 2, offset: 7 }).unwrap();
        assert_eq!([1, 2, 3, 4].map(length), [10, 7, 0, 0]);
        let error = log.cut(Position { id: 2, offset: 8 }).unwrap_err();
        assert!(error.to_string().contains("2.jnl is good for 7 bytes only, but 8 were synced"), "{error}");
        let error = log.cut(Position { id: 5, offset: 0 }).unwrap_err();
        assert!(error.to_string().contains("5.jnl is missing"), "{error}");

        fs::remove_file(dir.path().join("2.jnl")).unwrap();
        log.cut(Position { id: 2, offset: 7 }).unwrap();
    }
}
