//! A slab of chunks that never move: growing copies nothing, and what a crowd took is given back when it left.
//! Must not know what it holds.
//!
//! The lowest free slot is taken first, so that a shrinking population empties the upper chunks.

/// Slots of a chunk. A chunk of the largest entries is 128 KiB.
pub const CHUNK_SLOTS: usize = 1024;
/// A slot's generation stays below this, so that owners have numbers of their own above any key.
const GENERATION_END: u32 = u32::MAX - 1;
const WORD_BITS: usize = u64::BITS as usize;

/// Names an entry; names nobody once the entry is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which slot.
    pub slot: u32,
    /// How often the slot had been taken before.
    pub generation: u32,
}

/// Entries by [`Key`].
///
/// Memory: per slot of a chunk in use the entry, its generation and a bit; a chunk that was emptied costs 160 B, but
/// for one, which is kept for the next to come.
#[derive(Debug)]
pub struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    /// A bit for each chunk that has room.
    with_room: Vec<u64>,
    /// The one empty chunk that keeps its memory.
    spare: Option<usize>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// Grows up to `CHUNK_SLOTS`, for which it has room from its first entry on.
    slots: Vec<Slot<T>>,
    /// A bit for each slot nobody has.
    free: [u64; CHUNK_SLOTS / WORD_BITS],
    taken: usize,
    /// Generation of slots that are not there yet.
    generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    /// `None` while free, and while its owner has taken it out.
    value: Option<T>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), with_room: Vec::new(), spare: None, len: 0 }
    }
}

impl<T> Chunks<T> {
    /// Memory of a slot, in bytes.
    pub const fn slot_bytes() -> usize {
        size_of::<Slot<T>>()
    }

    /// Puts an entry into the lowest free slot.
    pub fn insert(&mut self, value: T) -> Key {
        let index = self.chunk_with_room();
        let chunk = &mut self.chunks[index];
        let (offset, generation) = chunk.insert(value);
        if chunk.taken == CHUNK_SLOTS {
            self.with_room[index / WORD_BITS] &= !(1 << (index % WORD_BITS));
        }
        if self.spare == Some(index) {
            self.spare = None;
        }
        self.len += 1;
        let slot = u32::try_from(index * CHUNK_SLOTS + offset).expect("fewer than 2^32 entries fit in memory");
        Key { slot, generation }
    }

    /// The entry, unless it is gone or taken out.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slot(key.slot)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// The entry, unless it is gone or taken out.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.slot)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// The entry of a slot that is known to be taken, for owners that link entries with each other.
    #[inline]
    pub fn linked_mut(&mut self, slot: u32) -> &mut T {
        self.slot_mut(slot).and_then(|slot| slot.value.as_mut()).expect("a link names an entry")
    }

    /// Takes an entry out to work on it beside the others; its slot stays its own. [`Chunks::put_back`] follows.
    #[inline]
    pub fn take_out(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_mut(key.slot)?;
        if slot.generation == key.generation { slot.value.take() } else { None }
    }

    /// Puts back what [`Chunks::take_out`] took.
    #[inline]
    pub fn put_back(&mut self, key: Key, value: T) {
        self.slot_mut(key.slot).expect("it was taken out of there").value = Some(value);
    }

    /// Removes an entry; its key names nobody any more.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let value = self.take_out(key)?;
        self.free(key.slot as usize);
        Some(value)
    }

    /// Removes the entry of a slot that is known to be taken, as [`Chunks::linked_mut`].
    pub fn remove_linked(&mut self, slot: u32) -> T {
        let value = self.slot_mut(slot).and_then(|slot| slot.value.take()).expect("a link names an entry");
        self.free(slot as usize);
        value
    }

    /// The keys in `slots`, of those that are taken and not taken out.
    pub fn keys_in(&self, slots: std::ops::Range<usize>) -> impl Iterator<Item = Key> + '_ {
        let chunks = self.chunks.iter().enumerate().skip(slots.start / CHUNK_SLOTS);
        let all = chunks.take_while({
            let end = slots.end;
            move |(index, _)| index * CHUNK_SLOTS < end
        });
        all.flat_map(|(index, chunk)| chunk.slots.iter().zip(index * CHUNK_SLOTS..))
            .filter(move |(slot, at)| slots.contains(at) && slot.value.is_some())
            .map(|(slot, at)| Key {
                slot: u32::try_from(at).expect("slots are counted in 32 bits"),
                generation: slot.generation,
            })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots there are, taken or free, those of chunks without memory included.
    pub fn slots(&self) -> usize {
        self.chunks.len() * CHUNK_SLOTS
    }

    /// How many slots have memory.
    pub fn slots_in_memory(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum()
    }

    #[inline]
    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        self.chunks.get(slot as usize / CHUNK_SLOTS)?.slots.get(slot as usize % CHUNK_SLOTS)
    }

    #[inline]
    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(slot as usize / CHUNK_SLOTS)?.slots.get_mut(slot as usize % CHUNK_SLOTS)
    }

    fn chunk_with_room(&mut self) -> usize {
        let word = self.with_room.iter().position(|word| *word != 0);
        if let Some(word) = word {
            return word * WORD_BITS + self.with_room[word].trailing_zeros() as usize;
        }
        let index = self.chunks.len();
        self.chunks.push(Chunk::new());
        if index.is_multiple_of(WORD_BITS) {
            self.with_room.push(0);
        }
        self.with_room[index / WORD_BITS] |= 1 << (index % WORD_BITS);
        index
    }

    fn free(&mut self, slot: usize) {
        self.len -= 1;
        let index = slot / CHUNK_SLOTS;
        self.with_room[index / WORD_BITS] |= 1 << (index % WORD_BITS);
        self.chunks[index].free(slot % CHUNK_SLOTS);
        if self.chunks[index].taken > 0 {
            return;
        }
        // One stays, or an entry that comes and goes at a border would cost a chunk each time.
        self.spare = Some(self.spare.map_or(index, |spare| {
            self.chunks[spare.max(index)].give_back();
            spare.min(index)
        }));
    }
}

