//! One tour through every call and every frame of all dialects: the documents that the server gives of itself are
//! valid, what it answers and says is as they say, and nothing that they describe is left out.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::harness::validator::validate;
use crate::harness::{Lost, PATIENCE, Peer, Reply, Server, Setup, rest, stories, until};

stories!(everything_is_as_described, the_documents_are_kept_by_those_who_have_them);

/// What was asked and said so far.
struct Tour<'s> {
    server: &'s Server,
    answers: RefCell<Vec<Value>>,
    frames: RefCell<Vec<Value>>,
}

/// A WebSocket whose frames are noted.
struct Talker<'t> {
    tour: &'t Tour<'t>,
    channel: &'static str,
    peer: Peer,
}

impl<'t> Tour<'t> {
    /// A call; its answer is noted.
    #[track_caller]
    fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        let reply = rest::try_request(self.server.address, method, path, token, body)
            .unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        let kind = reply.header("content-type").unwrap_or_default().to_owned();
        let body = if kind.contains("json") { reply.json() } else { json!(reply.text()) };
        let answer = json!({"method": method, "path": path, "status": reply.status, "type": kind, "body": body});
        self.answers.borrow_mut().push(answer);
        reply
    }

    /// A call that must be answered so.
    #[track_caller]
    fn expect(&self, status: u16, request: &str, token: Option<&str>, body: Option<Value>) -> Value {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let reply = self.call(method, path, token, body.as_ref());
        assert_eq!(reply.status, status, "{request}: {}", reply.text());
        if reply.header("content-type").is_some_and(|kind| kind.contains("json")) { reply.json() } else { Value::Null }
    }

    /// The same under an `Idempotency-Key`.
    #[track_caller]
    fn under(&self, key: &str, status: u16, request: &str, token: Option<&str>, body: &Value) -> Value {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let bearer = format!("Bearer {}", token.unwrap_or_default());
        let mut headers = vec![("Idempotency-Key", key)];
        headers.extend(token.map(|_| ("Authorization", bearer.as_str())));
        let reply = rest::try_with(self.server.address, method, path, &headers, &body.to_string())
            .unwrap_or_else(|why| panic!("{request}: {why}"));
        assert_eq!(reply.status, status, "{request}: {}", reply.text());
        let answer =
            json!({"method": method, "path": path, "status": status, "type": "application/json", "body": reply.json()});
        self.answers.borrow_mut().push(answer);
        reply.json()
    }

    /// A WebSocket.
    #[track_caller]
    fn talk(&'t self, channel: &'static str, path: &str) -> Talker<'t> {
        let peer = Peer::connect(self.server.address, path, channel).unwrap_or_else(|lost| panic!("{path}: {lost:?}"));
        let path = path.split('?').next().unwrap_or_default();
        if channel != "echo" {
            self.answers
                .borrow_mut()
                .push(json!({"method": "GET", "path": path, "status": 101, "type": "", "body": ""}));
        }
        Talker { tour: self, channel, peer }
    }

    fn note(&self, channel: &str, direction: &str, payload: &Value) {
        self.frames.borrow_mut().push(json!({"channel": channel, "direction": direction, "payload": payload}));
    }
}

