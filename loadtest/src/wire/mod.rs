//! How peers say it: one file a dialect, one trait, one table. A wire writes what a client sends and hears what a
//! server says; it knows no socket, no clock and no scenario.

mod bytedesk;
mod echo;
mod kefu;
mod multichannel;
mod webchat;

use serde::{Deserialize, Serialize};

use crate::measure::Nanos;
use crate::settings::PingForm;

/// The table: one line a dialect.
macro_rules! dialects {
    ($($dialect:ident $name:literal $wire:path, $about:literal;)*) => {
        /// The dialects this harness speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
        #[serde(rename_all = "snake_case")]
        pub enum Dialect {
            $(#[doc = $about] $dialect,)*
        }

        impl Dialect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$dialect),*];

            /// As results name it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$dialect => $name,)* }
            }

            /// What it is, in one line.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$dialect => $about,)* }
            }

            /// Its way of speaking.
            pub fn wire(self) -> &'static dyn Wire {
                match self { $(Self::$dialect => &$wire,)* }
            }
        }
    };
}

dialects! {
    Kefu "kefu" kefu::Kefu, "Guide 2: customers and agents; logs in by a message";
    Multichannel "multichannel" multichannel::Multichannel, "Guide 4: agents only, who pick conversations and write over HTTP; customers speak kefu";
    Webchat "webchat" webchat::Webchat, "Guide 3: customers by tokens that the server issues, and agents; the first message opens the conversation";
    Bytedesk "bytedesk" bytedesk::Bytedesk, "Guide 1: users and agents, by a token in the query; conversations are opened over HTTP";
    Echo "echo" echo::Echo, "No dialect: a bare WebSocket that gives every text back, or to all others";
}

impl Dialect {
    /// What customers speak where this is asked for: a dialect that only agents have leaves them kefu.
    pub fn of_customers(self) -> Self {
        let abilities = self.wire().abilities();
        if abilities.desk && !abilities.customers { Self::Kefu } else { self }
    }
}

/// What there is in a dialect. What is not there is never asked of its wire: settings are checked against this.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// Conversations, parties and agents.
    pub desk: bool,
    /// Customers speak it; if not, only agents do.
    pub customers: bool,
    /// Its agents are not given conversations but pick them.
    pub picks: bool,
    /// A conversation begins with its first message, and not before the upgrade.
    pub greets: bool,
    /// Requests whose answers do not say which they answer; they come in the order of the requests.
    pub unnumbered: &'static [Ask],
    /// Customers' tokens are the server's own, asked for before the upgrade, so often a minute.
    pub issues: bool,
    /// Path and query of the WebSocket say who connects: there is no login by message.
    pub named_paths: bool,
    /// The longest content of one message.
    pub content_max_bytes: u32,
}

/// Who a socket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A known customer.
    #[default]
    User,
    /// A human agent.
    Agent,
}

impl Role {
    /// Which side of a conversation it writes.
    pub const fn side(self) -> Side {
        match self {
            Self::User => Side::Customer,
            Self::Agent => Side::Agent,
        }
    }
}

/// Who a client is; several clients may be devices of one party.
#[derive(Clone, Debug)]
pub struct Party {
    /// User or agent.
    pub role: Role,
    /// The integrator's number of it.
    pub number: u64,
    /// Signed for it, or issued; empty where nobody logs in, and where it is yet to be asked for.
    pub token: String,
}

/// Which side of a conversation wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The customer or visitor.
    Customer,
    /// The agent.
    Agent,
}

impl Side {
    /// What bytedesk and webchat call it.
    fn of_word(sender_type: &str) -> Self {
        if sender_type == "agent" { Self::Agent } else { Self::Customer }
    }
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A login.
    Login,
    /// A conversation, by its first message.
    Greet,
    /// A waiting conversation, for oneself.
    Pick,
    /// A message.
    Send,
    /// A read mark.
    Read,
    /// The end of a conversation.
    End,
    /// A sync.
    Sync,
}

/// `NUMBER.CONTENT`, for a `client_msg_id`: the request's number, and the content's number and time without its filling.
/// No two messages of a sender have them alike, in any run.
struct MessageId<'a>(u64, &'a str);

impl std::fmt::Display for MessageId<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(op, content) = self;
        write!(formatter, "{op}.{}", content.rsplit_once('.').map_or(*content, |(once, _)| once))
    }
}

/// Which request an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The one that was sent with this number.
    Number(u64),
    /// The oldest of this socket.
    Oldest {
        /// That asked this.
        ask: Option<Ask>,
        /// In this conversation.
        conversation: Option<u64>,
    },
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard<'a> {
    /// A heartbeat's answer.
    Pong,
    /// An answer.
    Answer {
        /// To what.
        to: To,
        /// Whether it succeeded.
        success: bool,
        /// What it carries, for the wire's other methods.
        data: &'a str,
    },
    /// A message of a conversation.
    Message {
        /// The conversation's id; 0 if the dialect has none.
        conversation: u64,
        /// Its place there; 0 if the dialect has none.
        seq: u64,
        /// Who wrote it.
        by: Side,
        /// What was written.
        content: &'a str,
    },
    /// A conversation ended.
    Ended {
        /// Its id.
        conversation: u64,
    },
    /// A conversation was given to an agent.
    Assigned {
        /// Its id.
        conversation: u64,
        /// The agent's number; 0 for none.
        agent: u64,
    },
    /// Something that is not looked into.
    Other,
}

