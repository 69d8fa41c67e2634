//! Malformed, oversized and slow HTTP, and upgrades that are none (RFC 9110, 9112, RFC 6455 section 4.2).

use std::time::{Duration, Instant};

use serde_json::json;

use super::SLACK_KIB;
use crate::harness::raw::{FIN, TEXT, masked, upgrade};
use crate::harness::{PATIENCE, Raw, Server, Setup};

/// One request as bytes and the statuses that are right for it.
struct Case(&'static str, Vec<u8>, &'static [u16]);

fn case(name: &'static str, request: impl Into<Vec<u8>>, statuses: &'static [u16]) -> Case {
    Case(name, request.into(), statuses)
}

/// Each case is answered with its status (or, where nothing can be answered, closed) and others are served.
fn run(server: &Server, cases: Vec<Case>) {
    for Case(name, request, statuses) in cases {
        let mut raw = Raw::connect(server.address);
        raw.send(&request);
        match raw.reply() {
            Some(reply) => assert!(statuses.contains(&reply.status), "{name}: {} {}", reply.status, reply.text()),
            None => assert!(statuses.contains(&0), "{name}: closed without an answer"),
        }
        if !statuses.contains(&200) && !statuses.contains(&101) {
            server.assert_healthy(name);
        }
    }
}

