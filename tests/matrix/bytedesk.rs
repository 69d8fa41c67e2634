//! bytedesk's two sides (guide 1): users and agents with a token in the WebSocket's address, and REST beside it.

use serde_json::{Value, json};

use super::line::Line;
use super::table::Way::{Extension, Guide, Never};
use super::table::Ways;
use super::{By, Lines, Place, SETTLED, Sent, Told, api};
use crate::harness::{Server, until};

pub const USER: Ways = Ways([Guide, Never, Guide, Extension, Guide, Never, Extension, Guide, Guide]);
pub const AGENT: Ways = Ways([Never, Guide, Guide, Extension, Guide, Guide, Extension, Guide, Guide]);

/// The actions that a listener without extensions is told. Edits and recalls are the answer to the guide's own calls.
const GUIDE: [&str; 4] = ["send", "status_change", "message_edited", "message_recalled"];

/// A party: its token, and two connections.
struct Party {
    role: &'static str,
    id: u64,
    ext: Option<Line>,
    plain: Option<Line>,
    strange: Vec<Value>,
}

impl Party {
    fn new(role: &'static str, id: u64) -> Self {
        Self { role, id, ext: None, plain: None, strange: Vec::new() }
    }

    fn token(&self, server: &Server) -> String {
        server.token(self.role, self.id)
    }

    fn connect(&mut self, server: &Server) {
        self.settle();
        let (path, name) = (format!("/ws?token={}", self.token(server)), format!("{} {}", self.role, self.id));
        self.plain = Some(Line::connect(server, &path, &name));
        self.ext = Some(Line::connect(server, &format!("{path}&ext=1"), &name));
    }

    fn settle(&mut self) {
        let known = |frame: &Value| frame["action"].as_str().is_some_and(|action| GUIDE.contains(&action));
        let heard = self.plain.take().map(|mut plain| plain.leftovers(SETTLED)).unwrap_or_default();
        self.strange.extend(heard.into_iter().filter(|frame| !known(frame)));
    }

    fn strange(&mut self) -> Vec<Value> {
        self.settle();
        std::mem::take(&mut self.strange)
    }

    /// Sends a message; the `data` of its acknowledgement, which is of this action.
    fn ask(&mut self, action: &str, data: Value) -> Value {
        let line = self.ext.as_mut().expect("connected");
        line.send(&json!({"type": "message", "action": action, "data": data}));
        let answer =
            line.wait(action, |frame| frame["type"] == "error" || frame["type"] == "ack" && frame["action"] == action);
        assert_eq!(answer["type"], "ack", "{answer}");
        answer["data"].clone()
    }

    fn say(&mut self, conversation: Option<u64>, content: &str) -> Sent {
        let mut data =
            json!({"from": self.id.to_string(), "to": "auto", "content": content, "timestamp": 1_635_232_823});
        if let Some(conversation) = conversation {
            data["conversation_id"] = json!(conversation.to_string());
        }
        let data = self.ask("send", data);
        let number = |name: &str| data[name].as_str().and_then(|id| id.parse().ok()).expect("an id");
        Sent { conversation: number("conversation_id"), message: number("message_id") }
    }

    fn hears(&mut self, told: Told<'_>) {
        self.ext.as_mut().expect("connected").wait(&format!("{told:?}"), |frame| {
            let data = &frame["data"];
            let names = |message: u64| {
                let message = message.to_string();
                let ids = data["message_ids"].as_array();
                data["message_id"] == message || ids.is_some_and(|ids| ids.iter().any(|id| *id == message))
            };
            match (told, frame["type"].as_str(), frame["action"].as_str()) {
                (Told::Message(content), Some("message"), Some("send")) => data["content"] == content,
                (Told::Read(message), Some("event"), Some("message_read")) => names(message),
                (Told::Edited(message, content), Some("event"), Some("message_edited")) => {
                    names(message) && data["content"] == content
                }
                (Told::Recalled(message), Some("event"), Some("message_recalled")) => names(message),
                (Told::Assigned(agent), Some("event"), Some("conversation_assigned")) => {
                    data["agent_id"].as_str() == Some(&agent.to_string())
                }
                (Told::Ended, Some("event"), Some("conversation_closed")) => true,
                _ => false,
            }
        });
    }

