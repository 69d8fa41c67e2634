//! bytedesk, the dialect of guide 1 (sections 1.2 and 2): users and agents on `/ws?token=…`, and the REST of agents,
//! conversations and messages under `/api/v1`.
//!
//! Extensions that an old client never meets (dialects.md): `conversation_id` and `client_msg_id` in `data` of a send, the
//! actions `sync`, `read`, `typing` and `end` of type `message`; with `ext=1` (or after an extension) the events
//! `conversation_assigned`, `conversation_waiting`, `conversation_closed`, `message_read` and `typing`. Known frames
//! carry further fields.
//!
//! Must not know frames, HTTP heads, tokens or who is listening.

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
pub struct Bytedesk;

impl Dialect for Bytedesk {
    fn name(&self) -> &'static str {
        "bytedesk"
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
        encode::event(event, hearer.ext, out)
    }
}
