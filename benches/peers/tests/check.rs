//! What every peer must do before a figure of it means anything, asked by an independent client. Knows the peers by
//! their command line only. Which ones: lines `NAME PATH` in the variable `PEERS` (`./check` sets it), else the three
//! that cargo has built.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tungstenite::{Message, WebSocket, client};

/// Every step of a length's encoding (RFC 6455 section 5.2), and more than one `recv` brings.
const LENGTHS: [usize; 13] = [0, 1, 7, 8, 20, 125, 126, 127, 200, 65_535, 65_536, 65_537, 1_000_000];
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for an answer that must not come, short enough to wait for.
const SILENCE: Duration = Duration::from_millis(200);

#[test]
fn every_peer_echoes() {
    for (name, path) in peers() {
        let peer = Peer::start(&name, &path, "echo");
        every_length(&peer);
        many_frames_in_one_segment(&peer);
        a_frame_byte_by_byte(&peer);
        many_clients_at_once(&peer);
        println!("{name}: echo is right");
    }
}

#[test]
fn publish_reaches_every_subscriber_but_its_sender() {
    let mut publishers = 0;
    for (name, path) in peers().into_iter().filter(|(name, _)| ["peer-epoll", "peer-uws"].contains(&name.as_str())) {
        published(&Peer::start(&name, &path, "publish"));
        println!("{name}: publish is right");
        publishers += 1;
    }
    assert!(publishers > 0, "no peer that publishes");
}

#[test]
fn a_peer_that_cannot_publish_says_so() {
    for (name, path) in peers().into_iter().filter(|(name, _)| ["peer-tungstenite"].contains(&name.as_str())) {
        let output = Command::new(&path).args(["--mode", "publish"]).output().expect("a binary");
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

fn every_length(peer: &Peer) {
    let mut socket = peer.connect("/any/path?at=all");
    for length in LENGTHS {
        let text = "0123456789abcdef".repeat(length / 16 + 1)[..length].to_owned();
        for message in [Message::text(text.clone()), Message::binary(text.into_bytes())] {
            socket.send(message.clone()).expect("sent");
            let answer = socket.read().unwrap_or_else(|error| panic!("{}: {length} bytes: {error}", peer.name));
            assert!(answer == message, "{}: another answer to {length} bytes", peer.name);
        }
    }
}

/// 1,000 frames in one `write`: all answers, in order, and nothing after them.
fn many_frames_in_one_segment(peer: &Peer) {
    let mut stream = peer.connect("/").into_inner();
    let words: Vec<String> = (0..1_000).map(|number| format!("frame {number}")).collect();
    let frames: Vec<u8> = words.iter().flat_map(|word| masked(word)).collect();
    stream.write_all(&frames).expect("sent");
    let expected: Vec<u8> =
        words.iter().flat_map(|word| [&[0x81, word.len() as u8], word.as_bytes()].concat()).collect();
    let mut answers = vec![0; expected.len()];
    stream.read_exact(&mut answers).unwrap_or_else(|error| panic!("{}: 1,000 frames: {error}", peer.name));
    assert!(answers == expected, "{}: 1,000 frames came back as something else", peer.name);
    stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
    assert!(stream.read(&mut [0]).is_err(), "{}: more answers than frames", peer.name);
}

/// The vector of RFC 6455 section 5.7, then one of 300 bytes, cut at every byte.
fn a_frame_byte_by_byte(peer: &Peer) {
    let mut stream = peer.connect("/").into_inner();
    let long = "x".repeat(300);
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    for byte in hello.into_iter().chain(masked(&long)) {
        stream.write_all(&[byte]).expect("sent");
        // So that the bytes arrive in several reads: the kernel would join them otherwise.
        std::thread::sleep(Duration::from_micros(200));
    }
    let mut answers = vec![0; 7 + 4 + 300];
    stream.read_exact(&mut answers).unwrap_or_else(|error| panic!("{}: byte by byte: {error}", peer.name));
    assert_eq!(&answers[..11], b"\x81\x05Hello\x81\x7e\x01\x2c", "{}", peer.name);
    assert!(answers[11..] == *long.as_bytes(), "{}", peer.name);
}

/// Each gets its own message back, also after others have left.
fn many_clients_at_once(peer: &Peer) {
    let mut sockets: Vec<_> = (0..50).map(|_| peer.connect("/")).collect();
    for round in 0..3 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send(Message::text(format!("{round} {number}"))).expect("sent");
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(socket.read().expect("an answer"), Message::text(format!("{round} {number}")), "{}", peer.name);
        }
        sockets.truncate(sockets.len() - 10);
    }
}