#[test]
fn malformed_requests() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let post = "POST /api/v1/agents HTTP/1.1\r\nHost: x\r\n";
    let cases = vec![
        case("no HTTP at all", "hello, is this a mail server?\r\n\r\n", &[400]),
        case("bytes of a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400, 0]),
        case("NUL in the request line", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[400]),
        case("no version", "GET /livez\r\n\r\n", &[400]),
        case("version 2.0", "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", &[400, 505]),
        case("no Host", "GET /livez HTTP/1.1\r\n\r\n", &[400]),
        case("two Hosts", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
        case("space before the colon", "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", &[400]),
        case("a folded header", "GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", &[400]),
        case("a header without a colon", "GET /livez HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", &[400]),
        case("two Content-Length", format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), &[400]),
        case("two equal Content-Length", format!("{post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"), &[400]),
        case(
            "Content-Length and Transfer-Encoding",
            format!("{post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            &[400],
        ),
        case("a negative Content-Length", format!("{post}Content-Length: -1\r\n\r\n"), &[400]),
        case("a Content-Length with a plus", format!("{post}Content-Length: +2\r\n\r\n{{}}"), &[400]),
        case(
            "a Content-Length beyond 64 bits",
            format!("{post}Content-Length: 99999999999999999999999\r\n\r\n"),
            &[400, 413],
        ),
        case("a body announced too large", format!("{post}Content-Length: 1000000000\r\n\r\n"), &[413]),
        case("an unknown transfer coding", format!("{post}Transfer-Encoding: gzip\r\n\r\n"), &[400, 501]),
        case("a chunk size that is none", format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), &[400, 401]),
        case("an unknown method", "BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n", &[404, 405, 501]),
        case("an unknown path", "GET /nothing/here HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        case("a path out of the tree", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", &[400, 404]),
        case("a good one", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", &[200]),
        case("a good HTTP/1.0 one", "GET /livez HTTP/1.0\r\n\r\n", &[200]),
    ];
    run(&server, cases);
    server.assert_memory_back(before, SLACK_KIB);
}

#[test]
fn large_heads_and_bodies() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let big = 1 << 20;
    let many: String = (0..5000).map(|n| format!("X-{n}: y\r\n")).collect();
    let token = server.token("admin", 1);
    let body = |length: usize| format!("{{\"id\":77,\"name\":\"{}\"}}", "n".repeat(length));
    let post = |body: &str| {
        format!(
            "POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let cases = vec![
        case("a 1 MB header", format!("GET /livez HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(big)), &[431]),
        case("a 1 MB header name", format!("GET /livez HTTP/1.1\r\n{}: b\r\n\r\n", "a".repeat(big)), &[431]),
        case("a 1 MB request line", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(big)), &[414, 431]),
        case("1 MB without any line end", "a".repeat(big), &[400, 431]),
        case("five thousand headers", format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n"), &[431]),
        case("a body of 1 MB", post(&body(big)), &[413]),
        case("a name too long", post(&body(60_000)), &[400]),
        case(
            "endless chunks",
            format!(
                "POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunk.repeat(16)
            ),
            &[413],
        ),
    ];
    run(&server, cases);
    server.assert_memory_back(before, SLACK_KIB);
}

#[test]
fn upgrades_that_are_none() {
    let server = Setup::shards(2).start();
    let good = upgrade(server.address, "/ws", "");
    let own = format!("Origin: http://{}\r\n", server.address);
    let with = |more: &str| upgrade(server.address, "/ws", more);
    let cases = vec![
        case("version 12", good.replace("Version: 13", "Version: 12"), &[426]),
        case("no version", good.replace("Sec-WebSocket-Version: 13\r\n", ""), &[400, 426]),
        case("no key", good.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), &[400]),
        case("a key that is too short", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), &[400]),
        case("a key that is no base64", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!=="), &[400]),
        case("HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0"), &[400, 426, 505]),
        case("POST", good.replace("GET /ws", "POST /ws"), &[400, 405]),
        case("no Upgrade header", good.replace("Upgrade: websocket\r\n", ""), &[400, 426]),
        case("another site", with("Origin: https://evil.example\r\n"), &[403]),
        case(
            "a site with a similar name",
            with(&format!("Origin: http://{}.evil.example\r\n", server.address)),
            &[403],
        ),
        case("the echo is off", upgrade(server.address, "/ws/echo", ""), &[404]),
        case("another path", upgrade(server.address, "/ws/other", ""), &[404]),
        case("a good one", good.clone(), &[101]),
        case("same origin", with(&own), &[101]),
        case("a loopback origin", with("Origin: http://localhost:5173\r\n"), &[101]),
        case("a page opened from a file", with("Origin: null\r\n"), &[101]),
        case(
            "Connection with several tokens",
            good.replace("Connection: Upgrade", "Connection: keep-alive, upgrade"),
            &[101],
        ),
    ];
    run(&server, cases);
    let mut raw = Raw::connect(server.address);
    raw.send(good.as_bytes());
    let reply = raw.reply().expect("it is answered");
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455, 1.3");
    assert_eq!(reply.header("sec-websocket-extensions"), None, "no compression is offered");
    let mut raw = Raw::connect(server.address);
    raw.send(good.replace("Version: 13", "Version: 99").as_bytes());
    assert_eq!(raw.reply().expect("it is answered").header("sec-websocket-version"), Some("13"));
    let mut raw = Raw::connect(server.address);
    raw.send(with("Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n").as_bytes());
    let reply = raw.reply().expect("it is answered");
    assert_eq!((reply.status, reply.header("sec-websocket-extensions")), (101, None));
}

/// One byte a second never ends; the deadline for a request does. Meanwhile others are served.
#[test]
fn slow_heads_and_bodies() {
    let server = Setup::shards(2).env("SWITCHBOARD_HEAD_TIMEOUT", "2s").start();
    let token = server.token("admin", 1);
    let body = format!(
        "POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
    );
    for (name, start, drip) in [
        ("slow headers", String::new(), "GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n"),
        ("a head that stops", "GET /livez HTTP/1.1\r\nHo".to_owned(), ""),
        ("a slow body", body, "{\"name\": \"                                       "),
    ] {
        let mut raw = Raw::connect(server.address);
        raw.send(start.as_bytes());
        let began = Instant::now();
        let mut dripping = drip.bytes();
        let ended = loop {
            assert!(began.elapsed() < PATIENCE, "{name}: still open after {PATIENCE:?}");
            if let Some(byte) = dripping.next() {
                raw.send(&[byte]);
            }
            raw.stream().set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let mut byte = [0; 512];
            match std::io::Read::read(&mut raw.stream(), &mut byte) {
                Ok(0) => break "closed".to_owned(),
                Ok(n) => break String::from_utf8_lossy(&byte[..n]).into_owned(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break "closed".to_owned(),
                Err(_) => server.assert_healthy(name),
            }
        };
        assert!(ended == "closed" || ended.starts_with("HTTP/1.1 408"), "{name}: {ended}");
        assert!(began.elapsed() >= Duration::from_millis(1500), "{name}: cut off at once");
    }
    // Somebody who says nothing at all holds nothing but a socket, and not for ever.
    let mut silent = Raw::connect(server.address);
    silent.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(silent.reply().expect("a good request is answered").status, 200);
}

/// Requests piled up behind one another are answered in order or refused, never queued without bound
/// (CVE-2026-100658).
#[test]
fn pipelined_requests() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let mut raw = Raw::connect(server.address);
    raw.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20).as_bytes());
    for n in 0..20 {
        let reply = raw.reply().unwrap_or_else(|| panic!("answer {n} of 20"));
        assert_eq!(reply.status, 200);
    }
    // Endless requests by one who reads no answer: it is slowed or closed, memory stays.
    let mut flood = Raw::connect(server.address);
    flood.stream().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let chunk = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(10) && flood.send(chunk.as_bytes()) {
        sent += chunk.len();
        let now = server.resident_kib();
        assert!(now < before + SLACK_KIB, "{before} KiB before, {now} KiB behind {sent} bytes of requests");
    }
    server.assert_healthy("a flood of pipelined requests");
    drop(flood);
    // Frames sent right behind the upgrade, in one segment, are read as frames.
    let mut eager = Raw::connect(server.address);
    let mut bytes = upgrade(server.address, "/ws", "").into_bytes();
    bytes.extend(masked(FIN | TEXT, b"ping"));
    bytes.extend(masked(FIN | TEXT, br#"{"action":"ping","op_id":2}"#));
    eager.send(&bytes);
    assert_eq!(eager.reply().expect("the upgrade is answered").status, 101);
    assert_eq!(eager.frame(), Some((TEXT, b"pong".to_vec())));
    let (_, answer) = eager.frame().expect("the second frame is answered");
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["op_id"], json!(2));
    // A request behind the upgrade is no frame: a protocol error.
    let mut mixed = Raw::connect(server.address);
    let two = format!("{}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", upgrade(server.address, "/ws", ""));
    mixed.send(two.as_bytes());
    assert_eq!(mixed.reply().expect("the upgrade is answered").status, 101);
    assert_eq!(mixed.close_code(), 1002);
    server.assert_memory_back(before, SLACK_KIB);
}

