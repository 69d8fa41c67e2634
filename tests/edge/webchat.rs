//! Bad input on webchat's surfaces: each with the answer it gets; the connection stays, others are served.

use serde_json::{Value, json};

use crate::harness::rest::try_raw_body;
use crate::harness::{Server, Setup};

const TOKEN_PATH: &str = "/api/v1/public/customer-token";

#[test]
fn bad_messages() {
    let server = Setup::shards(2).start();
    let mut chat = server.chat(&server.enter("WEB", "one").1, "customer");
    let big = json!({"content": "x", "metadata": {"a": "x".repeat(20_000)}});
    let deep = format!("{{\"content\":\"x\",\"metadata\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let table: [(String, &str); 12] = [
        ("{".into(), "Malformed JSON"),
        ("x".into(), "Malformed JSON"),
        ("[]".into(), "JSON must be an object"),
        ("\"a\"".into(), "JSON must be an object"),
        (deep, "JSON is nested too deeply"),
        ("{}".into(), "content is required"),
        (json!({"content": 1}).to_string(), "content must be a string"),
        (json!({"content": "x", "senderId": {}}).to_string(), "senderId must be"),
        (json!({"content": "x", "conversationId": {}}).to_string(), "conversationId must be"),
        (big.to_string(), "metadata must be"),
        (json!({"content": "x", "client_msg_id": ""}).to_string(), "client_msg_id must be"),
        (json!({"content": "x", "type": "login"}).to_string(), "Unknown type: login"),
    ];
    for (text, what) in table {
        chat.text(&text);
        let heard = chat.heard();
        let said = heard["message"].as_str().unwrap_or_default();
        let is_error = heard["type"] == "error" && heard["code"] == 400;
        assert!(is_error && said.starts_with(what), "{}: {heard}", text.chars().take(80).collect::<String>());
    }
    chat.assert_quiet();
    server.assert_healthy("bad messages");
}

#[test]
fn bad_requests_for_tokens() {
    let server = Setup::shards(2).start();
    let long = "x".repeat(200);
    let ask = |body: &str| try_raw_body(server.address, "POST", TOKEN_PATH, None, body).expect("an answer");
    let field = |name: &str, value: Value| {
        let mut body = json!({"name": "张三", "channel": "WEB", "channelId": "web_1"});
        body[name] = value;
        body.to_string()
    };
    for (body, what) in [
        ("{".to_owned(), "Malformed JSON"),
        ("[]".to_owned(), "JSON must be an object"),
        ("{}".to_owned(), "name is required"),
        (field("name", json!("")), "name is required"),
        (field("name", json!(long)), "name must be 1 to 128 characters"),
        (field("channel", json!("FAX")), "channel must be one of WEB"),
        (field("channel", json!(1)), "channel must be a string"),
        (field("channelId", json!(null)), "channelId is required"),
        (field("channelId", json!(5)), "channelId must be a string"),
        (field("channelId", json!(long)), "channelId must be 1 to 128 characters"),
        (field("channelId", json!("a\u{0}b")), "channelId must be 1 to 128 characters"),
        (field("signature", json!([])), "signature must be a string"),
    ] {
        let reply = ask(&body);
        let said = reply.json();
        let text = said["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && said["success"] == false && text.starts_with(what), "{body}: {said}");
    }
    assert_eq!(server.request("GET", TOKEN_PATH, None, None).status, 405);
    server.assert_healthy("bad requests for tokens");
}

/// Upgrades that wait for storage and are left meanwhile leave nothing behind.
#[test]
fn upgrades_that_are_left() {
    let server = Setup::shards(2).start();
    let (_, token) = server.enter("WEB", "one");
    let head = |token: &str| {
        format!(
            "GET /ws/chat?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    // Each look at the figures is a connection, too.
    let opened = || server.metric("switchboard_connections_opened_total", "");
    let (before, mut looks) = (opened(), 0);
    for round in 0..200 {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let unknown = "cust_a1b2c3d4-e5f6-7890-abcd-ef1234567890";
        stream.write_all(head(if round % 2 == 0 { &token } else { unknown }).as_bytes()).unwrap();
    }
    crate::harness::until("all were accepted", || {
        looks += 1;
        (opened() >= before + f64::from(200 + looks)).then_some(())
    });
    crate::harness::until("nobody left", || (server.connections() == 0).then_some(()));
    server.chat(&token, "customer").assert_quiet();
    server.assert_healthy("upgrades that are left");
}

/// What is sent right behind the upgrade, before its answer, is not lost.
#[test]
fn a_message_right_behind_the_upgrade() {
    let server: Server = Setup::shards(2).start();
    let mut agent = server.login("agent", 1);
    for number in 0..8 {
        use std::io::{Read, Write};
        let (_, token) = server.enter("WEB", &format!("web_{number}"));
        let mut bytes = format!(
            "GET /ws/chat?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes();
        let text = format!("{{\"content\":\"early {number}\"}}");
        bytes.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
        bytes.extend(text.as_bytes());
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        stream.write_all(&bytes).unwrap();
        assert_eq!(agent.push("kefu_message")["content"], format!("early {number}"));
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
    }
}

/// Nothing that is read while it is being found out whose an upgrade is overtakes what came with it, or is lost.
#[test]
fn many_messages_right_behind_the_upgrade_keep_their_order() {
    use std::io::Write;
    const MESSAGES: usize = 50;
    let server: Server = Setup::shards(2).start();
    let mut agent = server.login("agent", 1);
    let tokens: Vec<_> = (0..4).map(|number| server.enter("WEB", &format!("web_{number}")).1).collect();
    for round in 0..100 {
        let token = &tokens[round % tokens.len()];
        let frame = |number: usize| {
            let text = format!("{{\"content\":\"{round} {number}\"}}");
            [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
        };
        let mut first = format!(
            "GET /ws/chat?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes();
        first.extend(frame(1));
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&first).unwrap();
        for number in 2..=MESSAGES {
            stream.write_all(&frame(number)).unwrap();
        }
        for number in 1..=MESSAGES {
            assert_eq!(agent.push("kefu_message")["content"], format!("{round} {number}"));
        }
    }
}
