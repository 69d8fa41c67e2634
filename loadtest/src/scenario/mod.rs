//! What peers do: one file a scenario, one trait, one table. A scenario acts through the [`Stage`] and is told what
//! happened; it opens no socket, reads no clock and knows no dialect.

mod cast;
mod chat;
mod connect;
mod fanout;
mod heartbeat;
mod mixed;
mod queue;
mod reconnect;
mod slow;
mod soak;
mod stream;
mod talk;

pub use cast::group;
use serde::{Deserialize, Serialize};

use crate::engine::{Asked, Ground, Stage};
use crate::measure::{Metric, Nanos};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened};

/// With fewer clients the slope of memory is the allocator's.
const MEMORY_MIN_CLIENTS: usize = 900;

/// Who takes part, and the scenario that tells them what to do.
pub type Built = (Ground, Box<dyn Scenario>);

/// A scenario at work.
pub trait Scenario {
    /// The clients that are opened before the load begins, in that order.
    fn ramp(&self, stage: &Stage<'_>) -> Vec<u32> {
        (0..stage.clients.len() as u32).collect()
    }

    /// The first of [`Scenario::ramp`] that all others wait for: so many are ready before anybody else is opened.
    fn hosts(&self) -> u32 {
        0
    }

    /// Whether everybody is where the load needs them; `begun` clients were opened.
    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun
    }

    /// Whether the ramp pauses to read the server's memory.
    fn shows_memory(&self, _clients: usize) -> bool {
        false
    }

    /// The load begins.
    fn begin(&mut self, _stage: &mut Stage<'_>) {}

    /// The next scheduled action is due.
    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos);

    /// A moment of [`Stage::act_at`] has come.
    fn cue(&mut self, _stage: &mut Stage<'_>, _about: u32, _intended: Nanos) {}

    /// A client's conversation is open.
    fn opened(&mut self, _stage: &mut Stage<'_>, _client: u32, _opened: Opened) {}

    /// A client is connected and logged in.
    fn ready(&mut self, _stage: &mut Stage<'_>, _client: u32) {}

    /// A client's connection is gone, not by [`Stage::cut`].
    fn lost(&mut self, stage: &mut Stage<'_>, client: u32);

    /// Whether the loss of this client's connection is part of the scenario.
    fn may_lose(&self, _client: u32) -> bool {
        false
    }

    /// A heartbeat was answered.
    fn ponged(&mut self, _stage: &mut Stage<'_>, _client: u32) {}

    /// A request was answered.
    fn answered(&mut self, _stage: &mut Stage<'_>, _asked: Asked, _success: bool, _data: &str) {}

    /// A push came.
    fn heard(&mut self, _stage: &mut Stage<'_>, _client: u32, _heard: Heard<'_>) {}

    /// Whether nothing more is to come.
    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        stage.unanswered() == 0
    }

    /// The end: accounts are closed.
    fn finish(&mut self, _stage: &mut Stage<'_>) {}
}

/// The table: one line a scenario.
macro_rules! scenarios {
    ($($kind:ident $name:literal $module:ident $metric:ident $unit:literal $needs_desk:literal $about:literal;)*) => {
        /// The scenarios.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
        #[serde(rename_all = "snake_case")]
        pub enum ScenarioKind {
            $(#[doc = $about] $kind,)*
        }

        impl ScenarioKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// As results and the command line name it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it is for, in one line.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$kind => $about,)* }
            }

            /// What is watched first.
            pub const fn metric(self) -> Metric {
                match self { $(Self::$kind => Metric::$metric,)* }
            }

            /// What the server's CPU time is divided by: the count of this metric, in words.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$kind => $unit,)* }
            }

            /// Whether it needs conversations and agents.
            pub const fn needs_desk(self) -> bool {
                match self { $(Self::$kind => $needs_desk,)* }
            }

            /// Who takes part, and what they do.
            pub fn build(self, settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
                match self { $(Self::$kind => $module::build(settings, tokens),)* }
            }
        }
    };
}

scenarios! {
    Connect   "connect"   connect   Connect "connection" false "Handshakes and logins per second: connections come and go on a schedule";
    Heartbeat "heartbeat" heartbeat Answer  "answer"     false "Idle sockets that ping on a schedule: answer latency, memory and CPU a socket";
    Chat      "chat"      chat      Push    "message"    true  "Customers and agents talk: send to answer, send to the other side's screen";
    Fanout    "fanout"    fanout    Last    "delivery"   false "One message to all devices of a party: first, last and each delivery";
    Queue     "queue"     queue     Wait    "customer"   true  "Arrivals against the agents' capacity: waiting, assignment, freed slot to next customer";
    Reconnect "reconnect" reconnect Resume  "connection" true  "All sockets cut at once: back, logged in, resumed, nothing missing";
    Slow      "slow"      slow      Push    "message"    true  "1 % of the readers stall half-way: the others' latency";
    Soak      "soak"      soak      Push    "message"    true  "Hours of mixed load: the slope of memory with its uncertainty";
    Mixed     "mixed"     mixed     Push    "message"    true  "Pings, messages both ways, read marks, syncs and reconnects, by weight";
}
