//! webchat peers (guide 3): customers with their tokens, agents with theirs, and what comes over `/ws/chat`. Shares no
//! code with the server.

use serde_json::{Value, json};

use super::{Lost, Peer, Reply, Server, until};

/// One connection to `/ws/chat`.
pub struct Chat {
    peer: Peer,
}

impl Chat {
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

    /// Sends a message as the guide's clients do.
    #[track_caller]
    pub fn say(&mut self, content: &str) {
        self.send(&json!({"senderId": "somebody", "content": content, "metadata": {}}));
    }

    /// Sends a message into a conversation, as agents do.
    #[track_caller]
    pub fn say_in(&mut self, conversation: &str, content: &str) {
        self.send(&json!({"conversationId": conversation, "senderId": "somebody", "content": content}));
    }

    /// Sends a message with a `client_msg_id`; its ack.
    #[track_caller]
    pub fn say_as(&mut self, conversation: Option<&str>, content: &str, id: &str) -> Value {
        let mut frame = json!({"senderId": "somebody", "content": content, "client_msg_id": id});
        if let Some(conversation) = conversation {
            frame["conversationId"] = json!(conversation);
        }
        self.send(&frame);
        self.heard_where("an ack", |heard| heard["client_msg_id"] == id)
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
}

impl Server {
    /// `POST /api/v1/public/customer-token` as it is answered.
    #[track_caller]
    pub fn try_enter(&self, channel: &str, id: &str) -> Reply {
        let body = json!({"name": format!("客户 {id}"), "channel": channel, "channelId": id});
        self.request("POST", "/api/v1/public/customer-token", None, Some(&body))
    }

    /// A customer's token; its id and the token.
    #[track_caller]
    pub fn enter(&self, channel: &str, id: &str) -> (String, String) {
        let reply = self.try_enter(channel, id);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let data = reply.json()["data"].clone();
        let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("no {name}: {data}")).to_owned();
        (text("customerId"), text("token"))
    }

    /// A UUID token of an agent, made by the admin's API.
    #[track_caller]
    pub fn agent_uuid(&self, id: u64) -> String {
        let path = format!("/api/v1/agents/{id}/token");
        let reply = self.request("POST", &path, Some(&self.token("admin", 1)), None);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["data"]["token"].as_str().expect("a token").to_owned()
    }

    /// A connection by a token; `Err` if there is none.
    pub fn try_chat(&self, token: &str, more: &str, name: &str) -> Result<Chat, Lost> {
        let path = format!("/ws/chat?token={token}{more}");
        Peer::connect(self.address, &path, name).map(|peer| Chat { peer })
    }

    /// A connection by a token.
    #[track_caller]
    pub fn chat(&self, token: &str, name: &str) -> Chat {
        self.try_chat(token, "", name).unwrap_or_else(|lost| panic!("{name} cannot connect: {lost:?}"))
    }

    /// A connection by a token that asked for the extensions.
    #[track_caller]
    pub fn chat_ext(&self, token: &str, name: &str) -> Chat {
        self.try_chat(token, "&ext=1", name).unwrap_or_else(|lost| panic!("{name} cannot connect: {lost:?}"))
    }

    /// An agent (made if needed) on webchat, known to the desk.
    #[track_caller]
    pub fn agent_chat(&self, id: u64) -> Chat {
        if self.get(&format!("/api/v1/agents/{id}"), Some(("admin", 1))).status == 404 {
            self.make_agent(id, json!({}));
        }
        let chat = self.chat(&self.agent_uuid(id), &format!("agent {id} (webchat)"));
        until("the desk knows of the agent", || (self.agent_view(id)["status"] != "offline").then_some(()));
        chat
    }
}
