//! Tests of RFC 6455, written from the standard; tungstenite is the independent peer.

use std::io::{Cursor, Read, Write};
use std::ops::ControlFlow;

use proptest::prelude::*;
use tungstenite::protocol::Role as PeerRole;
use tungstenite::{Message, WebSocket};

use super::handshake::{self, Answer, HandshakeError};
use super::*;
use crate::http::{HeadScan, Response, parse_request};
use crate::model::limits::{ECHO_MESSAGE_MAX_BYTES, FRAGMENTS_FREE, MESSAGE_MAX_BYTES};

const SERVER: Limits = Limits { message_max_bytes: MESSAGE_MAX_BYTES, binary: true, role: Role::Server };
const CLIENT: Limits = Limits { role: Role::Client, ..SERVER };
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An owned `Incoming`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Seen {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(String::from_utf8(text.to_vec()).expect("text is valid UTF-8")),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close(frame) => Self::Close(frame.map(|frame| (frame.code.get(), frame.reason.to_owned()))),
        }
    }
}

/// Feeds pieces of the given sizes (repeated) and returns what was seen, and the violation if any.
fn read(bytes: &[u8], limits: &Limits, sizes: &[usize]) -> (Vec<Seen>, Option<Violation>, Assembler) {
    let (mut seen, mut assembler, mut rest) = (Vec::new(), Assembler::default(), bytes);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*size).min(rest.len()));
        rest = later;
        let mut sink = |incoming: Incoming<'_>| {
            seen.push(Seen::from(incoming));
            ControlFlow::Continue(())
        };
        if let Err(violation) = assembler.feed(&mut piece.to_vec(), limits, &mut sink) {
            return (seen, Some(violation), assembler);
        }
    }
    (seen, None, assembler)
}

fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked(&mut out, opcode, fin, payload, KEY);
    out
}

/// Expects this code, whole and byte by byte, and these deliveries before it.
fn refused(bytes: &[u8], code: u16, before: &[Seen]) {
    for size in [bytes.len(), 1, 3] {
        let (seen, violation, _) = read(bytes, &SERVER, &[size]);
        assert_eq!(violation.map(|v| v.code.get()), Some(code), "{bytes:02x?} in pieces of {size}");
        assert_eq!(seen, before, "{bytes:02x?} in pieces of {size}");
    }
}

/// The examples of RFC 6455 section 5.7.
#[test]
fn examples_of_the_standard() {
    let hello = || Seen::Text("Hello".into());
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&unmasked, &CLIENT, &[99]).0, [hello()]);
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(frame(Opcode::Text, true, b"Hello"), masked);
    for size in 1..=masked.len() {
        assert_eq!(read(&masked, &SERVER, &[size]).0, [hello()], "in pieces of {size}");
    }
    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(&fragmented, &CLIENT, &[99]).0, [hello()]);
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&ping, &CLIENT, &[99]).0, [Seen::Ping(b"Hello".into())]);
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(&pong, &SERVER, &[99]).0, [Seen::Pong(b"Hello".into())]);
    assert_eq!(encode_header(Opcode::Binary, true, 256), ([0x82, 0x7e, 1, 0, 0, 0, 0, 0, 0, 0], 4));
    assert_eq!(encode_header(Opcode::Binary, true, 65536), ([0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], 10));
}

