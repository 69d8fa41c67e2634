//! An agents' workbench (guide 4): its REST, every answer of which is validated against the guide's own OpenAPI
//! document, and its tabs on `/ws/cs/{csId}`. Shares no code with the server.

use std::cell::RefCell;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::validator::validate;
use super::{Lost, Peer, Reply, Server, rest, until};

/// The REST of `/api/sessions`, with or without a token.
pub struct Bench {
    address: SocketAddr,
    token: Option<String>,
    answers: RefCell<Vec<Value>>,
}

impl Bench {
    /// A workbench that has no token.
    pub fn open(server: &Server) -> Self {
        Self { address: server.address, token: None, answers: RefCell::default() }
    }

    /// A workbench with a party's token.
    pub fn of(server: &Server, role: &str, id: u64) -> Self {
        Self { token: Some(server.token(role, id)), ..Self::open(server) }
    }

    /// A call; its answer is kept to be validated.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = rest::try_request(self.address, method, path, self.token.as_deref(), body)
            .unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        let json = reply.json();
        let code = if reply.status == 200 { 0 } else { reply.status };
        assert_eq!(json["code"], code, "the code of an error is its HTTP status: {json}");
        self.answers.borrow_mut().push(json!({
            "method": method, "path": path, "status": reply.status, "body": json
        }));
        reply
    }

    /// A call that must succeed; its `data`.
    #[track_caller]
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = self.call(method, path, body);
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        assert_eq!(reply.json()["message"], "success");
        reply.json()["data"].clone()
    }

    /// A call that must be refused; status and message.
    #[track_caller]
    pub fn refused(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let reply = self.call(method, path, body);
        assert_ne!(reply.status, 200, "{method} {path}: {}", reply.text());
        (reply.status, reply.json()["message"].as_str().expect("a refusal says why").to_owned())
    }

    /// `GET /api/sessions` with these parameters: the ids, in order.
    #[track_caller]
    pub fn ids(&self, query: &str) -> Vec<u64> {
        let sessions = self.ok("GET", &format!("/api/sessions{query}"), None);
        sessions.as_array().expect("a list").iter().map(id_of).collect()
    }

    /// `GET /api/sessions/{id}`.
    #[track_caller]
    pub fn session(&self, id: u64) -> Value {
        self.ok("GET", &format!("/api/sessions/{id}"), None)
    }

    /// The contents of `GET /api/sessions/{id}/history`.
    #[track_caller]
    pub fn contents(&self, id: u64) -> Vec<String> {
        let history = self.ok("GET", &format!("/api/sessions/{id}/history"), None);
        let text = |message: &Value| message["content"].as_str().expect("a content").to_owned();
        history.as_array().expect("a list").iter().map(text).collect()
    }

    /// `POST /api/sessions/{id}/accept`.
    #[track_caller]
    pub fn accept(&self, id: u64, cs_id: &str) -> Reply {
        self.call("POST", &format!("/api/sessions/{id}/accept"), Some(&json!({"csId": cs_id})))
    }

    /// `POST /api/sessions/{id}/message`, a text.
    #[track_caller]
    pub fn say(&self, id: u64, content: &str) -> Value {
        self.ok("POST", &format!("/api/sessions/{id}/message"), Some(&json!({"content": content})))
    }

    /// `POST /api/sessions/{id}/close`.
    #[track_caller]
    pub fn close(&self, id: u64) -> Reply {
        self.call("POST", &format!("/api/sessions/{id}/close"), None)
    }

    /// Validates every answer so far against the document that the server serves.
    #[track_caller]
    pub fn validated(&self) {
        let document = rest::try_request(self.address, "GET", "/openapi/multichannel.yaml", None, None);
        let document = document.expect("the document is served");
        assert_eq!((document.status, document.header("content-type")), (200, Some("application/yaml")));
        let given = json!({"document": document.text(), "answers": *self.answers.borrow()});
        validate("openapi.py", &given);
    }
}

/// The id in a session's `sessionId`.
pub fn id_of(session: &Value) -> u64 {
    session["sessionId"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no session: {session}"))
}

/// One tab of an agent.
pub struct Tab(Peer);

impl Tab {
    /// A tab of an agent that the server knows; `query` begins with `?`, or is empty.
    #[track_caller]
    pub fn open(server: &Server, cs_id: &str, query: &str) -> Self {
        let tab = Self::try_open(server, cs_id, query).unwrap_or_else(|why| panic!("{cs_id} cannot connect: {why:?}"));
        // The desk hears of it after the upgrade was answered; a story begins when it has.
        until("the desk knows of the agent", || {
            let view = server.get(&format!("/api/v1/agents/{cs_id}"), Some(("admin", 1)));
            (view.status == 200 && view.json()["data"]["status"] != "offline").then_some(())
        });
        tab
    }

    /// As [`open`](Self::open), for upgrades that may be refused.
    pub fn try_open(server: &Server, cs_id: &str, query: &str) -> Result<Self, Lost> {
        Peer::connect(server.address, &format!("/ws/cs/{cs_id}{query}"), cs_id).map(Self)
    }

    /// Sends a message and nothing more.
    #[track_caller]
    pub fn send(&mut self, message: &Value) {
        self.0.text(&message.to_string());
    }

    /// Sends a text as it is.
    #[track_caller]
    pub fn text(&mut self, text: &str) {
        self.0.text(text);
    }

    /// The next frame.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        self.0.hear_json()
    }

    /// The next frame as it came.
    #[track_caller]
    pub fn hear_text(&mut self) -> String {
        self.0.hear()
    }

    /// Sends a binary message.
    #[track_caller]
    pub fn binary(&mut self) {
        self.0.binary(vec![1, 2, 3]);
    }

    /// The next frame, which must be of this type and session; its `data`.
    #[track_caller]
    pub fn told(&mut self, kind: &str, id: u64) -> Value {
        let frame = self.hear();
        assert_eq!((&frame["type"], id_of(&frame)), (&json!(kind), id), "{frame}");
        frame["data"].clone()
    }

    /// Binds a session and hears that it did.
    #[track_caller]
    pub fn bind(&mut self, id: u64) {
        self.send(&json!({"type": "bind_session", "sessionId": id.to_string()}));
        self.told("session_bound", id);
    }

    /// Nothing is there and nothing comes .
    #[track_caller]
    pub fn assert_quiet(&mut self) {
        self.0.assert_no_frame();
    }

    /// Reads on until the server closes.
    #[track_caller]
    pub fn closed(&mut self) -> Option<u16> {
        self.0.closed()
    }

    /// Closes as a good client does.
    pub fn leave(self) {
        self.0.leave();
    }
}
