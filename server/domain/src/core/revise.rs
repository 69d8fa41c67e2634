//! Messages that are named by their id alone: shown, edited and recalled. Storage knows where they are; the
//! conversation's owner decides, with the message as it is when its turn comes.

use switchboard_protocol::model::{
    Actor, Answer, BodyKind, Command, ConversationId, Event, Found, Message, MessageId, Noun, Read, Refusal, Revision,
    Scene, Write,
};

use super::hands::Hands;
use super::stored::{Then as After, UNAVAILABLE, tell_both};
use super::{Core, Slot};
use crate::asker::Asker;
use crate::conversation::{self, Live, Then};
use crate::{Origin, Outcome, Request};

/// How long after it was sent a message may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Edited, by its sender or an admin; in milliseconds.
    pub edit_millis: u64,
    /// Recalled by its sender; an admin always may.
    pub recall_millis: u64,
}

impl Default for Windows {
    /// A day, and two minutes.
    fn default() -> Self {
        Self { edit_millis: 24 * 3600 * 1000, recall_millis: 120_000 }
    }
}

impl Core {
    /// A request at the shard that minted the message: in which conversation is it?
    pub(super) fn message_request(&mut self, request: Request) {
        let message = message_of(&request.command);
        self.hands.read(After::Located(Box::new(request)), Read::Message(message));
    }

    /// Storage has told in which conversation the message is.
    pub(super) fn located(&mut self, request: Request, outcome: Outcome) {
        match found(outcome) {
            Ok(message) => self.at_conversation(message.conversation, request),
            Err(refusal) => self.hands.answer(request.origin, Err(refusal)),
        }
    }

    /// The message of a revision is known as it is now; its conversation is held.
    pub(super) fn message_known(&mut self, id: ConversationId, request: Request, outcome: Outcome) {
        let slot = self.conversations.get_mut(&id).expect("a held slot is not forgotten");
        slot.held = false;
        let origin = request.origin;
        if let Err(refusal) = found(outcome).and_then(|message| slot.revise(&mut self.hands, request, *message)) {
            self.hands.answer(origin, Err(refusal));
        }
        self.run(id);
    }

    /// A message is shown to somebody who may read it.
    pub(super) fn message_shown(&mut self, origin: Origin, outcome: Outcome) {
        self.hands.answer(origin, found(outcome).map(Answer::Message));
    }
}

impl Slot {
    /// A request about a message of this conversation. Of a revision, what follows waits until it is done, so that two
    /// of them are not decided on the same message.
    pub(super) fn about_message(&mut self, hands: &mut Hands, request: Request) -> Result<(), Refusal> {
        let live = self.live.as_ref().expect("a slot that is not held is loaded");
        let message = message_of(&request.command);
        if matches!(request.command, Command::ShowMessage(_)) {
            live.may_read(&request.actor, &hands.directory).map_err(|_| NO_MESSAGE)?;
            hands.read(After::MessageShown(request.origin), Read::Message(message));
            return Ok(());
        }
        let conversation = live.header.id;
        self.held = true;
        hands.read(After::Message { conversation, request: Box::new(request) }, Read::Message(message));
        Ok(())
    }

    fn revise(&mut self, hands: &mut Hands, request: Request, message: Message) -> Result<(), Refusal> {
        let Request { origin, actor, command } = request;
        let Command::Revise { revision, .. } = command else { unreachable!("nothing else waits for a message") };
        let live = self.live.as_mut().expect("a held slot for a message is loaded");
        may_revise(live, hands, &actor, &message, &revision)?;
        if message.recalled_at().is_some() {
            return match revision {
                Revision::Recall => {
                    hands.answer(origin, Ok(Answer::Message(Box::new(message))));
                    Ok(())
                }
                Revision::Edit(_) => Err(Refusal::Recalled),
            };
        }
        if matches!(revision, Revision::Edit(_)) && message.body.kind != BodyKind::Text {
            return Err(Refusal::TextOnly);
        }
        let at = hands.now;
        match revision {
            Revision::Edit(_) => live.header.updated_at = at,
            Revision::Recall => conversation::recall(&mut live.header, &message, at),
        }
        live.writes.push_back(Then::Revised { asker: Some(hands.asker(origin)), scene: live.scene() });
        let write = Write::Revise { conversation: live.header.clone(), seq: message.seq, revision, at };
        hands.write(After::Conversation(live.header.id), write);
        self.held = true;
        Ok(())
    }
}

/// A revision is durable: answer, and tell both sides and who looks on.
pub(super) fn revised(hands: &mut Hands, message: Message, scene: Scene, asker: Option<Asker>, live: &Live) {
    let origin = asker.map(|asker| asker.origin);
    if let Some(origin) = origin {
        hands.answer(origin, Ok(Answer::Message(Box::new(message.clone()))));
    }
    let event = tell_both(hands, Event::Revised { scene, message }, origin);
    hands.tell_watchers(live, &event);
}

/// The sender may, in time; an admin may too.
fn may_revise(
    live: &Live,
    hands: &Hands,
    actor: &Actor,
    message: &Message,
    revision: &Revision,
) -> Result<(), Refusal> {
    let admin = matches!(actor, Actor::Workbench(None) | Actor::Admin);
    if !admin && live.author(actor) != Some(message.sender) {
        let seen = live.may_read(actor, &hands.directory).is_ok();
        return Err(if seen { Refusal::Forbidden } else { NO_MESSAGE });
    }
    let window = match revision {
        _ if message.recalled_at().is_some() => return Ok(()),
        Revision::Edit(_) => hands.windows.edit_millis,
        Revision::Recall if admin => return Ok(()),
        Revision::Recall => hands.windows.recall_millis,
    };
    if hands.now.millis_since(message.created_at) > window { Err(Refusal::TooLate) } else { Ok(()) }
}

fn message_of(command: &Command) -> MessageId {
    match command {
        Command::ShowMessage(message) | Command::Revise { message, .. } => *message,
        other => unreachable!("about no message: {other:?}"),
    }
}

fn found(outcome: Outcome) -> Result<Box<Message>, Refusal> {
    match outcome {
        Outcome::Found(Found::Message(message)) => message.ok_or(NO_MESSAGE),
        Outcome::Found(_) | Outcome::Written(_) | Outcome::Unavailable => Err(UNAVAILABLE),
    }
}

const NO_MESSAGE: Refusal = Refusal::NotFound(Noun::Message);
