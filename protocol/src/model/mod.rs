//! The one vocabulary: ids, parties, commands, answers, events, messages and limits.
//!
//! Nothing here knows a dialect. A word of `ops/` or of a guide that has no type here does not exist
//! in the domain.

mod agent;
mod answer;
mod command;
mod condition;
mod conversation;
mod customer;
mod event;
mod id;
mod keyed;
pub mod limits;
mod listing;
mod message;
mod party;
mod refusal;
mod scan;
mod store;
mod time;
mod token;

pub use agent::{Accept, AgentChange, AgentDraft, AgentProfile, AgentStatus, AgentView, AvailableAgent};
pub use answer::Answer;
pub use command::{AgentChoice, AgentRef, Command, PeerName, Target, Transfer, Window};
pub use condition::{Condition, Why};
pub use conversation::{Conversation, State};
pub use customer::{
    Channel, CustomerAnswer, CustomerChange, CustomerCommand, CustomerDraft, CustomerProfile, CustomerQuery,
    CustomerView, Identity, IdentityKind, InvalidIdentity, are_notes, is_name, is_tag,
};
pub use event::{Event, Scene};
pub use id::{
    AgentCode, AgentId, ClientMsgId, ConversationId, CustomerId, CustomerNumber, Group, InvalidId, MessageId, Seq,
    UserId, VShard, VisitorId,
};
pub use keyed::{Fingerprint, KeptAnswer, KeyAnswer, KeyCommand, KeyDigest, KeyName, KeyScope, RequestKey};
pub use listing::{
    ConversationFilter, ConversationQuery, ConversationView, Line, ListPosition, Listed, Platform, Viewer,
};
pub use message::{Body, BodyKind, Draft, Message, Revised, Revision, Sender, Sent, Side};
pub use party::{Actor, Bearer, Party};
pub use refusal::{Noun, Refusal};
pub use scan::{Cursor, Page, Restore, Scan, Scanned, SentKey, StoredToken};
pub use store::{CustomerWritten, Found, Read, Write, Written};
pub use time::Timestamp;
pub use token::{NewToken, TokenHash, TokenSecret};
