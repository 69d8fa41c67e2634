//! What exports ask and imports write. A cursor is the cluster's own paging state, behind the bucket it belongs to. Must not
//! know files.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use switchboard_protocol::model::limits::CQL_BUCKET_MESSAGES;
use switchboard_protocol::model::{
    Conversation, ConversationId, Cursor, CustomerId, KeptAnswer, KeyName, Message, Page, Restore, Scan, Scanned,
    SentKey, StoredToken, Timestamp, TokenHash, VShard, Written,
};

use super::cell::{Cell, Statement, big};
use super::cluster::Together;
use super::conversation::bucket;
use super::engine::Engine;
use super::read::{conversation_id, unreadable};
use crate::{Outcome, StoreError, layout, record};

/// Statements of one partition that are written at once.
const AT_ONCE: usize = 64;

impl Engine {
    /// Answers a scan.
    pub(super) async fn scan(&self, scan: &Scan) -> Result<Scanned, StoreError> {
        Ok(match scan {
            Scan::Leases => Scanned::Leases(self.leases().await?.into_iter().collect()),
            Scan::Conversations { after, limit } => {
                Scanned::Conversations(self.all_conversations(after.as_ref(), *limit).await?)
            }
            Scan::SentKeys { conversation, after, limit } => {
                Scanned::SentKeys(self.sent_keys(*conversation, after.as_ref(), *limit).await?)
            }
            Scan::Tokens { after, limit } => Scanned::Tokens(self.all_tokens(after.as_ref(), *limit).await?),
            Scan::Answers { after, limit } => Scanned::Answers(self.all_answers(after.as_ref(), *limit).await?),
        })
    }

    /// Every first bucket is a conversation's.
    async fn all_conversations(&self, after: Option<&Cursor>, limit: u32) -> Result<Page<Conversation>, StoreError> {
        let statement = Statement::new(|s| &s.all_buckets, []);
        let (rows, next) = self.cluster.page(statement, after, limit).await?;
        let mut ids = Vec::new();
        for row in rows.rows::<(i64, i32)>().map_err(unreadable)? {
            let (id, bucket) = row.map_err(unreadable)?;
            if bucket == 0 {
                ids.push(conversation_id(id)?);
            }
        }
        let headers = try_join_all(ids.into_iter().map(|id| self.header(id))).await?;
        Ok(Page { rows: headers.into_iter().flatten().collect(), next })
    }