#[test]
fn rules_of_the_header() {
    let rows: &[(&[u8], &str)] = &[
        (&[0x81, 0x05], "unmasked"),
        (&[0xc1, 0x80], "RSV1"),
        (&[0xa1, 0x80], "RSV2"),
        (&[0x91, 0x80], "RSV3"),
        (&[0x83, 0x80], "opcode 3"),
        (&[0x87, 0x80], "opcode 7"),
        (&[0x8b, 0x80], "opcode 11"),
        (&[0x8f, 0x80], "opcode 15"),
        (&[0x09, 0x80], "fragmented ping"),
        (&[0x08, 0x80], "fragmented close"),
        (&[0x89, 0xfe], "long ping"),
        (&[0x88, 0xff], "long close"),
        (&[0x81, 0xfe, 0, 125], "16-bit length not minimal"),
        (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], "64-bit length not minimal"),
        (&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], "64-bit length with top bit"),
        (&[0x80, 0x80, 1, 2, 3, 4], "continuation of nothing"),
        (&[0x00, 0x80, 1, 2, 3, 4], "unfinished continuation of nothing"),
    ];
    for (bytes, what) in rows {
        let mut valid_first = frame(Opcode::Text, true, b"ok");
        valid_first.extend_from_slice(bytes);
        refused(&valid_first, 1002, &[Seen::Text("ok".into())]);
        assert!(read(bytes, &SERVER, &[1]).1.is_some(), "{what}: no more bytes are needed");
    }
    assert_eq!(read(&[0x81, 0x85], &CLIENT, &[9]).1.map(|v| v.code), Some(CloseCode::PROTOCOL_ERROR), "masked server");
}

#[test]
fn a_new_message_inside_a_fragmented_one_is_refused() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let bytes = [frame(Opcode::Text, false, b"a"), frame(opcode, true, b"b")].concat();
        refused(&bytes, 1002, &[]);
    }
}

#[test]
fn control_frames_between_fragments_come_at_once() {
    let bytes = [
        frame(Opcode::Text, false, "你".as_bytes()),
        frame(Opcode::Ping, true, b"1"),
        frame(Opcode::Continuation, false, b""),
        frame(Opcode::Pong, true, &[7; 125]),
        frame(Opcode::Continuation, true, b"!"),
    ]
    .concat();
    let expected = [Seen::Ping(b"1".into()), Seen::Pong(vec![7; 125]), Seen::Text("你!".into())];
    for size in 1..=bytes.len() {
        let (seen, violation, assembler) = read(&bytes, &SERVER, &[size]);
        assert_eq!((seen.as_slice(), violation), (expected.as_slice(), None), "in pieces of {size}");
        assert!(assembler.is_idle());
    }
    let (seen, _, assembler) = read(&bytes[..bytes.len() - 1], &SERVER, &[5]);
    assert_eq!(seen, expected[..2], "before the message is complete");
    assert!(!assembler.is_idle() && assembler.held_bytes() > 0);
}

#[test]
fn text_fails_at_its_first_bad_byte() {
    // Sections 8.1 and 10.7; the shapes of bad UTF-8 of RFC 3629.
    for bad in [&b"a\xff"[..], b"\xc0", b"\xed\xa0", b"\xf4\x90", b"\xe0\x80", b"\xf5", b"\x80", b"\xe4\xbd\x41"] {
        refused(&frame(Opcode::Text, true, bad), 1007, &[]);
        // Inside an unfinished fragment of an unfinished message.
        let mut open = frame(Opcode::Text, false, &[bad, &[b'x'; 100]].concat());
        open.truncate(6 + bad.len());
        refused(&open, 1007, &[]);
        // The character is split over two fragments.
        let (first, second) = bad.split_at(1);
        let split = [frame(Opcode::Text, false, first), frame(Opcode::Continuation, false, second)].concat();
        refused(&split, 1007, &[]);
    }
    for cut in [&b"\xe4"[..], b"\xe4\xbd", b"\xf0\x9f\x98"] {
        refused(&frame(Opcode::Text, true, cut), 1007, &[]);
        let (_, violation, _) = read(&frame(Opcode::Text, false, cut), &SERVER, &[1]);
        assert_eq!(violation, None, "an incomplete character may go on in the next fragment");
        let ended = [frame(Opcode::Text, false, cut), frame(Opcode::Continuation, true, b"")].concat();
        refused(&ended, 1007, &[]);
    }
    assert_eq!(read(&frame(Opcode::Binary, true, b"\xff"), &SERVER, &[1]).0, [Seen::Binary(b"\xff".into())]);
}

