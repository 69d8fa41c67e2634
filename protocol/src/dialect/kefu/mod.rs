//! kefu, the dialect of guide 2: app users, anonymous visitors and agents on `/ws`, and two REST calls.
//!
//! Extensions that an old client never meets (dialects.md): `client_msg_id` in `data` of a send, the actions
//! `kefu_message_sync` and `kefu_message_typing`, `after` and `after_seq` of `list`, `group` of
//! `getConversation`, and the fields `seq` and `conversation_id` on known frames.
//!
//! Must not know frames, sockets or who is listening.

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
pub struct Kefu;

impl Dialect for Kefu {
    fn name(&self) -> &'static str {
        "kefu"
    }

    fn session(&self) -> &'static Session {
        &session::SESSION
    }

    fn decode(&self, text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
        decode::message(text, seat, scratch, out)
    }

    fn encode_login(&self, context: &Context, result: Result<&Party, LoginRefusal>, out: &mut Vec<u8>) {
        encode::login(context, result, out);
    }

    fn encode_bound(&self, context: &Context, result: Result<(), LoginRefusal>, out: &mut Vec<u8>) {
        encode::bound(context, result, out);
    }

    fn encode_answer(
        &self,
        context: &Context,
        result: Result<&Answer, &Refusal>,
        settings: &Settings,
        out: &mut Vec<u8>,
    ) {
        encode::answer(context, result, settings, out);
    }

    fn encode_event(&self, event: &Event, hearer: Hearer, settings: &Settings, out: &mut Vec<u8>) -> bool {
        encode::event(event, hearer.ext, settings, out)
    }
}
