//! A bare WebSocket: what is sent comes back, or goes to all others. No login, no conversations.

use super::{Heard, Opened, Side, Stamp, SyncPage, Wire};
use crate::settings::PingForm;

/// See the module.
pub(super) struct Echo;

impl Wire for Echo {
    fn path(&self) -> &'static str {
        "/ws/echo"
    }

    fn has_desk(&self) -> bool {
        false
    }

    fn opening_path(&self, _group: &str) -> Option<String> {
        None
    }

    fn opened(&self, _body: &[u8]) -> Option<Opened> {
        None
    }

    fn login(&self, _token: &str, _op: u64, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn ping(&self, _form: PingForm, size: usize, out: &mut Vec<u8>) {
        out.resize(out.len() + size, b'p');
    }

    fn send(&self, _conversation: u64, _by: Side, content: &str, _op: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(content.as_bytes());
    }

    fn read(&self, _conversation: u64, _by: Side, _op: u64, _out: &mut Vec<u8>) {
        unreachable!("scenarios ask `has_desk` first")
    }

    fn end(&self, _conversation: u64, _op: u64, _out: &mut Vec<u8>) {
        unreachable!("scenarios ask `has_desk` first")
    }

    fn sync(&self, _conversation: u64, _after_seq: u64, _op: u64, _out: &mut Vec<u8>) {
        unreachable!("scenarios ask `has_desk` first")
    }

    fn synced(&self, _data: &str) -> Option<SyncPage> {
        None
    }

    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>> {
        if Stamp::read(text).is_some() {
            return Some(Heard::Message { conversation: 0, seq: 0, by: Side::Agent, content: text });
        }
        Some(Heard::Pong)
    }
}
