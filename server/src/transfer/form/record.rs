//! Records to lines and back. The way back is the check: what no constructor of the model takes is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use switchboard_protocol::model::limits::{ID_END, VSHARDS};
use switchboard_protocol::model::{
    AgentCode, AgentId, AgentProfile, Body, Channel, ClientMsgId, Conversation, ConversationId, CustomerId,
    CustomerNumber, CustomerProfile, CustomerView, Fingerprint, Group, Identity, IdentityKind, KeptAnswer, KeyName,
    KeyScope, Message, MessageId, Party, RequestKey, Revised, Sender, Sent, SentKey, Seq, StoredToken, Timestamp,
    TokenHash, UserId, VShard, VisitorId,
};

use super::line::{
    AgentLine, AnswerLine, ConversationLine, CustomerLine, DeletedAgentLine, IdentityLine, LeaseLine, Line,
    MessageLine, PartyLine, ScopeLine, SentLine, TokenLine,
};
use super::{LineError, Record};

/// Names the field of a value that its constructor refused.
trait InField<T> {
    fn in_field(self, field: &'static str) -> Result<T, LineError>;
}

impl<T, E> InField<T> for Result<T, E> {
    fn in_field(self, field: &'static str) -> Result<T, LineError> {
        self.map_err(|_| LineError::Field(field))
    }
}

impl<T> InField<T> for Option<T> {
    fn in_field(self, field: &'static str) -> Result<T, LineError> {
        self.ok_or(LineError::Field(field))
    }
}

impl Line {
    pub(super) fn of(record: &Record) -> Self {
        match record {
            Record::Lease(vshard, next) => Self::Lease(LeaseLine { vshard: vshard.index(), next: *next }),
            Record::Agent(agent) => Self::Agent(agent_line(agent)),
            Record::DeletedAgent(id) => Self::DeletedAgent(DeletedAgentLine { id: id.get() }),
            Record::Customer(view) => Self::Customer(customer_line(view)),
            Record::Token(token) => Self::Token(TokenLine {
                hash: hex(&token.hash.0),
                bearer: party_line(&token.bearer),
                expires_at: token.expires_at.as_millis(),
            }),
            Record::Answer(name, kept) => Self::Answer(AnswerLine {
                scope: match &name.scope {
                    KeyScope::Admins => ScopeLine::Admins,
                    KeyScope::Party(party) => ScopeLine::Party(party_line(party)),
                },
                key: name.key.as_str().to_owned(),
                fingerprint: hex(&kept.fingerprint.0),
                status: kept.status,
                body: BASE64.encode(&kept.body),
                expires_at: kept.expires_at.as_millis(),
            }),
            Record::Conversation(header) => Self::Conversation(conversation_line(header)),
            Record::Message(message) => Self::Message(message_line(message)),
            Record::Sent(key) => Self::Sent(SentLine {
                conversation: key.sent.conversation.get(),
                side: key.sender.side.into(),
                number: key.sender.number,
                client_msg_id: key.client_msg_id.as_str().to_owned(),
                message: key.sent.message.get(),
                seq: key.sent.seq.get(),
                created_at: key.sent.created_at.as_millis(),
            }),
        }
    }