impl Talker<'_> {
    #[track_caller]
    fn say(&mut self, frame: Value) {
        self.tour.note(self.channel, "receive", &frame);
        self.peer.text(&frame.to_string());
    }

    /// Says what no document describes: only the answer counts.
    #[track_caller]
    fn say_wrongly(&mut self, text: &str) {
        self.peer.text(text);
    }

    /// Says a text that is no JSON.
    #[track_caller]
    fn say_text(&mut self, text: &str) {
        self.tour.note(self.channel, "receive", &json!(text));
        self.peer.text(text);
    }

    /// The next frame that has these fields; all before it are noted too.
    #[track_caller]
    fn hear(&mut self, fields: Value) -> Value {
        let mut passed = Vec::new();
        loop {
            let text = match self.peer.try_hear(PATIENCE) {
                Ok(text) => text,
                Err(lost) => panic!("{}: no {fields}: {lost:?}; heard {passed:?}", self.channel),
            };
            let frame = serde_json::from_str(&text).unwrap_or(json!(text));
            self.tour.note(self.channel, "send", &frame);
            let fits = match &fields {
                Value::Object(fields) => fields.iter().all(|(name, value)| frame[name] == *value),
                other => frame == *other,
            };
            if fits {
                return frame;
            }
            passed.push(frame);
        }
    }

    /// Says a kefu action and hears its answer; that it succeeded.
    #[track_caller]
    fn act(&mut self, action: &str, data: Value) -> Value {
        let op_id = json!(format!("op-{}", self.tour.frames.borrow().len()));
        self.say(json!({"action": action, "data": data, "op_id": op_id}));
        let answer = self.hear(json!({"op_id": op_id}));
        assert_eq!(answer["success"], true, "{action}: {answer}");
        answer["data"].clone()
    }

    /// All three heartbeats that are JSON or text.
    #[track_caller]
    fn beat(&mut self) {
        self.say(json!({"type": "ping"}));
        self.hear(json!({"type": "pong"}));
        self.say_text("ping");
        self.hear(json!("pong"));
    }

    /// Whatever else is on its way is noted.
    fn rest(&mut self) {
        loop {
            match self.peer.try_hear(crate::harness::QUIET) {
                Ok(text) => {
                    let frame = serde_json::from_str(&text).unwrap_or(json!(text));
                    self.tour.note(self.channel, "send", &frame);
                }
                Err(Lost::Silent) => return,
                Err(lost) => panic!("{}: {lost:?}", self.channel),
            }
        }
    }
}

fn everything_is_as_described(shards: u16) {
    let server = Setup::shards(shards).switch("--debug-echo").start();
    let tour = Tour { server: &server, answers: RefCell::default(), frames: RefCell::default() };
    operations(&tour);
    directory(&tour);
    workbench(&tour);
    users(&tour);
    visitors(&tour);
    customers(&tour);
    desks(&tour);
    records(&tour);
    let mut echo = tour.talk("echo", "/ws/echo");
    echo.say_text("hello");
    echo.hear(json!("hello"));
    let openapi = tour.expect(200, "GET /openapi.json", None, None);
    let asyncapi = tour.expect(200, "GET /asyncapi.json", None, None);
    let (answers, frames) = (tour.answers.borrow(), tour.frames.borrow());
    let given = json!({"openapi": openapi, "asyncapi": asyncapi, "answers": *answers, "frames": *frames});
    validate("documents.py", &given);
}

fn operations(tour: &Tour<'_>) {
    for path in ["/livez", "/readyz", "/metrics", "/docs", "/openapi/multichannel.yaml"] {
        assert_eq!(tour.call("GET", path, None, None).status, 200, "{path}");
    }
    tour.expect(404, "GET /nowhere", None, None);
    tour.expect(405, "DELETE /livez", None, None);
    tour.expect(426, "GET /ws", None, None);
    tour.expect(426, "GET /ws/cs/wang", None, None);
    tour.expect(426, "GET /ws/chat", None, None);
}