#[test]
fn close_frames() {
    let close = |code: u16, reason: &[u8]| frame(Opcode::Close, true, &[&code.to_be_bytes(), reason].concat());
    assert_eq!(read(&frame(Opcode::Close, true, b""), &SERVER, &[9]).0, [Seen::Close(None)]);
    refused(&frame(Opcode::Close, true, b"\x03"), 1002, &[]);
    for code in 0..=u16::MAX {
        let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let (seen, violation, _) = read(&close(code, "再见".as_bytes()), &SERVER, &[99]);
        if valid {
            assert_eq!((seen, violation), (vec![Seen::Close(Some((code, "再见".into())))], None));
        } else {
            assert_eq!((seen.len(), violation.map(|v| v.code)), (0, Some(CloseCode::PROTOCOL_ERROR)), "{code}");
        }
    }
    refused(&close(1000, b"\xff"), 1007, &[]);
    refused(&close(1000, b"\xe4\xbd"), 1007, &[]);
    // What follows a close is not read.
    let mut after = close(1000, b"");
    let end = after.len();
    after.extend_from_slice(b"garbage");
    let mut count = 0;
    let consumed = Assembler::default().feed(&mut after, &SERVER, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((consumed, count), (Ok(end), 1));
}

#[test]
fn limits_are_judged_from_the_header() {
    let full = vec![b'a'; MESSAGE_MAX_BYTES];
    // One byte at a time as well: work that grew with the square of the length would show.
    for size in [1000, 1] {
        let (seen, violation, _) = read(&frame(Opcode::Text, true, &full), &SERVER, &[size]);
        assert_eq!((seen.len(), violation), (1, None));
    }
    let over = frame(Opcode::Text, true, &vec![b'a'; MESSAGE_MAX_BYTES + 1]);
    refused(&over[..14], 1009, &[]);
    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    refused(&huge, 1009, &[]);
    let parts = [frame(Opcode::Text, false, &full), frame(Opcode::Continuation, true, b"a")].concat();
    let (seen, violation, _) = read(&parts, &SERVER, &[1000]);
    assert_eq!((seen.len(), violation.map(|v| v.code)), (0, Some(CloseCode::MESSAGE_TOO_BIG)));
    let no_binary = Limits { binary: false, ..SERVER };
    let (_, violation, _) = read(&frame(Opcode::Binary, true, b"x")[..6], &no_binary, &[1]);
    assert_eq!(violation.map(|v| v.code), Some(CloseCode::UNSUPPORTED_DATA));
}

#[test]
fn a_declared_length_takes_no_memory() {
    let limits = Limits { message_max_bytes: ECHO_MESSAGE_MAX_BYTES, ..SERVER };
    let bytes = frame(Opcode::Binary, true, &vec![1; ECHO_MESSAGE_MAX_BYTES]);
    let (_, _, assembler) = read(&bytes[..100], &limits, &[100]);
    assert!(assembler.held_bytes() < 1024, "{} bytes held for 100", assembler.held_bytes());
    let (_, _, assembler) = read(&bytes[..1 << 20], &limits, &[4096]);
    assert!(assembler.held_bytes() <= (2 << 20) + 1024);
}

#[test]
fn a_legal_message_may_come_in_65536_fragments_but_not_in_endless_ones() {
    let mut bytes = frame(Opcode::Text, false, b"a");
    for _ in 2..FRAGMENTS_FREE {
        bytes.extend(frame(Opcode::Continuation, false, b"a"));
    }
    let open = bytes.len();
    bytes.extend(frame(Opcode::Continuation, true, b"a"));
    let (seen, violation, _) = read(&bytes, &SERVER, &[65_536]);
    assert_eq!((seen.len(), violation), (1, None));
    bytes.truncate(open);
    for _ in 0..2 * MESSAGE_MAX_BYTES {
        bytes.extend(frame(Opcode::Continuation, false, b""));
    }
    let (seen, violation, _) = read(&bytes, &SERVER, &[65_536]);
    assert_eq!((seen.len(), violation.map(|v| v.code)), (0, Some(CloseCode::MESSAGE_TOO_BIG)));
}

#[test]
fn a_sink_that_breaks_off_leaves_the_rest() {
    let first = frame(Opcode::Text, true, b"login");
    let mut bytes = [first.clone(), frame(Opcode::Text, true, b"next")].concat();
    let mut assembler = Assembler::default();
    let consumed = assembler.feed(&mut bytes, &SERVER, &mut |_| ControlFlow::Break(()));
    assert_eq!(consumed, Ok(first.len()));
    assert!(assembler.is_idle());
    // The rest is untouched and is read on another thread.
    let rest = bytes.split_off(first.len());
    let seen = std::thread::spawn(move || {
        let (mut rest, mut seen) = (rest, Vec::new());
        let consumed = assembler.feed(&mut rest, &SERVER, &mut |incoming| {
            seen.push(Seen::from(incoming));
            ControlFlow::Continue(())
        });
        assert_eq!(consumed, Ok(rest.len()));
        seen
    })
    .join()
    .unwrap();
    assert_eq!(seen, [Seen::Text("next".into())]);
}

#[test]
fn whole_frames_are_handed_out_in_place() {
    let mut bytes = frame(Opcode::Text, true, b"in place");
    let range = bytes.as_ptr_range();
    let consumed = Assembler::default().feed(&mut bytes, &SERVER, &mut |incoming| {
        let Incoming::Text(text) = incoming else { panic!("not text") };
        assert!(range.contains(&text.as_ptr()));
        ControlFlow::Continue(())
    });
    assert_eq!(consumed, Ok(14));
    assert_eq!(size_of::<Assembler>(), 8);
}

#[test]
fn frames_written_straight_into_the_outbox() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut expected = b"before".to_vec();
        write_frame(&mut expected, Opcode::Binary, &payload);
        let mut out = b"before".to_vec();
        write_frame_with(&mut out, Opcode::Binary, |out| out.extend_from_slice(&payload));
        assert!(out == expected, "{len} bytes");
        let open = OpenFrame::begin(&mut out);
        out.extend_from_slice(&payload);
        open.abandon(&mut out);
        assert!(out == expected, "{len} bytes");
        // An empty message may be meant (`finish`); here it means that there is nothing to say.
        let open = OpenFrame::begin(&mut out);
        out.extend_from_slice(&payload);
        open.finish_unless_empty(&mut out, Opcode::Binary);
        if !payload.is_empty() {
            write_frame(&mut expected, Opcode::Binary, &payload);
        }
        assert!(out == expected, "{len} bytes");
    }
    let mut out = Vec::new();
    write_close(&mut out, CloseCode::POLICY_VIOLATION, &"再".repeat(50));
    assert_eq!(read(&out, &CLIENT, &[9]).0, [Seen::Close(Some((1008, "再".repeat(41))))]);
}

