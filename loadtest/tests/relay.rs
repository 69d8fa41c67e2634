//! A relay between generator and server that commits one fault on purpose. What clients say passes untouched; what
//! the server says passes frame by frame, so that the nth push or answer of all connections can be acted on.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;
use switchboard_protocol::frame::{Header, Opcode, Role};

/// What goes wrong, once. Pushes of messages, and answers to messages, are counted over all connections from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Nothing,
    /// A push does not come.
    DropPush(u64),
    /// A push comes twice.
    DoublePush(u64),
    /// A push comes after the next one of its conversation.
    SwapPush(u64),
    /// A push comes after one of another conversation on the same connection, which is no fault.
    SwapConversations(u64),
    /// An answer does not come.
    SwallowAnswer(u64),
    /// An answer comes twice.
    DoubleAnswer(u64),
    /// The connection is gone instead of the push.
    Cut(u64),
    /// At this push everything of all connections stands still, both ways, for so long.
    Hold(u64, Duration),
}

/// A relay; ends with the connections it carries.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    fault: Fault,
    pushes: AtomicU64,
    answers: AtomicU64,
    held_until: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

impl Relay {
    /// A relay to this server.
    #[track_caller]
    pub fn start(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            server,
            fault,
            pushes: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            held_until: Mutex::new(None),
            ended: AtomicBool::new(false),
        });
        let relay = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                carry(client, &shared).expect("the server can be reached");
            }
        });
        relay
    }

    /// Where generators connect to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Pushes of messages so far.
    pub fn pushes(&self) -> u64 {
        self.shared.pushes.load(Ordering::Relaxed)
    }

    /// Waits until so many pushes have passed.
    #[track_caller]
    pub fn wait_for_pushes(&self, count: u64) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.pushes() < count {
            assert!(Instant::now() < deadline, "only {} pushes of {count}", self.pushes());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the listener; if it is gone already that is well, too.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries one connection by two threads, until either side ends it.
fn carry(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(shared.server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let up = Arc::clone(shared);
    std::thread::spawn(move || ended(&from_client, &to_server, up.carry_up(&from_client, &to_server)));
    let down = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut way = Down { shared: &down, client: &client, parked: None };
        let result = way.carry(&server);
        ended(&client, &server, result);
    });
    Ok(())
}

/// One end is gone: so is the other. How it went is the generator's to notice.
fn ended(client: &TcpStream, server: &TcpStream, _result: io::Result<()>) {
    for stream in [client, server] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn carry_up(&self, mut client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.wait_while_held();
            server.write_all(&buffer[..count])?;
        }
    }

    fn wait_while_held(&self) {
        let until = *self.held_until.lock().unwrap();
        if let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            std::thread::sleep(left);
        }
    }
}

/// The way from the server to one client.
struct Down<'a> {
    shared: &'a Shared,
    client: &'a TcpStream,
    /// A push that waits for another: its conversation, and its frame.
    parked: Option<(u64, Vec<u8>)>,
}

/// What a frame says, as far as it matters here.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a str>,
    conversation_id: Option<u64>,
    content: Option<serde_json::Value>,
    data: Option<serde_json::Value>,
}

impl Down<'_> {
    fn carry(&mut self, mut server: &TcpStream) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut upgraded = false;
        loop {
            let count = server.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&chunk[..count]);
            while !upgraded && let Some((length, status)) = http_answer(&bytes) {
                self.write(&bytes[..length])?;
                bytes.drain(..length);
                upgraded = status == 101;
            }
            while upgraded && let Some((header, length)) = whole_frame(&bytes) {
                let frame: Vec<u8> = bytes.drain(..length).collect();
                self.frame(header, &frame)?;
            }
        }
    }

    fn frame(&mut self, header: Header, frame: &[u8]) -> io::Result<()> {
        let payload = &frame[frame.len() - header.payload_len as usize..];
        let said = if header.opcode == Opcode::Text { serde_json::from_slice::<Said>(payload).ok() } else { None };
        match said {
            Some(Said { kind: Some("push_message"), conversation_id: Some(id), content: Some(_), .. }) => {
                self.push(id, frame)
            }
            Some(Said { data: Some(data), .. }) if data.get("message_id").is_some() => self.answer(frame),
            _ => self.write(frame),
        }
    }

    fn push(&mut self, conversation: u64, frame: &[u8]) -> io::Result<()> {
        let number = self.shared.pushes.fetch_add(1, Ordering::Relaxed) + 1;
        match self.shared.fault {
            Fault::DropPush(at) if at == number => return Ok(()),
            Fault::DoublePush(at) if at == number => self.write(frame)?,
            Fault::SwapPush(at) | Fault::SwapConversations(at) if at == number => {
                self.parked = Some((conversation, frame.to_vec()));
                return Ok(());
            }
            Fault::Cut(at) if at == number => return Err(io::ErrorKind::ConnectionAborted.into()),
            Fault::Hold(at, pause) if at == number => {
                *self.shared.held_until.lock().unwrap() = Some(Instant::now() + pause);
            }
            _ => {}
        }
        self.write(frame)?;
        let of_same = matches!(self.shared.fault, Fault::SwapPush(_));
        if let Some((_, parked)) = self.parked.take_if(|(parked, _)| (*parked == conversation) == of_same) {
            self.write(&parked)?;
        }
        Ok(())
    }

    fn answer(&mut self, frame: &[u8]) -> io::Result<()> {
        let number = self.shared.answers.fetch_add(1, Ordering::Relaxed) + 1;
        match self.shared.fault {
            Fault::SwallowAnswer(at) if at == number => return Ok(()),
            Fault::DoubleAnswer(at) if at == number => self.write(frame)?,
            _ => {}
        }
        self.write(frame)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.shared.wait_while_held();
        let mut client = self.client;
        client.write_all(bytes)
    }
}

/// Length and status of a whole HTTP answer at the start of `bytes`; one of an upgrade has no body.
fn http_answer(bytes: &[u8]) -> Option<(usize, u16)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).expect("the server speaks HTTP") else { return None };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |header| std::str::from_utf8(header.value).unwrap().trim().parse().unwrap());
    (bytes.len() >= head + length).then_some((head + length, response.code.expect("it is complete")))
}

/// Header and length of a whole frame at the start of `bytes`.
fn whole_frame(bytes: &[u8]) -> Option<(Header, usize)> {
    let (header, at) = Header::parse(bytes, Role::Client).expect("the server keeps RFC 6455")?;
    let length = at + header.payload_len as usize;
    (bytes.len() >= length).then_some((header, length))
}
