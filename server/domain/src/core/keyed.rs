//! Requests under a key: its home knows which are in progress, storage which were answered, and together they see to it
//! that each is carried out once. The home of a party's keys is the party's; of admins' keys, the desk's shard.
//!
//! A request in progress is in memory only: a crash forgets it, and a retry is carried out again, marked so that it does
//! nothing twice (`KeyDigest`). Must not know what is kept, or why it is asked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use switchboard_protocol::model::{
    Actor, Answer, Fingerprint, Found, KeyAnswer, KeyCommand, KeyName, KeyScope, Read, Refusal, RequestKey, Timestamp,
    Write, limits,
};

use super::Core;
use super::stored::{Then as After, UNAVAILABLE};
use crate::{Origin, Outcome, ShardId, Timer};

/// What follows when storage has told something about keys.
#[derive(Debug)]
pub(super) enum Then {
    /// Whether a request under this key was answered before.
    Known { origin: Origin, name: KeyName, fingerprint: Fingerprint },
    /// An answer is kept.
    Kept { origin: Option<Origin>, name: KeyName },
    /// Answers nobody is to be given any more.
    Expired,
    /// They are forgotten; `more` may be there.
    Forgotten { more: bool },
}

/// The keys of this shard whose requests are in progress. Each belongs to a connection that waits for its answer, which
/// bounds them.
pub(super) type InProgress = HashMap<KeyName, Fingerprint>;

/// Whose keys an asker uses.
fn scope(actor: &Actor) -> Result<KeyScope, Refusal> {
    match actor {
        Actor::Admin | Actor::Workbench(None) => Ok(KeyScope::Admins),
        Actor::User(_)
        | Actor::Visitor { .. }
        | Actor::Agent(_)
        | Actor::Customer(_)
        | Actor::Workbench(Some(_))
        | Actor::Bearer(_)
        | Actor::Anonymous => actor.party().map(KeyScope::Party).ok_or(Refusal::LoginRequired),
    }
}

impl Core {
    /// The home of a key.
    pub(super) fn key_home(&self, actor: &Actor, command: &KeyCommand) -> Result<ShardId, Refusal> {
        let of_asker;
        let scope = match command {
            KeyCommand::Begin { .. } => {
                of_asker = scope(actor)?;
                &of_asker
            }
            KeyCommand::Finish { name, .. } => &name.scope,
        };
        Ok(match scope {
            KeyScope::Party(party) => self.hands.placement.home(party),
            KeyScope::Admins => self.hands.placement.desk(),
        })
    }

    /// A command about a key whose home this is.
    pub(super) fn key_request(&mut self, origin: Origin, actor: &Actor, command: KeyCommand) {
        match command {
            KeyCommand::Begin { key, fingerprint } => {
                if let Err(refusal) = self.begin(origin, actor, key, fingerprint) {
                    self.hands.answer(origin, Err(refusal));
                }
            }
            KeyCommand::Finish { name, kept: None } => {
                self.in_progress.remove(&name);
                self.hands.answer(origin, Ok(Answer::Key(Box::new(KeyAnswer::Finished))));
            }
            KeyCommand::Finish { name, kept: Some(kept) } => {
                let write = Write::KeepAnswer(Box::new((name.clone(), kept)));
                self.hands.write(follow(Then::Kept { origin: Some(origin), name }), write);
            }
        }
    }

    fn begin(
        &mut self,
        origin: Origin,
        actor: &Actor,
        key: RequestKey,
        fingerprint: Fingerprint,
    ) -> Result<(), Refusal> {
        let name = KeyName { scope: scope(actor)?, key };
        match self.in_progress.entry(name.clone()) {
            Entry::Occupied(first) if *first.get() == fingerprint => return Err(Refusal::KeyInProgress),
            Entry::Occupied(_) => return Err(Refusal::KeyReused),
            Entry::Vacant(place) => {
                place.insert(fingerprint);
            }
        }
        let read = Read::KeptAnswer(Box::new(name.clone()));
        self.hands.read(follow(Then::Known { origin, name, fingerprint }), read);
        Ok(())
    }

    /// Goes on where storage was waited for.
    pub(super) fn keys_stored(&mut self, then: Then, outcome: Outcome) {
        match then {
            Then::Known { origin, name, fingerprint } => {
                let result = known(outcome, fingerprint, &name, self.hands.now);
                if !matches!(result, Ok(KeyAnswer::Begun(_))) {
                    self.in_progress.remove(&name);
                }
                self.hands.answer(origin, result.map(|answer| Answer::Key(Box::new(answer))));
            }
            Then::Kept { origin, name } => {
                self.in_progress.remove(&name);
                let result = match outcome {
                    Outcome::Written(_) => Ok(Answer::Key(Box::new(KeyAnswer::Finished))),
                    Outcome::Found(_) | Outcome::Unavailable => Err(UNAVAILABLE),
                };
                if let Some(origin) = origin {
                    self.hands.answer(origin, result);
                }
            }
            Then::Expired => match outcome {
                Outcome::Found(Found::ExpiredAnswers(names)) if !names.is_empty() => {
                    let more = names.len() >= limits::TOKEN_SWEEP_TOKENS as usize;
                    self.hands.write(follow(Then::Forgotten { more }), Write::ForgetAnswers(names));
                }
                Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => self.arm_answer_sweep(),
            },
            Then::Forgotten { more: true } => self.sweep_answers(),
            Then::Forgotten { more: false } => self.arm_answer_sweep(),
        }
    }

    /// The desk's shard looks for expired answers once a minute.
    pub(super) fn arm_answer_sweep(&mut self) {
        if self.desk.is_some() {
            let at = self.hands.now.plus_millis(limits::TOKEN_SWEEP_MS);
            self.hands.arm(Timer::AnswerSweep, at);
        }
    }

    pub(super) fn sweep_answers(&mut self) {
        let read = Read::ExpiredAnswers { before: self.hands.now, limit: limits::TOKEN_SWEEP_TOKENS };
        self.hands.read(follow(Then::Expired), read);
    }
}

fn known(outcome: Outcome, fingerprint: Fingerprint, name: &KeyName, now: Timestamp) -> Result<KeyAnswer, Refusal> {
    match outcome {
        Outcome::Found(Found::KeptAnswer(kept)) => match kept.map(|kept| *kept).filter(|kept| kept.expires_at > now) {
            None => Ok(KeyAnswer::Begun(name.clone())),
            Some(kept) if kept.fingerprint == fingerprint => Ok(KeyAnswer::Kept(kept)),
            Some(_) => Err(Refusal::KeyReused),
        },
        Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
    }
}

/// Takes who waits for a write that is under way for long. The key stays in progress until it is known.
pub(super) fn give_up(then: &mut Then) -> Option<Origin> {
    match then {
        Then::Kept { origin, .. } => origin.take(),
        Then::Known { .. } | Then::Expired | Then::Forgotten { .. } => None,
    }
}

/// Boxed, as what follows a customer's record is.
fn follow(then: Then) -> After {
    After::Keys(Box::new(then))
}
