//! Bytes as they arrive to whole messages: frames split anywhere, fragments, incremental UTF-8, limits.
//!
//! A message that lies whole in the input is handed out in place, without copy or allocation. Only what
//! is unfinished at the end of the input is kept, so that an idle connection holds one null pointer.
//! It must not know sockets or dialects; it answers nothing by itself.

use std::ops::ControlFlow;

use super::close::{CloseCode, CloseFrame, Violation, parse_body};
use super::header::{CONTROL_MAX_BYTES, HEADER_MAX_BYTES, Header, Opcode, Role};
use super::mask;
use crate::model::limits::{FRAGMENT_COST_BYTES, FRAGMENTS_FREE};

/// What a connection accepts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one message, whole; above it 1009, judged from the header.
    pub message_max_bytes: usize,
    /// Whether binary messages are accepted; else 1003.
    pub binary: bool,
    /// Which end we are.
    pub role: Role,
}

/// What a peer sent. Slices live in the input, or in the assembler if the pieces came apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole text message: valid UTF-8, mutable so that a parser may work in place.
    Text(&'a mut [u8]),
    /// A whole binary message.
    Binary(&'a mut [u8]),
    /// Answer it with a pong of the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer closes. Nothing after it is read (RFC 6455 section 5.5.1).
    Close(Option<CloseFrame<'a>>),
}

/// The reading state of one connection: one pointer, null while no frame or message is unfinished.
///
/// It can be moved to another thread between two calls of `feed`.
#[derive(Debug, Default)]
pub struct Assembler {
    unfinished: Option<Box<Unfinished>>,
}

/// Room for the longest control frame, or for any header.
const CARRY_BYTES: usize = HEADER_MAX_BYTES + CONTROL_MAX_BYTES;

/// Invariant: at least one of the three is in use; `frame` only with `message`, never with `carry`.
#[derive(Debug)]
struct Unfinished {
    /// Raw bytes of an incomplete header or control frame.
    carry: [u8; CARRY_BYTES],
    carry_len: usize,
    /// The data frame whose payload is still arriving.
    frame: Option<PayloadRest>,
    /// The data message it belongs to, or that waits for its next fragment.
    message: Option<OpenMessage>,
}

#[derive(Debug)]
struct PayloadRest {
    remaining: usize,
    /// Aligned to the next byte.
    mask: Option<[u8; 4]>,
    fin: bool,
}

#[derive(Debug)]
struct OpenMessage {
    text: bool,
    bytes: Vec<u8>,
    /// Bytes known to be valid UTF-8; behind them at most three of an incomplete character.
    checked: usize,
    fragments: usize,
}

type Step = Result<(usize, ControlFlow<()>), Violation>;

impl Assembler {
    /// Takes the bytes that arrived and hands every finished message and control frame to `sink`, in order.
    ///
    /// Returns how many bytes were consumed: all of them, unless `sink` broke off or a close frame came;
    /// the rest then belongs to the caller, who feeds it again later (or drops it after a close).
    /// On a violation everything before it has been delivered; the connection is to be closed and the
    /// assembler not fed again. `input` is unmasked in place as far as it was consumed.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, Violation> {
        let mut consumed = 0;
        while consumed < input.len() {
            let rest = &mut input[consumed..];
            let (used, flow) = match self.unfinished.as_deref() {
                None => self.start_frame(rest, limits, sink)?,
                Some(unfinished) if unfinished.frame.is_some() => self.resume_payload(rest, sink)?,
                Some(unfinished) if unfinished.carry_len > 0 => self.resume_carry(rest, limits, sink)?,
                Some(_) => self.start_frame(rest, limits, sink)?,
            };
            consumed += used;
            if flow.is_break() {
                break;
            }
        }
        Ok(consumed)
    }

    /// Nothing unfinished: neither part of a frame nor a fragmented message.
    pub fn is_idle(&self) -> bool {
        self.unfinished.is_none()
    }

    /// Heap bytes held for what is unfinished.
    pub fn held_bytes(&self) -> usize {
        self.unfinished.as_deref().map_or(0, |unfinished| {
            size_of::<Unfinished>() + unfinished.message.as_ref().map_or(0, |message| message.bytes.capacity())
        })
    }

    /// At a frame's border: the fast way, in place.
    fn start_frame(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Step {
        let Some((header, header_len)) = Header::parse(input, limits.role)? else {
            return Ok((self.carry(input), ControlFlow::Continue(())));
        };
        let payload_len = self.admit(&header, limits)?;
        let arrived = input.len() - header_len;
        if arrived >= payload_len && (header.opcode.is_control() || self.is_single(&header)) {
            let end = header_len + payload_len;
            let payload = &mut input[header_len..end];
            unmask(payload, header.mask);
            return Ok((end, deliver(header.opcode, payload, sink)?));
        }
        if header.opcode.is_control() {
            return Ok((self.carry(input), ControlFlow::Continue(())));
        }
        self.open_payload(&header, payload_len);
        let (used, flow) = self.resume_payload(&mut input[header_len..], sink)?;
        Ok((header_len + used, flow))
    }

    /// Inside a header or control frame whose first bytes came earlier.
    fn resume_carry(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        sink: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Step {
        let mut used = 0;
        loop {
            let unfinished = self.unfinished_mut();
            let carried = &unfinished.carry[..unfinished.carry_len];
            let Some((header, header_len)) = Header::parse(carried, limits.role)? else {
                // A header lacks at most 13 bytes, so one at a time is no loss.
                let Some(&byte) = input.get(used) else {
                    return Ok((used, ControlFlow::Continue(())));
                };
                unfinished.push_carry(&[byte]);
                used += 1;
                continue;
            };
            let payload_len = self.admit(&header, limits)?;
            let unfinished = self.unfinished_mut();
            if !header.opcode.is_control() {
                unfinished.carry_len = 0;
                self.open_payload(&header, payload_len);
                let (more, flow) = self.resume_payload(&mut input[used..], sink)?;
                return Ok((used + more, flow));
            }
            let end = header_len + payload_len;
            let take = (end - unfinished.carry_len).min(input.len() - used);
            unfinished.push_carry(&input[used..used + take]);
            used += take;
            if unfinished.carry_len < end {
                return Ok((used, ControlFlow::Continue(())));
            }
            unfinished.carry_len = 0;
            let payload = &mut unfinished.carry[header_len..end];
            unmask(payload, header.mask);
            let flow = deliver(header.opcode, payload, sink)?;
            if unfinished.message.is_none() {
                self.unfinished = None;
            }
            return Ok((used, flow));
        }
    }

    /// Inside the payload of a data frame that could not be handed out in place.
    fn resume_payload(&mut self, input: &mut [u8], sink: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>) -> Step {
        let unfinished = self.unfinished_mut();
        let frame = unfinished.frame.as_mut().expect("called with an open frame");
        let message = unfinished.message.as_mut().expect("an open frame belongs to a message");
        let take = frame.remaining.min(input.len());
        let part = &mut input[..take];
        unmask(part, frame.mask);
        frame.mask = frame.mask.map(|key| mask::rotate(key, take));
        frame.remaining -= take;
        message.append(part)?;
        if frame.remaining > 0 {
            return Ok((take, ControlFlow::Continue(())));
        }
        let fin = frame.fin;
        unfinished.frame = None;
        if !fin {
            return Ok((take, ControlFlow::Continue(())));
        }
        let mut message = unfinished.message.take().expect("an open frame belongs to a message");
        self.unfinished = None;
        if !message.text {
            return Ok((take, sink(Incoming::Binary(&mut message.bytes))));
        }
        if message.checked < message.bytes.len() {
            return Err(NOT_UTF8);
        }
        Ok((take, sink(Incoming::Text(&mut message.bytes))))
    }

    /// Judges a header by what came before it and by the limits; the payload's length as it may be used.
    fn admit(&self, header: &Header, limits: &Limits) -> Result<usize, Violation> {
        let open = self.unfinished.as_deref().and_then(|unfinished| unfinished.message.as_ref());
        let protocol_error = |reason| Err(Violation { code: CloseCode::PROTOCOL_ERROR, reason });
        match (header.opcode, open) {
            // The header's own rules bound it to 125 bytes.
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(header.payload_len as usize),
            (Opcode::Continuation, None) => return protocol_error("continuation without a message to continue"),
            (Opcode::Text | Opcode::Binary, Some(_)) => return protocol_error("new message inside a fragmented one"),
            (Opcode::Binary, None) if !limits.binary => {
                return Err(Violation { code: CloseCode::UNSUPPORTED_DATA, reason: "binary is not accepted here" });
            }
            (Opcode::Continuation, Some(_)) | (Opcode::Text | Opcode::Binary, None) => {}
        }
        let held = open.map_or(0, |message| {
            let charged = (message.fragments + 1).saturating_sub(FRAGMENTS_FREE);
            message.bytes.len() + charged * FRAGMENT_COST_BYTES
        });
        usize::try_from(header.payload_len)
            .ok()
            .filter(|len| held.checked_add(*len).is_some_and(|total| total <= limits.message_max_bytes))
            .ok_or(Violation { code: CloseCode::MESSAGE_TOO_BIG, reason: "message too big" })
    }

    /// A message of one frame (`admit` has seen to it that a text or binary frame starts one).
    fn is_single(&self, header: &Header) -> bool {
        header.fin && header.opcode != Opcode::Continuation
    }

    fn open_payload(&mut self, header: &Header, payload_len: usize) {
        let unfinished = self.unfinished_mut();
        let message = unfinished.message.get_or_insert_with(|| OpenMessage {
            text: header.opcode == Opcode::Text,
            bytes: Vec::new(),
            checked: 0,
            fragments: 0,
        });
        message.fragments += 1;
        unfinished.frame = Some(PayloadRest { remaining: payload_len, mask: header.mask, fin: header.fin });
    }

    /// Keeps the start of a frame for later; returns its length.
    fn carry(&mut self, start: &[u8]) -> usize {
        self.unfinished_mut().push_carry(start);
        start.len()
    }

    fn unfinished_mut(&mut self) -> &mut Unfinished {
        self.unfinished.get_or_insert_with(|| {
            Box::new(Unfinished { carry: [0; CARRY_BYTES], carry_len: 0, frame: None, message: None })
        })
    }
}

impl Unfinished {
    fn push_carry(&mut self, bytes: &[u8]) {
        let end = self.carry_len + bytes.len();
        self.carry[self.carry_len..end].copy_from_slice(bytes);
        self.carry_len = end;
    }
}

impl OpenMessage {
    /// Adds unmasked bytes and checks text as far as it goes, so that it fails at its first bad byte.
    /// The buffer grows with what was received, never to a length the peer only declared.
    fn append(&mut self, part: &[u8]) -> Result<(), Violation> {
        self.bytes.extend_from_slice(part);
        if !self.text {
            return Ok(());
        }
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

const NOT_UTF8: Violation = Violation { code: CloseCode::INVALID_PAYLOAD, reason: "text is not UTF-8" };

fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) {
    if let Some(key) = mask {
        mask::apply(payload, key);
    }
}

/// Hands out one complete control frame, or a message of one frame.
fn deliver(
    opcode: Opcode,
    payload: &mut [u8],
    sink: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Violation> {
    match opcode {
        Opcode::Text if simdutf8::basic::from_utf8(payload).is_err() => Err(NOT_UTF8),
        Opcode::Text => Ok(sink(Incoming::Text(payload))),
        Opcode::Binary => Ok(sink(Incoming::Binary(payload))),
        Opcode::Ping => Ok(sink(Incoming::Ping(payload))),
        Opcode::Pong => Ok(sink(Incoming::Pong(payload))),
        Opcode::Close => {
            let _ = sink(Incoming::Close(parse_body(payload)?));
            Ok(ControlFlow::Break(()))
        }
        Opcode::Continuation => unreachable!("a continuation is never delivered by itself"),
    }
}

const _: () = assert!(size_of::<Assembler>() == size_of::<usize>(), "an idle connection holds one pointer");
