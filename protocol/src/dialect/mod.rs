//! The wire dialects: one trait, one table, and a folder of one shape for each
//! (`wire`, `decode`, `encode`, `session`, `client`, `fixtures`, `tests`).
//!
//! A dialect turns payloads into [`Command`]s and [`Answer`]s, [`Refusal`]s and [`Event`]s into payloads.
//! It must not know frames, sockets, clocks, or who is listening: what it encodes is the same for every
//! listener of the same dialect, so that it is encoded once and shared.

pub mod bytedesk;
mod clock;
#[cfg(test)]
mod described;
pub mod json;
pub mod kefu;
pub mod multichannel;
#[cfg(test)]
mod samples;
pub mod webchat;
mod words;

use std::borrow::Cow;

use smallvec::SmallVec;

use super::model::{Accept, Answer, Command, Event, Party, Refusal, Side, VisitorId};
pub use json::{Fault, FieldError, Malformed, Scratch};

/// The dialects that have a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialectKind {
    /// Guide 2.
    Kefu,
    /// Guide 1.
    Bytedesk,
    /// Guide 3.
    Webchat,
    /// Guide 4.
    Multichannel,
}

impl DialectKind {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 4] = [Self::Kefu, Self::Bytedesk, Self::Webchat, Self::Multichannel];

    /// The dialect whose WebSocket an upgrade of this path means, if any does. Where one that begins by a message lives
    /// beside one that begins by a token, the query's `token` tells them apart (dialects.md: kefu and bytedesk).
    pub fn of_upgrade(path: &str, query: Query<'_>) -> Option<Self> {
        let mut here = Self::ALL.into_iter().filter(|kind| dialect(*kind).session().parameter(path).is_some());
        let first = here.next()?;
        match here.find(|kind| dialect(*kind).session().begins == Begins::ByToken) {
            Some(by_token) if query("token").is_some() => Some(by_token),
            Some(_) | None => Some(first),
        }
    }
}

/// The table of dialects.
pub fn dialect(kind: DialectKind) -> &'static dyn Dialect {
    match kind {
        DialectKind::Kefu => &kefu::Kefu,
        DialectKind::Bytedesk => &bytedesk::Bytedesk,
        DialectKind::Webchat => &webchat::Webchat,
        DialectKind::Multichannel => &multichannel::Multichannel,
    }
}

/// Whether the query of an upgrade opts in to frames that the guides do not show (`ext=1`).
pub fn opts_in(query: Query<'_>) -> bool {
    query("ext").as_deref() == Some("1")
}

/// Looks up a parameter of a request's query by name, percent-decoded.
pub type Query<'q> = &'q dyn Fn(&str) -> Option<Cow<'q, str>>;

/// What a connection is so far, as decoding needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Neither logged in nor bound.
    Nobody,
    /// A logged-in user.
    User,
    /// Bound to a visitor.
    Visitor,
    /// A logged-in agent.
    Agent,
    /// A customer of a channel.
    Customer,
}

impl Seat {
    /// The seat of a connection's party.
    pub const fn of(party: Option<&Party>) -> Self {
        match party {
            None => Self::Nobody,
            Some(Party::User(_)) => Self::User,
            Some(Party::Visitor(_)) => Self::Visitor,
            Some(Party::Agent(_)) => Self::Agent,
            Some(Party::Customer(_)) => Self::Customer,
        }
    }
}

/// What a dialect needs to answer later (kefu: which action it was, and its `op_id`). Opaque to everybody
/// else; inline up to 24 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(SmallVec<[u8; 24]>);

impl Context {
    fn new(tag: u8, rest: &[u8]) -> Self {
        let mut bytes = SmallVec::with_capacity(1 + rest.len());
        bytes.push(tag);
        bytes.extend_from_slice(rest);
        Self(bytes)
    }

    fn tag(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.0.get(1..).unwrap_or(&[])
    }
}

/// What encoding needs of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The zone of times without one, in seconds east of UTC; default UTC+8 (dialects.md, shared rules).
    pub utc_offset_seconds: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { utc_offset_seconds: 8 * 3600 }
    }
}

