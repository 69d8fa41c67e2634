//! webchat's two sides (guide 3): a customer of a channel, and an agent with a UUID token.

use serde_json::{Value, json};

use super::line::Line;
use super::table::Way::{Api, Extension, Guide, Never};
use super::table::Ways;
use super::{By, Lines, Place, SETTLED, Sent, Told};
use crate::harness::{Server, until};

pub const CUSTOMER: Ways = Ways([Guide, Never, Guide, Extension, Api, Never, Extension, Extension, Extension]);
pub const AGENT: Ways = Ways([Never, Guide, Guide, Extension, Api, Api, Extension, Extension, Extension]);

/// The two connections of a party, by one token.
#[derive(Default)]
struct Devices {
    token: String,
    ext: Option<Line>,
    plain: Option<Line>,
    strange: Vec<Value>,
}

impl Devices {
    fn connect(&mut self, server: &Server, name: &str) {
        self.settle();
        let path = format!("/ws/chat?token={}", self.token);
        self.plain = Some(Line::connect(server, &path, name));
        self.ext = Some(Line::connect(server, &format!("{path}&ext=1"), name));
    }

    fn ext(&mut self) -> &mut Line {
        self.ext.as_mut().expect("connected")
    }

    /// The guide's clients know messages, which have no type, and nothing else.
    fn settle(&mut self) {
        let heard = self.plain.take().map(|mut plain| plain.leftovers(SETTLED)).unwrap_or_default();
        self.strange.extend(heard.into_iter().filter(|frame| frame.get("type").is_some()));
    }

    fn strange(&mut self) -> Vec<Value> {
        self.settle();
        std::mem::take(&mut self.strange)
    }

    fn say(&mut self, conversation: Option<u64>, content: &str) -> Sent {
        let line = self.ext();
        let mut frame = json!({"senderId": "me", "content": content, "client_msg_id": format!("op-{content}")});
        if let Some(conversation) = conversation {
            frame["conversationId"] = json!(conversation.to_string());
        }
        line.send(&frame);
        let ack = line.wait("the ack", |heard| heard["client_msg_id"] == frame["client_msg_id"]);
        assert_eq!(ack["type"], "ack", "{ack}");
        let number = |name: &str| ack[name].as_str().and_then(|id| id.parse().ok()).expect("an id");
        Sent { conversation: number("conversationId"), message: number("messageId") }
    }

    fn hears(&mut self, told: Told<'_>) {
        self.ext().wait(&format!("{told:?}"), |frame| {
            let names = |message: u64| {
                let message = message.to_string();
                let ids = frame["messageIds"].as_array();
                frame["messageId"] == message || ids.is_some_and(|ids| ids.iter().any(|id| *id == message))
            };
            match (told, frame["type"].as_str()) {
                (Told::Message(content), None) => frame["content"] == content,
                (Told::Read(message), Some("read")) => names(message),
                (Told::Edited(message, content), Some("edited")) => names(message) && frame["content"] == content,
                (Told::Recalled(message), Some("recalled")) => names(message),
                (Told::Assigned(agent), Some("assigned")) => frame["agentId"].as_str() == Some(&agent.to_string()),
                (Told::Ended, Some("ended")) => true,
                _ => false,
            }
        });
    }

    /// An extension that answers with a frame of its own type.
    fn ask(&mut self, kind: &str, conversation: u64, more: Value) -> Value {
        let mut frame = json!({"type": kind, "conversationId": conversation.to_string()});
        frame.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
        let line = self.ext();
        line.send(&frame);
        line.wait(&format!("the answer to {kind}"), |heard| heard["type"] == kind)
    }

    fn read(&mut self, sent: Sent) {
        let answer = self.ask("read", sent.conversation, json!({"messageIds": [sent.message.to_string()]}));
        assert_eq!(answer["updatedCount"], 1, "{answer}");
    }

    fn history(&mut self, conversation: u64) -> Lines {
        let synced = self.ask("sync", conversation, json!({"after_seq": 0}));
        assert_eq!(synced["complete"], true, "{synced}");
        let line = |message: &Value| {
            let by = if message["senderType"] == "customer" { By::Customer } else { By::Agent };
            (by, message["content"].as_str().expect("a content").to_owned())
        };
        synced["messages"].as_array().expect("a list").iter().map(line).collect()
    }
}

/// A customer that came by e-mail.
#[derive(Default)]
pub struct Customer {
    conversation: Option<u64>,
    devices: Devices,
}

impl Customer {
    pub fn new() -> Self {
        Self::default()
    }
}

impl super::Customer for Customer {
    fn ways(&self) -> &'static Ways {
        &CUSTOMER
    }

    fn connect(&mut self, server: &Server) {
        if self.devices.token.is_empty() {
            self.devices.token = server.enter("EMAIL", "a@example.com").1;
        }
        self.devices.connect(server, "customer");
    }

    fn say(&mut self, _: &Server, content: &str) -> Sent {
        let sent = self.devices.say(self.conversation, content);
        self.conversation = Some(sent.conversation);
        sent
    }

    fn hears(&mut self, told: Told<'_>) {
        self.devices.hears(told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        self.devices.read(sent);
    }

    fn end(&mut self, _: &Server) {
        let conversation = self.conversation.expect("it said something");
        self.devices.ask("end", conversation, json!({}));
    }

    fn history(&mut self, _: &Server) -> Lines {
        self.devices.history(self.conversation.expect("it said something"))
    }

    fn token(&self, _: &Server) -> String {
        self.devices.token.clone()
    }

    fn strange(&mut self) -> Vec<Value> {
        self.devices.strange()
    }
}

/// An agent that conversations are assigned to.
pub struct Agent {
    id: u64,
    devices: Devices,
}

impl Agent {
    pub fn new(id: u64) -> Self {
        Self { id, devices: Devices::default() }
    }
}

impl super::Agent for Agent {
    fn ways(&self) -> &'static Ways {
        &AGENT
    }

    fn connect(&mut self, server: &Server) {
        if self.devices.token.is_empty() {
            server.make_agent(self.id, json!({}));
            self.devices.token = server.agent_uuid(self.id);
        }
        self.devices.connect(server, &format!("agent {}", self.id));
        until("the desk knows of the agent", || (server.agent_view(self.id)["status"] == "online").then_some(()));
    }

    fn take(&mut self, _: &Server, place: &Place) {
        let id = place.id.to_string();
        let assigned = |frame: &Value| frame["type"] == "assigned" && frame["conversationId"] == id;
        self.devices.ext().wait("the assignment", assigned);
    }

    fn say(&mut self, _: &Server, place: &Place, content: &str) -> Sent {
        self.devices.say(Some(place.id), content)
    }

    fn hears(&mut self, told: Told<'_>) {
        self.devices.hears(told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        self.devices.read(sent);
    }

    fn end(&mut self, _: &Server, place: &Place) {
        self.devices.ask("end", place.id, json!({}));
    }

    fn history(&mut self, _: &Server, place: &Place) -> Lines {
        self.devices.history(place.id)
    }

    fn strange(&mut self) -> Vec<Value> {
        self.devices.strange()
    }
}
