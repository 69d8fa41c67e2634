//! The bytes of a group in the journal: a checksummed header, then what the group puts and removes. Pure. Must not
//! know files or what a key means.
//!
//! | bytes | what (integers are little-endian) |
//! | --- | --- |
//! | 8 | XXH3 of all that follows but the padding, seeded by a secret of the data directory |
//! | 8 | `sbgroup1` |
//! | 8 | the group's number: 1 more than the one before |
//! | 8 | length of the entries |
//! | … | entries: keyspace (1), 1 for a put and 0 for a removal (1), length of the key (4) and the value (4), both |
//! | … | zeros up to a whole block |
//!
//! The seed is secret because users choose what is in the values: without it, a message could be made that looks like
//! a record and is taken for one where an older record's middle lies behind the newest one's end.

use switchboard_protocol::model::limits::STORE_JOURNAL_BLOCK_BYTES;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: [u8; 8] = *b"sbgroup1";
const HEADER_BYTES: usize = 32;
const ENTRY_HEADER_BYTES: usize = 10;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Entry<'a> {
    /// The keyspace's place in `Spaces`.
    pub space: u8,
    pub key: &'a [u8],
    /// `None` removes.
    pub value: Option<&'a [u8]>,
}

/// A whole record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Record<'a> {
    pub number: u64,
    payload: &'a [u8],
}

/// Makes `bytes` the record of a group, padded to whole blocks.
pub(super) fn encode<'a>(number: u64, seed: u64, entries: impl Iterator<Item = Entry<'a>>, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(HEADER_BYTES, 0);
    for entry in entries {
        let value = entry.value.unwrap_or_default();
        bytes.push(entry.space);
        bytes.push(u8::from(entry.value.is_some()));
        bytes.extend_from_slice(&length(entry.key).to_le_bytes());
        bytes.extend_from_slice(&length(value).to_le_bytes());
        bytes.extend_from_slice(entry.key);
        bytes.extend_from_slice(value);
    }
    let payload_bytes = (bytes.len() - HEADER_BYTES) as u64;
    bytes[8..16].copy_from_slice(&MAGIC);
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    bytes[24..32].copy_from_slice(&payload_bytes.to_le_bytes());
    let checksum = xxh3_64_with_seed(&bytes[8..], seed);
    bytes[..8].copy_from_slice(&checksum.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(STORE_JOURNAL_BLOCK_BYTES), 0);
}

/// The record at the beginning of `bytes`, if one is there, whole and undamaged.
pub(super) fn read(bytes: &[u8], seed: u64) -> Option<Record<'_>> {
    let (number, payload_bytes) = header(bytes)?;
    let end = HEADER_BYTES.checked_add(usize::try_from(payload_bytes).ok()?)?;
    let checked = bytes.get(8..end)?;
    let intact = xxh3_64_with_seed(checked, seed) == integer(bytes, 0)?;
    intact.then(|| Record { number, payload: &bytes[HEADER_BYTES..end] })
}

/// The number in what looks like a record's header; nothing of it is checked.
pub(super) fn number_of(bytes: &[u8]) -> Option<u64> {
    header(bytes).map(|(number, _)| number)
}

impl<'a> Record<'a> {
    /// What it takes of a file, with its padding.
    pub fn padded_bytes(&self) -> usize {
        (HEADER_BYTES + self.payload.len()).next_multiple_of(STORE_JOURNAL_BLOCK_BYTES)
    }

    /// Its entries in order; `None` if they are not of the shape above, which the checksum makes a matter of versions.
    pub fn entries(&self) -> Option<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        let mut rest = self.payload;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_checked(ENTRY_HEADER_BYTES)?;
            let length = |at: usize| -> Option<usize> {
                usize::try_from(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?)).ok()
            };
            let (key, tail) = tail.split_at_checked(length(2)?)?;
            let (value, tail) = tail.split_at_checked(length(6)?)?;
            let value = match head[1] {
                1 => Some(value),
                0 if value.is_empty() => None,
                _ => return None,
            };
            entries.push(Entry { space: head[0], key, value });
            rest = tail;
        }
        Some(entries)
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("keys and values are far below 4 GiB")
}

fn header(bytes: &[u8]) -> Option<(u64, u64)> {
    (bytes.get(8..16)? == MAGIC).then_some(())?;
    Some((integer(bytes, 16)?, integer(bytes, 24)?))
}

pub(super) fn integer(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Owned = (u8, Vec<u8>, Option<Vec<u8>>);

    fn entries(owned: &[Owned]) -> impl Iterator<Item = Entry<'_>> {
        owned.iter().map(|(space, key, value)| Entry { space: *space, key, value: value.as_deref() })
    }

    fn some_entries() -> impl Strategy<Value = Vec<Owned>> {
        let value = proptest::option::of(vec(any::<u8>(), 0..2000));
        vec((0..4_u8, vec(any::<u8>(), 0..100), value), 0..12)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(owned in some_entries(), number: u64, seed: u64, behind in vec(any::<u8>(), 0..50)) {
            let mut bytes = b"of the last record".to_vec();
            encode(number, seed, entries(&owned), &mut bytes);
            prop_assert_eq!(bytes.len() % STORE_JOURNAL_BLOCK_BYTES, 0);
            let padded = bytes.len();
            bytes.extend(behind);
            let record = read(&bytes, seed).expect("it is whole");
            prop_assert_eq!((record.number, record.padded_bytes()), (number, padded));
            prop_assert_eq!(record.entries(), Some(entries(&owned).collect()));
        }

        #[test]
        fn a_flipped_bit_is_found(owned in some_entries(), at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = Vec::new();
            encode(7, 9, entries(&owned), &mut bytes);
            let end = HEADER_BYTES + read(&bytes, 9).expect("it is whole").payload.len();
            bytes[at.index(end)] ^= 1_u8 << bit;
            prop_assert_eq!(read(&bytes, 9), None);
        }

        #[test]
        fn any_bytes_are_borne(bytes in vec(any::<u8>(), 0..200)) {
            read(&bytes, 0);
            Record { number: 1, payload: &bytes }.entries();
        }
    }

    #[test]
    fn a_record_torn_at_any_byte_is_none() {
        let owned = [(0, b"key".to_vec(), Some(vec![b'v'; 5000])), (3, b"gone".to_vec(), None)];
        let mut bytes = Vec::new();
        encode(7, 9, entries(&owned), &mut bytes);
        let end = HEADER_BYTES + read(&bytes, 9).expect("it is whole").payload.len();
        for kept in 0..end {
            assert_eq!(read(&bytes[..kept], 9), None, "cut at {kept}");
            let mut zeroed = bytes.clone();
            zeroed[kept..].fill(0);
            let lost = bytes[kept..end].iter().any(|byte| *byte != 0);
            assert_eq!(read(&zeroed, 9).is_none(), lost, "zeros from {kept}");
        }
    }

    #[test]
    fn a_record_of_another_seed_is_none() {
        let mut bytes = Vec::new();
        encode(7, 9, [].into_iter(), &mut bytes);
        assert!(read(&bytes, 9).is_some() && read(&bytes, 10).is_none());
    }
}