/// What a text message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nothing further is wanted: a pong was written to `out`.
    Answered,
    /// The peer's mistake: an error was written to `out`.
    Mistaken(Mistake),
    /// Log in; the answer goes through [`Dialect::encode_login`].
    Login {
        /// The token as it came.
        token: String,
        /// For the answer.
        context: Context,
    },
    /// Bind the connection to a visitor; the answer goes through [`Dialect::encode_bound`].
    Bind {
        /// Which visitor.
        visitor: VisitorId,
        /// For the answer.
        context: Context,
    },
    /// Ask the domain; the answer goes through [`Dialect::encode_answer`].
    Command {
        /// What.
        command: Command,
        /// For the answer.
        context: Context,
        /// The peer used an extension, and so opts in to them.
        extension: bool,
    },
}

/// What kind of mistake a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// No JSON that can be read.
    Json,
    /// A field missing or wrong, an unknown action, or one that this connection may not use.
    Field,
}

/// Why a connection was not given to a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Not a token of ours, or tampered with. Counts as a failed try.
    InvalidToken,
    /// A token that was good once. Counts as a failed try.
    Expired,
    /// This role has no business on this socket (an admin, say). Counts as a failed try.
    WrongRole,
    /// The connection is already another party's.
    OtherParty,
    /// A login on a connection that is bound to a visitor.
    AlreadyVisitor,
    /// A bind on a connection that is logged in.
    AlreadyLoggedIn,
    /// The agent was deleted.
    AgentDeleted,
    /// A bound was reached; the peer may retry after a moment.
    Busy,
}

impl LoginRefusal {
    /// Whether it counts towards `limits::LOGIN_TRIES_MAX`.
    pub const fn counts_as_try(self) -> bool {
        match self {
            Self::InvalidToken | Self::Expired | Self::WrongRole | Self::AgentDeleted => true,
            Self::OtherParty | Self::AlreadyVisitor | Self::AlreadyLoggedIn | Self::Busy => false,
        }
    }
}

/// A close code (RFC 6455, section 7.4) with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseWith {
    /// The code; 4000 to 4999 are private use.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: &'static str,
}

/// Who is going to hear an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearer {
    /// On which side of conversations it is.
    pub side: Side,
    /// It opted in to frames that the guide does not show.
    pub ext: bool,
}

/// How a dialect's connections begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The path of the upgrade; its last part may be a parameter, `{name}`.
    pub path: &'static str,
    /// How it becomes a party's.
    pub begins: Begins,
    /// Who may come here.
    pub seats: &'static [Seat],
    /// What an agent is that came online by nothing else: one that the desk assigns to, or one that picks what its
    /// connections are offered (dialects.md, "Push or pull").
    pub accept: Accept,
    /// Whether its agents hear of each other's statuses.
    pub statuses: bool,
    /// With what it is closed after the answer to the last failed login (`limits::LOGIN_TRIES_MAX`).
    pub login_failed: CloseWith,
}

/// How a connection becomes a party's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// By a message: [`Intent::Login`] or [`Intent::Bind`].
    ByMessage,
    /// At the upgrade: the path's parameter is an agent's code or id, proved by a token unless the server is open
    /// (dialects.md, "Guides that show no authentication").
    ByPath,
    /// By a token at the upgrade, in the query (`token`) or the header (`Authorization: Bearer …`). Without a good one
    /// the upgrade is answered with 401.
    ByToken,
}

impl Session {
    /// Whether a party may come here.
    pub fn seats(&self, party: &Party) -> bool {
        self.seats.contains(&Seat::of(Some(party)))
    }

    /// Whether `path` is this dialect's; then the path's parameter as it came, empty if there is none.
    pub fn parameter<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.path.split_once('{') {
            None => (self.path == path).then_some(""),
            Some((before, _)) => path.strip_prefix(before).filter(|rest| !rest.is_empty() && !rest.contains('/')),
        }
    }
}

/// A wire dialect with a WebSocket. All payloads are without frame headers; encoders append to `out`.
pub trait Dialect: Sync {
    /// The folder's name, for metrics and paths.
    fn name(&self) -> &'static str;

    /// How its connections begin.
    fn session(&self) -> &'static Session;