/// A customer's open conversation, as the dialect's opening shows it. Ids are the server's integers, whether the dialect
/// writes them as numbers or, in decimal, as strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub conversation: u64,
    /// Its agent's number, if it has one.
    pub agent: Option<u64>,
}

/// An HTTP request before the upgrade, on the same socket: a POST if it has a body, else a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Path and query.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
    /// Whether the party's token goes with it.
    pub signed: bool,
}

/// What such a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The customer's conversation.
    Opened(Opened),
    /// A token to connect with.
    Token(String),
}

/// Where a request is written; kept, so that a message costs no allocation.
#[derive(Debug, Default)]
pub struct Sheet {
    /// The payload of a text message; with a path, the body of a POST.
    pub body: Vec<u8>,
    /// The path, if this is said over HTTP.
    pub post: String,
    /// Whether messages are to have a `client_msg_id` where the dialect works without.
    pub ids: bool,
}

impl Sheet {
    /// Nothing written.
    pub fn clear(&mut self) {
        self.body.clear();
        self.post.clear();
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        std::io::Write::write_fmt(&mut self.body, text).expect("a vector takes everything");
    }
}

/// One message of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Its place in the conversation.
    pub seq: u64,
    /// Who wrote it.
    pub by: Side,
    /// What was written.
    pub content: String,
}

/// A page of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPage {
    /// In order.
    pub messages: Vec<Synced>,
    /// Where to ask on.
    pub next_seq: u64,
    /// Whether that was all.
    pub complete: bool,
}

const UNASKED: &str = "settings are checked against the dialect's abilities";

/// A dialect's client end. What a dialect's [`Abilities`] deny is not asked of it.
pub trait Wire: Sync {
    /// What there is in it.
    fn abilities(&self) -> &'static Abilities;

    /// Path and query of a party's WebSocket.
    fn path(&self, party: &Party) -> String;

    /// What is asked over HTTP before the upgrade, if anything; `opens` says whether this is the client that opens its
    /// party's conversation, which is to be in `group`.
    fn entrance(&self, _party: &Party, _opens: bool, _group: &str) -> Option<Call> {
        None
    }

    /// Understands its answer's body.
    fn entered(&self, _body: &[u8]) -> Option<Entered> {
        None
    }

    /// The first message of a connection, where its path does not say whose it is.
    fn login(&self, _token: &str, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// A heartbeat; `size` is the payload's, where the dialect leaves it open.
    fn ping(&self, form: PingForm, size: usize, out: &mut Sheet);

    /// A conversation's first message, which opens it in `group`.
    fn greet(&self, _from: &Party, _group: &str, _content: &str, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// Understands the `data` of its answer.
    fn greeted(&self, _data: &str) -> Option<Opened> {
        None
    }

    /// Takes a waiting conversation.
    fn pick(&self, _agent: &Party, _conversation: u64, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// A message into a conversation.
    fn send(&self, from: &Party, conversation: u64, content: &str, op: u64, out: &mut Sheet);

    /// Marks what the other side wrote as read.
    fn read(&self, _by: &Party, _conversation: u64, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// Ends a conversation.
    fn end(&self, _conversation: u64, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// Asks for what came after `after_seq`.
    fn sync(&self, _conversation: u64, _after_seq: u64, _op: u64, _out: &mut Sheet) {
        unreachable!("{UNASKED}")
    }

    /// Understands the `data` of a sync's answer.
    fn synced(&self, _data: &str) -> Option<SyncPage> {
        None
    }

    /// Understands a text message of the server; `None` if that is none of the dialect's.
    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>>;
}

/// Bytes that a content needs for its number and time.
pub const CONTENT_MIN_BYTES: usize = 32;

/// What is written into a message, so that whoever hears it knows which it is and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The sender's messages of this conversation, counted from 1; 0 is a greeting, which is not counted.
    pub number: u32,
    /// When it was to be sent.
    pub intended: Nanos,
}

impl Stamp {
    /// Of the message that only opens a conversation.
    pub const fn is_greeting(self) -> bool {
        self.number == 0
    }

    /// Appends the content: number, time, and filling up to `size` bytes.
    pub fn write(self, size: usize, out: &mut String) {
        use std::fmt::Write as _;
        let start = out.len();
        write!(out, "{}.{}.", self.number, self.intended).expect("a string takes everything");
        while out.len() - start < size {
            out.push('x');
        }
    }

    /// Reads it back; `None` for what this harness did not write.
    pub fn read(content: &str) -> Option<Self> {
        let (number, rest) = content.split_once('.')?;
        let (intended, _) = rest.split_once('.')?;
        Some(Self { number: number.parse().ok()?, intended: intended.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What a wire writes on the WebSocket, where it writes nothing else.
    pub fn written(write: impl FnOnce(&mut Sheet)) -> Value {
        let mut out = Sheet::default();
        write(&mut out);
        assert!(out.post.is_empty(), "all is said on the WebSocket");
        serde_json::from_slice(&out.body).unwrap()
    }

    #[test]
    fn a_stamp_survives_its_content() {
        for (number, intended) in [(1, 0), (u32::MAX, u64::MAX)] {
            let stamp = Stamp { number, intended };
            let mut content = String::new();
            stamp.write(CONTENT_MIN_BYTES, &mut content);
            assert!(content.len() >= CONTENT_MIN_BYTES && content.len() <= CONTENT_MIN_BYTES + 1);
            assert_eq!(Stamp::read(&content), Some(stamp));
        }
        for foreign in ["", "1", "1.2", "a.2.", "1.-2.", "99999999999.1."] {
            assert_eq!(Stamp::read(foreign), None, "{foreign}");
        }
    }
}
