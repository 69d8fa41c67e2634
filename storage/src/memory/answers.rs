//! The reference for answers that are kept under a key. Must not know disks.

use std::collections::BTreeMap;

use switchboard_protocol::model::{Found, KeptAnswer, KeyName, Timestamp};

/// Answers by their keys' names.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(BTreeMap<KeyName, KeptAnswer>);

impl Answers {
    pub(super) fn keep(&mut self, name: &KeyName, kept: &KeptAnswer) {
        self.0.insert(name.clone(), kept.clone());
    }

    pub(super) fn forget(&mut self, names: &[(Timestamp, KeyName)]) {
        for (expired_at, name) in names {
            if self.0.get(name).is_some_and(|kept| kept.expires_at == *expired_at) {
                self.0.remove(name);
            }
        }
    }

    pub(super) fn kept(&self, name: &KeyName) -> Found {
        Found::KeptAnswer(self.0.get(name).cloned().map(Box::new))
    }

    /// All, by their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&KeyName, &KeptAnswer)> {
        self.0.iter()
    }

    /// Looks through all: the reference has no order that could be wrong. Of equal times, by the name's bytes.
    pub(super) fn expired(&self, before: Timestamp, limit: u32) -> Found {
        let expired = self.0.iter().filter(|(_, kept)| kept.expires_at < before);
        let mut names: Vec<_> = expired.map(|(name, kept)| (kept.expires_at, name.clone())).collect();
        names.sort_by_key(|(expired_at, name)| (*expired_at, name.to_bytes()));
        names.truncate(limit as usize);
        Found::ExpiredAnswers(names)
    }
}