#[test]
fn numbers_that_are_none() {
    let server = Setup::shards(2).start();
    let id = server.conversation_id(100);
    let status = |query: &str| {
        let reply = server.get(&format!("/api/kefu/message/list{query}"), Some(("user", 100)));
        assert_eq!(reply.json()["code"], reply.status, "{query}");
        reply.status
    };
    for query in [
        String::new(),
        "?conversation_id=".to_owned(),
        "?conversation_id=abc".to_owned(),
        "?conversation_id=1.5".to_owned(),
        format!("?conversation_id={id}&page_size=0"),
        format!("?conversation_id={id}&page_size=-1"),
        format!("?conversation_id={id}&page_size=ten"),
        format!("?conversation_id={id}&page=0"),
        format!("?conversation_id={id}&page=-5"),
        format!("?conversation_id={id}&page=1e3"),
    ] {
        assert_eq!(status(&query), 400, "{query}");
    }
    // An escape that is none is refused before anybody knows whose parameter it is.
    let escape = server.get("/api/kefu/message/list?conversation_id=%zz", Some(("user", 100)));
    assert_eq!(escape.status, 400);
    for none in ["0", "1", "4096", "-7", "9007199254740991", "9007199254740992", "18446744073709551616"] {
        let status = status(&format!("?conversation_id={none}"));
        assert!(matches!(status, 400 | 404), "{none}: {status}");
    }
    assert_eq!(status(&format!("?conversation_id={id}&page_size=1000000000")), 200);
    assert_eq!(status(&format!("?conversation_id={id}&page=1000000000&page_size=100")), 200);
    server.assert_healthy("numbers that are none");
}
