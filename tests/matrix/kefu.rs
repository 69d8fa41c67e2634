//! kefu's three sides (guide 2): users and agents that log in, visitors that name themselves.

use serde_json::{Value, json};

use super::line::Line;
use super::table::Way::{Api, Extension, Guide, Never};
use super::table::Ways;
use super::{By, Lines, Place, SETTLED, Sent, Told};
use crate::harness::{Server, until};

pub const USER: Ways = Ways([Guide, Never, Guide, Guide, Api, Never, Extension, Guide, Guide]);
pub const VISITOR: Ways = Ways([Guide, Never, Guide, Never, Never, Never, Extension, Extension, Guide]);
pub const AGENT: Ways = Ways([Never, Guide, Guide, Guide, Api, Api, Extension, Guide, Guide]);

/// The pushes of the guide.
const GUIDE: [&str; 4] = ["kefu_message", "kefu_message_end", "kefu_visitor_message", "kefu_visitor_conversation_end"];

/// The two devices of a party.
#[derive(Default)]
struct Devices {
    ext: Option<Line>,
    plain: Option<Line>,
    strange: Vec<Value>,
}

impl Devices {
    /// Connects both; `hello` is the first action of each.
    fn connect(&mut self, server: &Server, name: &str, action: &str, hello: &Value) {
        self.strange.extend(self.plain.take().into_iter().flat_map(strange));
        for (device, path) in [(&mut self.ext, "/ws?ext=1"), (&mut self.plain, "/ws")] {
            let mut line = Line::connect(server, path, name);
            call(&mut line, action, hello.clone());
            *device = Some(line);
        }
    }

    fn ext(&mut self) -> &mut Line {
        self.ext.as_mut().expect("connected")
    }

    fn call(&mut self, action: &str, data: Value) -> Value {
        call(self.ext(), action, data)
    }

    fn strange(&mut self) -> Vec<Value> {
        self.strange.extend(self.plain.take().into_iter().flat_map(strange));
        std::mem::take(&mut self.strange)
    }
}

fn strange(mut plain: Line) -> Vec<Value> {
    let known = |frame: &Value| frame["action"].as_str().is_some_and(|action| GUIDE.contains(&action));
    plain.leftovers(SETTLED).into_iter().filter(|frame| !known(frame)).collect()
}

/// An action that must succeed; its `data`.
#[track_caller]
fn call(line: &mut Line, action: &str, data: Value) -> Value {
    let op = line.op();
    line.send(&json!({"action": action, "data": data, "op_id": op}));
    let answer = line.wait(action, |frame| frame["op_id"] == op);
    assert_eq!(answer["success"], true, "{action} {data}: {answer}");
    answer["data"].clone()
}

fn sent(data: &Value) -> Sent {
    let number = |name: &str| data[name].as_u64().unwrap_or_else(|| panic!("no {name}: {data}"));
    Sent { conversation: number("conversation_id"), message: number("message_id") }
}

#[track_caller]
fn hears(line: &mut Line, told: Told<'_>) {
    line.wait(&format!("{told:?}"), |frame| {
        let names = |message: u64| {
            let ids = frame["message_ids"].as_array();
            frame["message_id"] == message || ids.is_some_and(|ids| ids.iter().any(|id| *id == message))
        };
        let action = frame["action"].as_str().unwrap_or_default();
        match told {
            Told::Message(content) => {
                matches!(action, "kefu_message" | "kefu_visitor_message") && frame["content"] == content
            }
            Told::Read(message) => action == "kefu_message_read" && names(message),
            Told::Edited(message, content) => {
                action == "kefu_message_edited" && names(message) && frame["content"] == content
            }
            Told::Recalled(message) => action == "kefu_message_recalled" && names(message),
            Told::Assigned(agent) => action == "kefu_message_assigned" && frame["kefu_id"] == agent,
            Told::Ended => matches!(action, "kefu_message_end" | "kefu_visitor_conversation_end"),
        }
    });
}

fn lines(messages: &[Value]) -> Lines {
    let line = |message: &Value| {
        let by = if message["sender_type"] == 2 { By::Agent } else { By::Customer };
        (by, message["content"].as_str().expect("a content").to_owned())
    };
    messages.iter().map(line).collect()
}

/// A known user.
pub struct User {
    id: u64,
    conversation: u64,
    devices: Devices,
}

impl User {
    pub fn new(id: u64) -> Self {
        Self { id, conversation: 0, devices: Devices::default() }
    }
}

