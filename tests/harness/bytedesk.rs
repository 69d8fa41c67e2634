//! bytedesk peers (guide 1): users and agents on `/ws?token=…`, and the REST of conversations and messages with their
//! tokens. Shares no code with the server.

use serde_json::{Value, json};

use super::{Lost, Peer, Reply, Server, until};

/// One connection to `/ws?token=…`, and its party's REST.
pub struct Desk {
    peer: Peer,
    id: u64,
    token: String,
    address: std::net::SocketAddr,
}

impl Desk {
    /// The party's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Sends a frame as it is.
    #[track_caller]
    pub fn send(&mut self, frame: &Value) {
        self.peer.text(&frame.to_string());
    }

    /// Sends a text as it is.
    #[track_caller]
    pub fn text(&mut self, text: &str) {
        self.peer.text(text);
    }

    /// Sends a message as the guide shows it, to a party or `auto`; the ack's `data`.
    #[track_caller]
    pub fn say(&mut self, to: &str, content: &str) -> Value {
        let data = json!({"from": self.id.to_string(), "to": to, "content": content, "timestamp": 1635232823});
        self.ok("message", "send", data)
    }

    /// Sends a message into a conversation; the ack's `data`.
    #[track_caller]
    pub fn say_in(&mut self, conversation: u64, content: &str) -> Value {
        let from = self.id.to_string();
        self.ok("message", "send", json!({"from": from, "content": content, "conversation_id": conversation}))
    }

    /// An action that must succeed; the ack's `data`. What is heard before it is thrown away.
    #[track_caller]
    pub fn ok(&mut self, of_type: &str, action: &str, data: Value) -> Value {
        self.send(&json!({"type": of_type, "action": action, "data": data}));
        let answer = self.heard_where(action, |frame| {
            frame["action"] == action && (frame["type"] == "ack" || frame["type"] == "error")
        });
        assert_eq!(answer["type"], "ack", "{answer}");
        answer["data"].clone()
    }

    /// An action that must be refused; code and message.
    #[track_caller]
    pub fn refused(&mut self, of_type: &str, action: &str, data: Value) -> (u64, String) {
        self.send(&json!({"type": of_type, "action": action, "data": data}));
        let answer = self.heard_where("an error", |frame| frame["type"] == "error" || frame["type"] == "ack");
        assert_eq!(answer["type"], "error", "{answer}");
        (answer["code"].as_u64().expect("a code"), answer["message"].as_str().expect("a reason").to_owned())
    }

    /// The next message of somebody; its `data`.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        self.heard_where("a message", |frame| frame["type"] == "message")["data"].clone()
    }

    /// The next event of an action; its `data`.
    #[track_caller]
    pub fn event(&mut self, action: &str) -> Value {
        self.heard_where(action, |frame| frame["type"] == "event" && frame["action"] == action)["data"].clone()
    }

    /// The next frame.
    #[track_caller]
    pub fn heard(&mut self) -> Value {
        self.peer.hear_json()
    }

    /// The next frame that fits; others before it are thrown away.
    #[track_caller]
    pub fn heard_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.peer.hear_where(what, fits)
    }

    /// Nothing is there and nothing comes.
    #[track_caller]
    pub fn assert_quiet(&mut self) {
        self.peer.assert_no_frame();
    }

    /// The next text as it came.
    #[track_caller]
    pub fn hear_text(&mut self) -> String {
        self.peer.hear()
    }

    /// Ends a conversation.
    #[track_caller]
    pub fn end(&mut self, conversation: u64) {
        self.ok("message", "end", json!({"conversation_id": conversation}));
    }

    /// A REST call with this party's token.
    #[track_caller]
    pub fn rest(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        super::rest::try_request(self.address, method, path, Some(&self.token), body)
            .unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// A REST call that must succeed; its `data`.
    #[track_caller]
    pub fn rest_ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        succeeded(method, path, &self.rest(method, path, body))
    }

    /// Edits a message.
    #[track_caller]
    pub fn edit(&self, message: u64, content: &str) -> Value {
        self.rest_ok("PUT", &format!("/api/v1/messages/{message}"), Some(&json!({"content": content})))
    }

    /// Recalls a message.
    #[track_caller]
    pub fn recall(&self, message: u64) -> Value {
        self.rest_ok("DELETE", &format!("/api/v1/messages/{message}"), None)
    }

    /// Gives a conversation away: `{"agent_id": …}` or `{"group_id": …}`.
    #[track_caller]
    pub fn transfer(&self, conversation: u64, to: &Value) -> Value {
        self.rest_ok("PUT", &format!("/api/v1/conversations/{conversation}"), Some(to))
    }

    /// A conversation as REST shows it.
    #[track_caller]
    pub fn conversation(&self, conversation: u64) -> Value {
        self.rest_ok("GET", &format!("/api/v1/conversations/{conversation}"), None)
    }

    /// A conversation's messages as REST lists them: the newest hundred, ascending.
    #[track_caller]
    pub fn history(&self, conversation: u64) -> Vec<Value> {
        let page = self.rest_ok("GET", &format!("/api/v1/conversations/{conversation}/messages?limit=100"), None);
        page["items"].as_array().expect("a list").clone()
    }
}

/// The `data` of a REST success.
#[track_caller]
pub fn succeeded(method: &str, path: &str, reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
    let body = reply.json();
    assert_eq!((&body["code"], &body["message"]), (&json!(200), &json!("success")), "{body}");
    body["data"].clone()
}

/// An id in a string, as the guide shows ids.
#[track_caller]
pub fn id_in(data: &Value, field: &str) -> u64 {
    data[field].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no {field}: {data}"))
}

impl Server {
    /// A user on bytedesk; `query` begins with `&`, or is empty.
    #[track_caller]
    pub fn desk_user(&self, id: u64, query: &str) -> Desk {
        self.desk("user", id, query).unwrap_or_else(|why| panic!("user {id} cannot connect: {why:?}"))
    }

    /// An agent on bytedesk, which the desk knows of when this returns.
    #[track_caller]
    pub fn desk_agent(&self, id: u64, query: &str) -> Desk {
        let desk = self.desk("agent", id, query).unwrap_or_else(|why| panic!("agent {id} cannot connect: {why:?}"));
        until("the desk knows of the agent", || {
            let view = self.get(&format!("/api/v1/agents/{id}"), Some(("admin", 1)));
            (view.status == 200 && view.json()["data"]["status"] != "offline").then_some(())
        });
        desk
    }

    /// A connection with a token of a role.
    pub fn desk(&self, role: &str, id: u64, query: &str) -> Result<Desk, Lost> {
        let token = self.token(role, id);
        let peer = Peer::connect(self.address, &format!("/ws?token={token}{query}"), &format!("{role} {id}"))?;
        Ok(Desk { peer, id, token, address: self.address })
    }

    /// A REST call of an admin that must succeed; its `data`.
    #[track_caller]
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        succeeded(method, path, &self.request_as(("admin", 1), method, path, body))
    }

    /// A REST call with the token of a role.
    #[track_caller]
    pub fn request_as(&self, who: (&str, u64), method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.request(method, path, Some(&self.token(who.0, who.1)), body)
    }
}