    /// The record; the last line is none.
    pub(super) fn record(self) -> Result<Record, LineError> {
        Ok(match self {
            Self::Lease(LeaseLine { vshard, next }) => {
                let fits = (1..=ID_END / u64::from(VSHARDS)).contains(&next);
                Record::Lease(VShard::new(vshard).in_field("vshard")?, fits.then_some(next).in_field("next")?)
            }
            Self::Agent(line) => Record::Agent(agent(line)?),
            Self::DeletedAgent(line) => Record::DeletedAgent(AgentId::new(line.id).in_field("id")?),
            Self::Customer(line) => Record::Customer(Box::new(customer(line)?)),
            Self::Token(line) => Record::Token(StoredToken {
                hash: TokenHash(of_hex(&line.hash).in_field("hash")?),
                bearer: party(line.bearer, "bearer")?,
                expires_at: Timestamp::from_millis(line.expires_at),
            }),
            Self::Answer(line) => {
                let scope = match line.scope {
                    ScopeLine::Admins => KeyScope::Admins,
                    ScopeLine::Party(line) => KeyScope::Party(party(line, "scope")?),
                };
                // In quotes, of which a pair is taken away: a key may begin and end with quotes of its own.
                let key = RequestKey::new(&format!("\"{}\"", line.key)).in_field("key")?;
                let name = KeyName { scope, key };
                let kept = KeptAnswer {
                    fingerprint: Fingerprint(of_hex(&line.fingerprint).in_field("fingerprint")?),
                    status: line.status,
                    body: BASE64.decode(&line.body).in_field("body")?.into(),
                    expires_at: Timestamp::from_millis(line.expires_at),
                };
                Record::Answer(name, kept)
            }
            Self::Conversation(line) => Record::Conversation(Box::new(conversation(line)?)),
            Self::Message(line) => Record::Message(message(line)?),
            Self::Sent(line) => Record::Sent(SentKey {
                sender: Sender { side: line.side.into(), number: line.number },
                client_msg_id: ClientMsgId::new(&line.client_msg_id).in_field("client_msg_id")?,
                sent: Sent {
                    message: MessageId::from_wire(line.message).in_field("message")?,
                    conversation: ConversationId::from_wire(line.conversation).in_field("conversation")?,
                    seq: seq(line.seq)?,
                    created_at: Timestamp::from_millis(line.created_at),
                },
            }),
            Self::End(_) => return Err(LineError::Field("type")),
        })
    }
}

fn agent_line(agent: &AgentProfile) -> AgentLine {
    AgentLine {
        id: agent.id.get(),
        code: agent.code.as_str().to_owned(),
        name: agent.name.clone(),
        avatar: agent.avatar.clone(),
        max_concurrent: agent.max_concurrent,
        groups: agent.groups.iter().map(|group| group.as_str().to_owned()).collect(),
        skills: agent.skills.clone(),
        accept: agent.accept.map(Into::into),
        status: agent.status.map(Into::into),
    }
}

fn agent(line: AgentLine) -> Result<AgentProfile, LineError> {
    if line.groups.is_empty() {
        return Err(LineError::Field("groups"));
    }
    let groups = line.groups.iter().map(|group| Group::new(group).in_field("groups"));
    Ok(AgentProfile {
        id: AgentId::new(line.id).in_field("id")?,
        code: AgentCode::new(&line.code).in_field("code")?,
        name: line.name,
        avatar: line.avatar,
        max_concurrent: line.max_concurrent,
        groups: groups.collect::<Result<_, _>>()?,
        skills: line.skills,
        accept: line.accept.map(Into::into),
        status: line.status.map(Into::into),
    })
}

fn customer_line(view: &CustomerView) -> CustomerLine {
    let profile = &view.profile;
    let identity = |identity: &Identity| IdentityLine {
        kind: identity.kind().name().to_owned(),
        value: identity.value().to_owned(),
    };
    CustomerLine {
        id: profile.id.to_string(),
        number: profile.number.get(),
        name: profile.name.clone(),
        channel: profile.channel.name().to_owned(),
        identities: profile.identities.iter().map(identity).collect(),
        tags: profile.tags.clone(),
        notes: profile.notes.clone(),
        active: profile.active,
        created_at: profile.created_at.as_millis(),
        updated_at: profile.updated_at.as_millis(),
        last_interaction_at: millis(view.last_interaction_at),
    }
}

fn customer(line: CustomerLine) -> Result<CustomerView, LineError> {
    let identity = |line: &IdentityLine| {
        let kind = IdentityKind::ALL.into_iter().find(|kind| kind.name() == line.kind).in_field("kind")?;
        Identity::new(kind, &line.value).in_field("value")
    };
    let profile = CustomerProfile {
        id: CustomerId::parse(&line.id).in_field("id")?,
        number: CustomerNumber::from_wire(line.number).in_field("number")?,
        name: line.name,
        channel: Channel::of_name(&line.channel).in_field("channel")?,
        identities: line.identities.iter().map(identity).collect::<Result<_, _>>()?,
        tags: line.tags,
        notes: line.notes,
        active: line.active,
        created_at: Timestamp::from_millis(line.created_at),
        updated_at: Timestamp::from_millis(line.updated_at),
    };
    Ok(CustomerView { profile, last_interaction_at: instant(line.last_interaction_at) })
}

fn conversation_line(header: &Conversation) -> ConversationLine {
    ConversationLine {
        id: header.id.get(),
        customer: party_line(&header.customer),
        channel: header.channel.map(|channel| channel.name().to_owned()),
        customer_number: header.customer_number.get(),
        named: header.named.map(AgentId::get),
        agent: header.agent.map(AgentId::get),
        group: header.group.as_str().to_owned(),
        state: header.state.into(),
        last_seq: header.last_seq.get(),
        last_message_at: millis(header.last_message_at),
        customer_unread: header.customer_unread,
        agent_unread: header.agent_unread,
        created_at: header.created_at.as_millis(),
        updated_at: header.updated_at.as_millis(),
        queued_at: header.queued_at.as_millis(),
        returned: header.returned,
    }
}

fn conversation(line: ConversationLine) -> Result<Conversation, LineError> {
    let customer = party(line.customer, "customer")?;
    // An agent is never the customer's side.
    if matches!(customer, Party::Agent(_)) {
        return Err(LineError::Field("customer"));
    }
    Ok(Conversation {
        id: ConversationId::from_wire(line.id).in_field("id")?,
        customer,
        channel: line.channel.map(|name| Channel::of_name(&name).in_field("channel")).transpose()?,
        customer_number: CustomerNumber::from_wire(line.customer_number).in_field("customer_number")?,
        named: line.named.map(|id| AgentId::new(id).in_field("named")).transpose()?,
        agent: line.agent.map(|id| AgentId::new(id).in_field("agent")).transpose()?,
        group: Group::new(&line.group).in_field("group")?,
        state: line.state.into(),
        last_seq: Seq::new(line.last_seq),
        last_message_at: instant(line.last_message_at),
        customer_unread: line.customer_unread,
        agent_unread: line.agent_unread,
        created_at: Timestamp::from_millis(line.created_at),
        updated_at: Timestamp::from_millis(line.updated_at),
        queued_at: Timestamp::from_millis(line.queued_at),
        returned: line.returned,
    })
}

fn message_line(message: &Message) -> MessageLine {
    MessageLine {
        conversation: message.conversation.get(),
        seq: message.seq.get(),
        id: message.id.get(),
        side: message.sender.side.into(),
        number: message.sender.number,
        kind: message.body.kind.into(),
        content: message.body.content.clone(),
        file_url: message.body.file_url.clone(),
        metadata: message.body.metadata.as_deref().map(str::to_owned),
        created_at: message.created_at.as_millis(),
        read_at: millis(message.read_at),
        edited_at: millis(message.edited_at()),
        recalled_at: millis(message.recalled_at()),
    }
}

fn message(line: MessageLine) -> Result<Message, LineError> {
    let revised = match (instant(line.edited_at), instant(line.recalled_at)) {
        (None, None) => None,
        (Some(at), None) => Some(Revised::Edited(at)),
        (None, Some(at)) => Some(Revised::Recalled(at)),
        (Some(_), Some(_)) => return Err(LineError::Field("edited_at")),
    };
    Ok(Message {
        id: MessageId::from_wire(line.id).in_field("id")?,
        conversation: ConversationId::from_wire(line.conversation).in_field("conversation")?,
        seq: seq(line.seq)?,
        sender: Sender { side: line.side.into(), number: line.number },
        body: Body {
            kind: line.kind.into(),
            content: line.content,
            file_url: line.file_url,
            metadata: line.metadata.map(Into::into),
        },
        created_at: Timestamp::from_millis(line.created_at),
        read_at: instant(line.read_at),
        revised,
    })
}

fn party_line(party: &Party) -> PartyLine {
    match party {
        Party::User(id) => PartyLine::User(id.get()),
        Party::Visitor(id) => PartyLine::Visitor(id.as_str().to_owned()),
        Party::Agent(id) => PartyLine::Agent(id.get()),
        Party::Customer(id) => PartyLine::Customer(id.to_string()),
    }
}

fn party(line: PartyLine, field: &'static str) -> Result<Party, LineError> {
    Ok(match line {
        PartyLine::User(id) => Party::User(UserId::new(id).in_field(field)?),
        PartyLine::Visitor(id) => Party::Visitor(VisitorId::new(&id).in_field(field)?),
        PartyLine::Agent(id) => Party::Agent(AgentId::new(id).in_field(field)?),
        PartyLine::Customer(id) => Party::Customer(CustomerId::parse(&id).in_field(field)?),
    })
}

fn seq(number: u64) -> Result<Seq, LineError> {
    (number > 0).then(|| Seq::new(number)).in_field("seq")
}

fn millis(at: Option<Timestamp>) -> Option<u64> {
    at.map(Timestamp::as_millis)
}

fn instant(millis: Option<u64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

/// Two digits a byte.
pub(in crate::transfer) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|four| char::from(DIGITS[usize::from(four)])).collect()
}

fn of_hex(text: &str) -> Option<[u8; 32]> {
    bytes_of_hex(text)?.try_into().ok()
}

/// What [`hex`] was given.
pub(in crate::transfer) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}