impl super::Customer for User {
    fn ways(&self) -> &'static Ways {
        &USER
    }

    fn connect(&mut self, server: &Server) {
        let hello = json!({"token": self.token(server)});
        self.devices.connect(server, "user", "login", &hello);
    }

    fn say(&mut self, server: &Server, content: &str) -> Sent {
        if self.conversation == 0 {
            self.conversation = server.conversation_id(self.id);
        }
        let data = json!({"conversation_id": self.conversation, "content": content});
        sent(&self.devices.call("kefu_message_send", data))
    }

    fn hears(&mut self, told: Told<'_>) {
        hears(self.devices.ext(), told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        let data = json!({"conversation_id": sent.conversation, "message_ids": [sent.message], "sender_type": 2});
        assert_eq!(self.devices.call("kefu_message_read", data)["updated_count"], 1);
    }

    fn end(&mut self, _: &Server) {
        self.devices.call("kefu_message_end", json!({"conversation_id": self.conversation}));
    }

    fn history(&mut self, server: &Server) -> Lines {
        lines(&server.whole_list(("user", self.id), self.conversation))
    }

    fn token(&self, server: &Server) -> String {
        server.token("user", self.id)
    }

    fn strange(&mut self) -> Vec<Value> {
        self.devices.strange()
    }
}

/// A visitor without a token.
pub struct Visitor {
    id: &'static str,
    conversation: u64,
    devices: Devices,
}

impl Visitor {
    pub fn new(id: &'static str) -> Self {
        Self { id, conversation: 0, devices: Devices::default() }
    }
}

impl super::Customer for Visitor {
    fn ways(&self) -> &'static Ways {
        &VISITOR
    }

    fn connect(&mut self, server: &Server) {
        self.devices.connect(server, "visitor", "kefu_message_visitor_bind_fd", &json!({"bind_key": self.id}));
    }

    fn say(&mut self, _: &Server, content: &str) -> Sent {
        let data = json!({"visitor_id": self.id, "kefu_id": "auto", "content": content});
        let sent = sent(&self.devices.call("kefu_message_visitor_send", data));
        self.conversation = sent.conversation;
        sent
    }

    fn hears(&mut self, told: Told<'_>) {
        hears(self.devices.ext(), told);
    }

    fn read(&mut self, _: &Server, _: Sent) {
        unreachable!("a visitor marks nothing");
    }

    fn end(&mut self, _: &Server) {
        self.devices.call("kefu_message_visitor_end", json!({"visitor_id": self.id, "kefu_id": "auto"}));
    }

    fn history(&mut self, _: &Server) -> Lines {
        let data = json!({"conversation_id": self.conversation, "after_seq": 0, "limit": 100});
        let data = self.devices.call("kefu_message_sync", data);
        assert_eq!(data["complete"], true);
        lines(data["messages"].as_array().expect("a list"))
    }

    fn token(&self, _: &Server) -> String {
        unreachable!("a visitor has no token");
    }

    fn visitor(&self) -> Option<&'static str> {
        Some(self.id)
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
        let hello = json!({"token": server.token("agent", self.id)});
        self.devices.connect(server, &format!("agent {}", self.id), "login", &hello);
        until("the desk knows of the agent", || (server.agent_view(self.id)["status"] == "online").then_some(()));
    }

    fn take(&mut self, _: &Server, place: &Place) {
        let id = place.id;
        let assigned = |frame: &Value| frame["action"] == "kefu_message_assigned" && frame["conversation_id"] == id;
        self.devices.ext().wait("the assignment", assigned);
    }

    fn say(&mut self, _: &Server, place: &Place, content: &str) -> Sent {
        let kefu_id = self.id.to_string();
        let answer = match place.visitor {
            None => {
                let data = json!({"conversation_id": place.id, "content": content, "sender_type": 2});
                self.devices.call("kefu_message_send", data)
            }
            Some(visitor) => {
                let data = json!({"visitor_id": visitor, "kefu_id": kefu_id, "content": content, "sender_type": 2});
                self.devices.call("kefu_message_visitor_send", data)
            }
        };
        sent(&answer)
    }

    fn hears(&mut self, told: Told<'_>) {
        hears(self.devices.ext(), told);
    }

    fn read(&mut self, _: &Server, sent: Sent) {
        let data = json!({"conversation_id": sent.conversation, "message_ids": [sent.message], "sender_type": 1});
        assert_eq!(self.devices.call("kefu_message_read", data)["updated_count"], 1);
    }

    fn end(&mut self, _: &Server, place: &Place) {
        match place.visitor {
            None => self.devices.call("kefu_message_end", json!({"conversation_id": place.id})),
            Some(visitor) => {
                let data = json!({"visitor_id": visitor, "kefu_id": self.id.to_string(), "sender_type": 2});
                self.devices.call("kefu_message_visitor_end", data)
            }
        };
    }

    fn history(&mut self, server: &Server, place: &Place) -> Lines {
        lines(&server.whole_list(("agent", self.id), place.id))
    }

    fn strange(&mut self) -> Vec<Value> {
        self.devices.strange()
    }
}