fn published(peer: &Peer) {
    let mut sender = peer.connect("/");
    let mut others = [peer.connect("/"), peer.connect("/"), peer.connect("/")];
    // A connection is subscribed when its upgrade is answered, so from here on all four are.
    for text in ["first".to_owned(), "y".repeat(200), "z".repeat(70_000)] {
        sender.send(Message::text(text.clone())).expect("sent");
        for other in &mut others {
            let got = other.read().unwrap_or_else(|error| panic!("{}: publish: {error}", peer.name));
            assert!(got == Message::text(text.clone()), "{}: published something else", peer.name);
        }
    }
    // What the sender hears first is another's message: its own were not sent to it.
    others[0].send(Message::text("from another")).expect("sent");
    assert_eq!(sender.read().expect("a publish"), Message::text("from another"), "{}", peer.name);
    // One that leaves is no subscriber any more, and the others still are.
    drop(sender);
    others[1].send(Message::text("after one has left")).expect("sent");
    for at in [0, 2] {
        let expected = ["from another", "after one has left"];
        let expected = if at == 0 { &expected[1..] } else { &expected[..] };
        for text in expected {
            assert_eq!(others[at].read().expect("a publish"), Message::text(*text), "{}", peer.name);
        }
    }
}

/// A whole text frame of fewer than 65,536 bytes from a client.
fn masked(text: &str) -> Vec<u8> {
    let key = [9, 8, 7, 6];
    let mut frame = match text.len() {
        length @ 0..126 => vec![0x81, 0x80 | length as u8],
        length => [&[0x81, 0x80 | 126], &(length as u16).to_be_bytes()[..]].concat(),
    };
    frame.extend(key);
    frame.extend(text.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn peers() -> Vec<(String, String)> {
    let built = concat!(
        "peer-epoll ",
        env!("CARGO_BIN_EXE_peer-epoll"),
        "\npeer-tungstenite ",
        env!("CARGO_BIN_EXE_peer-tungstenite"),
        "\npeer-fastwebsockets ",
        env!("CARGO_BIN_EXE_peer-fastwebsockets"),
    );
    let lines = std::env::var("PEERS").unwrap_or_else(|_| built.to_owned());
    let pair = |line: &str| line.split_once(' ').map(|(name, path)| (name.to_owned(), path.to_owned()));
    let peers: Vec<_> = lines.lines().map(|line| pair(line).expect("NAME PATH")).collect();
    assert!(!peers.is_empty(), "no peers");
    peers
}

/// A running peer; ends with this value.
struct Peer {
    name: String,
    process: Child,
    address: String,
}

impl Peer {
    fn start(name: &str, path: &str, mode: &str) -> Self {
        let mut process = Command::new(path)
            .args(["--listen", "127.0.0.1:0", "--mode", mode])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the first line");
        let address = line.trim_end().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{name} said: {line}")).to_owned();
        Self { name: name.to_owned(), process, address }
    }

    fn connect(&self, path: &str) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(&self.address).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let (socket, _) = client(format!("ws://{}{path}", self.address), stream)
            .unwrap_or_else(|error| panic!("{}: the handshake: {error}", self.name));
        socket
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; the test that needed it has said so.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