fn directory(tour: &Tour<'_>) {
    let (admin, user) = (tour.server.token("admin", 1), tour.server.token("user", 100));
    let (admin, user) = (Some(admin.as_str()), Some(user.as_str()));
    let wang =
        json!({"id": 7, "cs_id": "wang", "name": "小王", "avatar": "https://example.com/w.png", "skills": ["en"]});
    tour.expect(200, "POST /api/v1/agents", admin, Some(wang.clone()));
    tour.expect(409, "POST /api/v1/agents", admin, Some(wang));
    tour.expect(400, "POST /api/v1/agents", admin, Some(json!({"max_concurrent": "many"})));
    tour.expect(200, "POST /api/v1/agents", admin, Some(json!({"id": 9})));
    let first = tour.under("agent", 200, "POST /api/v1/agents", admin, &json!({"name": "小李"}));
    assert_eq!(tour.under("agent", 200, "POST /api/v1/agents", admin, &json!({"name": "小李"})), first);
    tour.under("agent", 422, "POST /api/v1/agents", admin, &json!({"name": "小张"}));
    tour.under("a b", 400, "POST /api/v1/agents", admin, &json!({}));
    tour.expect(200, "GET /api/v1/agents?limit=1", admin, None);
    tour.expect(400, "GET /api/v1/agents?limit=0", admin, None);
    tour.expect(401, "GET /api/v1/agents", None, None);
    tour.expect(403, "GET /api/v1/agents", user, None);
    tour.expect(200, "GET /api/v1/agents/wang", admin, None);
    tour.expect(404, "GET /api/v1/agents/nobody", admin, None);
    tour.expect(200, "PUT /api/v1/agents/7", admin, Some(json!({"max_concurrent": 20})));
    tour.expect(400, "PUT /api/v1/agents/7", admin, Some(json!({"status": "asleep"})));
    tour.expect(200, "DELETE /api/v1/agents/9", admin, None);
    tour.expect(404, "DELETE /api/v1/agents/9", admin, None);
}

