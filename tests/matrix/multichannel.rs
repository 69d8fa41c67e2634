//! multichannel's side (guide 4): an agent that picks what waits, by REST, and hears on its tabs.

use serde_json::{Value, json};

use super::line::Line;
use super::table::Way::{Api, Extension, Guide, Never};
use super::table::Ways;
use super::{By, Lines, Place, SETTLED, Sent, Told};
use crate::harness::{Server, until};

pub const AGENT: Ways = Ways([Never, Guide, Guide, Extension, Api, Api, Extension, Guide, Guide]);

/// The pushes of the guide.
const GUIDE: [&str; 4] = ["new_pending_session", "session_accepted", "session_closed", "new_message"];

/// An agent with two tabs, of which one asked for the extensions.
pub struct Agent {
    id: u64,
    cs_id: String,
    ext: Option<Line>,
    plain: Option<Line>,
    strange: Vec<Value>,
}

impl Agent {
    pub fn new(id: u64) -> Self {
        Self { id, cs_id: format!("cs_{id}"), ext: None, plain: None, strange: Vec::new() }
    }

    fn settle(&mut self) {
        let known = |frame: &Value| frame["type"].as_str().is_some_and(|kind| GUIDE.contains(&kind));
        let heard = self.plain.take().map(|mut plain| plain.leftovers(SETTLED)).unwrap_or_default();
        self.strange.extend(heard.into_iter().filter(|frame| !known(frame)));
    }

    fn call(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = server.request(method, path, None, body);
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        reply.json()["data"].clone()
    }
}

impl super::Agent for Agent {
    fn ways(&self) -> &'static Ways {
        &AGENT
    }

    fn connect(&mut self, server: &Server) {
        self.settle();
        if server.get(&format!("/api/v1/agents/{}", self.id), Some(("admin", 1))).status == 404 {
            server.make_agent(self.id, json!({"cs_id": self.cs_id}));
        }
        let path = format!("/ws/cs/{}", self.cs_id);
        self.plain = Some(Line::connect(server, &path, &self.cs_id));
        self.ext = Some(Line::connect(server, &format!("{path}?ext=1"), &self.cs_id));
        until("the desk knows of the agent", || (server.agent_view(self.id)["status"] == "online").then_some(()));
    }

    fn take(&mut self, server: &Server, place: &Place) {
        let id = place.id.to_string();
        let offered = |frame: &Value| frame["type"] == "new_pending_session" && frame["sessionId"] == id;
        self.ext.as_mut().expect("connected").wait("the offer", offered);
        Self::call(server, "POST", &format!("/api/sessions/{id}/accept"), Some(&json!({"csId": self.cs_id})));
    }

    fn say(&mut self, server: &Server, place: &Place, content: &str) -> Sent {
        let path = format!("/api/sessions/{}/message", place.id);
        let data = Self::call(server, "POST", &path, Some(&json!({"content": content})));
        let number = |name: &str| {
            data[name].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no {name}: {data}"))
        };
        Sent { conversation: number("sessionId"), message: number("msgId") }
    }

    fn hears(&mut self, told: Told<'_>) {
        let cs_id = self.cs_id.clone();
        self.ext.as_mut().expect("connected").wait(&format!("{told:?}"), |frame| {
            let (kind, data) = (frame["type"].as_str().unwrap_or_default(), &frame["data"]);
            let names = |message: u64| {
                let message = message.to_string();
                let ids = data["msgIds"].as_array();
                data["msgId"] == message || ids.is_some_and(|ids| ids.iter().any(|id| *id == message))
            };
            match told {
                Told::Message(content) => kind == "new_message" && data["content"] == content,
                Told::Read(message) => kind == "message_read" && names(message),
                Told::Edited(message, content) => {
                    kind == "message_edited" && names(message) && data["content"] == content
                }
                Told::Recalled(message) => kind == "message_recalled" && names(message),
                Told::Assigned(_) => kind == "session_accepted" && data["manualCsId"] == cs_id,
                Told::Ended => kind == "session_closed",
            }
        });
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        let (id, message) = (sent.conversation.to_string(), sent.message.to_string());
        let line = self.ext.as_mut().expect("connected");
        line.send(&json!({"type": "read", "sessionId": id, "msgIds": [message]}));
        let answer = line.wait("the answer to read", |frame| frame["type"] == "read");
        assert_eq!(answer["data"]["updatedCount"], 1, "{answer}");
    }

    fn end(&mut self, server: &Server, place: &Place) {
        Self::call(server, "POST", &format!("/api/sessions/{}/close", place.id), None);
    }

    fn history(&mut self, server: &Server, place: &Place) -> Lines {
        let history = Self::call(server, "GET", &format!("/api/sessions/{}/history", place.id), None);
        let line = |message: &Value| {
            let by = if message["senderType"] == "customer" { By::Customer } else { By::Agent };
            (by, message["content"].as_str().expect("a content").to_owned())
        };
        history.as_array().expect("a list").iter().map(line).collect()
    }

    fn strange(&mut self) -> Vec<Value> {
        self.settle();
        std::mem::take(&mut self.strange)
    }
}
