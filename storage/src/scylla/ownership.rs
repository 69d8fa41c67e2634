//! Which server owns the store. One at a time: it writes that it lives (a beat) by lightweight transactions, and writes
//! nothing else once it could not do so for as long as its lease is. Another takes the store over when it has seen no beat
//! for a whole lease by its own clock, so that no two clocks need to agree; the epoch tells the former owner that it is
//! none any more. Must not know what is stored.

use std::cell::Cell;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{ExecutionError, PrepareError};
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::clock::{Timestamps, boottime};
use super::statements::conditional;
use crate::StoreError;

/// Beats in a lease.
const BEATS_PER_LEASE: u32 = 4;
/// Timestamps are promised for so many leases ahead.
const PROMISED_LEASES: u32 = 3;
/// After a process of this instance died, what it had sent is given so long to arrive before anything is read.
const SETTLE: Duration = Duration::from_millis(200);
/// How often a candidate looks, and how often it says that it waits.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const LOG_INTERVAL: Duration = Duration::from_secs(3);

/// What the statements about ownership are.
struct Statements {
    look: PreparedStatement,
    first: PreparedStatement,
    take: PreparedStatement,
    beat: PreparedStatement,
    release: PreparedStatement,
}

impl Statements {
    async fn prepare(session: &Session, read: Consistency) -> Result<Self, PrepareError> {
        let of = |cql| conditional(session, cql, None);
        Ok(Self {
            look: conditional(
                session,
                "SELECT epoch, holder, beat, clock FROM store_owner WHERE name = 'store'",
                Some(read),
            )
            .await?,
            first: of("INSERT INTO store_owner (name, epoch, holder, beat, clock) VALUES ('store', ?, ?, 1, ?) \
                IF NOT EXISTS")
            .await?,
            take: of("UPDATE store_owner SET epoch = ?, holder = ?, beat = ?, clock = ? WHERE name = 'store' \
                IF epoch = ? AND beat = ?")
            .await?,
            beat: of("UPDATE store_owner SET beat = ?, clock = ? WHERE name = 'store' IF epoch = ? AND holder = ?")
                .await?,
            release: of("UPDATE store_owner SET holder = '', clock = ? WHERE name = 'store' \
                IF epoch = ? AND holder = ?")
            .await?,
        })
    }
}

/// The row.
struct Owner {
    epoch: i64,
    holder: String,
    beat: i64,
    clock: i64,
}

/// This server's ownership of the store.
pub(super) struct Ownership {
    statements: Statements,
    lease: Duration,
    holder: String,
    epoch: i64,
    beat: Cell<i64>,
    /// By [`boottime`], until when it is sure that nobody else owns the store.
    sure_until: Cell<Duration>,
    renewed: Notify,
}

/// What a beat has told.
pub(super) enum Beat {
    /// The lease is renewed.
    Renewed,
    /// Another server has taken the store over.
    Lost,
}

