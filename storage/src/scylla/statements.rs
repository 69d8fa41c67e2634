//! Every statement there is, prepared once. Must not know when one is used.

use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared;
use switchboard_protocol::model::limits::CQL_PAGE_ROWS;

macro_rules! statements {
    ($($(#[doc = $doc:literal])* $name:ident = $cql:literal;)*) => {
        /// The prepared statements.
        #[derive(Debug)]
        pub(super) struct Statements {
            $($(#[doc = $doc])* pub(super) $name: PreparedStatement,)*
        }

        impl Statements {
            /// Prepares them all; fails with the first one that the cluster refuses.
            pub(super) async fn prepare(session: &Session) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepared(session, $cql).await?,)* })
            }
        }
    };
}

statements! {
    /// A message, or what was sent under a dedup key.
    put_entry = "INSERT INTO messages (conversation, bucket, kind, position, key, record) VALUES (?, ?, ?, ?, ?, ?) \
        USING TIMESTAMP ?";
    put_header = "UPDATE messages USING TIMESTAMP ? SET header = ? WHERE conversation = ? AND bucket = ?";
    put_last_bucket = "UPDATE messages USING TIMESTAMP ? SET last_bucket = ? WHERE conversation = ? AND bucket = 0";
    header = "SELECT DISTINCT header, last_bucket FROM messages WHERE conversation = ? AND bucket = ?";
    history = "SELECT position, record FROM messages WHERE conversation = ? AND bucket = ? AND kind = 0 \
        AND position >= ? AND position <= ?";
    messages = "SELECT position, record FROM messages WHERE conversation = ? AND bucket = ? AND kind = 0 \
        AND position IN ?";
    sent = "SELECT record FROM messages WHERE conversation = ? AND bucket = ? AND kind = 1 AND position = 0 AND key = ?";

    all_buckets = "SELECT DISTINCT conversation, bucket FROM messages";
    all_sent = "SELECT key, record FROM messages WHERE conversation = ? AND bucket = ? AND kind = 1";

    put_place = "INSERT INTO message_places (block, message, conversation, seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    places = "SELECT message, conversation, seq FROM message_places WHERE block = ? AND message IN ?";

    put_of_party = "INSERT INTO conversations_by_party (party, conversation, number) VALUES (?, ?, ?) USING TIMESTAMP ?";
    of_party = "SELECT conversation, number FROM conversations_by_party WHERE party = ? AND conversation < ? LIMIT ?";
    number_of_party = "SELECT DISTINCT number FROM conversations_by_party WHERE party = ?";

    put_open = "INSERT INTO open_conversations (part, conversation) VALUES (?, ?) USING TIMESTAMP ?";
    remove_open = "DELETE FROM open_conversations USING TIMESTAMP ? WHERE part = ? AND conversation = ?";
    open = "SELECT conversation FROM open_conversations WHERE part = ? AND conversation > ? LIMIT ?";

    put_closed = "INSERT INTO closed_conversations (scope, day, created_at, conversation) VALUES (?, ?, ?, ?) \
        USING TIMESTAMP ?";
    put_closed_day = "INSERT INTO closed_days (scope, day) VALUES (?, ?) USING TIMESTAMP ?";
    closed_days = "SELECT day FROM closed_days WHERE scope = ? AND day <= ? LIMIT ?";
    closed = "SELECT created_at, conversation FROM closed_conversations WHERE scope = ? AND day = ? \
        AND (created_at, conversation) < (?, ?) LIMIT ?";

    put_agent = "INSERT INTO agents (part, agent, record) VALUES (0, ?, ?) USING TIMESTAMP ?";
    agents = "SELECT agent, record FROM agents WHERE part = 0 AND agent > ? LIMIT ?";
    put_lease = "INSERT INTO id_leases (part, vshard, next) VALUES (0, ?, ?) USING TIMESTAMP ?";
    leases = "SELECT vshard, next FROM id_leases WHERE part = 0";

    put_customer = "INSERT INTO customers (customer, record) VALUES (?, ?) USING TIMESTAMP ?";
    customer = "SELECT record FROM customers WHERE customer = ?";
    put_identity = "INSERT INTO customer_identities (kind, value, customer) VALUES (?, ?, ?) USING TIMESTAMP ?";
    remove_identity = "DELETE FROM customer_identities USING TIMESTAMP ? WHERE kind = ? AND value = ?";
    identity = "SELECT customer FROM customer_identities WHERE kind = ? AND value = ?";
    put_interaction = "INSERT INTO customer_interactions (customer, at) VALUES (?, ?) USING TIMESTAMP ?";
    interaction = "SELECT at FROM customer_interactions WHERE customer = ?";
    put_listed = "INSERT INTO customer_lists (list, block, ordinal, active, customer) VALUES (?, ?, ?, ?, ?) \
        USING TIMESTAMP ?";
    remove_listed = "DELETE FROM customer_lists USING TIMESTAMP ? WHERE list = ? AND block = ? AND ordinal = ?";
    listed = "SELECT ordinal, active, customer FROM customer_lists WHERE list = ? AND block = ?";
    put_block = "INSERT INTO customer_blocks (list, block, customers, active) VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    block = "SELECT customers, active FROM customer_blocks WHERE list = ? AND block = ?";
    blocks = "SELECT block, customers, active FROM customer_blocks WHERE list = ?";
    put_ordinal = "INSERT INTO ordinals (name, next) VALUES ('customer', ?) USING TIMESTAMP ?";
    ordinal = "SELECT next FROM ordinals WHERE name = 'customer'";

    put_token = "INSERT INTO tokens (hash, record) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?";
    remove_token = "DELETE FROM tokens USING TIMESTAMP ? WHERE hash = ?";
    token = "SELECT record FROM tokens WHERE hash = ?";
    all_tokens = "SELECT hash, record FROM tokens";
    put_answer = "INSERT INTO kept_answers (name, record) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?";
    remove_answer = "DELETE FROM kept_answers USING TIMESTAMP ? WHERE name = ?";
    answer = "SELECT record FROM kept_answers WHERE name = ?";
    all_answers = "SELECT record FROM kept_answers";
}

/// Every statement may be carried out again: it says its own timestamp, or only reads.
async fn prepared(session: &Session, cql: &str) -> Result<PreparedStatement, PrepareError> {
    let mut statement = unprepared::Statement::new(cql);
    // Wide enough that whoever asks for a thousand rows gets them in one page.
    statement.set_page_size(CQL_PAGE_ROWS);
    let mut prepared = session.prepare(statement).await?;
    prepared.set_is_idempotent(true);
    Ok(prepared)
}

/// Statements on which lightweight transactions are decided and read.
pub(super) async fn conditional(
    session: &Session,
    cql: &str,
    serial: Option<Consistency>,
) -> Result<PreparedStatement, PrepareError> {
    let mut prepared = prepared(session, cql).await?;
    if let Some(serial) = serial {
        prepared.set_consistency(serial);
    }
    Ok(prepared)
}
