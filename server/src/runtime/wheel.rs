//! A hierarchical timer wheel for every deadline of a shard. Must not read a clock: the shard tells it the time.
//!
//! Six levels of 64 slots; a step of level 0 is one tick of [`WHEEL_TICK_MS`], of level n 64 times the one
//! below, so 2^36 ticks (21 years) fit. An entry lies on the level of the highest group of six bits in which its
//! tick differs from the wheel's, and moves down when the wheel reaches its slot: at most five moves in its life.
//! A slot is a ring of links through the entries, so that cancelling one costs the same wherever it lies.

use std::num::NonZeroU32;

use switchboard_protocol::model::limits::WHEEL_TICK_MS;

use super::chunks::{Chunks, Key};

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
const LAST_TICK: u64 = (1 << (BITS * LEVELS as u32)) - 1;
/// The link of a slot in which nobody waits.
const NOBODY: u32 = u32::MAX;

/// Deadlines with a payload each.
///
/// Memory is what waits (payload + 24 B and what [`Chunks`] adds), in whole chunks, plus 2 KiB: bounded by whoever bounds
/// the number of deadlines.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The wheel has fired everything up to and including this tick.
    now_tick: u64,
    /// One bit per slot that is not empty.
    occupied: [u64; LEVELS],
    /// The first entry of each slot's ring.
    first: Box<[u32]>,
    entries: Chunks<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    tick: u64,
    /// The ring it lies in: `level * SLOTS + slot`.
    ring: u16,
    next: u32,
    previous: u32,
    payload: T,
}

/// Names a deadline that waits; names none once it has fired or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineKey {
    slot: u32,
    /// One above the entry's, so that an owner that may have none needs no more room.
    generation: NonZeroU32,
}

impl DeadlineKey {
    fn of(key: Key) -> Self {
        let generation = NonZeroU32::MIN.checked_add(key.generation).expect("generations end below u32::MAX");
        Self { slot: key.slot, generation }
    }

    const fn key(self) -> Key {
        Key { slot: self.slot, generation: self.generation.get() - 1 }
    }
}

