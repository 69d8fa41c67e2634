//! Frames to bytes, appended to an outbox; a server's are unmasked, a client's masked.
//!
//! It must not know who reads them; payloads are written straight into the outbox, never copied first.

use super::close::CloseCode;
use super::header::{CONTROL_MAX_BYTES, Opcode};
use super::mask;

/// An unmasked header: its bytes and how many of them count (2, 4 or 10).
#[inline]
pub const fn encode_header(opcode: Opcode, fin: bool, payload_len: usize) -> ([u8; 10], usize) {
    let mut header = [0u8; 10];
    header[0] = opcode as u8 | if fin { 0x80 } else { 0 };
    if payload_len < 126 {
        header[1] = payload_len as u8;
        (header, 2)
    } else if payload_len <= u16::MAX as usize {
        let len = (payload_len as u16).to_be_bytes();
        header[1] = 126;
        header[2] = len[0];
        header[3] = len[1];
        (header, 4)
    } else {
        let len = (payload_len as u64).to_be_bytes();
        header[1] = 127;
        let mut i = 0;
        while i < 8 {
            header[2 + i] = len[i];
            i += 1;
        }
        (header, 10)
    }
}

/// Appends one whole unmasked frame. A control frame's payload is at most 125 bytes.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_MAX_BYTES, "RFC 6455 section 5.5");
    let (header, header_len) = encode_header(opcode, true, payload.len());
    out.reserve(header_len + payload.len());
    out.extend_from_slice(&header[..header_len]);
    out.extend_from_slice(payload);
}

/// Appends one whole unmasked frame whose payload `write` appends to the outbox itself; what `write`
/// returns is given back.
pub fn write_frame_with<T>(out: &mut Vec<u8>, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let frame = OpenFrame::begin(out);
    let value = write(out);
    frame.finish(out, opcode);
    value
}

/// A frame being written: room for its header is reserved, the payload is appended behind it.
#[derive(Debug)]
#[must_use = "an open frame has no header until it is finished or abandoned"]
pub struct OpenFrame {
    start: usize,
}

impl OpenFrame {
    /// Header bytes reserved: right for payloads of 126 to 65,535 bytes, others are moved into place.
    const RESERVED: usize = 4;

    /// Reserves the header at the end of `out`.
    pub fn begin(out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; Self::RESERVED]);
        Self { start }
    }

    /// Everything appended to `out` since `begin` becomes the payload of one final frame.
    pub fn finish(self, out: &mut Vec<u8>, opcode: Opcode) {
        let body = self.start + Self::RESERVED;
        let len = out.len() - body;
        debug_assert!(!opcode.is_control() || len <= CONTROL_MAX_BYTES, "RFC 6455 section 5.5");
        let (header, header_len) = encode_header(opcode, true, len);
        if header_len < Self::RESERVED {
            out.copy_within(body.., self.start + header_len);
            out.truncate(self.start + header_len + len);
        } else if header_len > Self::RESERVED {
            out.resize(self.start + header_len + len, 0);
            out.copy_within(body..body + len, self.start + header_len);
        }
        out[self.start..self.start + header_len].copy_from_slice(&header[..header_len]);
    }

    /// As `finish`, if anything was appended to `out` since `begin`; otherwise as `abandon`.
    pub fn finish_unless_empty(self, out: &mut Vec<u8>, opcode: Opcode) {
        if out.len() > self.start + Self::RESERVED { self.finish(out, opcode) } else { self.abandon(out) }
    }

    /// Takes the frame back, as if it had never been begun.
    pub fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }
}

/// Appends an unmasked close frame; a reason above 123 bytes is cut between characters.
pub fn write_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let fits = |end: &usize| reason.is_char_boundary(*end);
    let end = (0..=reason.len().min(CONTROL_MAX_BYTES - 2)).rev().find(fits).unwrap_or(0);
    write_frame_with(out, Opcode::Close, |out| {
        out.extend_from_slice(&code.get().to_be_bytes());
        out.extend_from_slice(&reason.as_bytes()[..end]);
    });
}

/// Appends the pong that answers a ping of this payload.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_frame(out, Opcode::Pong, payload);
}

/// Appends one masked frame, as a client sends it. `key` should be unpredictable (section 5.3); it is
/// handed in because this crate has no random source.
pub fn write_masked(out: &mut Vec<u8>, opcode: Opcode, fin: bool, payload: &[u8], key: [u8; 4]) {
    let (mut header, header_len) = encode_header(opcode, fin, payload.len());
    header[1] |= 0x80;
    out.reserve(header_len + key.len() + payload.len());
    out.extend_from_slice(&header[..header_len]);
    out.extend_from_slice(&key);
    let body = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[body..], key);
}