    /// Understands one text message in place: valid UTF-8, destroyed by parsing. Immediate answers are
    /// appended to `out`.
    fn decode(&self, text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent;

    /// The answer to [`Intent::Login`], or to an upgrade that made the connection a party's; where the guide
    /// shows none, nothing is written.
    fn encode_login(&self, context: &Context, result: Result<&Party, LoginRefusal>, out: &mut Vec<u8>);

    /// The answer to [`Intent::Bind`].
    fn encode_bound(&self, context: &Context, result: Result<(), LoginRefusal>, out: &mut Vec<u8>);

    /// The answer to [`Intent::Command`]; nothing may be written where the guide knows no answer.
    fn encode_answer(
        &self,
        context: &Context,
        result: Result<&Answer, &Refusal>,
        settings: &Settings,
        out: &mut Vec<u8>,
    );

    /// A push. False, and nothing written: this dialect does not tell it to such a listener.
    fn encode_event(&self, event: &Event, hearer: Hearer, settings: &Settings, out: &mut Vec<u8>) -> bool;
}

/// Why a REST request did not become a command: the asker's mistake, answered by its dialect's `encode::rejected`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body is no JSON object.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A parameter or field is missing or wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// It names what cannot exist; as if the domain had refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The HTTP status of a refusal: `conflict` is the dialect's for what stands against the state of things (its guide may
/// know no 409), `busy` for [`Refusal::Busy`].
const fn status(refusal: &Refusal, conflict: u16, busy: u16) -> u16 {
    match refusal {
        Refusal::NotFound(_) => 404,
        Refusal::Forbidden | Refusal::OtherParty => 403,
        Refusal::LoginRequired => 401,
        Refusal::TextOnly => 400,
        Refusal::Ended
        | Refusal::WrongState
        | Refusal::NotInGroup
        | Refusal::NoRoom
        | Refusal::AgentOffline
        | Refusal::TooLate
        | Refusal::Recalled
        | Refusal::Taken(_)
        | Refusal::TakenBy { .. }
        | Refusal::Stale
        | Refusal::AgentHasConversations
        | Refusal::Gap { .. } => conflict,
        // By the header, which the guides do not know: no client of theirs meets these.
        Refusal::KeyMalformed => 400,
        Refusal::KeyInProgress => 409,
        Refusal::KeyReused => 422,
        Refusal::Busy(_) => busy,
    }
}

/// A REST answer in a dialect's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// Where the next page is, relative to what was asked for (RFC 8288, `rel="next"`): for envelopes without room.
    pub next: Option<String>,
}

impl Reply {
    /// An answer that is whole.
    pub const fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, next: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_found_by_path() {
        let at_path = |path| DialectKind::of_upgrade(path, &|_| None);
        let with_token = |path| DialectKind::of_upgrade(path, &|name| (name == "token").then_some("x".into()));
        assert_eq!((at_path("/ws"), with_token("/ws")), (Some(DialectKind::Kefu), Some(DialectKind::Bytedesk)));
        assert_eq!([at_path("/ws/chat"), with_token("/ws/chat")], [Some(DialectKind::Webchat); 2]);
        assert_eq!(at_path("/ws/"), None);
        assert_eq!([at_path("/ws/cs/cs_001"), with_token("/ws/cs/1")], [Some(DialectKind::Multichannel); 2]);
        let multichannel = dialect(DialectKind::Multichannel).session();
        assert_eq!(multichannel.parameter("/ws/cs/a%20b"), Some("a%20b"));
        assert_eq!(["/ws/cs/", "/ws/cs", "/ws/cs/a/b"].map(at_path), [None; 3]);
        for kind in DialectKind::ALL {
            assert!(dialect(kind).session().login_failed.reason.len() <= 123);
        }
    }

    #[test]
    fn only_ext_1_opts_in() {
        let with = |value: Option<&'static str>| opts_in(&move |name| (name == "ext").then_some(value?).map(Cow::from));
        assert_eq!([with(Some("1")), with(Some("0")), with(None)], [true, false, false]);
    }

    #[test]
    fn a_context_with_a_usual_op_id_is_inline() {
        let context = Context::new(3, b"\"unique_op_id\"");
        assert!(!context.0.spilled());
        assert_eq!((context.tag(), context.rest()), (3, &b"\"unique_op_id\""[..]));
    }
}
