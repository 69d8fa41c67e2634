//! Frames that break RFC 6455, each with the close code it gets (section 7.4.1).

use std::time::Duration;

use super::SLACK_KIB;
use crate::harness::raw::{BINARY, CLOSE, FIN, PING, PONG, TEXT, head, masked};
use crate::harness::{Raw, Server, Setup};

const PROTOCOL_ERROR: u16 = 1002;
const UNSUPPORTED_DATA: u16 = 1003;
const INVALID_PAYLOAD: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// After these bytes the server closes with this code, and others are served.
#[track_caller]
fn closes(server: &Server, name: &str, bytes: &[u8], code: u16) {
    let mut raw = Raw::upgraded(server.address, "/ws");
    raw.send(bytes);
    assert_eq!(raw.close_code(), code, "{name}");
    server.assert_healthy(name);
}

/// A text frame's whole head, its mask included, without any payload.
fn announced(length: u64) -> Vec<u8> {
    [head(FIN | TEXT, length, true), vec![1, 2, 3, 4]].concat()
}

#[test]
fn broken_frames() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    let mut unmasked = head(FIN | TEXT, 4, false);
    unmasked.extend(b"ping");
    closes(&server, "an unmasked frame", &unmasked, PROTOCOL_ERROR);
    for bit in [0x40, 0x20, 0x10] {
        closes(&server, "a reserved bit", &masked(FIN | bit | TEXT, b"x"), PROTOCOL_ERROR);
        closes(&server, "a reserved bit on a ping", &masked(FIN | bit | PING, b""), PROTOCOL_ERROR);
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        closes(&server, &format!("reserved opcode {opcode}"), &masked(FIN | opcode, b"x"), PROTOCOL_ERROR);
    }
    closes(&server, "a ping of 126 bytes", &masked(FIN | PING, &[b'x'; 126]), PROTOCOL_ERROR);
    closes(&server, "a ping in fragments", &masked(PING, b"x"), PROTOCOL_ERROR);
    closes(&server, "a close in fragments", &masked(CLOSE, &[3, 232]), PROTOCOL_ERROR);
    closes(&server, "a continuation of nothing", &masked(FIN, b"x"), PROTOCOL_ERROR);
    let inside = [masked(TEXT, b"x"), masked(FIN | TEXT, b"y")].concat();
    closes(&server, "a new message inside another", &inside, PROTOCOL_ERROR);
    closes(&server, "a length not in its shortest form (16)", &[FIN | TEXT, 0xfe, 0, 5], PROTOCOL_ERROR);
    closes(
        &server,
        "a length not in its shortest form (64)",
        &[FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 0, 1, 0],
        PROTOCOL_ERROR,
    );
    closes(&server, "a length with its top bit set", &[FIN | TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], PROTOCOL_ERROR);
    closes(&server, "a binary message", &masked(FIN | BINARY, b"x"), UNSUPPORTED_DATA);
    // Judged by the header: not a byte of the payload has come.
    closes(&server, "a message announced too large", &announced(65_537), TOO_BIG);
    closes(&server, "a message of 2^62 bytes", &announced(1 << 62), TOO_BIG);
    let large = [masked(TEXT, &[b' '; 40_000]), masked(0, &[b' '; 40_000])].concat();
    closes(&server, "a message too large in fragments", &large, TOO_BIG);
    server.assert_memory_back(before, SLACK_KIB);
}

