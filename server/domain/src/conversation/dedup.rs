//! Which client message ids a conversation has seen: the recent ones in memory, the rest in storage.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use switchboard_protocol::model::{ClientMsgId, Sender, Sent, Seq, limits};

/// The recent client message ids of a conversation.
#[derive(Debug)]
pub(crate) struct Dedup {
    recent: VecDeque<Recent>,
    older: Older,
}

/// One of the recent ids. Its fingerprint is looked at first: ids of one client often begin alike, and lie elsewhere.
#[derive(Debug)]
struct Recent {
    fingerprint: u64,
    sender: Sender,
    id: ClientMsgId,
    sent: Sent,
}

/// What is known of the ids that are not among the recent ones.
#[derive(Debug)]
enum Older {
    /// Fingerprints of them all: what has another fingerprint was never seen. What shares one costs a look-up,
    /// so a sender that makes them collide slows down itself.
    Fingerprints(HashSet<u64, BuildHasherDefault<DefaultHasher>>),
    /// Nothing.
    Unknown,
}

/// What is known about an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Seen: this was stored, or is being stored.
    Seen(Sent),
    /// Never seen.
    New,
    /// Only storage can tell.
    AskStorage,
}

impl Dedup {
    /// Of a conversation that begins now.
    pub(crate) fn complete() -> Self {
        Self { recent: VecDeque::new(), older: Older::Fingerprints(HashSet::default()) }
    }

    /// Of a conversation read from storage.
    pub(crate) fn unknown() -> Self {
        Self { recent: VecDeque::new(), older: Older::Unknown }
    }

    /// What is known about an id of a sender.
    pub(crate) fn look_up(&self, sender: Sender, id: &ClientMsgId) -> Known {
        let fingerprint = fingerprint(sender, id);
        let same = |known: &&Recent| known.fingerprint == fingerprint && known.sender == sender && known.id == *id;
        match (self.recent.iter().rev().find(same), &self.older) {
            (Some(known), _) => Known::Seen(known.sent),
            (None, Older::Fingerprints(older)) if !older.contains(&fingerprint) => Known::New,
            (None, Older::Fingerprints(_) | Older::Unknown) => Known::AskStorage,
        }
    }

    /// Remembers a send. What storage has not confirmed up to `durable` is not forgotten: a look-up there
    /// might miss it.
    pub(crate) fn remember(&mut self, sender: Sender, id: ClientMsgId, sent: Sent, durable: Seq) {
        while self.recent.len() >= limits::DEDUP_RECENT_IDS
            && self.recent.front().is_some_and(|oldest| oldest.sent.seq <= durable)
            && let Some(oldest) = self.recent.pop_front()
        {
            match &mut self.older {
                Older::Fingerprints(older) if older.len() < limits::DEDUP_FINGERPRINTS => {
                    older.insert(oldest.fingerprint);
                }
                Older::Fingerprints(_) | Older::Unknown => self.older = Older::Unknown,
            }
        }
        self.recent.push_back(Recent { fingerprint: fingerprint(sender, &id), sender, id, sent });
    }
}

fn fingerprint(sender: Sender, id: &ClientMsgId) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((sender.side, sender.number, id))
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::model::{ConversationId, MessageId, Side, Timestamp};

    use super::*;

    const SENDER: Sender = Sender { side: Side::Customer, number: 7 };

    fn sent(seq: u64) -> Sent {
        Sent {
            message: MessageId::from_wire(seq).unwrap(),
            conversation: ConversationId::from_wire(1).unwrap(),
            seq: Seq::new(seq),
            created_at: Timestamp::from_millis(seq),
        }
    }

    fn id(number: u64) -> ClientMsgId {
        ClientMsgId::new(&format!("id-{number}")).unwrap()
    }

    fn after(ids: u64, durable: u64) -> Dedup {
        let mut dedup = Dedup::complete();
        for number in 1..=ids {
            dedup.remember(SENDER, id(number), sent(number), Seq::new(durable.min(number - 1)));
        }
        dedup
    }

    #[test]
    fn a_new_id_costs_no_look_up_and_an_old_one_does() {
        let ids = limits::DEDUP_RECENT_IDS as u64 * 3;
        let dedup = after(ids, ids);
        assert_eq!(dedup.look_up(SENDER, &id(ids)), Known::Seen(sent(ids)));
        assert_eq!(dedup.look_up(SENDER, &id(1)), Known::AskStorage, "forgotten here, not there");
        assert_eq!(dedup.look_up(SENDER, &id(ids + 1)), Known::New);
        let other = Sender { side: Side::Agent, ..SENDER };
        assert_eq!(dedup.look_up(other, &id(1)), Known::New, "somebody else's");
    }

    #[test]
    fn what_storage_has_not_confirmed_is_kept_whole() {
        let ids = limits::DEDUP_RECENT_IDS as u64 + 10;
        assert_eq!(after(ids, 0).look_up(SENDER, &id(1)), Known::Seen(sent(1)));
    }

    #[test]
    fn memory_is_bounded_and_then_storage_is_asked() {
        let ids = (limits::DEDUP_RECENT_IDS + limits::DEDUP_FINGERPRINTS) as u64;
        assert_eq!(after(ids, ids).look_up(SENDER, &id(0)), Known::New);
        let dedup = after(ids + 1, ids + 1);
        assert_eq!(dedup.look_up(SENDER, &id(0)), Known::AskStorage);
        assert!(matches!(dedup.older, Older::Unknown), "nothing is kept of what cannot be complete");
        assert_eq!(Dedup::unknown().look_up(SENDER, &id(1)), Known::AskStorage);
    }
}