    fn read(&mut self, sent: Sent) {
        let data = json!({"conversation_id": sent.conversation.to_string(), "message_ids": [sent.message.to_string()]});
        assert_eq!(self.ask("read", data)["updated_count"], 1);
    }

    fn end(&mut self, server: &Server, conversation: u64) {
        api(server, &self.token(server), "DELETE", &format!("/api/v1/conversations/{conversation}"), None);
    }

    fn history(&mut self, server: &Server, conversation: u64) -> Lines {
        let path = format!("/api/v1/conversations/{conversation}/messages?limit=100");
        let page = api(server, &self.token(server), "GET", &path, None);
        assert_eq!(page["next_cursor"], Value::Null, "{page}");
        let line = |message: &Value| {
            let by = if message["sender_type"] == "customer" { By::Customer } else { By::Agent };
            (by, message["content"].as_str().expect("a content").to_owned())
        };
        page["items"].as_array().expect("a list").iter().map(line).collect()
    }
}

/// A known user.
pub struct User {
    party: Party,
    conversation: Option<u64>,
}

impl User {
    pub fn new(id: u64) -> Self {
        Self { party: Party::new("user", id), conversation: None }
    }
}

impl super::Customer for User {
    fn ways(&self) -> &'static Ways {
        &USER
    }

    fn connect(&mut self, server: &Server) {
        self.party.connect(server);
    }

    fn say(&mut self, _: &Server, content: &str) -> Sent {
        let sent = self.party.say(self.conversation, content);
        self.conversation = Some(sent.conversation);
        sent
    }

    fn hears(&mut self, told: Told<'_>) {
        self.party.hears(told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        self.party.read(sent);
    }

    fn end(&mut self, server: &Server) {
        self.party.end(server, self.conversation.expect("it said something"));
    }

    fn history(&mut self, server: &Server) -> Lines {
        self.party.history(server, self.conversation.expect("it said something"))
    }

    fn token(&self, server: &Server) -> String {
        self.party.token(server)
    }

    fn strange(&mut self) -> Vec<Value> {
        self.party.strange()
    }
}

/// An agent that conversations are assigned to.
pub struct Agent(Party);

impl Agent {
    pub fn new(id: u64) -> Self {
        Self(Party::new("agent", id))
    }
}

impl super::Agent for Agent {
    fn ways(&self) -> &'static Ways {
        &AGENT
    }

    fn connect(&mut self, server: &Server) {
        self.0.connect(server);
        let path = format!("/api/v1/agents/{}", self.0.id);
        until("the desk knows of the agent", || {
            let reply = server.get(&path, Some(("admin", 1)));
            (reply.status == 200 && reply.json()["data"]["status"] == "online").then_some(())
        });
    }

    fn take(&mut self, _: &Server, place: &Place) {
        let id = place.id.to_string();
        let assigned = |frame: &Value| {
            frame["action"] == "conversation_assigned" && frame["data"]["conversation_id"].as_str() == Some(&id)
        };
        self.0.ext.as_mut().expect("connected").wait("the assignment", assigned);
    }

    fn say(&mut self, _: &Server, place: &Place, content: &str) -> Sent {
        self.0.say(Some(place.id), content)
    }

    fn hears(&mut self, told: Told<'_>) {
        self.0.hears(told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        self.0.read(sent);
    }

    fn end(&mut self, server: &Server, place: &Place) {
        self.0.end(server, place.id);
    }

    fn history(&mut self, server: &Server, place: &Place) -> Lines {
        self.0.history(server, place.id)
    }

    fn strange(&mut self) -> Vec<Value> {
        self.0.strange()
    }
}
