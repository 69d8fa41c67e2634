//! RFC 6455: bytes of a WebSocket connection to messages and back.
//!
//! The way in: `handshake` turns an HTTP request into a connection, `Assembler` turns whatever bytes
//! arrived into `Incoming` values, `codec` writes frames into an outbox.
//!
//! Nothing here knows a socket, a clock or a dialect; mask keys are handed in as values.

mod assemble;
mod close;
mod codec;
pub mod handshake;
mod header;
mod mask;
#[cfg(test)]
mod tests;

pub use assemble::{Assembler, Incoming, Limits};
pub use close::{CloseCode, CloseFrame, Violation};
pub use codec::{OpenFrame, encode_header, write_close, write_frame, write_frame_with, write_masked, write_pong};
pub use header::{Header, Opcode, Role};
pub use mask::apply as apply_mask;
