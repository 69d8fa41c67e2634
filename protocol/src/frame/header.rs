//! The frame header, RFC 6455 section 5.2, with every rule that a header alone can break.
//!
//! It must not know messages: what depends on earlier frames is judged in `assemble`.

use super::close::{CloseCode, Violation};

/// Longest header a peer can send: 2 bytes, 8 of length, 4 of mask key.
pub(super) const HEADER_MAX_BYTES: usize = 14;
/// Longest payload of a control frame, RFC 6455 section 5.5.
pub(super) const CONTROL_MAX_BYTES: usize = 125;

/// Which end of the connection reads: a server reads masked frames, a client unmasked ones (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We are the server; the peer's frames must be masked.
    Server,
    /// We are the client; the peer's frames must not be masked.
    Client,
}

/// The opcodes of RFC 6455 section 5.2; the reserved ones have no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Another fragment of the message in progress.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// Closing handshake.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or comes unasked.
    Pong = 0xA,
}

impl Opcode {
    /// Control frames (section 5.5) are never fragmented and may stand between fragments.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }
}

/// One decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Last fragment of its message.
    pub fin: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The mask key, if the frame is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload, below 2^63.
    pub payload_len: u64,
}

impl Header {
    /// Reads a header from the start of `bytes`: the header and its length in bytes, or `None` if more
    /// bytes are needed. A rule is judged as soon as the byte that breaks it is there.
    pub fn parse(bytes: &[u8], role: Role) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (fin, opcode) = parse_first(first)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        match (role, masked) {
            (Role::Server, false) => return Err(refuse("frames of a client must be masked")),
            (Role::Client, true) => return Err(refuse("frames of a server must not be masked")),
            (Role::Server, true) | (Role::Client, false) => {}
        }
        let short = second & 0x7F;
        if opcode.is_control() && usize::from(short) > CONTROL_MAX_BYTES {
            return Err(refuse("control frame longer than 125 bytes"));
        }
        let Some((payload_len, at)) = parse_length(bytes, short)? else {
            return Ok(None);
        };
        if !masked {
            return Ok(Some((Self { fin, opcode, mask: None, payload_len }, at)));
        }
        let Some(key) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Ok(None);
        };
        Ok(Some((Self { fin, opcode, mask: Some(*key), payload_len }, at + 4)))
    }
}

fn parse_first(first: u8) -> Result<(bool, Opcode), Violation> {
    if first & 0x70 != 0 {
        return Err(refuse("reserved bits must be 0: no extension was agreed on"));
    }
    let opcode = Opcode::from_bits(first & 0x0F).ok_or(refuse("reserved opcode"))?;
    let fin = first & 0x80 != 0;
    if opcode.is_control() && !fin {
        return Err(refuse("control frame must not be fragmented"));
    }
    Ok((fin, opcode))
}

/// The payload length and where it ends in `bytes`. Section 5.2: the minimal number of bytes must be
/// used, and the most significant bit of a 64-bit length must be 0.
fn parse_length(bytes: &[u8], short: u8) -> Result<Option<(u64, usize)>, Violation> {
    match short {
        126 => {
            let Some(raw) = bytes[2..].first_chunk::<2>() else {
                return Ok(None);
            };
            let len = u16::from_be_bytes(*raw);
            if len < 126 {
                return Err(refuse("length not in its shortest form"));
            }
            Ok(Some((u64::from(len), 4)))
        }
        127 => {
            let Some(raw) = bytes[2..].first_chunk::<8>() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(*raw);
            if len >> 63 != 0 {
                return Err(refuse("length above 2^63 - 1"));
            }
            if len <= u64::from(u16::MAX) {
                return Err(refuse("length not in its shortest form"));
            }
            Ok(Some((len, 10)))
        }
        short => Ok(Some((u64::from(short), 2))),
    }
}

const fn refuse(reason: &'static str) -> Violation {
    Violation { code: CloseCode::PROTOCOL_ERROR, reason }
}
