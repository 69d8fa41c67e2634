//! Which groups of the journal's files must be replayed, and whether one that was synced is missing. Pure: files are
//! bytes. Must not know how they came there or where the groups go.
//!
//! A segment is overwritten from its beginning, so behind its newest record lies what is left of older ones. Numbers
//! only grow: the newest records of a file are those from its beginning up to where none follows with a greater one.
//!
//! Group n + 1 is written only after group n was synced. So a record that is not whole is the last one, whose writing
//! the crash cut short; unless one of a greater number is anywhere: then what was synced is damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use switchboard_protocol::model::limits::STORE_JOURNAL_BLOCK_BYTES;

use super::record::{self, Record};
use crate::StoreError;

/// One file of the journal.
#[derive(Debug)]
pub(super) struct Content {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// The groups behind `durable`, in order. Fails with `Corrupt`, naming the file and the place in it.
pub(super) fn groups(files: &[Content], seed: u64, durable: u64) -> Result<Vec<Record<'_>>, StoreError> {
    let mut reached = BTreeMap::new();
    let mut ends = Vec::with_capacity(files.len());
    for file in files {
        let (records, end) = newest(&file.bytes, seed);
        reached.extend(records.into_iter().map(|record| (record.number, record)));
        ends.push((file, end));
    }
    let mut groups = Vec::new();
    let mut last = durable;
    while let Some(record) = last.checked_add(1).and_then(|next| reached.get(&next)) {
        groups.push(*record);
        last = record.number;
    }
    let beyond = ends.iter().filter_map(|(file, end)| {
        let (number, at) = first_beyond(&file.bytes, seed, last)?;
        Some((number, file.path.as_path(), at.min(*end)))
    });
    match beyond.min() {
        None => Ok(groups),
        Some((number, path, at)) => Err(damaged(path, at, last + 1, number)),
    }
}

/// The newest records of a file, and where they end.
fn newest(bytes: &[u8], seed: u64) -> (Vec<Record<'_>>, usize) {
    let mut records: Vec<Record<'_>> = Vec::new();
    let mut at = 0;
    while let Some(record) = bytes.get(at..).and_then(|rest| record::read(rest, seed)) {
        if records.last().is_some_and(|last| last.number >= record.number) {
            break;
        }
        at += record.padded_bytes();
        records.push(record);
    }
    (records, at)
}

/// The whole record with the least number above `last`, wherever it lies in the file.
fn first_beyond(bytes: &[u8], seed: u64, last: u64) -> Option<(u64, usize)> {
    let places = (0..bytes.len()).step_by(STORE_JOURNAL_BLOCK_BYTES);
    let beyond = places.filter_map(|at| {
        let rest = &bytes[at..];
        record::number_of(rest).filter(|number| *number > last)?;
        record::read(rest, seed).map(|record| (record.number, at))
    });
    beyond.min()
}

