//! Agents, leases of ids, tokens, and answers kept under a key. Must not know who asked.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_protocol::model::limits::ID_LEASE_BLOCK_IDS;
use switchboard_protocol::model::{
    AgentId, AgentProfile, KeptAnswer, KeyName, Party, Timestamp, TokenHash, VShard, Write, Written,
};

use super::cell::{Cell, Statement, big};
use super::cluster::Together;
use super::engine::Engine;
use super::read::unreadable;
use crate::{Outcome, StoreError, record};

/// Leases written at once: they are of one partition.
const LEASES_AT_ONCE: usize = 256;
/// What goes by its time to live stays so much longer than it is good for: clocks differ, and whoever shows it a little
/// too late is told that it has expired, and not that it never was.
const AFTERLIFE_SECS: u64 = 86_400;
/// The longest time to live there is: 20 years, by CQL.
const TTL_MAX_SECS: u64 = 630_720_000;

impl Engine {
    /// The statements of a write that needs no look at what is there, in order.
    pub(super) fn blind(&self, write: &Write) -> Vec<Statement> {
        match write {
            Write::SaveAgent(profile) => vec![self.agent_entry(profile.id, Some(profile))],
            Write::DeleteAgent(id) => vec![self.agent_entry(*id, None)],
            Write::SaveToken { hash, bearer, expires_at } => vec![self.token_entry(hash, bearer, *expires_at)],
            Write::RemoveTokens(tokens) => {
                let remove = |(hash, _): &(TokenHash, Timestamp)| {
                    Statement::new(|s| &s.remove_token, [self.timestamp(), Cell::Blob(hash.0.into())])
                };
                tokens.iter().map(remove).collect()
            }
            Write::KeepAnswer(answer) => vec![self.answer_entry(&answer.0, &answer.1)],
            Write::Append { .. }
            | Write::SaveConversation { .. }
            | Write::MarkRead { .. }
            | Write::Revise { .. }
            | Write::LeaseIds(_)
            | Write::CreateCustomer(_)
            | Write::UpdateCustomer { .. }
            | Write::ForgetAnswers(_)
            | Write::Restore(_) => unreachable!("these are carried out by looking"),
        }
    }

    fn agent_entry(&self, id: AgentId, profile: Option<&AgentProfile>) -> Statement {
        let mut bytes = Vec::with_capacity(128);
        record::write_agent(profile, &mut bytes);
        Statement::new(|s| &s.put_agent, [big(id.get()), Cell::Blob(bytes), self.timestamp()])
    }

    fn token_entry(&self, hash: &TokenHash, bearer: &Party, expires_at: Timestamp) -> Statement {
        let mut bytes = Vec::with_capacity(64);
        record::write_token(bearer, expires_at, &mut bytes);
        let values = [Cell::Blob(hash.0.into()), Cell::Blob(bytes), self.timestamp(), ttl(expires_at)];
        Statement::new(|s| &s.put_token, values)
    }

    fn answer_entry(&self, name: &KeyName, kept: &KeptAnswer) -> Statement {
        let mut bytes = Vec::with_capacity(128 + kept.body.len());
        record::write_answer(name, kept, &mut bytes);
        let values = [Cell::Blob(name.to_bytes()), Cell::Blob(bytes), self.timestamp(), ttl(kept.expires_at)];
        Statement::new(|s| &s.put_answer, values)
    }

    /// Leases the next block of each of these; nobody else does, since nobody else owns the store.
    pub(super) async fn lease(&self, vshards: &[VShard]) -> Outcome {
        let mut next = self.cluster.needed(async || self.leases().await).await?;
        let mut leased = Vec::with_capacity(vshards.len());
        for vshard in vshards {
            let first = next.get(vshard).copied().unwrap_or(1);
            next.insert(*vshard, first + ID_LEASE_BLOCK_IDS);
            leased.push((*vshard, first..first + ID_LEASE_BLOCK_IDS));
        }
        let entries: Vec<_> = leased.iter().map(|(vshard, range)| self.lease_entry(*vshard, range.end)).collect();
        for entries in entries.chunks(LEASES_AT_ONCE) {
            self.cluster.write(Together::OnePartition, entries).await;
        }
        Ok(Written::Leased(leased))
    }

    pub(super) fn lease_entry(&self, vshard: VShard, next: u64) -> Statement {
        let values = [Cell::Int(i32::from(vshard.index())), big(next), self.timestamp()];
        Statement::new(|s| &s.put_lease, values)
    }

    pub(super) async fn leases(&self) -> Result<BTreeMap<VShard, u64>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.leases, [])).await?;
        let rows = rows.rows::<(i32, i64)>().map_err(unreadable)?;
        rows.map(|row| {
            let (vshard, next) = row.map_err(unreadable)?;
            let vshard = u16::try_from(vshard).ok().and_then(|index| VShard::new(index).ok());
            let vshard = vshard.ok_or_else(|| StoreError::corrupt("a lease is of no virtual shard"))?;
            Ok((vshard, next.cast_unsigned()))
        })
        .collect()
    }

    /// Forgets answers, each unless another was kept since.
    pub(super) async fn forget_answers(&self, names: &[(Timestamp, KeyName)]) -> Outcome {
        for (expired_at, name) in names {
            let kept = self.cluster.needed(async || self.kept_answer(name).await).await?;
            if kept.is_some_and(|kept| kept.expires_at == *expired_at) {
                let values = [self.timestamp(), Cell::Blob(name.to_bytes())];
                self.cluster.write_one(Statement::new(|s| &s.remove_answer, values)).await;
            }
        }
        Ok(Written::Durable)
    }

    pub(super) async fn kept_answer(&self, name: &KeyName) -> Result<Option<KeptAnswer>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.answer, [Cell::Blob(name.to_bytes())])).await?;
        let row = rows.maybe_first_row::<(&[u8],)>().map_err(unreadable)?;
        row.map(|(bytes,)| record::read_answer(bytes).map(|(_, kept)| kept)).transpose()
    }

    pub(super) async fn token(&self, hash: &TokenHash) -> Result<Option<(Party, Timestamp)>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.token, [Cell::Blob(hash.0.into())])).await?;
        let row = rows.maybe_first_row::<(&[u8],)>().map_err(unreadable)?;
        row.map(|(bytes,)| record::read_token(bytes)).transpose()
    }
}

fn ttl(expires_at: Timestamp) -> Cell {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let left = (expires_at.as_millis() / 1000).saturating_sub(now);
    Cell::Int((left + AFTERLIFE_SECS).min(TTL_MAX_SECS) as i32)
}
