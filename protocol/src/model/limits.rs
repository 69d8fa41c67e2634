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
/// `Idempotency-Key`: several UUIDs, and what the draft's own example of a limit is.
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;
/// A group's name.
pub const GROUP_MAX_CHARS: usize = 64;
/// Groups of one agent, and its skills.
pub const AGENT_GROUPS_MAX: usize = 64;
/// A name shown to people.
pub const NAME_MAX_CHARS: usize = 128;
/// A customer's identity on a channel (`channelId`).
pub const IDENTITY_MAX_CHARS: usize = 128;
/// A tag of a customer.
pub const TAG_MAX_CHARS: usize = 64;
/// Tags of a customer.
pub const TAGS_MAX: usize = 64;
/// Notes about a customer.
pub const NOTES_MAX_CHARS: usize = 4096;
/// Customers of a page of `/api/v1/customers` if the peer does not say.
pub const CUSTOMERS_PAGE_DEFAULT: u32 = 20;
/// `senderId` of webchat: read, and not believed.
pub const SENDER_ID_MAX_CHARS: usize = 256;
/// `metadata` of a message: a quarter of a text message, so that a page of history stays small.
pub const METADATA_MAX_BYTES: usize = 16 * 1024;
/// How often expired tokens are removed that nobody shows any more.
pub const TOKEN_SWEEP_MS: u64 = 60_000;
/// Expired tokens removed in one write.
pub const TOKEN_SWEEP_TOKENS: u32 = 512;
/// Addresses whose requests for tokens are counted at once (2 MB); beyond it those that owe nothing are forgotten, and all
/// if that leaves more than half.
pub const RATE_ADDRESSES_MAX: usize = 65_536;
/// A URL in a record or message.
pub const URL_MAX_BYTES: usize = 2048;
/// Conversations at once for one agent: keeps the desk's arithmetic in 32 bits.
pub const AGENT_MAX_CONCURRENT: u32 = 10_000;

/// A WebSocket text message of a dialect (dialects.md, shared rules).
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;
/// A message of `/ws/echo` (issue 3): conformance suites send 16 MiB.
pub const ECHO_MESSAGE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// What an unfinished message is charged per fragment past `FRAGMENTS_FREE`, so that endless empty
/// fragments reach the limit.
pub const FRAGMENT_COST_BYTES: usize = 1;
/// Fragments of one message that are not charged: a legal message may come in that many pieces.
pub const FRAGMENTS_FREE: usize = 65_536;
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
/// Agents of a page of `/api/v1/agents` if the peer does not say.
pub const AGENTS_PAGE_DEFAULT: u32 = 20;
/// Conversations or messages of a page of `/api/v1` if the peer does not say.
pub const BYTEDESK_PAGE_DEFAULT: u32 = 20;
/// Message ids in one `kefu_message_read`.
pub const READ_IDS_MAX: usize = 1000;

/// A JWT: several times what an agent with a dozen groups needs, and it fits into a head.
pub const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// The HS256 secret: RFC 7518, section 3.2, wants a key at least as long as the hash.
pub const JWT_SECRET_MIN_BYTES: usize = 32;
/// A secret file is read whole: nobody's secret is longer.
pub const JWT_SECRET_MAX_BYTES: usize = 4096;
/// `exp`, `nbf` and `iat` end with the year 9999; beyond it they are milliseconds or a mistake.
pub const TOKEN_TIME_MAX_SECS: u64 = 253_402_300_799;

/// Events taken from one shard's readiness set in one turn: a millisecond of heartbeats. With the other batches of
/// a turn (stored, mail, accept, send) it bounds how long news waits for a busy shard to look.
pub const READY_BATCH_EVENTS: usize = 256;
/// Connections the kernel keeps for one listener before accept: a whole fleet coming back at once.
pub const ACCEPT_BACKLOG_CONNECTIONS: i32 = 4096;
/// A listener rests this long after descriptors or kernel memory ran out, or accept would spin.
pub const ACCEPT_BACKOFF_MS: u64 = 50;
/// Mails one shard's inbox holds; what does not fit waits in the sender's overflow line.
pub const MAIL_INBOX_MAX_MAILS: usize = 8192;
/// Mails drained in one turn: sockets are served between two such batches.
pub const MAIL_BATCH_MAX_MAILS: usize = 256;
/// A sender whose overflow lines hold this many mails refuses new commands until they are shorter.
pub const MAIL_OVERFLOW_MAX_MAILS: usize = 16_384;
/// One step of a shard's timer wheel: a deadline fires at most this much late.
pub const WHEEL_TICK_MS: u64 = 10;

const _: () = assert!(ID_END / 2 == INTEGRATOR_ID_END, "visitor numbers fill the upper half");
const _: () = assert!(HTTP_BODY_MAX_BYTES >= MESSAGE_MAX_BYTES, "REST takes what a socket takes");
const _: () = assert!(TOKEN_MAX_BYTES < HTTP_HEAD_MAX_BYTES, "a token fits into a head");

