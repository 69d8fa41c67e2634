//! Answers that are kept under a key, in the embedded engine: each by its key's name, and in the order in which they
//! expire. Must not know who asked.

use fjall::Readable;
use switchboard_protocol::model::{KeptAnswer, KeyName, Timestamp, Written};

use super::group::Group;
use super::read::{View, failed};
use super::{ANSWERS, keys};
use crate::{Outcome, StoreError, record};

pub(super) fn keep(group: &mut Group, name: &KeyName, kept: &KeptAnswer) -> Outcome {
    let bytes = name.to_bytes();
    let before = group.get(ANSWERS, &keys::answer(&bytes))?.map(|stored| record::read_answer(&stored)).transpose()?;
    if let Some((_, before)) = before {
        group.remove(ANSWERS, keys::answer_expiry(before.expires_at, &bytes));
    }
    let mut value = Vec::new();
    record::write_answer(name, kept, &mut value);
    group.put_value(ANSWERS, keys::answer(&bytes), &value);
    group.put_value(ANSWERS, keys::answer_expiry(kept.expires_at, &bytes), &[]);
    Ok(Written::Durable)
}

pub(super) fn forget(group: &mut Group, names: &[(Timestamp, KeyName)]) -> Outcome {
    let mut found = Vec::with_capacity(names.len());
    for (expired_at, name) in names {
        let bytes = name.to_bytes();
        let Some(stored) = group.get(ANSWERS, &keys::answer(&bytes))? else { continue };
        if record::read_answer(&stored)?.1.expires_at == *expired_at {
            found.push((*expired_at, bytes));
        }
    }
    for (expired_at, bytes) in found {
        group.remove(ANSWERS, keys::answer(&bytes));
        group.remove(ANSWERS, keys::answer_expiry(expired_at, &bytes));
    }
    Ok(Written::Durable)
}

/// The answer that is kept for a key.
pub(super) fn kept(view: &View<'_>, name: &KeyName) -> Result<Option<KeptAnswer>, StoreError> {
    let stored = view.snapshot.get(&view.spaces.answers, keys::answer(&name.to_bytes())).map_err(failed)?;
    Ok(stored.map(|bytes| record::read_answer(&bytes)).transpose()?.map(|(_, kept)| kept))
}

/// Keys whose answers expired before an instant, the oldest first.
pub(super) fn expired(view: &View<'_>, before: Timestamp, limit: u32) -> Result<Vec<(Timestamp, KeyName)>, StoreError> {
    let range = keys::answer_expiry(Timestamp::from_millis(0), &[])..keys::answer_expiry(before, &[]);
    let mut names = Vec::new();
    for entry in view.snapshot.range(&view.spaces.answers, range).take(limit as usize) {
        let key = entry.key().map_err(failed)?;
        let name = key.get(keys::ANSWER_EXPIRY_BYTES..).unwrap_or_default();
        let stored = view.snapshot.get(&view.spaces.answers, keys::answer(name)).map_err(failed)?;
        let stored = stored.ok_or_else(|| StoreError::corrupt("an answer that expires is not kept"))?;
        let (name, kept) = record::read_answer(&stored)?;
        names.push((kept.expires_at, name));
    }
    Ok(names)
}
