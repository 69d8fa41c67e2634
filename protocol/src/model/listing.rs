//! Lists of conversations: what is asked for, what an agent may see of it, and what is shown.

use super::{
    AgentCode, AgentId, AgentRef, Channel, Conversation, ConversationId, Group, Message, Party, State, Timestamp,
};

/// A platform whose customers a workbench may ask for by name (guide 4, `channelType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// 微信.
    Wechat,
    /// 抖音.
    Douyin,
    /// 京东.
    Jd,
}

impl Conversation {
    /// The platform its customer came by, if it is one that can be asked for.
    pub const fn platform(&self) -> Option<Platform> {
        match (&self.customer, self.channel) {
            (Party::Customer(_), Some(Channel::Wechat)) => Some(Platform::Wechat),
            (
                Party::Customer(_),
                Some(
                    Channel::Web
                    | Channel::Whatsapp
                    | Channel::Line
                    | Channel::Telegram
                    | Channel::Facebook
                    | Channel::Email
                    | Channel::Sms
                    | Channel::Phone
                    | Channel::App,
                )
                | None,
            )
            | (Party::User(_) | Party::Visitor(_) | Party::Agent(_), _) => None,
        }
    }
}

/// An agent with the groups it serves: it sees its own conversations and those of its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Which agent.
    pub agent: AgentId,
    /// Its groups.
    pub groups: Vec<Group>,
}

impl Viewer {
    /// Whether it sees a conversation.
    pub fn sees(&self, conversation: &Conversation) -> bool {
        conversation.agent == Some(self.agent) || self.groups.contains(&conversation.group)
    }
}

/// Which conversations; a condition that is `None` lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// In this state.
    pub state: Option<State>,
    /// Of this agent, now or when it was closed.
    pub agent: Option<AgentId>,
    /// Whose customers came by this platform.
    pub platform: Option<Platform>,
    /// That this agent sees.
    pub viewer: Option<Viewer>,
    /// Of this customer.
    pub customer: Option<Party>,
}

impl ConversationFilter {
    /// Whether a conversation fulfils all conditions.
    pub fn admits(&self, conversation: &Conversation) -> bool {
        self.state.is_none_or(|state| conversation.state == state)
            && self.agent.is_none_or(|agent| conversation.agent == Some(agent))
            && self.platform.is_none_or(|platform| conversation.platform() == Some(platform))
            && self.viewer.as_ref().is_none_or(|viewer| viewer.sees(conversation))
            && self.customer.as_ref().is_none_or(|customer| conversation.customer == *customer)
    }
}

/// A conversation's place in lists: by when it was opened, then by id. Lists begin with the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPosition {
    /// When it was opened.
    pub created_at: Timestamp,
    /// Which conversation.
    pub conversation: ConversationId,
}

impl ListPosition {
    /// The place of a conversation.
    pub const fn of(conversation: &Conversation) -> Self {
        Self { created_at: conversation.created_at, conversation: conversation.id }
    }
}

/// A page of a list, as a peer asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationQuery {
    /// In this state.
    pub state: Option<State>,
    /// Of this agent, as the peer named it.
    pub agent: Option<AgentRef>,
    /// Whose customers came by this platform.
    pub platform: Option<Platform>,
    /// Only what comes behind this place.
    pub after: Option<ListPosition>,
    /// 1 to 100.
    pub limit: u32,
}

/// A conversation with its newest message, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The header.
    pub conversation: Conversation,
    /// The message of `conversation.last_seq`, if there is one.
    pub last_message: Option<Message>,
}

/// A conversation as a workbench shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// What is stored.
    pub listed: Listed,
    /// The code of the agent that has it.
    pub agent: Option<AgentCode>,
}

/// A message with its author's code, if an agent wrote it that is still known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The message.
    pub message: Message,
    /// The author's code.
    pub author: Option<AgentCode>,
}