impl<T> Chunk<T> {
    fn new() -> Self {
        Self { slots: Vec::new(), free: [u64::MAX; CHUNK_SLOTS / WORD_BITS], taken: 0, generation: 0 }
    }

    /// The slot it came into, and that slot's generation.
    fn insert(&mut self, value: T) -> (usize, u32) {
        let word = self.free.iter().position(|word| *word != 0).expect("a chunk with room has a free slot");
        let offset = word * WORD_BITS + self.free[word].trailing_zeros() as usize;
        self.free[word] &= self.free[word] - 1;
        self.taken += 1;
        if let Some(slot) = self.slots.get_mut(offset) {
            slot.value = Some(value);
            return (offset, slot.generation);
        }
        // The lowest is taken first, so a slot that is not there yet is the next.
        debug_assert_eq!(offset, self.slots.len(), "slots come in order");
        if self.slots.capacity() == 0 {
            self.slots.reserve_exact(CHUNK_SLOTS);
        }
        self.slots.push(Slot { generation: self.generation, value: Some(value) });
        (offset, self.generation)
    }

    fn free(&mut self, offset: usize) {
        self.free[offset / WORD_BITS] |= 1 << (offset % WORD_BITS);
        self.taken -= 1;
        let slot = &mut self.slots[offset];
        slot.generation = (slot.generation + 1) % GENERATION_END;
    }

    /// Frees the memory of an empty chunk. Its slots begin again above every generation they had.
    fn give_back(&mut self) {
        self.generation = self.slots.iter().map(|slot| slot.generation).fold(self.generation, u32::max);
        self.slots = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_old_key_never_names_a_new_holder() {
        let mut chunks = Chunks::default();
        let old = chunks.insert('a');
        assert_eq!(chunks.remove(old), Some('a'));
        let new = chunks.insert('b');
        assert_eq!((new.slot, chunks.len()), (old.slot, 1));
        assert!(chunks.get(old).is_none() && chunks.get_mut(old).is_none() && chunks.remove(old).is_none());
        assert_eq!(chunks.get(new), Some(&'b'));
        assert_eq!(chunks.keys_in(0..10).collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn what_is_taken_out_keeps_its_slot() {
        let mut chunks = Chunks::default();
        let out = chunks.insert('a');
        assert_eq!(chunks.take_out(out), Some('a'));
        assert!(chunks.get(out).is_none() && chunks.remove(out).is_none() && chunks.keys_in(0..10).next().is_none());
        let other = chunks.insert('b');
        assert_ne!(out.slot, other.slot);
        chunks.put_back(out, 'a');
        assert_eq!((chunks.get(out), chunks.len()), (Some(&'a'), 2));
    }

    #[test]
    fn growing_moves_nobody() {
        let mut chunks = Chunks::default();
        let first = chunks.insert(0);
        let address: *const i32 = chunks.get(first).unwrap();
        for n in 1..100_000 {
            chunks.insert(n);
        }
        assert!(std::ptr::eq(chunks.get(first).unwrap(), address));
    }

    #[test]
    fn a_crowd_that_left_leaves_no_memory_and_no_key_behind() {
        let mut chunks = Chunks::default();
        let before: Vec<_> = (0..100_000).map(|n| chunks.insert(n)).collect();
        // A few stay: those of the lowest slots, where whoever comes next goes too.
        assert!(before[10..].iter().all(|key| chunks.remove(*key).is_some()));
        assert_eq!((chunks.len(), chunks.slots_in_memory()), (10, 2 * CHUNK_SLOTS));
        let again: Vec<_> = (0..100_000).map(|n| chunks.insert(n)).collect();
        assert!(before[10..].iter().all(|key| chunks.get(*key).is_none()));
        assert!(again.iter().all(|key| chunks.get(*key).is_some()));
    }

    #[test]
    fn whoever_comes_and_goes_at_a_border_costs_no_chunk() {
        let mut chunks = Chunks::default();
        for n in 0..CHUNK_SLOTS {
            chunks.insert(n);
        }
        for n in 0..10 {
            let key = chunks.insert(n);
            assert_eq!(key, Key { slot: CHUNK_SLOTS as u32, generation: n as u32 });
            chunks.remove(key);
            assert_eq!(chunks.slots_in_memory(), 2 * CHUNK_SLOTS);
        }
    }

    proptest! {
        /// Against a map: every key that was given names its entry until it is removed, and nobody afterwards.
        #[test]
        fn holds_what_a_map_holds(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), 1..3000_usize), 1..12)) {
            let (mut chunks, mut kept, mut gone) = (Chunks::default(), Vec::new(), Vec::new());
            let mut next = 0_u32;
            for (insert, at, count) in steps {
                for _ in 0..count {
                    if insert {
                        kept.push((chunks.insert(next), next));
                        next += 1;
                    } else if !kept.is_empty() {
                        let (key, value) = kept.swap_remove(at.index(kept.len()));
                        prop_assert_eq!(chunks.remove(key), Some(value));
                        gone.push(key);
                    }
                }
                prop_assert_eq!(chunks.len(), kept.len());
                prop_assert!(kept.iter().all(|(key, value)| chunks.get(*key) == Some(value)));
                prop_assert!(gone.iter().all(|key| chunks.get(*key).is_none()));
                prop_assert_eq!(chunks.keys_in(0..chunks.slots()).count(), kept.len());
            }
        }
    }
}