impl<T> Wheel<T> {
    /// An empty wheel that stands at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self {
            now_tick: (now_ms / WHEEL_TICK_MS).min(LAST_TICK - 1),
            occupied: [0; LEVELS],
            first: vec![NOBODY; LEVELS * SLOTS].into_boxed_slice(),
            entries: Chunks::default(),
        }
    }

    /// Lets `payload` fire at the first `advance` at or after `deadline_ms`, rounded up to a tick. What is due already
    /// fires with the next tick, never at once, so an owner that re-arms while firing cannot loop. O(1).
    pub fn insert(&mut self, deadline_ms: u64, payload: T) -> DeadlineKey {
        let tick = deadline_ms.div_ceil(WHEEL_TICK_MS).clamp(self.now_tick + 1, LAST_TICK);
        let key = self.entries.insert(Entry { tick, ring: 0, next: NOBODY, previous: NOBODY, payload });
        self.place(key.slot, tick);
        DeadlineKey::of(key)
    }

    /// Takes a deadline off the wheel; `None` if it has fired or was cancelled already. O(1).
    pub fn cancel(&mut self, key: DeadlineKey) -> Option<T> {
        let key = key.key();
        let entry = self.entries.remove(key)?;
        let ring = usize::from(entry.ring);
        if entry.next == key.slot {
            self.first[ring] = NOBODY;
            self.occupied[ring / SLOTS] &= !(1 << (ring % SLOTS));
        } else {
            self.entries.linked_mut(entry.next).previous = entry.previous;
            self.entries.linked_mut(entry.previous).next = entry.next;
            if self.first[ring] == key.slot {
                self.first[ring] = entry.next;
            }
        }
        Some(entry.payload)
    }

    /// Fires everything due at `now_ms`, in the order of ticks (of one tick: in no order to rely on). A time that runs
    /// backwards fires nothing. The cost grows with what fires or moves down, not with what waits.
    pub fn advance(&mut self, now_ms: u64, mut fire: impl FnMut(T)) {
        let target = (now_ms / WHEEL_TICK_MS).min(LAST_TICK - 1);
        while let Some((level, slot, start)) = self.next_slot() {
            if start > target {
                break;
            }
            self.now_tick = start;
            self.occupied[level] &= !(1 << slot);
            let first = std::mem::replace(&mut self.first[level * SLOTS + slot], NOBODY);
            let mut at = first;
            loop {
                let Entry { tick, next, .. } = *self.entries.linked_mut(at);
                if tick <= start {
                    fire(self.entries.remove_linked(at).payload);
                } else {
                    self.place(at, tick);
                }
                if next == first {
                    break;
                }
                at = next;
            }
        }
        self.now_tick = self.now_tick.max(target);
    }

    /// When `advance` should be called next, in the milliseconds of `insert`: never later than the earliest deadline
    /// (rounded up to its tick), earlier when entries have to move down first. `None` when nothing waits.
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, start)| start * WHEEL_TICK_MS)
    }

    /// How many deadlines wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an entry at the end of the ring where `tick` belongs.
    fn place(&mut self, entry: u32, tick: u64) {
        let level = level_of(self.now_tick, tick);
        let slot = (tick >> (BITS * level as u32)) as usize % SLOTS;
        let ring = level * SLOTS + slot;
        self.occupied[level] |= 1 << slot;
        let (previous, next) = match self.first[ring] {
            NOBODY => {
                self.first[ring] = entry;
                (entry, entry)
            }
            first => {
                let last = std::mem::replace(&mut self.entries.linked_mut(first).previous, entry);
                self.entries.linked_mut(last).next = entry;
                (last, first)
            }
        };
        let placed = self.entries.linked_mut(entry);
        (placed.previous, placed.next) = (previous, next);
        placed.ring = u16::try_from(ring).expect("there are 384 rings");
    }

    /// The slot that comes first: level, slot, first tick. Entries of a level share all higher bits with the wheel, so
    /// the lowest level that is not empty has the earliest, and its lowest bit is it.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = BITS * level as u32;
        let above = self.now_tick >> (shift + BITS) << (shift + BITS);
        Some((level, slot, above | (slot as u64) << shift))
    }
}

