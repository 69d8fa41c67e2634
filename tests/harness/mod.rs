//! What every story stands on: a server process, peers, REST, patterns to compare with. Knows the guides'
//! words and the command line; must not know the server's code.

pub mod bytedesk;
pub mod cql;
pub mod forge;
pub mod kefu;
pub mod mount;
pub mod pattern;
pub mod raw;
pub mod rest;
pub mod rng;
pub mod server;
pub mod steady;
pub mod validator;
pub mod webchat;
pub mod workbench;

use std::time::{Duration, Instant};

pub use kefu::{Lost, Peer};
pub use pattern::assert_like;
pub use raw::Raw;
pub use rest::Reply;
pub use rng::Rng;
pub use server::{Server, Setup};
pub use workbench::{Bench, Tab};

/// How long anything that must happen may take. Generous: machines under test are slow, and what comes
/// in time costs nothing.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must come before it counts as not coming.
pub const QUIET: Duration = Duration::from_millis(250);

/// Asks again and again until `probe` gives something, and fails the test after [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes each story a test for one shard and one for two: `stories!(talk, paging);` where a story is a
/// `fn(shards: u16)`.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod one_shard {
            $(#[test] fn $story() { super::$story(1); })+
        }
        mod two_shards {
            $(#[test] fn $story() { super::$story(2); })+
        }
    };
}
pub(crate) use stories;