#[test]
fn text_that_is_none() {
    let server = Setup::shards(2).start();
    for bad in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"abc\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        closes(&server, "bad UTF-8", &masked(FIN | TEXT, bad), INVALID_PAYLOAD);
        // Fail fast: the message is not finished, and never will be.
        closes(&server, "bad UTF-8 in an unfinished message", &masked(TEXT, bad), INVALID_PAYLOAD);
        let mut unfinished = masked(FIN | TEXT, &[bad, &[b'x'; 60]].concat());
        unfinished.truncate(6 + bad.len());
        closes(&server, "bad UTF-8 in an unfinished frame", &unfinished, INVALID_PAYLOAD);
    }
    closes(&server, "half a character at the end", &masked(FIN | TEXT, b"\xe4\xbd"), INVALID_PAYLOAD);
    let halves = [masked(TEXT, b"\xe4\xbd"), masked(FIN, b"x")].concat();
    closes(&server, "half a character, then another", &halves, INVALID_PAYLOAD);
    // A character split between fragments is one.
    let mut raw = Raw::upgraded(server.address, "/ws");
    for (first, part) in [(TEXT, &b"{\"type\":\"ping\",\"x\":\"\xe4"[..]), (0, b"\xbd"), (FIN, b"\xa0\"}")] {
        raw.send(&masked(first, part));
    }
    assert_eq!(raw.frame(), Some((TEXT, br#"{"type":"pong"}"#.to_vec())));
}

#[test]
fn close_frames() {
    let server = Setup::shards(2).start();
    let close = |code: u16, reason: &[u8]| masked(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let mut raw = Raw::upgraded(server.address, "/ws");
        raw.send(&close(code, "再见".as_bytes()));
        assert_eq!(raw.close_code(), code, "a good code comes back");
        raw.assert_ended();
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        closes(&server, &format!("close code {code}"), &close(code, b""), PROTOCOL_ERROR);
    }
    closes(&server, "a close of one byte", &masked(FIN | CLOSE, b"x"), PROTOCOL_ERROR);
    closes(&server, "a reason that is no UTF-8", &close(1000, b"\xff"), INVALID_PAYLOAD);
    let mut raw = Raw::upgraded(server.address, "/ws");
    raw.send(&masked(FIN | CLOSE, b""));
    let code = raw.close_code();
    assert!(matches!(code, 1000 | 1005), "an empty close is answered: {code}");
    raw.assert_ended();
    // What comes behind a close is not read.
    let mut raw = Raw::upgraded(server.address, "/ws");
    raw.send(&[close(1000, b""), masked(FIN | TEXT, b"ping")].concat());
    assert_eq!(raw.frame().map(|(opcode, _)| opcode), Some(CLOSE));
    raw.assert_ended();
}

#[test]
fn a_good_frame_before_a_bad_one_is_answered() {
    let server = Setup::shards(2).start();
    let mut raw = Raw::upgraded(server.address, "/ws");
    raw.send(&[masked(FIN | TEXT, b"ping"), masked(FIN | PING, b"p"), masked(FIN | 0x40 | TEXT, b"x")].concat());
    assert_eq!(raw.frame(), Some((TEXT, b"pong".to_vec())));
    assert_eq!(raw.frame(), Some((PONG, b"p".to_vec())));
    assert_eq!(raw.close_code(), PROTOCOL_ERROR);
    raw.assert_ended();
}

/// Control frames between fragments are answered at once; a message in one-byte fragments, each in a
/// segment of its own, is a message.
#[test]
fn fragments_and_control_frames() {
    let server = Setup::shards(2).start();
    let text = r#"{"action":"ping","op_id":"你好"}"#.as_bytes();
    let mut raw = Raw::upgraded(server.address, "/ws");
    for (n, byte) in text.iter().enumerate() {
        let first = if n == 0 { TEXT } else { 0 };
        let fin = if n + 1 == text.len() { FIN } else { 0 };
        if n % 7 == 3 {
            raw.send(&masked(FIN | PING, &[n as u8]));
            assert_eq!(raw.frame(), Some((PONG, vec![n as u8])), "at once");
        }
        raw.send(&masked(first | fin, &[*byte]));
    }
    let (opcode, answer) = raw.frame().expect("an answer");
    assert_eq!(opcode, TEXT);
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["op_id"], "你好");
    // The same bytes, cut anywhere.
    let whole = masked(FIN | TEXT, text);
    let mut raw = Raw::upgraded(server.address, "/ws");
    for byte in &whole {
        raw.send(&[*byte]);
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(raw.frame().is_some());
    // A message of the largest legal size, and many fragments of little.
    let mut large = br#"{"type":"ping"}"#.to_vec();
    large.resize(65_536, b' ');
    raw.send(&masked(FIN | TEXT, &large));
    assert_eq!(raw.frame(), Some((TEXT, br#"{"type":"pong"}"#.to_vec())));
}

/// Endless tiny fragments cost their sender its connection and nobody else anything (CVE-2026-62389). An
/// empty fragment costs, too; 65,536 of them are within a message of the largest size.
#[test]
fn endless_fragments() {
    let server = Setup::shards(2).start();
    let before = server.resident_kib();
    for payload in [&b""[..], b"x"] {
        let mut raw = Raw::upgraded(server.address, "/ws");
        raw.stream().set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        raw.send(&masked(TEXT, payload));
        let chunk = masked(0, payload).repeat(4096);
        // A server that has closed need not read on, so sending may fail from then on.
        for round in 0..40 {
            if !raw.send(&chunk) {
                break;
            }
            if round % 8 == 0 {
                server.assert_healthy("some of the endless fragments");
            }
        }
        assert_eq!(raw.close_code(), TOO_BIG, "fragments of {} bytes", payload.len());
        server.assert_healthy("endless fragments");
    }
    server.assert_memory_back(before, SLACK_KIB);
}
