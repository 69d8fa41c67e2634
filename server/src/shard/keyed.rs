//! A REST request under a key, in three steps: its key's home is asked whether it may be carried out, it is carried out,
//! its answer is kept; only then it is given. The steps are here because the answer's bytes are made here. Must not
//! know why the home decides as it does.

use sha2::{Digest, Sha256};
use switchboard_domain::{ConnectionId, Input};
use switchboard_protocol::dialect::Reply as RestReply;
use switchboard_protocol::model::{
    Actor, Answer, Command, Fingerprint, KeptAnswer, KeyAnswer, KeyCommand, KeyDigest, KeyName, Refusal,
};

use super::Shard;
use super::replies::{ReplyTo, RestEncoder};
use crate::connection::CONGESTED;
use crate::http::{Keyed, response};

/// A request under a key, and how far it is.
#[derive(Debug)]
pub(crate) struct Keeping {
    fingerprint: Fingerprint,
    encode: RestEncoder,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Whether it may be carried out.
    Begin { actor: Actor, command: Command },
    /// What came of it.
    Run(KeyName),
    /// That the answer is kept, or the key free again.
    Finish(RestReply),
}

impl Shard {
    /// Carries a request out under a key, unless it was before.
    pub(crate) fn make_under(
        &mut self,
        id: ConnectionId,
        (actor, command): (Actor, Command),
        encode: RestEncoder,
        Keyed { key, fingerprint }: Keyed,
    ) {
        let begin = Command::Key(Box::new(KeyCommand::Begin { key, fingerprint }));
        let asker = actor.clone();
        self.ask_keyed(id, Keeping { fingerprint, encode, step: Step::Begin { actor, command } }, asker, begin);
    }

    /// The answer to one of the steps.
    pub(super) fn keeping(&mut self, id: ConnectionId, keeping: Keeping, result: Result<Answer, Refusal>) {
        let Keeping { fingerprint, encode, step } = keeping;
        match (step, result) {
            (Step::Begin { actor, mut command }, Ok(Answer::Key(answer))) => match *answer {
                KeyAnswer::Begun(name) => {
                    let digest = Sha256::new().chain_update(name.to_bytes()).chain_update(fingerprint.0).finalize();
                    KeyDigest(digest.into()).mark(&mut command);
                    let next = Keeping { fingerprint, encode, step: Step::Run(name) };
                    if self.port.is_congested() {
                        return self.keeping(id, next, Err(CONGESTED));
                    }
                    self.ask_keyed(id, next, actor, command);
                }
                KeyAnswer::Kept(kept) => self.respond_rest(id, RestReply::new(kept.status, kept.body.into())),
                KeyAnswer::Finished => unreachable!("nothing was to be finished"),
            },
            (Step::Begin { .. }, result) => {
                let reply = response(encode(result.as_ref(), &self.dialects));
                let wait = matches!(result, Err(Refusal::KeyInProgress));
                self.respond(id, if wait { reply.with_header("Retry-After", "1") } else { reply });
            }
            (Step::Run(name), result) => {
                let reply = encode(result.as_ref(), &self.dialects);
                let ttl_ms = u64::try_from(self.shared.config.idempotency_ttl.as_millis()).unwrap_or(u64::MAX);
                let kept = is_final(reply.status).then(|| KeptAnswer {
                    fingerprint,
                    status: reply.status,
                    body: reply.body.as_slice().into(),
                    expires_at: self.clock.wall().plus_millis(ttl_ms),
                });
                let finish = Command::Key(Box::new(KeyCommand::Finish { name, kept }));
                let next = Keeping { fingerprint, encode, step: Step::Finish(reply) };
                self.ask_keyed(id, next, Actor::Anonymous, finish);
            }
            // A write that failed ends the process: there is no other way to get here.
            (Step::Finish(reply), Ok(_)) => self.respond_rest(id, reply),
            (Step::Finish(_), Err(refusal)) => self.respond_rest(id, encode(Err(&refusal), &self.dialects)),
        }
    }

    fn ask_keyed(&mut self, id: ConnectionId, keeping: Keeping, actor: Actor, command: Command) {
        let request = self.request(id, ReplyTo::Kept(Box::new(keeping)), actor, command);
        self.core.handle(self.clock.wall(), Input::Request(request), &mut self.effects);
    }
}

/// Whether an answer says what became of the request for good. The others say that nothing was done and that a retry
/// may do it: no good token, a bound that was reached, a failure of ours.
const fn is_final(status: u16) -> bool {
    !matches!(status, 401 | 429 | 500..)
}