/// Failed logins of a connection before it is closed (dialects.md, kefu).
pub const LOGIN_TRIES_MAX: u8 = 3;
/// Requests that may wait for one conversation or visitor while it is loaded or placed; past it: busy.
pub const WAITING_MAX_REQUESTS: usize = 256;
/// Storage operations a shard has under way; past it new commands are refused as busy (about 0.4 s of
/// writes at 40,000 a second).
pub const INFLIGHT_MAX_OPS: usize = 16_384;
/// A shard looks for those who wait too long for a write once in a tenth of the deadline, but not oftener than this.
pub const OVERDUE_LOOK_MIN_MS: u64 = 100;
/// And not less often: it is a look at each operation under way, 0.1 ms with as many as there may be.
pub const OVERDUE_LOOK_MAX_MS: u64 = 1_000;
/// Client message ids remembered per open conversation; older ones are looked up in storage.
pub const DEDUP_RECENT_IDS: usize = 64;
/// Older ones of which 8 bytes are kept, so that a new one needs no look-up: 40 KiB of a very long conversation.
pub const DEDUP_FINGERPRINTS: usize = 4096;
/// Unread messages pushed to an agent that is given a waiting conversation; older ones are in its history.
pub const BACKLOG_MAX_MESSAGES: u64 = 100;
/// Conversations of a visitor that are looked through for a retry after the end.
pub const VISITOR_CONVERSATIONS_SEEN: u32 = 32;
/// Agents in the list a visitor may choose from; available ones first.
pub const AVAILABLE_AGENTS_MAX: usize = 1000;

/// Writes that wait for the storage thread: what a shard may have under way, so a burst is refused by its
/// own shard first. Usually 300 bytes each; at worst the longest messages, 1 GiB.
pub const STORE_WRITE_QUEUE_OPS: usize = 16_384;
/// Reads that wait for a reader thread; as for writes.
pub const STORE_READ_QUEUE_OPS: usize = 16_384;
/// Writes made durable by one sync: 128 measured best, 512 has a p99 of 20 ms (facts.md).
pub const STORE_GROUP_WRITES: usize = 128;
/// Reads answered by one thread before it wakes the shards.
pub const STORE_READ_GROUP_OPS: usize = 32;
/// Threads that read: reads mostly hit memory, and a cold one must not hold up all others.
pub const STORE_READER_THREADS: usize = 2;
/// How far the embedded engine's own workers stand back (nice(2), Linux: per thread): beside one busy thread a
/// quarter of a CPU is still theirs, so that flushing keeps up.
pub const STORE_WORKERS_NICE: i32 = 5;
/// Files of the group journal: one is written, one is made free, two are in reserve for a sync that takes long.
pub const STORE_JOURNAL_SEGMENTS: usize = 4;
/// One file of the group journal. All of them are 0.2 s of writes at 70,000 messages a second, which a sync of 50 ms
/// does not use up; and a first start writes them in less than 0.1 s.
pub const STORE_JOURNAL_SEGMENT_BYTES: usize = 4 * 1024 * 1024;
/// A record of the group journal begins at a multiple of this: what a filesystem and a disk write at once, so that no
/// later write, torn or not, touches what was synced.
pub const STORE_JOURNAL_BLOCK_BYTES: usize = 4096;
/// The tables' own journal is synced after so much of the group journal: a quarter of it, which is small enough for a
/// short start after a crash, and seldom enough that these syncs cost little (20,000 messages a second: 5 times).
pub const STORE_CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;
/// How long a durable group may wait for others before it goes into the tables with them, if nobody reads: a wake-up
/// and a batch for some groups instead of for each. A read does not wait for it.
pub const STORE_APPLY_DELAY_MS: u64 = 1;
/// The embedded engine's block cache.
pub const STORE_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// All journals of the embedded engine: bounds what a restart after a kill replays.
pub const STORE_JOURNALS_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Unflushed writes of one keyspace: flushing early keeps the journals, and so a start after a kill, short.
pub const STORE_MEMTABLE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// So much of the data directory's file system is kept free for what was accepted: six memtables being flushed (96 MiB),
/// their journals (128 MiB), and a compaction, which writes before it removes (four tables of 64 MiB). An operator may
/// set it.
pub const STORE_MIN_FREE_BYTES: u64 = 512 * 1024 * 1024;
/// Once full, there is room again when this part of that more is free.
pub const STORE_ROOM_AGAIN_DIVISOR: u64 = 8;
/// How often a store looks whether it can write: at 100 MB/s a tenth of what is kept free.
pub const STORE_LOOK_MS: u64 = 500;

/// Messages of one partition of a cluster: each of the greatest length, with its dedup key, they are 40 MB. Part of where
/// every message is, so it can never change.
pub const CQL_BUCKET_MESSAGES: u64 = 512;
/// Contents of messages in one batch of a cluster: far below what a commit log takes at once.
pub const CQL_BATCH_MAX_BYTES: usize = 256 * 1024;
/// Customers in one batch, which goes to several partitions: a cluster warns of large ones.
pub const CQL_BATCH_CUSTOMERS: usize = 8;
/// Rows of a page of a question to a cluster.
pub const CQL_PAGE_ROWS: i32 = 5000;
/// How long a question is asked of a cluster again and again before it fails.
pub const CQL_READ_MS: u64 = 10_000;
/// How long an orderly end waits for a cluster: less than the server's own patience (`shutdown_timeout`).
pub const CQL_CLOSE_MS: u64 = 8_000;
/// Hashes of dedup keys in the memory of the cluster engine, some 20 bytes each: those of so many messages need no question.
pub const CQL_SENT_KEYS_MOST: usize = 2_000_000;
/// Buckets of a conversation whose keys are read to be held: longer ones are asked about key by key.
pub const CQL_SENT_KEYS_BUCKETS: i32 = 64;