#[test]
fn the_opening_handshake() {
    let good = "GET /ws?a HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let check =
        |text: &str| handshake::check(&parse_request(text.as_bytes(), &mut HeadScan::default()).unwrap().unwrap());
    assert_eq!(check(good).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let rows = [
        ("GET", "POST", HandshakeError::Method, 405),
        ("HTTP/1.1", "HTTP/1.0", HandshakeError::HttpVersion, 400),
        ("Upgrade: WebSocket", "Upgrade: h2c", HandshakeError::NotUpgrade, 426),
        ("keep-alive, Upgrade", "keep-alive", HandshakeError::NotUpgrade, 426),
        ("Version: 13", "Version: 8", HandshakeError::Version, 426),
        ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", HandshakeError::Version, 426),
        ("Sec-WebSocket-Version: 13\r\n", "", HandshakeError::Version, 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", HandshakeError::Key, 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q==", HandshakeError::Key, 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA", HandshakeError::Key, 400),
        ("Sec-WebSocket-Key", "X-Key", HandshakeError::Key, 400),
        ("Host:", "Content-Length: 5\r\nHost:", HandshakeError::Body, 400),
    ];
    for (from, to, error, status) in rows {
        assert_eq!(check(&good.replacen(from, to, 1)), Err(error), "{to}");
        assert_eq!(Response::from(error).status, status);
    }
    let response = Response::from(HandshakeError::Version);
    assert!(response.headers.iter().any(|(name, value)| *name == "Sec-WebSocket-Version" && value == "13"));
}

#[test]
fn both_ends_of_the_handshake_agree() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let mut request = Vec::new();
    handshake::write_request(&mut request, "h:1", "/ws", key, &[("X-A", "b")]);
    let parsed = parse_request(&request, &mut HeadScan::default()).unwrap().unwrap();
    assert_eq!(parsed.header("x-a"), Some("b"));
    let mut answer = Vec::new();
    handshake::write_accept(&mut answer, &handshake::check(&parsed).unwrap());
    let end = answer.len();
    assert_eq!(handshake::check_answer(&answer[..end - 1], key), Ok(Answer::Incomplete));
    answer.extend_from_slice(&[0x81, 0]);
    assert_eq!(handshake::check_answer(&answer, key), Ok(Answer::Open(end)));
    assert!(handshake::check_answer(&answer, "AAAAAAAAAAAAAAAAAAAAAA==").is_err());
    assert_eq!(handshake::check_answer(b"HTTP/1.1 401 No\r\n\r\n", key), Ok(Answer::Refused(401)));
}

/// A stream for tungstenite: reads what it was given, keeps what is written.
struct Wire {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Wire {
    fn new(input: Vec<u8>) -> Self {
        Self { input: Cursor::new(input), output: Vec::new() }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.input.read(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a tungstenite endpoint reads from these bytes.
fn peer_reads(bytes: &[u8], role: PeerRole) -> Vec<Seen> {
    let mut peer = WebSocket::from_raw_socket(Wire::new(bytes.to_vec()), role, None);
    let mut seen = Vec::new();
    while let Ok(message) = peer.read() {
        seen.push(match message {
            Message::Text(text) => Seen::Text(text.to_string()),
            Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Seen::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Seen::Pong(bytes.to_vec()),
            Message::Close(_) | Message::Frame(_) => unreachable!("not sent"),
        });
    }
    seen
}

/// What a tungstenite client sends for these messages.
fn peer_writes(messages: &[Seen]) -> Vec<u8> {
    let mut peer = WebSocket::from_raw_socket(Wire::new(Vec::new()), PeerRole::Client, None);
    for message in messages {
        let message = match message.clone() {
            Seen::Text(text) => Message::text(text),
            Seen::Binary(bytes) => Message::binary(bytes),
            Seen::Ping(bytes) => Message::Ping(bytes.into()),
            Seen::Pong(bytes) => Message::Pong(bytes.into()),
            Seen::Close(_) => unreachable!("not generated"),
        };
        peer.send(message).unwrap();
    }
    std::mem::take(&mut peer.get_mut().output)
}

fn message() -> impl Strategy<Value = Seen> {
    let text = prop_oneof!["\\PC{0,40}", "\\PC{100,200}"].prop_map(Seen::Text);
    let bytes = |max: usize| prop::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        4 => text,
        2 => prop_oneof![bytes(40), bytes(70_000)].prop_map(Seen::Binary),
        1 => bytes(126).prop_map(Seen::Ping),
        1 => bytes(126).prop_map(Seen::Pong),
    ]
}

/// Frames as a client sends them, data messages in fragments of the given sizes with control frames
/// between; and the deliveries in their order.
fn fragmented(messages: &[Seen], sizes: &[usize], controls: &[bool]) -> (Vec<u8>, Vec<Seen>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let (mut sizes, mut controls) = (sizes.iter().cycle(), controls.iter().cycle());
    let mut key = KEY;
    for message in messages {
        let (opcode, mut payload) = match message {
            Seen::Text(text) => (Opcode::Text, text.as_bytes()),
            Seen::Binary(payload) => (Opcode::Binary, payload.as_slice()),
            Seen::Ping(payload) => (Opcode::Ping, payload.as_slice()),
            Seen::Pong(payload) => (Opcode::Pong, payload.as_slice()),
            Seen::Close(_) => unreachable!("not generated"),
        };
        let mut opcode = opcode;
        loop {
            let size = if opcode.is_control() { usize::MAX } else { *sizes.next().unwrap() };
            let (part, rest) = payload.split_at(size.min(payload.len()));
            // Exactly at the end, an empty last fragment follows in half of the cases.
            let fin = rest.is_empty() && (opcode.is_control() || size > part.len() || size % 2 == 0);
            key = key.map(|byte| byte.wrapping_mul(5).wrapping_add(1));
            write_masked(&mut bytes, opcode, fin, part, key);
            if fin {
                break;
            }
            if *controls.next().unwrap() {
                write_masked(&mut bytes, Opcode::Ping, true, b"between", key);
                expected.push(Seen::Ping(b"between".to_vec()));
            }
            (opcode, payload) = (Opcode::Continuation, rest);
        }
        expected.push(message.clone());
    }
    (bytes, expected)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_messages_in_any_fragments_and_any_splits_arrive(
        messages in prop::collection::vec(message(), 0..8),
        sizes in prop::collection::vec(prop_oneof![0usize..10, 1usize..300, Just(usize::MAX)], 1..6)
            .prop_filter("some progress", |sizes| sizes.iter().any(|size| *size > 0)),
        controls in prop::collection::vec(any::<bool>(), 1..5),
        splits in prop::collection::vec(prop_oneof![1usize..20, 1usize..70_000], 1..6),
    ) {
        let (bytes, expected) = fragmented(&messages, &sizes, &controls);
        let limits = Limits { message_max_bytes: ECHO_MESSAGE_MAX_BYTES, ..SERVER };
        let (seen, violation, assembler) = read(&bytes, &limits, &splits);
        prop_assert_eq!(violation, None);
        prop_assert!(seen == expected);
        prop_assert!(assembler.is_idle());
        prop_assert!(peer_reads(&bytes, PeerRole::Server) == expected, "tungstenite reads the same");
    }

    #[test]
    fn we_and_tungstenite_understand_each_other(messages in prop::collection::vec(message(), 0..8), split in 1usize..5000) {
        let limits = Limits { message_max_bytes: ECHO_MESSAGE_MAX_BYTES, ..SERVER };
        prop_assert!(read(&peer_writes(&messages), &limits, &[split]).0 == messages);
        let mut out = Vec::new();
        for message in &messages {
            match message {
                Seen::Text(text) => write_frame(&mut out, Opcode::Text, text.as_bytes()),
                Seen::Binary(bytes) => write_frame(&mut out, Opcode::Binary, bytes),
                Seen::Ping(bytes) => write_frame(&mut out, Opcode::Ping, bytes),
                Seen::Pong(bytes) => write_pong(&mut out, bytes),
                Seen::Close(_) => unreachable!("not generated"),
            }
        }
        prop_assert!(peer_reads(&out, PeerRole::Client) == messages);
    }

    #[test]
    fn any_bytes_never_panic_and_any_split_ends_the_same(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        valid in any::<bool>(),
        split in 1usize..20,
    ) {
        let mut bytes = if valid { frame(Opcode::Text, false, b"ab") } else { Vec::new() };
        bytes.extend(noise);
        let whole = read(&bytes, &SERVER, &[bytes.len().max(1)]);
        let parts = read(&bytes, &SERVER, &[split]);
        if whole.0.iter().all(|seen| !matches!(seen, Seen::Close(_))) {
            prop_assert_eq!(whole.0, parts.0);
            prop_assert_eq!(whole.1.map(|v| v.code), parts.1.map(|v| v.code));
        }
    }
}
