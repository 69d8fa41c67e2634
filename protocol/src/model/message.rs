//! Messages: what a sender hands in, what is stored, what is pushed.

use super::{ClientMsgId, ConversationId, MessageId, Seq, Timestamp};

/// The two sides of a conversation that write to it (kefu's `sender_type` 1 and 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The customer or visitor.
    Customer,
    /// The agent.
    Agent,
}

impl Side {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Customer => Self::Agent,
            Self::Agent => Self::Customer,
        }
    }
}

/// Who wrote a message, as the dialects show it: a side and an integer (a user's or agent's id, or a
/// visitor's minted number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// On which side.
    pub side: Side,
    /// The integer shown for the sender.
    pub number: u64,
}

/// What kind of content a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Text.
    Text,
    /// A picture at a URL.
    Image,
    /// A file at a URL.
    File,
}

/// The content of a message, valid by the rules of `dialect` decoding: a text has content, a picture or
/// file has a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What kind.
    pub kind: BodyKind,
    /// The text, or the caption of a picture or file; may be empty for those.
    pub content: String,
    /// Where the picture or file lies.
    pub file_url: Option<String>,
    /// What the sender's program added: a JSON object as it came, at most `METADATA_MAX_BYTES`.
    pub metadata: Option<Box<str>>,
}

impl Body {
    /// What is left of a recalled message.
    pub const fn nothing() -> Self {
        Self { kind: BodyKind::Text, content: String::new(), file_url: None, metadata: None }
    }
}

/// What a sender hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The content.
    pub body: Body,
    /// The sender's own id of this send, if it wants retries to be harmless.
    pub client_msg_id: Option<ClientMsgId>,
}

/// One entry of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its global id.
    pub id: MessageId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// Its dense number there.
    pub seq: Seq,
    /// Who wrote it.
    pub sender: Sender,
    /// What it says.
    pub body: Body,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the other side marked it read.
    pub read_at: Option<Timestamp>,
    /// What was done to it since, if anything.
    pub revised: Option<Revised>,
}

/// What was done to a message after it was sent, last, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revised {
    /// It says something else now.
    Edited(Timestamp),
    /// It says nothing any more; its place in the history stays.
    Recalled(Timestamp),
}

impl Message {
    /// When it was edited, if that was the last that was done to it.
    pub const fn edited_at(&self) -> Option<Timestamp> {
        match self.revised {
            Some(Revised::Edited(at)) => Some(at),
            Some(Revised::Recalled(_)) | None => None,
        }
    }

    /// When it was recalled.
    pub const fn recalled_at(&self) -> Option<Timestamp> {
        match self.revised {
            Some(Revised::Recalled(at)) => Some(at),
            Some(Revised::Edited(_)) | None => None,
        }
    }

    /// When it last changed: by being sent, read, edited or recalled.
    pub fn changed_at(&self) -> Timestamp {
        let revised = self.edited_at().or(self.recalled_at());
        [self.read_at, revised].into_iter().flatten().fold(self.created_at, Timestamp::max)
    }

    /// Does what a revision says, at `at`. Of what is recalled nothing is left but an empty text.
    pub fn revise(&mut self, revision: &Revision, at: Timestamp) {
        match revision {
            Revision::Edit(content) => {
                self.body.content.clone_from(content);
                self.revised = Some(Revised::Edited(at));
            }
            Revision::Recall => {
                self.body = Body::nothing();
                self.revised = Some(Revised::Recalled(at));
            }
        }
    }
}

/// What is to be done to a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// It is to say this, a text that is not empty.
    Edit(String),
    /// It is to say nothing any more.
    Recall,
}

/// What the sender of a message is told, the first time and at each retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The stored message.
    pub message: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its seq there.
    pub seq: Seq,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Sent {
    /// What the sender of a message is told.
    pub const fn of(message: &Message) -> Self {
        Self {
            message: message.id,
            conversation: message.conversation,
            seq: message.seq,
            created_at: message.created_at,
        }
    }
}