fn level_of(now_tick: u64, tick: u64) -> usize {
    debug_assert!(tick > now_tick, "an entry lies ahead of the wheel");
    let differs = now_tick ^ tick;
    ((u64::BITS - 1 - differs.leading_zeros()) / BITS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::chunks::CHUNK_SLOTS;
    use proptest::prelude::*;

    const DAY_MS: u64 = 24 * 3_600_000;

    #[test]
    fn from_ten_milliseconds_to_a_day() {
        for deadline in [10, 20, 640, 650, 41_000, 3_600_000, DAY_MS] {
            let mut wheel = Wheel::new(7);
            wheel.insert(7 + deadline, deadline);
            let mut now = 7;
            let mut fired = None;
            while fired.is_none() {
                now = wheel.next_deadline().expect("it waits").max(now + 1);
                wheel.advance(now, |payload| fired = Some(payload));
            }
            assert_eq!(fired, Some(deadline));
            assert!((7 + deadline..7 + deadline + WHEEL_TICK_MS).contains(&now), "{deadline} fired at {now}");
            assert!(wheel.is_empty());
        }
    }

    #[test]
    fn what_is_due_fires_with_the_next_tick() {
        let mut wheel = Wheel::new(1000);
        wheel.insert(0, ());
        let mut fired = 0;
        wheel.advance(1000, |()| fired += 1);
        assert_eq!((fired, wheel.next_deadline()), (0, Some(1010)));
        wheel.advance(1010, |()| fired += 1);
        assert_eq!((fired, wheel.next_deadline()), (1, None));
    }

    #[test]
    fn memory_comes_back() {
        let mut wheel = Wheel::new(0);
        for n in 0..100_000_u64 {
            wheel.insert(n % 5_000 + 10, n);
        }
        wheel.advance(10_000, drop);
        assert!(wheel.is_empty());
        assert!(wheel.entries.slots_in_memory() <= CHUNK_SLOTS, "{} kept", wheel.entries.slots_in_memory());
    }

    /// A server to which 26,000 connections a second come and go, each with ten seconds for its request.
    #[test]
    fn who_came_and_went_leaves_nothing_behind() {
        let mut wheel = Wheel::new(0);
        for n in 0..100_000_u64 {
            let now = n / 26;
            wheel.advance(now, drop);
            let key = wheel.insert(now + 10_000, n);
            assert_eq!((wheel.cancel(key), wheel.cancel(key)), (Some(n), None));
        }
        assert!(wheel.is_empty() && wheel.next_deadline().is_none());
        assert!(wheel.entries.slots_in_memory() <= CHUNK_SLOTS, "{} kept", wheel.entries.slots_in_memory());
    }

    #[test]
    fn what_has_fired_cannot_be_cancelled() {
        let mut wheel = Wheel::new(0);
        let fired = wheel.insert(10, 'a');
        wheel.advance(10, drop);
        let waits = wheel.insert(20, 'b');
        assert_eq!((wheel.cancel(fired), wheel.len()), (None, 1));
        assert_eq!(wheel.cancel(waits), Some('b'));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Advance(u64),
        Cancel(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Spread over all magnitudes, so that every level is met.
        let span = (0_u32..27).prop_flat_map(|bits| 0_u64..=(1 << bits));
        prop_oneof![2 => span.clone().prop_map(Step::Insert), 1 => span.prop_map(Step::Advance),
            1 => any::<prop::sample::Index>().prop_map(Step::Cancel)]
    }

    proptest! {
        /// Against a plain list: everything fires in the first `advance` at or after its tick, once, in tick order.
        #[test]
        fn fires_as_a_sorted_list_does(start in 0_u64..1 << 38, steps in prop::collection::vec(step(), 1..200)) {
            let mut wheel = Wheel::new(start);
            let (mut now, mut list, mut keys) = (start, Vec::new(), Vec::new());
            for (id, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(delay) => {
                        let due = (now + delay).div_ceil(WHEEL_TICK_MS).max(now / WHEEL_TICK_MS + 1);
                        list.push((due, id));
                        keys.push((wheel.insert(now + delay, (due, id)), (due, id)));
                    }
                    Step::Cancel(_) if keys.is_empty() => {}
                    Step::Cancel(at) => {
                        // Of all that ever were: what has fired or was cancelled is not there to be cancelled.
                        let (key, entry) = keys[at.index(keys.len())];
                        let waits = list.iter().position(|waiting| *waiting == entry);
                        prop_assert_eq!(wheel.cancel(key), waits.map(|at| list.swap_remove(at)));
                    }
                    Step::Advance(by) => {
                        now += by;
                        let mut fired = Vec::new();
                        wheel.advance(now, |entry| fired.push(entry));
                        prop_assert!(fired.is_sorted_by_key(|(due, _)| *due), "out of order: {fired:?}");
                        let (mut due, rest): (Vec<_>, Vec<_>) =
                            list.into_iter().partition(|(due, _)| *due <= now / WHEEL_TICK_MS);
                        list = rest;
                        due.sort_unstable();
                        fired.sort_unstable();
                        prop_assert_eq!(fired, due);
                    }
                }
                prop_assert_eq!(wheel.len(), list.len());
                let earliest = list.iter().map(|(due, _)| due * WHEEL_TICK_MS).min();
                match (wheel.next_deadline(), earliest) {
                    (None, None) => {}
                    (Some(next), Some(earliest)) => prop_assert!(next <= earliest && next > now),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