impl Ownership {
    /// Takes the store, if need be when its owner has given it up or is gone; the clock goes on above its own.
    /// `until` is when waiting ends, with [`StoreError::Owned`].
    pub(super) async fn take(
        session: &Session,
        read: Consistency,
        instance: &str,
        lease: Duration,
        until: Instant,
    ) -> Result<(Self, Timestamps), StoreError> {
        let failed = |error: PrepareError| StoreError::io("preparing statements", error);
        let statements = Statements::prepare(session, read).await.map_err(failed)?;
        let holder = format!("{instance}#{}", unique());
        let mut seen: Option<(i64, i64, Instant)> = None;
        let mut logged: Option<Instant> = None;
        loop {
            match look(session, &statements).await {
                Ok(owner) => {
                    let owner = owner.unwrap_or(Owner { epoch: 0, holder: String::new(), beat: 0, clock: 0 });
                    let same = seen.filter(|(epoch, beat, _)| (*epoch, *beat) == (owner.epoch, owner.beat));
                    let since = same.map_or_else(Instant::now, |(_, _, since)| since);
                    seen = Some((owner.epoch, owner.beat, since));
                    let of_own = owner.holder.rsplit_once('#').is_some_and(|(former, _)| former == instance);
                    let gone = since.elapsed() >= lease + lease / BEATS_PER_LEASE;
                    if owner.holder == holder || owner.holder.is_empty() || of_own || gone {
                        let taken = Self::try_take(session, &statements, &owner, &holder, lease).await;
                        if let Ok(Some((began, clock))) = taken {
                            if of_own && owner.holder != holder {
                                tokio::time::sleep(SETTLE).await;
                            }
                            let own = Self {
                                statements,
                                lease,
                                holder,
                                epoch: owner.epoch + 1,
                                beat: Cell::new(owner.beat + 1),
                                sure_until: Cell::new(began + lease),
                                renewed: Notify::new(),
                            };
                            tracing::info!(epoch = own.epoch, "this server owns the store");
                            return Ok((own, clock));
                        }
                    } else if Instant::now() >= until {
                        return Err(StoreError::Owned { by: owner.holder });
                    } else if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                        logged = Some(Instant::now());
                        tracing::warn!(owner = owner.holder, "another server owns the store; waiting for it to end");
                    }
                }
                Err(error) if Instant::now() >= until => return Err(StoreError::io("taking the store", error)),
                Err(error) => tracing::warn!(%error, "the cluster does not say who owns the store; asking again"),
            }
            tokio::time::sleep(LOOK_INTERVAL.min(lease / BEATS_PER_LEASE)).await;
        }
    }

    /// Whether the row is ours now, with the time before it became so. Tried again it finds what an unknown try has left.
    async fn try_take(
        session: &Session,
        statements: &Statements,
        owner: &Owner,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<(Duration, Timestamps)>, ExecutionError> {
        let began = boottime();
        let clock = Timestamps::above(owner.clock);
        let limit = clock.promise(lease * PROMISED_LEASES);
        let applied = if owner.epoch == 0 {
            applied(session, &statements.first, (1_i64, holder, limit)).await?
        } else {
            let values = (owner.epoch + 1, holder, owner.beat + 1, limit, owner.epoch, owner.beat);
            applied(session, &statements.take, values).await?
        };
        clock.promised(limit);
        Ok(applied.then_some((began, clock)))
    }

    /// Waits until it is sure that this server owns the store: at once as long as beats succeed.
    pub(super) async fn held(&self) {
        while !self.is_sure() {
            self.renewed.notified().await;
        }
    }

    /// Whether nobody else can own the store now.
    pub(super) fn is_sure(&self) -> bool {
        boottime() < self.sure_until.get()
    }

    /// How long after one beat the next is due.
    pub(super) fn interval(&self) -> Duration {
        self.lease / BEATS_PER_LEASE
    }

    /// Says that this server lives.
    pub(super) async fn beat(&self, session: &Session, clock: &Timestamps) -> Result<Beat, ExecutionError> {
        let began = boottime();
        let limit = clock.promise(self.lease * PROMISED_LEASES);
        let beat = self.beat.get() + 1;
        self.beat.set(beat);
        let values = (beat, limit, self.epoch, self.holder.as_str());
        if !applied(session, &self.statements.beat, values).await? {
            return Ok(Beat::Lost);
        }
        clock.promised(limit);
        self.sure_until.set(began + self.lease);
        self.renewed.notify_waiters();
        Ok(Beat::Renewed)
    }

    /// Gives the store up, so that the next server need not wait.
    pub(super) async fn release(&self, session: &Session, clock: &Timestamps) -> Result<(), ExecutionError> {
        self.sure_until.set(Duration::ZERO);
        let values = (clock.last(), self.epoch, self.holder.as_str());
        applied(session, &self.statements.release, values).await.map(drop)
    }
}

async fn look(session: &Session, statements: &Statements) -> Result<Option<Owner>, ExecutionError> {
    let rows = session.execute_unpaged(&statements.look, ()).await?.into_rows_result();
    let row = rows.ok().and_then(|rows| rows.maybe_first_row::<(i64, String, i64, i64)>().ok().flatten());
    Ok(row.map(|(epoch, holder, beat, clock)| Owner { epoch, holder, beat, clock }))
}

/// Whether a lightweight transaction was applied: the first column of its one row says so.
async fn applied(
    session: &Session,
    statement: &PreparedStatement,
    values: impl scylla::serialize::row::SerializeRow,
) -> Result<bool, ExecutionError> {
    let rows = session.execute_unpaged(statement, values).await?.into_rows_result();
    let row = rows.ok().and_then(|rows| rows.maybe_first_row::<Row>().ok().flatten());
    Ok(row.is_some_and(|row| matches!(row.columns.first(), Some(Some(CqlValue::Boolean(true))))))
}

/// Different for each process.
fn unique() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    format!("{:016x}", u64::from_ne_bytes(bytes))
}
