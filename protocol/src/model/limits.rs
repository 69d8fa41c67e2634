//! Every limit of the system, in one place: the unit is last in the name, the reason beside it
//! (architecture.md, invariant 7). What an operator may change has its default here and its key in
//! the server's config.

/// Virtual shards; part of every minted id, so it can never change.
pub const VSHARDS: u16 = 4096;
/// Minted ids end below 2^53, the largest integer JavaScript reads exactly.
pub const ID_END: u64 = 1 << 53;
/// Integrators' ids end below 2^52; visitors' numbers begin there.
pub const INTEGRATOR_ID_END: u64 = 1 << 52;
/// Ids leased per virtual shard in one write: a restart skips at most this many.
pub const ID_LEASE_BLOCK_IDS: u64 = 65_536;

/// kefu `visitor_id` (dialects.md).
pub const VISITOR_ID_MAX_CHARS: usize = 128;
/// `csId` (guide 4, `maxLength: 64`).
pub const AGENT_CODE_MAX_CHARS: usize = 64;
/// `client_msg_id` (dialects.md).
pub const CLIENT_MSG_ID_MAX_CHARS: usize = 64;
/// A group's name.
pub const GROUP_MAX_CHARS: usize = 64;
/// Groups of one agent, and its skills.
pub const AGENT_GROUPS_MAX: usize = 64;
/// A name shown to people.
pub const NAME_MAX_CHARS: usize = 128;
/// A URL in a record or message.
pub const URL_MAX_BYTES: usize = 2048;
/// Conversations at once for one agent: keeps the desk's arithmetic in 32 bits.
pub const AGENT_MAX_CONCURRENT: u32 = 10_000;

/// A WebSocket text message of a dialect (dialects.md, shared rules).
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;
/// A message of `/ws/echo` (issue 3): conformance suites send 16 MiB.
pub const ECHO_MESSAGE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// What an unfinished message is charged per fragment, so that endless empty fragments reach the limit.
pub const FRAGMENT_COST_BYTES: usize = 1;
/// Request line and headers of one HTTP request.
pub const HTTP_HEAD_MAX_BYTES: usize = 16 * 1024;
/// Headers of one HTTP request.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Body of one HTTP request.
pub const HTTP_BODY_MAX_BYTES: usize = 64 * 1024;
/// Nesting of JSON: deeper is refused before it is parsed, so a parser's recursion never decides.
pub const JSON_DEPTH_MAX: usize = 32;
/// `op_id` and other values given back as they came.
pub const OP_ID_MAX_BYTES: usize = 1024;

/// Entries of a page.
pub const PAGE_MAX: u32 = 100;
/// Entries of a page if the peer does not say (guide 2: 10).
pub const KEFU_PAGE_DEFAULT: u32 = 10;
/// Message ids in one `kefu_message_read`.
pub const READ_IDS_MAX: usize = 1000;

const _: () = assert!(ID_END / 2 == INTEGRATOR_ID_END, "visitor numbers fill the upper half");
const _: () = assert!(
    HTTP_BODY_MAX_BYTES >= MESSAGE_MAX_BYTES,
    "REST takes what a socket takes"
);
