//! A client's second connection, for what its dialect says over HTTP: kept alive, opened with the first request, and
//! answered in the order of the requests (RFC 9112, 9.3.2). Knows no dialect.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use super::poll::{Interest, Ready};
use super::socket::Socket;
use super::stage::{Stage, token_of};
use crate::measure::Nanos;
use crate::scenario::Scenario;
use crate::wire::Sheet;

/// In a token of the poll: the client's line, not its WebSocket. No generator has so many clients.
pub(super) const LINE_BIT: u64 = 1 << 31;
/// Servers end connections that are silent for longer, the real one after a minute.
const SILENT_MAX_NS: Nanos = 30_000_000_000;

/// The connection.
#[derive(Debug)]
pub(super) struct Line {
    socket: Socket,
    /// Numbers of the requests without an answer yet.
    asked: VecDeque<u64>,
    unsent: Vec<u8>,
    heard: Vec<u8>,
    used: Nanos,
}

impl Stage<'_> {
    /// POSTs what a sheet says, with the party's token.
    pub(super) fn post(&mut self, client: u32, op: u64, sheet: &Sheet) {
        let mut request = std::mem::take(&mut self.frame);
        request.clear();
        let entry = &mut self.clients[client as usize];
        let token = &self.parties[entry.party as usize].token;
        let body = std::str::from_utf8(&sheet.body).expect("wires write text");
        write_request(&sheet.post, &self.settings.target.host, Some(token), Some(body), &mut request);
        entry.line.take_if(|line| line.asked.is_empty() && self.now.saturating_sub(line.used) > SILENT_MAX_NS);
        if entry.line.is_none()
            && let Err(error) = self.open_line(client)
        {
            // The request stays without an answer, which the accounts tell.
            self.fault(|| format!("no second connection: {error}"));
        }
        if let Some(line) = &mut self.clients[client as usize].line {
            line.used = self.now;
            line.asked.push_back(op);
            line.transmit(&request);
        }
        self.frame = request;
    }

    fn open_line(&mut self, client: u32) -> io::Result<()> {
        let socket = Socket::connect(self.settings.target.address, self.source_of(client), None)?;
        let entry = &mut self.clients[client as usize];
        // Edge-triggered: room to send is news only where there was none.
        self.poll.add(&socket, token_of(client, entry.generation) | LINE_BIT, Interest::ReadWrite)?;
        let (unsent, heard) = (Vec::new(), Vec::new());
        entry.line = Some(Box::new(Line { socket, asked: VecDeque::new(), unsent, heard, used: self.now }));
        Ok(())
    }

    /// Deals with news of a line.
    pub(super) fn on_line(&mut self, scenario: &mut dyn Scenario, client: u32, ready: Ready) {
        let Some(line) = &mut self.clients[client as usize].line else { return };
        if ready.writable {
            line.send_rest();
        }
        while ready.readable && self.receive_on_line(scenario, client, ready.ended) {}
    }

    /// Reads once; whether there may be more.
    fn receive_on_line(&mut self, scenario: &mut dyn Scenario, client: u32, to_the_end: bool) -> bool {
        let Some(line) = &mut self.clients[client as usize].line else { return false };
        match line.socket.receive(&mut self.buffer) {
            Ok(0) => self.line_ended(scenario, client, "the server closed it"),
            Ok(count) => {
                line.heard.extend_from_slice(&self.buffer[..count]);
                let more = to_the_end || count == self.buffer.len();
                self.answers_on_line(scenario, client);
                return more;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.line_ended(scenario, client, &error.to_string()),
        }
        false
    }

    /// A line that nothing is asked on may end; the next request opens another.
    fn line_ended(&mut self, scenario: &mut dyn Scenario, client: u32, why: &str) {
        let line = self.clients[client as usize].line.take();
        if line.is_some_and(|line| !line.asked.is_empty()) {
            self.lost(scenario, client, &format!("its HTTP connection: {why}"));
        }
    }

    fn answers_on_line(&mut self, scenario: &mut dyn Scenario, client: u32) {
        loop {
            let entry = &mut self.clients[client as usize];
            let generation = entry.generation;
            let Some(line) = &mut entry.line else { return };
            let mut heard = std::mem::take(&mut line.heard);
            let used = match http_answer(&heard) {
                Some((status, body, used)) => {
                    let asked = line.asked.pop_front().and_then(|op| self.pending.take(op));
                    self.heard_in_window += u64::from(self.recorder.is_measured(self.now));
                    match asked {
                        Some(asked) => {
                            let success = (200..300).contains(&status);
                            self.answered(scenario, asked, success, &String::from_utf8_lossy(body));
                        }
                        None => self.fault(|| format!("HTTP {status} answers nothing that was asked")),
                    }
                    used
                }
                None => 0,
            };
            heard.drain(..used);
            let entry = &mut self.clients[client as usize];
            if entry.generation != generation {
                return;
            }
            let Some(line) = &mut entry.line else { return };
            line.heard = heard;
            if used == 0 {
                return;
            }
        }
    }
}

impl Line {
    /// Sends now, or as soon as there is room. A failure shows when the socket is read.
    fn transmit(&mut self, bytes: &[u8]) {
        let taken = if self.unsent.is_empty() { self.socket.send(bytes).unwrap_or(0) } else { 0 };
        self.unsent.extend_from_slice(&bytes[taken..]);
    }

    fn send_rest(&mut self) {
        if !self.unsent.is_empty()
            && let Ok(taken) = self.socket.send(&self.unsent)
        {
            self.unsent.drain(..taken);
        }
    }
}

/// A GET, or with a body a POST of JSON.
pub(super) fn write_request(path: &str, host: &str, token: Option<&str>, body: Option<&str>, out: &mut Vec<u8>) {
    let method = if body.is_some() { "POST" } else { "GET" };
    write!(out, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n").expect("a vector takes everything");
    if let Some(token) = token {
        write!(out, "Authorization: Bearer {token}\r\n").expect("a vector takes everything");
    }
    if let Some(body) = body {
        let length = body.len();
        write!(out, "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("a vector takes everything");
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// Status and body of a whole HTTP answer with a length, and the length of all of it; `None` if more is to come.
pub(super) fn http_answer(bytes: &[u8]) -> Option<(u16, &[u8], usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).ok()? else { return None };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let length: usize = std::str::from_utf8(length.value).ok()?.trim().parse().ok()?;
    let body = bytes.get(head..head.checked_add(length)?)?;
    Some((response.code?, body, head + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_http() {
        let mut out = Vec::new();
        write_request("/a?b=c", "h:1", Some("t"), None, &mut out);
        assert_eq!(out, b"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\n\r\n");
        out.clear();
        write_request("/a", "h:1", None, Some("{}"), &mut out);
        let expected = "POST /a HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(out, expected.as_bytes());
    }

    #[test]
    fn answers_are_taken_one_by_one() {
        let two =
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\n\r\nx";
        let (status, body, used) = http_answer(two).unwrap();
        assert_eq!((status, body), (200, b"{}".as_slice()));
        assert_eq!(http_answer(&two[used..]).map(|(status, body, _)| (status, body)), Some((400, b"x".as_slice())));
        for part in 0..used {
            assert!(http_answer(&two[..part]).is_none(), "{part}");
        }
    }
}