/// The workbench of agent 7 serves a user of kefu, who hears what an opted-in client hears.
fn workbench(tour: &Tour<'_>) {
    let server = tour.server;
    let mut tab = tour.talk("multichannel", "/ws/cs/wang?ext=1");
    until("the desk knows of the agent", || (server.agent_view(7)["status"] == "online").then_some(()));
    let mut user = tour.talk("kefu", "/ws?ext=1");
    user.act("login", json!({"token": server.token("user", 100)}));
    let token = server.token("user", 100);
    let open = tour.expect(200, "GET /api/kefu/message/getConversation", Some(&token), None);
    let id = open["data"]["id"].as_u64().expect("an id");
    let session = id.to_string();
    tab.hear(json!({"type": "new_pending_session", "sessionId": session}));
    user.act("kefu_message_send", json!({"conversation_id": id, "content": "你好"}));
    let at = |rest: &str| format!("/api/sessions/{id}{rest}");
    tour.expect(200, "GET /api/sessions?status=pending", None, None);
    tour.expect(400, "GET /api/sessions?status=lost", None, None);
    tour.expect(200, &format!("GET {}", at("")), None, None);
    tour.expect(404, "GET /api/sessions/none", None, None);
    tour.expect(401, &format!("GET {}", at("")), Some("no token"), None);
    tour.expect(403, &format!("GET {}", at("")), Some(&token), None);
    tour.expect(400, &format!("POST {}", at("/message")), None, Some(json!({"content": "x"})));
    tour.expect(400, &format!("POST {}", at("/accept")), None, Some(json!({})));
    tour.expect(200, &format!("POST {}", at("/accept")), None, Some(json!({"csId": "wang"})));
    tab.hear(json!({"type": "session_accepted", "sessionId": session}));
    tab.hear(json!({"type": "new_message"}));
    user.hear(json!({"action": "kefu_message_assigned"}));
    tour.expect(200, &format!("POST {}", at("/message")), None, Some(json!({"content": "您好"})));
    let picture = json!({"content": "https://example.com/a.png", "msgType": "image", "client_msg_id": "c-1"});
    tour.expect(200, &format!("POST {}", at("/message")), None, Some(picture));
    tour.expect(400, &format!("POST {}", at("/message")), None, Some(json!({})));
    tour.under("send", 200, &format!("POST {}", at("/message")), None, &json!({"content": "请稍候"}));
    tour.under("send", 422, &format!("POST {}", at("/message")), None, &json!({"content": "x"}));
    tour.under("a b", 400, &format!("POST {}", at("/message")), None, &json!({"content": "x"}));
    let said = user.hear(json!({"action": "kefu_message"}));
    let file =
        json!({"conversation_id": id, "message_type": 3, "file_url": "https://example.com/a.pdf", "content": "合同"});
    user.act("kefu_message_send", file);
    tour.expect(200, &format!("GET {}", at("/history")), None, None);
    tour.expect(200, &format!("GET {}?limit=1", at("/history")), None, None);
    user.act(
        "kefu_message_read",
        json!({"conversation_id": id, "message_ids": [said["message_id"]], "sender_type": 2}),
    );
    tab.hear(json!({"type": "message_read"}));
    user.act("kefu_message_typing", json!({"conversation_id": id}));
    tab.hear(json!({"type": "typing"}));
    tab.say(json!({"type": "typing", "sessionId": session}));
    user.hear(json!({"type": "push_message", "action": "kefu_message_typing"}));
    tab.say(json!({"type": "bind_session", "sessionId": session}));
    tab.hear(json!({"type": "session_bound"}));
    tab.say(json!({"type": "sync", "sessionId": session, "after_seq": 0, "limit": 10}));
    tab.hear(json!({"type": "sync"}));
    tab.say_wrongly(r#"{"type":"dance"}"#);
    tab.hear(json!({"type": "error", "code": 400}));
    tab.say(json!({"type": "bind_session", "sessionId": "none"}));
    tab.hear(json!({"type": "error", "code": 404}));
    let customers = user.act("kefu_message_send", json!({"conversation_id": id, "content": "谢谢"}));
    let mark = customers["message_id"].as_u64().expect("an id").to_string();
    tab.say(json!({"type": "read", "sessionId": session, "msgIds": [mark]}));
    tab.hear(json!({"type": "read", "data": {"updatedCount": 1}}));
    tab.beat();
    tour.expect(200, &format!("POST {}", at("/close")), None, None);
    tab.hear(json!({"type": "session_closed"}));
    user.hear(json!({"type": "push_message", "action": "kefu_message_end"}));
    tab.rest();
    user.rest();
}

/// kefu on both sides.
fn users(tour: &Tour<'_>) {
    let server = tour.server;
    let mut agent = kefu_agent(tour);
    let (mut user, token) = (tour.talk("kefu", "/ws?ext=1"), server.token("user", 101));
    user.say_wrongly(r#"{"action":"kefu_message_end","data":{"conversation_id":1},"op_id":{"any":[1]}}"#);
    user.hear(json!({"success": false, "message": "Please login first"}));
    user.act("login", json!({"token": token}));
    user.act("ping", json!({}));
    user.beat();
    let open = tour.expect(200, "GET /api/kefu/message/getConversation?group=default", Some(&token), None);
    assert_eq!(open["data"]["kefu_id"], 1, "{open}");
    let id = open["data"]["id"].as_u64().expect("an id");
    agent.hear(json!({"action": "kefu_message_assigned"}));
    let sent = user.act("kefu_message_send", json!({"conversation_id": id, "content": "你好", "client_msg_id": "c-1"}));
    agent.hear(json!({"action": "kefu_message"}));
    agent.act(
        "kefu_message_read",
        json!({"conversation_id": id, "message_ids": [sent["message_id"]], "sender_type": 1}),
    );
    user.hear(json!({"type": "push_message", "action": "kefu_message_read"}));
    agent.act("kefu_message_send", json!({"conversation_id": id, "content": "您好", "sender_type": 2}));
    user.hear(json!({"action": "kefu_message"}));
    user.act("kefu_message_sync", json!({"conversation_id": id, "after_seq": 0, "limit": 1}));
    user.say(json!({"action": "kefu_message_sync", "data": {"conversation_id": id, "after_seq": 99}, "op_id": null}));
    user.hear(json!({"success": false, "data": {"newest_seq": 2}}));
    let list = format!("GET /api/kefu/message/list?conversation_id={id}");
    tour.expect(200, &list, Some(&token), None);
    tour.expect(200, &format!("{list}&after_seq=1"), Some(&token), None);
    tour.expect(400, "GET /api/kefu/message/list", Some(&token), None);
    tour.expect(404, "GET /api/kefu/message/list?conversation_id=1", Some(&token), None);
    tour.expect(401, &list, None, None);
    tour.expect(200, "GET /api/kefu/agents/available", None, None);
    user.say(json!({"action": "kefu_message_send", "data": {"conversation_id": 1, "content": "x"}}));
    user.hear(json!({"success": false}));
    agent.act("kefu_message_end", json!({"conversation_id": id}));
    user.hear(json!({"type": "push_message", "action": "kefu_message_end"}));
    agent.rest();
    user.rest();
}

/// A visitor of kefu with two pages.
fn visitors(tour: &Tour<'_>) {
    let mut agent = kefu_agent(tour);
    let (mut page, mut other) = (tour.talk("kefu", "/ws?ext=1"), tour.talk("kefu", "/ws"));
    for page in [&mut page, &mut other] {
        page.act("kefu_message_visitor_bind_fd", json!({"bind_key": "visitor_123456"}));
    }
    let to = |content: &str| json!({"visitor_id": "visitor_123456", "kefu_id": "1", "content": content});
    let sent = page.act("kefu_message_visitor_send", to("你好，我需要帮助"));
    for hears in [&mut agent, &mut other] {
        hears.hear(json!({"action": "kefu_visitor_message"}));
    }
    let read =
        json!({"conversation_id": sent["conversation_id"], "message_ids": [sent["message_id"]], "sender_type": 1});
    agent.act("kefu_message_read", read);
    page.hear(json!({"type": "push_message", "action": "kefu_message_read"}));
    page.act("kefu_message_typing", json!({"conversation_id": sent["conversation_id"]}));
    agent.hear(json!({"type": "push_message", "action": "kefu_message_typing"}));
    page.act("kefu_message_visitor_end", json!({"visitor_id": "visitor_123456", "kefu_id": "1"}));
    agent.hear(json!({"action": "kefu_visitor_conversation_end"}));
    other.rest();
    page.rest();
    agent.rest();
}

/// A customer of webchat with two devices, an agent of kefu, and one of webchat.
fn customers(tour: &Tour<'_>) {
    let mut agent = kefu_agent(tour);
    let who = json!({"name": "张三", "channel": "WEB", "channelId": "web_user_123456"});
    let entered = tour.expect(200, "POST /api/v1/public/customer-token", None, Some(who));
    let path = format!("/ws/chat?token={}&ext=1", entered["data"]["token"].as_str().expect("a token"));
    let (mut chat, mut other) = (tour.talk("webchat", &path), tour.talk("webchat", &path));
    chat.beat();
    chat.say(json!({"conversationId": "session-123", "senderId": "web_user_123456", "content": "你好", "client_msg_id": "c-1"}));
    let ack = chat.hear(json!({"type": "ack"}));
    let conversation = ack["conversationId"].as_str().expect("an id").to_owned();
    let id: u64 = conversation.parse().expect("an integer");
    other.hear(json!({"content": "你好"}));
    agent.hear(json!({"action": "kefu_message"}));
    chat.say(json!({"content": "订单", "metadata": {"orderId": "ORDER-12345"}}));
    other.hear(json!({"content": "订单"}));
    agent.act("kefu_message_send", json!({"conversation_id": id, "content": "您好", "sender_type": 2}));
    let heard = chat.hear(json!({"content": "您好"}));
    chat.say(json!({"type": "read", "conversationId": conversation, "messageIds": [heard["messageId"]]}));
    chat.hear(json!({"type": "read", "updatedCount": 1}));
    let read: u64 = ack["messageId"].as_str().and_then(|id| id.parse().ok()).expect("an integer");
    agent.act("kefu_message_read", json!({"conversation_id": id, "message_ids": [read], "sender_type": 1}));
    chat.hear(json!({"type": "read"}));
    agent.act("kefu_message_typing", json!({"conversation_id": id}));
    chat.hear(json!({"type": "typing"}));
    chat.say(json!({"type": "typing", "conversationId": conversation}));
    chat.say(json!({"type": "sync", "conversationId": conversation, "after_seq": 0}));
    chat.hear(json!({"type": "sync"}));
    chat.say(json!({"type": "sync", "conversation": conversation, "after_seq": 99}));
    chat.hear(json!({"type": "error", "newest_seq": 3}));
    chat.say_wrongly(r#"{"content":7}"#);
    chat.hear(json!({"type": "error", "code": 400}));
    let mut tab = webchat_agent(tour);
    tab.say(json!({"conversationId": "4096", "content": "x", "client_msg_id": "c-9"}));
    tab.hear(json!({"type": "error", "code": 404}));
    chat.say(json!({"type": "end", "conversationId": conversation}));
    chat.hear(json!({"type": "end"}));
    other.hear(json!({"type": "ended"}));
    tab.rest();
    chat.rest();
    other.rest();
    agent.rest();
}

/// A user and an agent of bytedesk, the user's kefu, and the agent's workbench and webchat: all opted in.
fn desks(tour: &Tour<'_>) {
    let server = tour.server;
    let (mine, theirs, admin) = (server.token("user", 102), server.token("agent", 7), server.token("admin", 1));
    let mut agent = tour.talk("bytedesk", &format!("/ws?token={theirs}&ext=1"));
    let mut tab = tour.talk("multichannel", "/ws/cs/wang?ext=1");
    let mut chat = tour.talk("webchat", &format!("/ws/chat?token={theirs}&ext=1"));
    until("the desk knows of the agent", || (server.agent_view(7)["status"] == "online").then_some(()));
    let mut user = tour.talk("bytedesk", &format!("/ws?token={mine}&ext=1"));
    let mut app = tour.talk("kefu", "/ws?ext=1");
    app.act("login", json!({"token": mine}));
    user.beat();
    user.say_wrongly("{");
    user.hear(json!({"type": "error", "code": 400}));
    let say = |peer: &mut Talker<'_>, of_type: &str, action: &str, data: Value| {
        peer.say(json!({"type": of_type, "action": action, "data": data}));
        peer.hear(json!({"type": "ack", "action": action}))["data"].clone()
    };
    let data = json!({"from": "102", "to": "wang", "content": "你好", "timestamp": 1635232823, "client_msg_id": "c-1"});
    let sent = say(&mut user, "message", "send", data);
    let (id, message) = (sent["conversation_id"].clone(), sent["message_id"].as_str().expect("an id").to_owned());
    agent.hear(json!({"type": "message"}));
    for status in ["busy", "online"] {
        let data = json!({"agent_id": "7", "status": status, "timestamp": 1635232823});
        say(&mut agent, "event", "status_change", data);
        user.hear(json!({"type": "event", "action": "status_change"}));
    }
    say(&mut user, "message", "sync", json!({"conversation_id": id, "after_seq": 0}));
    say(&mut agent, "message", "read", json!({"conversation_id": id, "message_ids": [message]}));
    user.hear(json!({"action": "message_read"}));
    say(&mut agent, "message", "typing", json!({"conversation_id": id}));
    user.hear(json!({"type": "event", "action": "typing"}));
    revisions(tour, (&mine, &message), [&mut user, &mut agent], [&mut app, &mut tab, &mut chat]);
    transfers(tour, id.as_str().expect("an id"), [&mine, &theirs, &admin], [&mut user, &mut agent]);
    for peer in [&mut agent, &mut tab, &mut chat, &mut user, &mut app] {
        peer.rest();
    }
}

/// What becomes of a message by REST, and who hears of it: bytedesk's, and kefu, the workbench and webchat.
fn revisions(
    tour: &Tour<'_>,
    (token, message): (&str, &str),
    [user, agent]: [&mut Talker<'_>; 2],
    [app, tab, chat]: [&mut Talker<'_>; 3],
) {
    let (token, of) = (Some(token), format!("/api/v1/messages/{message}"));
    tour.expect(200, &format!("GET {of}"), token, None);
    tour.expect(200, &format!("PUT {of}"), token, Some(json!({"content": "您好"})));
    user.hear(json!({"action": "message_edited"}));
    app.hear(json!({"action": "kefu_message_edited"}));
    tab.hear(json!({"type": "message_edited"}));
    chat.hear(json!({"type": "edited"}));
    tour.expect(200, &format!("DELETE {of}"), token, None);
    agent.hear(json!({"action": "message_recalled"}));
    app.hear(json!({"action": "kefu_message_recalled"}));
    tab.hear(json!({"type": "message_recalled"}));
    chat.hear(json!({"type": "recalled"}));
    tour.expect(409, &format!("PUT {of}"), token, Some(json!({"content": "x"})));
    tour.expect(400, &format!("PUT {of}"), token, Some(json!({})));
    tour.expect(404, "DELETE /api/v1/messages/1", token, None);
    tour.expect(200, "POST /api/v1/messages", token, Some(json!({"to": "auto", "content": "再来"})));
    tour.expect(403, "POST /api/v1/messages", token, Some(json!({"from": "7", "to": "auto", "content": "x"})));
}

/// What becomes of a conversation by REST.
fn transfers(tour: &Tour<'_>, id: &str, [mine, theirs, admin]: [&str; 3], [user, agent]: [&mut Talker<'_>; 2]) {
    let (mine, admin, at) = (Some(mine), Some(admin), format!("/api/v1/conversations/{id}"));
    tour.expect(200, &format!("GET {at}/messages?limit=1"), mine, None);
    tour.expect(200, &format!("GET /api/v1/messages?conversation_id={id}"), mine, None);
    tour.expect(400, "GET /api/v1/messages", mine, None);
    tour.expect(409, &format!("GET {at}/messages?after_seq=99"), mine, None);
    tour.expect(200, "POST /api/v1/conversations", mine, Some(json!({"agent_id": "wang"})));
    tour.expect(400, "POST /api/v1/conversations", admin, Some(json!({})));
    tour.expect(200, "GET /api/v1/conversations?status=active&limit=1", mine, None);
    tour.expect(401, "GET /api/v1/conversations", None, None);
    tour.expect(200, &format!("GET {at}"), mine, None);
    tour.expect(404, "GET /api/v1/conversations/1", mine, None);
    tour.expect(200, &format!("PUT {at}"), Some(theirs), Some(json!({"group_id": "night"})));
    user.hear(json!({"action": "conversation_waiting"}));
    tour.expect(403, &format!("PUT {at}"), mine, Some(json!({"agent_id": 7})));
    tour.expect(409, &format!("PUT {at}"), admin, Some(json!({"agent_id": 1})));
    tour.expect(200, &format!("PUT {at}"), admin, Some(json!({"agent_id": 7})));
    user.hear(json!({"action": "conversation_assigned"}));
    agent.say(json!({"type": "message", "action": "end", "data": {"conversation_id": id}}));
    agent.hear(json!({"type": "ack", "action": "end"}));
    user.hear(json!({"action": "conversation_closed"}));
    tour.expect(200, &format!("PUT {at}"), mine, Some(json!({"status": "closed"})));
    tour.expect(200, &format!("DELETE {at}"), mine, None);
}

fn records(tour: &Tour<'_>) {
    let (admin, user) = (tour.server.token("admin", 1), tour.server.token("user", 100));
    let (admin, user) = (Some(admin.as_str()), Some(user.as_str()));
    let bad = json!({"name": "x", "channel": "PHONE", "channelId": "no number"});
    tour.expect(400, "POST /api/v1/public/customer-token", None, Some(bad));
    let lisi = json!({"name": "李四", "primaryChannel": "WECHAT", "wechatOpenId": "oAbCd1234567890", "phone": "+8613900139000",
        "tags": ["潜在客户"], "notes": "对产品A感兴趣"});
    let made = tour.expect(200, "POST /api/v1/customers", admin, Some(lisi.clone()));
    let id = made["data"]["id"].as_str().expect("an id");
    tour.expect(409, "POST /api/v1/customers", admin, Some(lisi.clone()));
    let wangwu = json!({"name": "王五", "primaryChannel": "WEB"});
    tour.under("customer", 200, "POST /api/v1/customers", admin, &wangwu);
    tour.under("customer", 422, "POST /api/v1/customers", admin, &json!({"name": "x", "primaryChannel": "WEB"}));
    tour.under("a b", 400, "POST /api/v1/customers", admin, &wangwu);
    tour.expect(400, "POST /api/v1/customers", admin, Some(json!({})));
    tour.expect(401, "POST /api/v1/customers", None, Some(lisi));
    tour.expect(200, "GET /api/v1/customers?size=1", admin, None);
    tour.expect(403, "GET /api/v1/customers", user, None);
    tour.expect(400, "GET /api/v1/customers?channel=PIGEON", admin, None);
    tour.expect(200, &format!("GET /api/v1/customers/{id}"), admin, None);
    let nobody = "00000000-0000-4000-8000-000000000000";
    tour.expect(404, &format!("GET /api/v1/customers/{nobody}"), admin, None);
    let change = json!({"tags": ["VIP"], "updatedAt": made["data"]["updatedAt"]});
    tour.expect(200, &format!("PUT /api/v1/customers/{id}"), admin, Some(change));
    let stale = json!({"tags": [], "updatedAt": "2001-01-01T00:00:00Z"});
    tour.expect(409, &format!("PUT /api/v1/customers/{id}"), admin, Some(stale));
    tour.expect(200, &format!("POST /api/v1/customers/{id}/token"), admin, None);
    tour.expect(404, &format!("POST /api/v1/customers/{nobody}/token"), admin, None);
    tour.expect(403, "POST /api/v1/agents/7/token", user, None);
    tour.expect(404, "POST /api/v1/agents/nobody/token", admin, None);
}

/// Agent 1 on kefu, opted in.
fn kefu_agent<'t>(tour: &'t Tour<'t>) -> Talker<'t> {
    let mut agent = tour.talk("kefu", "/ws?ext=1");
    agent.act("login", json!({"token": tour.server.token("agent", 1)}));
    until("the desk knows of the agent", || (tour.server.agent_view(1)["status"] == "online").then_some(()));
    agent
}

/// Agent 7 on webchat.
fn webchat_agent<'t>(tour: &'t Tour<'t>) -> Talker<'t> {
    let token = tour.expect(200, "POST /api/v1/agents/7/token", Some(&tour.server.token("admin", 1)), None);
    tour.talk("webchat", &format!("/ws/chat?token={}", token["data"]["token"].as_str().expect("a token")))
}

fn the_documents_are_kept_by_those_who_have_them(shards: u16) {
    let server = Setup::shards(shards).start();
    for (path, kind) in [
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
    ] {
        let first = server.get(path, None);
        assert_eq!((first.status, first.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(first.header("cache-control"), Some("no-cache"), "{path}");
        let tag = first.header("etag").expect("an entity tag").to_owned();
        for (tags, status) in
            [(tag.clone(), 304), (format!("\"x\", W/{tag}"), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)]
        {
            let again = rest::try_with(server.address, "GET", path, &[("If-None-Match", &tags)], "").unwrap();
            assert_eq!((again.status, again.header("etag")), (status, Some(tag.as_str())), "{path} {tags}");
            assert_eq!(again.body.is_empty(), status == 304, "{path} {tags}");
        }
    }
    let policy = server.get("/docs", None);
    assert!(policy.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
}
