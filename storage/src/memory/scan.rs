//! The reference for what exports ask and imports write. A cursor is how many rows came before. Must not know disks.

use switchboard_protocol::model::{ConversationId, Cursor, Page, Restore, Scan, Scanned, Sender, SentKey, Side};

use super::{Tables, dedup_key};

impl Tables {
    pub(super) fn scan(&self, scan: &Scan) -> Scanned {
        match scan {
            Scan::Leases => Scanned::Leases(self.leased.iter().map(|(vshard, next)| (*vshard, *next)).collect()),
            Scan::Conversations { after, limit } => {
                Scanned::Conversations(page(self.conversations.values().cloned(), after.as_ref(), *limit))
            }
            Scan::SentKeys { conversation, after, limit } => {
                Scanned::SentKeys(page(self.sent_keys(*conversation).into_iter(), after.as_ref(), *limit))
            }
            Scan::Tokens { after, limit } => Scanned::Tokens(page(self.known.tokens(), after.as_ref(), *limit)),
            Scan::Answers { after, limit } => {
                let all = self.answers.all().map(|(name, kept)| (name.clone(), kept.clone()));
                Scanned::Answers(page(all, after.as_ref(), *limit))
            }
        }
    }

    pub(super) fn restore(&mut self, restore: &Restore) {
        match restore {
            Restore::Leases(leases) => {
                for (vshard, least) in leases {
                    let next = self.leased.entry(*vshard).or_insert(1);
                    *next = (*least).max(*next);
                }
            }
            Restore::Messages(messages) => messages.iter().for_each(|message| self.put_message(message)),
            Restore::SentKeys(keys) => {
                let keys = keys.iter();
                self.sent.extend(
                    keys.map(|key| (dedup_key(key.sent.conversation, key.sender, &key.client_msg_id), key.sent)),
                );
            }
            Restore::Interactions(interactions) => {
                interactions.iter().for_each(|(id, at)| self.known.wrote_then(*id, *at));
            }
        }
    }

    /// Looks through all: the reference has no order that could be wrong.
    fn sent_keys(&self, conversation: ConversationId) -> Vec<SentKey> {
        let own = self.sent.iter().filter(|((of, ..), _)| *of == conversation);
        let mut keys: Vec<_> = own
            .map(|((_, side, number, client_msg_id), sent)| SentKey {
                sender: Sender { side: *side, number: *number },
                client_msg_id: client_msg_id.clone(),
                sent: *sent,
            })
            .collect();
        let place = |key: &SentKey| (key.sender.side == Side::Customer, key.sender.number, key.client_msg_id.clone());
        keys.sort_unstable_by_key(place);
        keys
    }
}

fn page<T>(mut all: impl Iterator<Item = T>, after: Option<&Cursor>, limit: u32) -> Page<T> {
    let before =
        after.map_or(0, |cursor| cursor.0.first_chunk().map_or(usize::MAX, |bytes| usize::from_be_bytes(*bytes)));
    let rows: Vec<T> = all.by_ref().skip(before).take(limit as usize).collect();
    let seen = before.saturating_add(rows.len());
    let next = all.next().map(|_| Cursor(seen.to_be_bytes().into()));
    Page { rows, next }
}