fn damaged(path: &Path, at: usize, missing: u64, found: u64) -> StoreError {
    StoreError::corrupt(format!(
        "the journal {} at byte {at}: group {missing} is missing or damaged, but group {found}, which was written after \
         it, is there; restore the data directory from a backup",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::Entry;
    use super::*;

    const SEED: u64 = 5;
    const BLOCK: usize = STORE_JOURNAL_BLOCK_BYTES;

    /// A ring as the journal writes it: files of some blocks, records of the given lengths, each with a last group.
    struct Ring {
        files: Vec<Content>,
        current: usize,
        at: usize,
        written: u64,
        /// Where each group was written: file and offset.
        places: BTreeMap<u64, (usize, usize)>,
        /// The last group of the file that was overwritten last: the journal waits for that.
        durable: u64,
    }

    fn ring(files: usize, blocks: usize) -> Ring {
        let content = |at| Content { path: format!("{at}.log").into(), bytes: vec![0; blocks * BLOCK] };
        let files = (0..files).map(content).collect();
        Ring { files, current: 0, at: 0, written: 0, places: BTreeMap::new(), durable: 0 }
    }

    impl Ring {
        fn write(&mut self, value_bytes: usize) {
            let number = self.written + 1;
            let value = vec![number as u8; value_bytes];
            let mut bytes = Vec::new();
            let entry = Entry { space: 1, key: &number.to_be_bytes(), value: Some(&value) };
            record::encode(number, SEED, [entry].into_iter(), &mut bytes);
            if self.at + bytes.len() > self.files[self.current].bytes.len() {
                self.current = (self.current + 1) % self.files.len();
                self.at = 0;
                let (overwritten, _) = newest(&self.files[self.current].bytes, SEED);
                self.durable = overwritten.last().map_or(self.durable, |record| record.number);
            }
            self.files[self.current].bytes[self.at..][..bytes.len()].copy_from_slice(&bytes);
            self.places.insert(number, (self.current, self.at));
            self.at += bytes.len();
            self.written = number;
        }

        fn numbers(&self, durable: u64) -> Result<Vec<u64>, StoreError> {
            let groups = groups(&self.files, SEED, durable)?;
            Ok(groups.iter().map(|record| record.number).collect())
        }
    }

    #[test]
    fn nothing_written_is_nothing_to_replay() {
        assert_eq!(ring(3, 4).numbers(0).unwrap(), [0; 0]);
        assert_eq!(ring(3, 4).numbers(77).unwrap(), [0; 0]);
    }

    #[test]
    fn only_what_is_not_durable_is_replayed() {
        let mut ring = ring(3, 4);
        for _ in 0..5 {
            ring.write(10);
        }
        assert_eq!(ring.numbers(0).unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(ring.numbers(3).unwrap(), [4, 5]);
        assert_eq!(ring.numbers(5).unwrap(), [0; 0]);
    }

    #[test]
    fn a_missing_group_is_named_by_file_and_place() {
        let mut ring = ring(3, 4);
        for _ in 0..6 {
            ring.write(10);
        }
        ring.files[0].bytes[2 * BLOCK + 40] ^= 4;
        let error = ring.numbers(0).unwrap_err();
        assert!(error.to_string().contains("0.log at byte 8192: group 3 is missing"), "{error}");
        let later = ring.numbers(3).unwrap_err();
        assert!(matches!(later, StoreError::Corrupt { .. }), "4 is there, but cannot be reached: {later}");
    }

    /// A value that holds a whole record of a great number, at a block's beginning.
    #[test]
    fn what_users_write_is_not_taken_for_a_record() {
        let mut forged = Vec::new();
        record::encode(1000, SEED + 1, [].into_iter(), &mut forged);
        let mut ring = ring(2, 4);
        ring.write(10);
        let value = [&vec![0; BLOCK - 32 - 10 - 8][..], &forged].concat();
        let mut bytes = Vec::new();
        let entry = Entry { space: 1, key: &[0; 8], value: Some(&value) };
        record::encode(2, SEED, [entry].into_iter(), &mut bytes);
        ring.files[0].bytes[BLOCK..][..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(record::number_of(&ring.files[0].bytes[2 * BLOCK..]), Some(1000), "it lies where one could begin");
        assert_eq!(ring.numbers(0).unwrap(), [1, 2]);
    }

    /// The bytes of a record of the ring, without its padding.
    fn record_bytes(value_bytes: usize) -> usize {
        32 + 10 + 8 + value_bytes
    }

    fn lengths() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0_usize..9000, 2..80)
    }

    proptest! {
        /// However often the ring went round, all that is behind what is durable is found, in order.
        #[test]
        fn the_ring_goes_round(lengths in lengths(), more in 0_u64..10) {
            let mut ring = ring(3, 6);
            lengths.iter().for_each(|length| ring.write(*length));
            let durable = (ring.durable + more).min(ring.written);
            let expected: Vec<u64> = (durable + 1..=ring.written).collect();
            prop_assert_eq!(ring.numbers(durable).unwrap(), expected);
        }

        /// The last record, cut anywhere with older bytes behind the cut: replay ends before it, silently.
        #[test]
        fn a_torn_tail_ends_the_replay(lengths in lengths(), cut: prop::sample::Index) {
            let mut ring = ring(3, 6);
            let (last, others) = lengths.split_last().expect("at least one");
            others.iter().for_each(|length| ring.write(*length));
            let old: Vec<_> = ring.files.iter().map(|file| file.bytes.clone()).collect();
            ring.write(*last);
            let (file, at) = ring.places[&ring.written];
            let torn_at = at + cut.index(record_bytes(*last));
            ring.files[file].bytes[torn_at..].copy_from_slice(&old[file][torn_at..]);
            let whole = record::read(&ring.files[file].bytes[at..], SEED).is_some_and(|found| found.number == ring.written);
            prop_assume!(!whole);
            let expected: Vec<u64> = (ring.durable + 1..ring.written).collect();
            prop_assert_eq!(ring.numbers(ring.durable).unwrap(), expected);
        }

        /// Damage to any group but the last, among those not known to be durable, is told.
        #[test]
        fn damage_before_the_last_is_told(
            lengths in lengths(), which: prop::sample::Index, at: prop::sample::Index, bit in 0..8_u8,
        ) {
            let mut ring = ring(3, 6);
            lengths.iter().for_each(|length| ring.write(*length));
            prop_assume!(ring.durable + 1 < ring.written);
            let number = ring.durable + 1 + which.index((ring.written - ring.durable - 1) as usize) as u64;
            let (file, offset) = ring.places[&number];
            ring.files[file].bytes[offset + at.index(record_bytes(lengths[number as usize - 1]))] ^= 1_u8 << bit;
            let error = ring.numbers(ring.durable).unwrap_err().to_string();
            prop_assert!(error.contains(&format!("group {number} is missing or damaged")), "{error}");
            let next_in_file = ring.places[&(number + 1)].0 == file;
            prop_assert!(!next_in_file || error.contains(&format!("{file}.log at byte {offset}:")), "{error}");
        }
    }
}
