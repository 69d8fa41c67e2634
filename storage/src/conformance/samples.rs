//! Sample values for suites and tests. Must not know engines.

use switchboard_protocol::model::{
    AgentCode, AgentId, AgentProfile, Body, BodyKind, Channel, ClientMsgId, Conversation, ConversationId, CustomerId,
    CustomerNumber, CustomerProfile, Group, Identity, IdentityKind, Message, MessageId, Party, Sender, Sent, Seq, Side,
    State, Timestamp, UserId, VisitorId, Write,
};

/// 2023-11-14T22:13:20Z.
const EPOCH_MILLIS: u64 = 1_700_000_000_000;

/// A user.
pub fn user(id: u64) -> Party {
    Party::User(UserId::new(id).expect("a sample id is valid"))
}

/// A visitor.
pub fn visitor(id: &str) -> Party {
    Party::Visitor(VisitorId::new(id).expect("a sample id is valid"))
}

/// A conversation's id.
pub fn conversation_id(id: u64) -> ConversationId {
    ConversationId::from_wire(id).expect("a sample id is valid")
}

/// A message's id.
pub fn message_id(id: u64) -> MessageId {
    MessageId::from_wire(id).expect("a sample id is valid")
}

/// An agent's id.
pub fn agent_id(id: u64) -> AgentId {
    AgentId::new(id).expect("a sample id is valid")
}

/// A client's id of a send.
pub fn client_msg_id(text: &str) -> ClientMsgId {
    ClientMsgId::new(text).expect("a sample id is valid")
}

/// A pending conversation without messages; a visitor's number follows from the conversation.
pub fn conversation(id: u64, customer: Party) -> Conversation {
    let number = match &customer {
        Party::User(user) => user.get(),
        Party::Visitor(_) | Party::Agent(_) | Party::Customer(_) => (1 << 52) + id,
    };
    Conversation {
        id: conversation_id(id),
        channel: matches!(customer, Party::Customer(_)).then_some(Channel::Wechat),
        customer,
        customer_number: CustomerNumber::from_wire(number).expect("a sample number is valid"),
        named: None,
        agent: None,
        group: Group::default(),
        state: State::Pending,
        last_seq: Seq::ZERO,
        last_message_at: None,
        customer_unread: 0,
        agent_unread: 0,
        created_at: Timestamp::from_millis(EPOCH_MILLIS + id),
        updated_at: Timestamp::from_millis(EPOCH_MILLIS + id),
        queued_at: Timestamp::from_millis(EPOCH_MILLIS + id),
        returned: false,
    }
}

/// A text message; the agent's side writes as agent 1.
pub fn message(conversation: &Conversation, id: u64, seq: u64, side: Side) -> Message {
    let number = match side {
        Side::Customer => conversation.customer_number.get(),
        Side::Agent => 1,
    };
    Message {
        id: message_id(id),
        conversation: conversation.id,
        seq: Seq::new(seq),
        sender: Sender { side, number },
        body: Body { kind: BodyKind::Text, content: format!("你好 {id}"), file_url: None, metadata: None },
        created_at: Timestamp::from_millis(EPOCH_MILLIS + id),
        read_at: None,
        revised: None,
    }
}

/// The append of a conversation's next message; takes the header along.
pub fn append(conversation: &mut Conversation, id: u64, side: Side, client_msg_id: Option<&str>) -> (Write, Message) {
    let opens = conversation.last_seq == Seq::ZERO;
    conversation.last_seq = conversation.last_seq.next();
    let message = message(conversation, id, conversation.last_seq.get(), side);
    conversation.last_message_at = Some(message.created_at);
    conversation.updated_at = message.created_at;
    let write = Write::Append {
        conversation: conversation.clone(),
        opens,
        message: message.clone(),
        client_msg_id: client_msg_id.map(self::client_msg_id),
    };
    (write, message)
}

/// What is stored under a message's dedup key.
pub fn sent(message: &Message) -> Sent {
    Sent { message: message.id, conversation: message.conversation, seq: message.seq, created_at: message.created_at }
}

/// An agent with the default group.
pub fn agent(id: u64) -> AgentProfile {
    AgentProfile {
        id: agent_id(id),
        code: AgentCode::new(&format!("cs-{id}")).expect("a sample code is valid"),
        name: format!("客服 {id}"),
        avatar: None,
        max_concurrent: 5,
        groups: vec![Group::default()],
        skills: Vec::new(),
        accept: None,
        status: None,
    }
}

/// A customer of a channel, by a number.
pub fn customer_id(number: u64) -> CustomerId {
    CustomerId::from_bytes(u128::from(number).to_be_bytes())
}

/// An identity.
pub fn identity(kind: IdentityKind, value: &str) -> Identity {
    Identity::new(kind, value).expect("a sample identity is valid")
}

/// A customer of WEB, known by `web_NUMBER`.
pub fn customer(number: u64) -> CustomerProfile {
    CustomerProfile {
        id: customer_id(number),
        number: CustomerNumber::from_wire((1 << 52) + number).expect("a sample number is valid"),
        name: format!("访客 {number}"),
        channel: Channel::Web,
        identities: vec![identity(IdentityKind::WebId, &format!("web_{number}"))],
        tags: Vec::new(),
        notes: None,
        active: true,
        created_at: Timestamp::from_millis(EPOCH_MILLIS + number),
        updated_at: Timestamp::from_millis(EPOCH_MILLIS + number),
    }
}
