//! Requests under way, by the number they were sent with; an answer finds what it answers, once.

use crate::measure::Nanos;
use crate::wire::Ask;

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What.
    pub ask: Ask,
    /// By whom.
    pub client: u32,
    /// About what: the scenario's own index.
    pub about: u32,
    /// When it was due.
    pub intended: Nanos,
}

/// The requests under way.
#[derive(Debug, Default)]
pub struct Pending {
    slots: Vec<(u32, Option<Asked>)>,
    free: Vec<u32>,
}

impl Pending {
    /// Notes a request; the number it is to be sent with.
    pub fn add(&mut self, asked: Asked) -> u64 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("requests under way are fewer than 2^32")
        });
        let (generation, entry) = &mut self.slots[slot as usize];
        *entry = Some(asked);
        // Below 2^53: 20 bits of generation tell an answer that comes twice from the next one.
        u64::from(*generation & 0xF_FFFF) << 32 | u64::from(slot)
    }

    /// Takes what this number was given to, unless it was taken before.
    pub fn take(&mut self, op: u64) -> Option<Asked> {
        let slot = u32::try_from(op & u64::from(u32::MAX)).expect("masked to 32 bits");
        let (generation, entry) = self.slots.get_mut(slot as usize)?;
        if u64::from(*generation & 0xF_FFFF) != op >> 32 {
            return None;
        }
        let asked = entry.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(slot);
        Some(asked)
    }

    /// Takes all of one client, whose socket is gone.
    pub fn take_of(&mut self, client: u32) -> Vec<Asked> {
        let mut taken = Vec::new();
        for (slot, (generation, entry)) in (0u32..).zip(&mut self.slots) {
            if let Some(asked) = entry.take_if(|asked| asked.client == client) {
                *generation = generation.wrapping_add(1);
                self.free.push(slot);
                taken.push(asked);
            }
        }
        taken
    }

    /// What is still under way.
    pub fn left(&self) -> impl Iterator<Item = &Asked> {
        self.slots.iter().filter_map(|(_, asked)| asked.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once() {
        let mut pending = Pending::default();
        let asked = |client| Asked { ask: Ask::Send, client, about: 0, intended: 5 };
        let first = pending.add(asked(1));
        let second = pending.add(asked(2));
        assert_eq!(pending.take(first).map(|asked| asked.client), Some(1));
        assert!(pending.take(first).is_none());
        let third = pending.add(asked(3));
        assert_ne!(third, first);
        assert!(pending.take(first).is_none(), "the slot is another's now");
        assert_eq!(pending.take_of(3).len(), 1);
        assert!(pending.take(third).is_none());
        assert_eq!(pending.left().count(), 1);
        assert!(pending.take(second).is_some() && pending.take(u64::MAX).is_none());
    }
}