/// The buffer all sockets of a shard are read into: a whole message with its frame header fits.
pub const READ_BUFFER_BYTES: usize = 128 * 1024;
/// Connections accepted in one turn.
pub const ACCEPT_BATCH_CONNECTIONS: usize = 64;
/// What storage has told that is dealt with in one turn.
pub const STORED_BATCH_OPS: usize = 256;
/// Unanswered requests of one connection; past it its input waits.
pub const CONNECTION_INFLIGHT_MAX_REQUESTS: u16 = 256;
/// How long a closed peer may take to end its half of the connection.
pub const CLOSE_TIMEOUT_MS: u64 = 2_000;
/// Buffers gathered into one send.
pub const SEND_MAX_SEGMENTS: usize = 64;

const _: () =
    assert!(STORE_JOURNAL_SEGMENT_BYTES.is_multiple_of(STORE_JOURNAL_BLOCK_BYTES), "segments are whole blocks");
// Any two segments in turn hold more than one segment's bytes, however badly records fit.
const _: () = assert!(
    STORE_CHECKPOINT_BYTES <= STORE_JOURNAL_SEGMENT_BYTES as u64 && STORE_JOURNAL_SEGMENTS >= 4,
    "before the oldest segment is wanted again, a checkpoint behind it was begun"
);

const _: () = assert!(READ_BUFFER_BYTES > MESSAGE_MAX_BYTES + 14, "a whole message is parsed in place");
/// Contents in one answer to a resuming peer: escaped as JSON they still fit an outbox of 1 MiB.
pub const SYNC_MAX_BYTES: usize = 128 * 1024;
/// Unsent HTTP answers of a connection; past it its further requests wait.
pub const HTTP_UNSENT_MAX_BYTES: usize = 64 * 1024;
/// A segment of an outbox takes no more than this and one answer; sent bytes are given back by segments.
pub const OUTBOX_SEGMENT_MAX_BYTES: usize = 16 * 1024;
/// Emptied outboxes a shard keeps to lend again: those of one turn of a busy shard.
pub const OUTBOX_SPARES_MAX: usize = 256;
/// An outbox that grew larger than this gives its memory back.
pub const OUTBOX_SPARE_MAX_BYTES: usize = 4096;
/// Sockets that one turn sends to, beside answering what it reads: less than a millisecond of a large fan-out, the
/// rest is the next turns'.
pub const SEND_BATCH_SOCKETS: usize = 256;

/// Conversations of a page of `/api/sessions` if the peer does not say: the guide knows no pages, so as many as there may be.
pub const SESSIONS_PAGE_DEFAULT: u32 = PAGE_MAX;
/// Headers looked at for one page of a list whose conditions no index has together: 10 ms of a reader thread. The
/// page then ends early and says where to go on.
pub const LISTING_SCAN_MAX_ROWS: usize = 10_000;
/// A message's content by guide 4 (`maxLength: 4096`).
pub const SESSION_CONTENT_MAX_CHARS: usize = 4096;
/// Connections that watch one conversation without being its agent's: colleagues who look on.
pub const WATCHERS_MAX_CONNECTIONS: usize = 64;
/// Conversations that one connection watches: those open on a screen.
pub const WATCHED_MAX_CONVERSATIONS: usize = 100;

/// Rows of one page of an export: headers, tokens; a page of headers with all its messages is what a resumed export
/// may write again.
pub const EXPORT_PAGE_ROWS: u32 = 500;
/// Reads of an export under way: both reader threads have work; at worst 32 pages of the longest messages, 200 MiB.
pub const EXPORT_READS_IN_FLIGHT: usize = 32;
/// A line of an export: the longest message, every character of it escaped, several times over.
pub const EXPORT_LINE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Messages or dedup keys that an import restores by one write; their contents end it earlier.
pub const IMPORT_CHUNK_ROWS: usize = 100;
/// See `IMPORT_CHUNK_ROWS`.
pub const IMPORT_CHUNK_MAX_BYTES: usize = 64 * 1024;
/// Writes of an import under way: some groups of the embedded engine, and what a cluster has time for.
pub const IMPORT_WRITES_IN_FLIGHT: usize = 512;
/// Contents of the writes of an import under way.
pub const IMPORT_IN_FLIGHT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// How often an export or import notes how far it is, for `--resume`.
pub const TRANSFER_NOTE_MS: u64 = 200;

const _: () = assert!(IMPORT_WRITES_IN_FLIGHT < STORE_WRITE_QUEUE_OPS, "an import never fills the store's queue");
