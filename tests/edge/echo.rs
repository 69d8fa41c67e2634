//! `/ws/echo`, the development switch for conformance suites: text and binary, up to 16 MiB.

use crate::harness::raw::{FIN, TEXT, head, masked};
use crate::harness::{Peer, Raw, Rng, Setup};

#[test]
fn echo_of_every_size() {
    let server = Setup::shards(2).switch("--debug-echo").start();
    let mut peer = Peer::connect(server.address, "/ws/echo", "echo").expect("the echo is on");
    let mut rng = Rng::new(1);
    for size in [0, 1, 125, 126, 127, 1000, 65_535, 65_536, 65_537, 1 << 20, 16 << 20] {
        let bytes: Vec<u8> = (0..size).map(|_| rng.next() as u8).collect();
        peer.binary(bytes.clone());
        assert!(peer.hear_binary() == bytes, "{size} bytes came back changed");
        let text: String = "长a🙂é".chars().cycle().take(size / 4).collect();
        peer.text(&text);
        assert!(peer.hear() == text, "{} bytes of text came back changed", text.len());
    }
}

#[test]
fn echo_has_the_same_rules() {
    let server = Setup::shards(1).switch("--debug-echo").start();
    for (name, bytes, code) in [
        ("too large", [head(FIN | TEXT, (16 << 20) + 1, true), vec![0; 4]].concat(), 1009),
        ("unmasked", head(FIN | TEXT, 1, false), 1002),
        ("bad UTF-8", masked(TEXT, b"\xff"), 1007),
        ("reserved opcode", masked(FIN | 3, b""), 1002),
    ] {
        let mut raw = Raw::upgraded(server.address, "/ws/echo");
        raw.send(&bytes);
        assert_eq!(raw.close_code(), code, "{name}");
    }
    let mut raw = Raw::upgraded(server.address, "/ws/echo");
    raw.send(&[masked(TEXT, b"in "), masked(0, b"three "), masked(FIN, b"parts")].concat());
    assert_eq!(raw.frame(), Some((TEXT, b"in three parts".to_vec())));
}
