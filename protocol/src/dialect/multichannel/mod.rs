//! multichannel, the dialect of guide 4: the agents' workbench on `/ws/cs/{csId}` and the REST of `/api/sessions`.
//!
//! Extensions that an old client never meets (dialects.md): `limit` and `cursor` of the list and `limit`, `page` and
//! `after_seq` of a history with the header `Link`, `client_msg_id` of a send, the types `sync` and `typing`, and the
//! fields `seq` and `caption`. The platforms' callbacks of the guide are no part of this folder.
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

/// The guide's OpenAPI document: its text, with the indentation that the guide's source has lost.
pub const OPENAPI: &str = include_str!("fixtures/openapi.yaml");

/// The dialect.
pub struct Multichannel;

impl Dialect for Multichannel {
    fn name(&self) -> &'static str {
        "multichannel"
    }

    fn session(&self) -> &'static Session {
        &session::SESSION
    }

    fn decode(&self, text: &mut [u8], _: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
        decode::message(text, scratch, out)
    }

    fn encode_login(&self, _: &Context, result: Result<&Party, LoginRefusal>, out: &mut Vec<u8>) {
        encode::joined(result.map(drop), out);
    }

    fn encode_bound(&self, _: &Context, result: Result<(), LoginRefusal>, out: &mut Vec<u8>) {
        encode::joined(result, out);
    }

    fn encode_answer(&self, context: &Context, result: Result<&Answer, &Refusal>, _: &Settings, out: &mut Vec<u8>) {
        encode::socket_answer(context, result, out);
    }

    fn encode_event(&self, event: &Event, hearer: Hearer, _: &Settings, out: &mut Vec<u8>) -> bool {
        encode::event(event, hearer.ext, out)
    }
}
