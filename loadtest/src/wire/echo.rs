//! A bare WebSocket: what is sent comes back, or goes to all others. No login, no conversations.

use super::{Abilities, Heard, Party, Sheet, Side, Stamp, Wire};
use crate::settings::{PAYLOAD_MAX_BYTES, PingForm};

/// See the module.
pub(super) struct Echo;

impl Wire for Echo {
    fn abilities(&self) -> &'static Abilities {
        &Abilities {
            desk: false,
            customers: true,
            picks: false,
            greets: false,
            unnumbered: &[],
            issues: false,
            named_paths: false,
            content_max_bytes: PAYLOAD_MAX_BYTES,
        }
    }

    fn path(&self, _party: &Party) -> String {
        "/ws/echo".to_owned()
    }

    fn ping(&self, _form: PingForm, size: usize, out: &mut Sheet) {
        out.body.resize(size, b'p');
    }

    fn send(&self, _from: &Party, _conversation: u64, content: &str, _op: u64, out: &mut Sheet) {
        out.body.extend_from_slice(content.as_bytes());
    }

    fn hear<'a>(&self, text: &'a str) -> Option<Heard<'a>> {
        if Stamp::read(text).is_some() {
            return Some(Heard::Message { conversation: 0, seq: 0, by: Side::Agent, content: text });
        }
        Some(Heard::Pong)
    }
}
