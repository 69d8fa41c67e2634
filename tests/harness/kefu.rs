//! A kefu client (guide 2) over tungstenite: sends actions, awaits answers by `op_id`, keeps pushes in
//! the order they came. Shares no code with the server.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::{IntoClientRequest, client_with_config};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use super::steady::Steady;
use super::{PATIENCE, QUIET};

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nothing came in time; the connection may still be there.
    Silent,
    /// A close frame with its code came.
    Closed(Option<u16>),
    /// The connection broke without one.
    Broken(String),
}

/// One WebSocket connection.
pub struct Peer {
    socket: WebSocket<Steady>,
    name: String,
    next_op: u64,
    answers: Vec<Value>,
    pushes: VecDeque<Value>,
    pongs: Vec<Vec<u8>>,
}

impl Peer {
    /// Connects and upgrades; nobody is logged in.
    pub fn connect(address: SocketAddr, path: &str, name: &str) -> Result<Self, Lost> {
        let broken = |error: &dyn std::fmt::Display| Lost::Broken(error.to_string());
        let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| broken(&error))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| broken(&error))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|error| broken(&error))?;
        stream.set_nodelay(true).map_err(|error| broken(&error))?;
        let request = format!("ws://{address}{path}").into_client_request().expect("a good URL");
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(64 << 20))
            .max_frame_size(Some(64 << 20));
        let (socket, _) = client_with_config(request, Steady(stream), Some(config)).map_err(|error| broken(&error))?;
        let name = name.to_owned();
        Ok(Self { socket, name, next_op: 1, answers: Vec::new(), pushes: VecDeque::new(), pongs: Vec::new() })
    }

    /// Sends an action and awaits its answer.
    #[track_caller]
    pub fn call(&mut self, action: &str, data: Value) -> Value {
        let name = self.name.clone();
        self.try_call(action, data).unwrap_or_else(|lost| panic!("{name}: {action} was not answered: {lost:?}"))
    }

    /// An action that must succeed; its `data`.
    #[track_caller]
    pub fn ok(&mut self, action: &str, data: Value) -> Value {
        let answer = self.call(action, data);
        assert_eq!(answer["success"], true, "{}: {action}: {answer}", self.name);
        answer["data"].clone()
    }

    /// An action that must be refused; the refusal's `message`. The connection stays.
    #[track_caller]
    pub fn refused(&mut self, action: &str, data: Value) -> String {
        let answer = self.call(action, data.clone());
        assert_eq!(answer["success"], false, "{}: {action} {data}: {answer}", self.name);
        let message = answer["message"].as_str().expect("a refusal says why").to_owned();
        assert!(!message.is_empty(), "a refusal says why: {answer}");
        message
    }

    /// As [`call`](Self::call), for connections that may go.
    pub fn try_call(&mut self, action: &str, data: Value) -> Result<Value, Lost> {
        let op = self.try_post(action, data)?;
        self.try_answer(op)
    }

    /// Sends an action without waiting; its `op_id`.
    pub fn try_post(&mut self, action: &str, data: Value) -> Result<u64, Lost> {
        let op = self.next_op;
        self.next_op += 1;
        self.try_text(&json!({"action": action, "data": data, "op_id": op}).to_string())?;
        Ok(op)
    }

    /// Awaits the answer to an `op_id`.
    pub fn try_answer(&mut self, op: u64) -> Result<Value, Lost> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["op_id"] == op) {
                return Ok(self.answers.remove(at));
            }
            self.take_in(deadline)?;
        }
    }

    /// Sends a user's text message into a conversation; the answer's `data`.
    #[track_caller]
    pub fn say(&mut self, conversation: u64, content: &str) -> Value {
        self.ok("kefu_message_send", json!({"conversation_id": conversation, "content": content}))
    }

    /// Sends an agent's text message into a conversation; the answer's `data`.
    #[track_caller]
    pub fn say_as_agent(&mut self, conversation: u64, content: &str) -> Value {
        let data = json!({"conversation_id": conversation, "content": content, "sender_type": 2});
        self.ok("kefu_message_send", data)
    }

    /// The next push of an action; pushes of other actions before it stay for later.
    #[track_caller]
    pub fn push(&mut self, action: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.pushes.iter().position(|push| push["action"] == action) {
                return self.pushes.remove(at).expect("it is there");
            }
            if let Err(lost) = self.take_in(deadline) {
                panic!("{}: no push {action}: {lost:?}; there are {:?}", self.name, self.pushes);
            }
        }
    }

    /// The next push, if one comes within `wait`.
    pub fn try_push(&mut self, wait: Duration) -> Result<Value, Lost> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return Ok(push);
            }
            self.take_in(deadline)?;
        }
    }

    /// No push is there and none comes within [`QUIET`]: for what must not be told.
    #[track_caller]
    pub fn assert_quiet(&mut self) {
        self.call("ping", json!({}));
        match self.try_push(QUIET) {
            Err(Lost::Silent) => {}
            other => panic!("{}: told what it must not hear: {other:?}", self.name),
        }
    }

    /// Sends a text as it is.
    #[track_caller]
    pub fn text(&mut self, text: &str) {
        let name = self.name.clone();
        self.try_text(text).unwrap_or_else(|lost| panic!("{name}: cannot send: {lost:?}"));
    }

    /// Sends a text as it is, for connections that may go.
    pub fn try_text(&mut self, text: &str) -> Result<(), Lost> {
        self.socket.send(Message::text(text)).map_err(|error| Lost::Broken(error.to_string()))
    }

    /// The next text as it came, pushes and answers alike.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        let name = self.name.clone();
        self.try_read(Instant::now() + PATIENCE).unwrap_or_else(|lost| panic!("{name} hears nothing: {lost:?}"))
    }

    /// The next text as it came, if one comes within `wait`.
    pub fn try_hear(&mut self, wait: Duration) -> Result<String, Lost> {
        self.try_read(Instant::now() + wait)
    }

    /// The next text as JSON.
    #[track_caller]
    pub fn hear_json(&mut self) -> Value {
        let text = self.hear();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next text as JSON that fits; others before it are thrown away.
    #[track_caller]
    pub fn hear_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1000 {
            let heard = self.hear_json();
            if fits(&heard) {
                return heard;
            }
        }
        panic!("{}: a thousand frames and no {what}", self.name);
    }

    /// Nothing is there and nothing comes within [`QUIET`], in the dialects whose heartbeat is `{"type":"ping"}`.
    #[track_caller]
    pub fn assert_no_frame(&mut self) {
        self.text(r#"{"type":"ping"}"#);
        assert_eq!(self.hear_json(), json!({"type": "pong"}), "{}: told what it must not hear", self.name);
        match self.try_hear(QUIET) {
            Err(Lost::Silent) => {}
            other => panic!("{}: told what it must not hear: {other:?}", self.name),
        }
    }

    /// Sends a WebSocket ping and awaits its pong.
    #[track_caller]
    pub fn ping_frame(&mut self, payload: &[u8]) {
        self.socket.send(Message::Ping(payload.to_vec().into())).expect("the ping is sent");
        let deadline = Instant::now() + PATIENCE;
        while !self.pongs.iter().any(|pong| pong == payload) {
            match self.take_in(deadline) {
                Ok(()) => {}
                Err(lost) => panic!("{}: no pong: {lost:?}", self.name),
            }
        }
    }

    /// Sends a binary message as it is.
    #[track_caller]
    pub fn binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).expect("the message is sent");
    }

    /// The next binary message.
    #[track_caller]
    pub fn hear_binary(&mut self) -> Vec<u8> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return bytes.to_vec(),
                Ok(_) => {}
                Err(error) => panic!("{}: no binary message: {error}", self.name),
            }
        }
    }

    /// Reads on until the server closes; the close code, if it gave one.
    #[track_caller]
    pub fn closed(&mut self) -> Option<u16> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.take_in(deadline) {
                Ok(()) => {}
                Err(Lost::Closed(code)) => return code,
                Err(Lost::Broken(_)) => return None,
                Err(Lost::Silent) => panic!("{}: was not closed", self.name),
            }
        }
    }

    /// Closes as a good client does.
    pub fn leave(mut self) {
        let _ = self.socket.close(None);
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.take_in(deadline).is_ok() {}
    }

    /// Reads one message and sorts it in.
    fn take_in(&mut self, deadline: Instant) -> Result<(), Lost> {
        let before = self.pongs.len();
        let text = match self.read_some(deadline)? {
            Some(text) => text,
            None => {
                debug_assert!(self.pongs.len() >= before);
                return Ok(());
            }
        };
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if value["type"] == "push_message" {
            self.pushes.push_back(value);
        } else {
            self.answers.push(value);
        }
        Ok(())
    }

    fn try_read(&mut self, deadline: Instant) -> Result<String, Lost> {
        loop {
            if let Some(text) = self.read_some(deadline)? {
                return Ok(text);
            }
        }
    }

    /// One message: a text, or `None` for a control frame.
    fn read_some(&mut self, deadline: Instant) -> Result<Option<String>, Lost> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.get_ref().0.set_read_timeout(Some(left)).map_err(|error| Lost::Broken(error.to_string()))?;
        match self.socket.read() {
            Ok(Message::Text(text)) => Ok(Some(text.as_str().to_owned())),
            Ok(Message::Pong(payload)) => {
                self.pongs.push(payload.to_vec());
                Ok(None)
            }
            Ok(Message::Close(frame)) => {
                let _ = self.socket.flush();
                Err(Lost::Closed(frame.map(|frame| u16::from(frame.code))))
            }
            Ok(_) => Ok(None),
            Err(Error::Io(error))
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                Err(Lost::Silent)
            }
            Err(error) => Err(Lost::Broken(error.to_string())),
        }
    }
}
