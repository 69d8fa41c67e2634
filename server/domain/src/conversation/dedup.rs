//! Which client message ids a conversation has seen: the recent ones in memory, the rest in storage.

use std::collections::VecDeque;

use switchboard_protocol::model::{ClientMsgId, Sender, Sent, Seq, limits};

/// The recent client message ids of a conversation.
#[derive(Debug)]
pub(crate) struct Dedup {
    recent: VecDeque<(Sender, ClientMsgId, Sent)>,
    /// Every id the conversation ever had is in `recent`.
    complete: bool,
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
        Self { recent: VecDeque::new(), complete: true }
    }

    /// Of a conversation read from storage.
    pub(crate) fn unknown() -> Self {
        Self { recent: VecDeque::new(), complete: false }
    }

    /// What is known about an id of a sender.
    pub(crate) fn look_up(&self, sender: Sender, id: &ClientMsgId) -> Known {
        let seen = self.recent.iter().rev().find(|(by, known, _)| *by == sender && known == id);
        match seen {
            Some((_, _, sent)) => Known::Seen(*sent),
            None if self.complete => Known::New,
            None => Known::AskStorage,
        }
    }

    /// Remembers a send. What storage has not confirmed up to `durable` is not forgotten: a look-up there
    /// might miss it.
    pub(crate) fn remember(&mut self, sender: Sender, id: ClientMsgId, sent: Sent, durable: Seq) {
        while self.recent.len() >= limits::DEDUP_RECENT_IDS
            && self.recent.front().is_some_and(|(_, _, oldest)| oldest.seq <= durable)
        {
            self.recent.pop_front();
            self.complete = false;
        }
        self.recent.push_back((sender, id, sent));
    }
}
