//! webchat, the dialect of guide 3: customers of ten channels and agents on `/ws/chat?token=…`, the public call that
//! gives customers their tokens, and the agents' API for customers.
//!
//! Extensions that an old client never meets (dialects.md): `client_msg_id` on a message, which is then answered by an
//! `ack`; the types `sync`, `typing` and `end`; with `ext=1` (or after an extension) the frames `assigned`, `read`,
//! `typing` and `ended`, and a customer's own messages on its other devices. Known frames carry further fields.
//!
//! Must not know frames, sockets, tokens' hashes or who is listening.

pub mod client;
pub mod decode;
pub mod encode;
pub mod session;
#[cfg(test)]
mod tests;
mod wire;

use crate::model::{Answer, Event, Party, Refusal};

use super::{Context, Dialect, Hearer, Intent, LoginRefusal, Scratch, Seat, Session, Settings};

/// The dialect.
pub struct Webchat;

impl Dialect for Webchat {
    fn name(&self) -> &'static str {
        "webchat"
    }

    fn session(&self) -> &'static Session {
        &session::SESSION
    }

    fn decode(&self, text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
        decode::message(text, seat, scratch, out)
    }

    /// The upgrade was the answer.
    fn encode_login(&self, _: &Context, _: Result<&Party, LoginRefusal>, _: &mut Vec<u8>) {}

    /// Nobody binds here.
    fn encode_bound(&self, _: &Context, _: Result<(), LoginRefusal>, _: &mut Vec<u8>) {}

    fn encode_answer(&self, context: &Context, result: Result<&Answer, &Refusal>, _: &Settings, out: &mut Vec<u8>) {
        encode::answer(context, result, out);
    }

    fn encode_event(&self, event: &Event, hearer: Hearer, _: &Settings, out: &mut Vec<u8>) -> bool {
        encode::event(event, hearer, out)
    }
}
