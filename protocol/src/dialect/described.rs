//! Whether a dialect's `asyncapi.json` describes what its decoder knows and what its encoder says. Here only by names and
//! fields, because there is no validator in this package: real frames are validated by `tests/journey/documents.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{DialectKind, Hearer, Settings, dialect};
use crate::model::*;

/// A dialect's `asyncapi.json`.
pub(super) struct Described(Value);

impl Described {
    pub(super) fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("asyncapi.json is JSON"))
    }

    fn messages(&self, direction: &str) -> impl Iterator<Item = (&String, &Value)> {
        let messages = self.0["messages"].as_object().expect("messages by name");
        messages.iter().filter(move |(_, message)| message["x-direction"] == direction)
    }

    /// The constants that a field has in the messages of a direction: what a client may ask for (`receive`), or hear
    /// (`send`).
    pub(super) fn words(&self, direction: &str, field: &str) -> BTreeSet<&str> {
        let words = self.messages(direction).filter_map(|(_, message)| {
            let payload = self.resolved(&message["payload"]);
            payload["properties"][field]["const"].as_str()
        });
        words.collect()
    }

    /// That all events which the dialect tells are described, field by field; to everybody without mark, or only to
    /// those who opted in.
    #[track_caller]
    pub(super) fn assert_events(&self, kind: DialectKind) {
        for event in events() {
            for (side, ext) in
                [(Side::Customer, true), (Side::Customer, false), (Side::Agent, true), (Side::Agent, false)]
            {
                let mut out = Vec::new();
                let hearer = Hearer { side, ext };
                if dialect(kind).encode_event(&event, hearer, &Settings::default(), &mut out) {
                    let frame = serde_json::from_slice(&out).expect("frames are JSON");
                    self.assert_frame(&frame, ext);
                }
            }
        }
    }

    /// That some message is as `frame`, and may be told to such a listener.
    #[track_caller]
    fn assert_frame(&self, frame: &Value, ext: bool) {
        let fits = |message: &Value| {
            let payload = self.resolved(&message["payload"]);
            let (properties, fields) = (&payload["properties"], frame.as_object().expect("frames are objects"));
            let required = payload["required"].as_array().into_iter().flatten();
            let constant =
                |(name, value): (&String, &Value)| properties[name].get("const").is_none_or(|is| is == value);
            required.into_iter().all(|name| fields.contains_key(name.as_str().expect("names are strings")))
                && fields.keys().all(|name| properties.get(name).is_some())
                && fields.iter().all(constant)
        };
        let found = self.messages("send").find(|(_, message)| fits(message));
        let (name, message) = found.unwrap_or_else(|| panic!("asyncapi.json does not describe {frame}"));
        assert!(ext || message["x-needs-ext"] != true, "{name} is told without ext=1: {frame}");
    }

    fn resolved<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(reference) => &self.0["schemas"][reference.trim_start_matches("#/components/schemas/")],
            None => schema,
        }
    }
}

/// Every event there is, in conversations of every kind of customer.
fn events() -> Vec<Event> {
    let user = UserId::new(100).expect("an id");
    let customers = [
        (Party::User(user), None, CustomerNumber::of_user(user)),
        (Party::Visitor(VisitorId::new("visitor_123456").expect("an id")), None, number()),
        (
            Party::Customer(CustomerId::parse("550e8400-e29b-41d4-a716-446655440000").expect("a UUID")),
            Some(Channel::Wechat),
            number(),
        ),
    ];
    customers
        .into_iter()
        .flat_map(|(customer, channel, customer_number)| {
            let conversation = ConversationId::from_wire(4097).expect("an id");
            let agent = AgentId::new(7).ok();
            all_events(&Scene { conversation, customer, channel, customer_number, agent })
        })
        .collect()
}

fn number() -> CustomerNumber {
    CustomerNumber::from_wire((1 << 52) + 4096).expect("a number")
}

fn all_events(scene: &Scene) -> Vec<Event> {
    let (at, scene) = (Timestamp::from_millis(1_735_696_800_000), || scene.clone());
    let code = || AgentCode::new("cs_001").ok();
    let mut events = vec![
        Event::Waiting {
            scene: Scene { agent: None, ..scene() },
            group: Group::default(),
            former: None,
            elsewhere: false,
            at,
        },
        Event::Assigned { scene: scene(), code: code(), former: AgentId::new(8).ok(), at },
        Event::Read { scene: scene(), of: Side::Agent, messages: vec![message(&scene(), Side::Agent, at).id], at },
        Event::Typing { scene: scene(), by: Side::Customer, at },
        Event::Ended { scene: scene(), by: Side::Agent, at },
    ];
    for side in [Side::Customer, Side::Agent] {
        let message = message(&scene(), side, at);
        events.push(Event::Message { scene: scene(), message: message.clone(), author: code() });
        events.push(Event::Overheard { scene: scene(), message: message.clone(), author: code() });
        for revision in [Revision::Edit("改".to_owned()), Revision::Recall] {
            let mut message = message.clone();
            message.revise(&revision, at);
            events.push(Event::Revised { scene: scene(), message });
        }
    }
    events.push(Event::AgentStatus { agent: AgentId::new(7).expect("an id"), status: AgentStatus::Busy, at });
    // A new event must be added above: this match stops compiling.
    for event in &events {
        match event {
            Event::Message { .. }
            | Event::Overheard { .. }
            | Event::Waiting { .. }
            | Event::Ended { .. }
            | Event::Assigned { .. }
            | Event::Read { .. }
            | Event::Typing { .. }
            | Event::Revised { .. }
            | Event::AgentStatus { .. } => {}
        }
    }
    events
}

fn message(scene: &Scene, side: Side, at: Timestamp) -> Message {
    let body = Body {
        kind: BodyKind::File,
        content: "合同".to_owned(),
        file_url: Some("https://example.com/a.pdf".to_owned()),
        metadata: Some(r#"{"orderId":"1"}"#.into()),
    };
    Message {
        id: MessageId::from_wire(8193).expect("an id"),
        conversation: scene.conversation,
        seq: Seq::new(1),
        sender: Sender { side, number: scene.number(side).expect("there is an agent") },
        body,
        created_at: at,
        read_at: None,
        revised: None,
    }
}