    async fn sent_keys(
        &self,
        id: ConversationId,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<SentKey>, StoreError> {
        let Some(header) = self.header(id).await? else { return Ok(Page { rows: Vec::new(), next: None }) };
        let damaged = || StoreError::corrupt("a cursor is not of this store");
        let (number, inner) = match after {
            None => (0, None),
            Some(Cursor(bytes)) => {
                let (number, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
                (i32::from_be_bytes(*number), (!rest.is_empty()).then(|| Cursor(rest.to_vec())))
            }
        };
        let statement = Statement::new(|s| &s.all_sent, [big(id.get()), Cell::Int(number)]);
        let (rows, next) = self.cluster.page(statement, inner.as_ref(), limit).await?;
        let mut keys = Vec::new();
        for row in rows.rows::<(&[u8], &[u8])>().map_err(unreadable)? {
            let (key, bytes) = row.map_err(unreadable)?;
            let (sender, client_msg_id) = layout::sent_parts(key)?;
            keys.push(SentKey { sender, client_msg_id, sent: record::read_sent(id, bytes)? });
        }
        // One whose message was never acknowledged is none.
        let seqs: Vec<_> = keys.iter().map(|key| key.sent.seq).collect();
        let found = self.messages(id, &seqs).await?;
        let ids: HashMap<_, _> = found.into_iter().map(|message| (message.seq, message.id)).collect();
        keys.retain(|key| key.sent.seq <= header.last_seq && ids.get(&key.sent.seq) == Some(&key.sent.message));
        let next = match next {
            Some(Cursor(inner)) => Some(Cursor([&number.to_be_bytes()[..], &inner].concat())),
            None if number < bucket(header.last_seq) => Some(Cursor((number + 1).to_be_bytes().into())),
            None => None,
        };
        Ok(Page { rows: keys, next })
    }

    async fn all_tokens(&self, after: Option<&Cursor>, limit: u32) -> Result<Page<StoredToken>, StoreError> {
        let (rows, next) = self.cluster.page(Statement::new(|s| &s.all_tokens, []), after, limit).await?;
        let mut tokens = Vec::new();
        for row in rows.rows::<(&[u8], &[u8])>().map_err(unreadable)? {
            let (hash, bytes) = row.map_err(unreadable)?;
            let hash = hash.try_into().map_err(|_| StoreError::corrupt("a token's hash is of another length"))?;
            let (bearer, expires_at) = record::read_token(bytes)?;
            tokens.push(StoredToken { hash: TokenHash(hash), bearer, expires_at });
        }
        Ok(Page { rows: tokens, next })
    }

    async fn all_answers(&self, after: Option<&Cursor>, limit: u32) -> Result<Page<(KeyName, KeptAnswer)>, StoreError> {
        let (rows, next) = self.cluster.page(Statement::new(|s| &s.all_answers, []), after, limit).await?;
        let mut answers = Vec::new();
        for row in rows.rows::<(&[u8],)>().map_err(unreadable)? {
            answers.push(record::read_answer(row.map_err(unreadable)?.0)?);
        }
        Ok(Page { rows: answers, next })
    }

    /// Puts a part of another store here.
    pub(super) async fn restore(&self, restore: &Restore) -> Outcome {
        match restore {
            Restore::Leases(leases) => self.raise_leases(leases).await?,
            Restore::Messages(messages) => self.restore_messages(messages).await,
            Restore::SentKeys(keys) => self.restore_sent(keys).await,
            Restore::Interactions(interactions) => self.raise_interactions(interactions).await?,
        }
        self.groups(1);
        Ok(Written::Durable)
    }

    async fn raise_leases(&self, leases: &[(VShard, u64)]) -> Result<(), StoreError> {
        let mut next = self.cluster.needed(async || self.leases().await).await?;
        let mut raised = BTreeMap::new();
        for (vshard, least) in leases {
            let known = next.entry(*vshard).or_insert(1);
            if *least > *known {
                *known = *least;
                raised.insert(*vshard, *least);
            }
        }
        let entries: Vec<_> = raised.into_iter().map(|(vshard, next)| self.lease_entry(vshard, next)).collect();
        self.write_all(&entries).await;
        Ok(())
    }

    /// Pointers to buckets first, as always.
    async fn restore_messages(&self, messages: &[Message]) {
        for messages in messages.chunk_by(|one, other| bucket(one.seq) == bucket(other.seq)) {
            let first = &messages[0];
            if bucket(first.seq) > 0 && (first.seq.get() - 1).is_multiple_of(CQL_BUCKET_MESSAGES) {
                self.point_to_bucket(first.conversation, bucket(first.seq)).await;
            }
            let entries: Vec<_> = messages.iter().map(|message| self.message_entry(message)).collect();
            self.write_all(&entries).await;
        }
        for places in self.place_entries(messages) {
            self.write_all(&places).await;
        }
    }

    async fn restore_sent(&self, keys: &[SentKey]) {
        let entry = |key: &SentKey| self.sent_entry(key.sender, &key.client_msg_id, key.sent);
        for keys in keys.chunk_by(|one, other| bucket(one.sent.seq) == bucket(other.sent.seq)) {
            self.write_all(&keys.iter().map(entry).collect::<Vec<_>>()).await;
        }
    }

    async fn raise_interactions(&self, interactions: &[(CustomerId, Timestamp)]) -> Result<(), StoreError> {
        for (id, at) in interactions {
            let known = self.cluster.needed(async || self.last_interaction(*id).await).await?;
            if known.is_none_or(|known| known < *at) {
                self.cluster.write_one(self.interaction_entry(*id, *at)).await;
            }
        }
        Ok(())
    }

    /// Statements of one partition, some at once.
    async fn write_all(&self, statements: &[Statement]) {
        for statements in statements.chunks(AT_ONCE) {
            self.cluster.write(Together::OnePartition, statements).await;
        }
    }
}
