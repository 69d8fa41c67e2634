//! The lines as `serde` writes and reads them. The names here are the form's: they never change within a version.

use serde::{Deserialize, Serialize};
use switchboard_protocol::model::{Accept, AgentStatus, BodyKind, Side, State};

use super::End;

/// Mirrors an enum without data by its words, both ways.
macro_rules! words {
    ($model:ident as $mirror:ident: $($variant:ident),+) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $mirror { $($variant),+ }

        impl From<$model> for $mirror {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant),+ }
            }
        }

        impl From<$mirror> for $model {
            fn from(value: $mirror) -> Self {
                match value { $($mirror::$variant => Self::$variant),+ }
            }
        }
    };
}

words!(Side as SideWord: Customer, Agent);
words!(BodyKind as KindWord: Text, Image, File);
words!(State as StateWord: Robot, Pending, Active, Closed);
words!(Accept as AcceptWord: Auto, Manual);
words!(AgentStatus as StatusWord: Online, Busy, Away, Offline);

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Lease(LeaseLine),
    Agent(AgentLine),
    DeletedAgent(DeletedAgentLine),
    Customer(CustomerLine),
    Token(TokenLine),
    Answer(AnswerLine),
    Conversation(ConversationLine),
    Message(MessageLine),
    Sent(SentLine),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseLine {
    pub vshard: u16,
    pub next: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentLine {
    pub id: u64,
    pub code: String,
    pub name: String,
    pub avatar: Option<String>,
    pub max_concurrent: u32,
    pub groups: Vec<String>,
    pub skills: Vec<String>,
    pub accept: Option<AcceptWord>,
    pub status: Option<StatusWord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeletedAgentLine {
    pub id: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerLine {
    pub id: String,
    pub number: u64,
    pub name: String,
    pub channel: String,
    pub identities: Vec<IdentityLine>,
    pub tags: Vec<String>,
    pub notes: Option<String>,
    pub active: bool,
    pub created_at: u64,
    pub updated_at: u64,
    pub last_interaction_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityLine {
    pub kind: String,
    pub value: String,
}

/// Who, as `{"user":100}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PartyLine {
    User(u64),
    Visitor(String),
    Agent(u64),
    Customer(String),
}

/// Whose keys, as `"admins"` or a party.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScopeLine {
    Admins,
    #[serde(untagged)]
    Party(PartyLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenLine {
    pub hash: String,
    pub bearer: PartyLine,
    pub expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerLine {
    pub scope: ScopeLine,
    pub key: String,
    pub fingerprint: String,
    pub status: u16,
    pub body: String,
    pub expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversationLine {
    pub id: u64,
    pub customer: PartyLine,
    pub channel: Option<String>,
    pub customer_number: u64,
    pub named: Option<u64>,
    pub agent: Option<u64>,
    pub group: String,
    pub state: StateWord,
    pub last_seq: u64,
    pub last_message_at: Option<u64>,
    pub customer_unread: u32,
    pub agent_unread: u32,
    pub created_at: u64,
    pub updated_at: u64,
    pub queued_at: u64,
    pub returned: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageLine {
    pub conversation: u64,
    pub seq: u64,
    pub id: u64,
    pub side: SideWord,
    pub number: u64,
    pub kind: KindWord,
    pub content: String,
    pub file_url: Option<String>,
    pub metadata: Option<String>,
    pub created_at: u64,
    pub read_at: Option<u64>,
    pub edited_at: Option<u64>,
    pub recalled_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentLine {
    pub conversation: u64,
    pub side: SideWord,
    pub number: u64,
    pub client_msg_id: String,
    pub message: u64,
    pub seq: u64,
    pub created_at: u64,
}
