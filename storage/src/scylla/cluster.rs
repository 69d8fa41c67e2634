//! Carries statements out: with a bound on how many are under way, tried again until it is known what became of them, and
//! only as long as this server owns the store. Must not know what is stored.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::batch::{Batch, BatchType};
use switchboard_protocol::model::Cursor;
use switchboard_protocol::model::limits::{CQL_PAGE_ROWS, CQL_READ_MS};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cell::Statement;
use super::clock::Timestamps;
use super::health::Health;
use super::ownership::Ownership;
use super::statements::Statements;
use crate::StoreError;

/// The first pause before a statement is tried again; doubled up to `BACKOFF_MAX`, each with a random part.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_millis(1000);

/// How statements that go together are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    /// Of one partition: all or nothing, at the price of one.
    OnePartition,
    /// Of several partitions: all in the end if any, by the cluster's own log of batches.
    Logged,
}

/// Rows of a page, and where to go on.
pub(super) type Page = (QueryRowsResult, Option<Cursor>);

/// A session with everything that a statement needs.
pub(super) struct Cluster {
    pub(super) session: Session,
    pub(super) statements: Statements,
    pub(super) clock: Timestamps,
    pub(super) owner: Ownership,
    pub(super) health: Rc<Health>,
    pub(super) permits: Semaphore,
    /// Told once, of an error that no repetition mends.
    pub(super) fatal: Box<dyn Fn(StoreError)>,
}

impl Cluster {
    /// Carries statements out. Returns when all of them are known to be durable at the configured consistency while this
    /// server owned the store, and not before: a try whose outcome is unknown is repeated as it was.
    pub(super) async fn write(&self, together: Together, statements: &[Statement]) {
        if statements.is_empty() {
            return;
        }
        let mut backoff = BACKOFF_MIN;
        loop {
            self.owner.held().await;
            let outcome = {
                let _permit = self.permits.acquire().await.expect("permits are never closed");
                self.try_write(together, statements).await
            };
            match outcome {
                Ok(()) => {
                    self.health.worked();
                    return self.owner.held().await;
                }
                Err(error) if is_hopeless(&error) => {
                    (self.fatal)(StoreError::Engine(error.into()));
                    // What was asked is never answered: the process ends.
                    return std::future::pending().await;
                }
                Err(error) => self.pause(&error, &mut backoff).await,
            }
        }
    }

    /// Carries one statement out.
    pub(super) async fn write_one(&self, statement: Statement) {
        self.write(Together::OnePartition, std::slice::from_ref(&statement)).await;
    }

    async fn try_write(&self, together: Together, statements: &[Statement]) -> Result<(), ExecutionError> {
        if let [statement] = statements {
            let prepared = (statement.pick)(&self.statements);
            self.session.execute_unpaged(prepared, &statement.values).await?;
            return Ok(());
        }
        let mut batch = Batch::new(match together {
            Together::OnePartition => BatchType::Unlogged,
            Together::Logged => BatchType::Logged,
        });
        batch.set_is_idempotent(true);
        for statement in statements {
            batch.append_statement((statement.pick)(&self.statements).clone());
        }
        let values: Vec<_> = statements.iter().map(|statement| &statement.values).collect();
        self.session.batch(&batch, values).await?;
        Ok(())
    }

    /// The rows of a question that somebody asked; fails if they cannot be had in time.
    pub(super) async fn rows(&self, statement: Statement) -> Result<QueryRowsResult, StoreError> {
        let until = Instant::now() + Duration::from_millis(CQL_READ_MS);
        let mut backoff = BACKOFF_MIN;
        loop {
            let outcome = {
                let _permit = self.permits.acquire().await.expect("permits are never closed");
                self.session.execute_unpaged((statement.pick)(&self.statements), &statement.values).await
            };
            match outcome {
                Ok(result) => {
                    self.health.worked();
                    return result.into_rows_result().map_err(|error| StoreError::corrupt(error.to_string()));
                }
                Err(error) if is_hopeless(&error) => return Err(StoreError::Refused(error.into())),
                Err(error) if Instant::now() >= until => {
                    self.health.failed(&error);
                    return Err(StoreError::io("asking the cluster", error));
                }
                Err(error) => self.pause(&error, &mut backoff).await,
            }
        }
    }

    /// A page of a question, behind a cursor that is the cluster's own.
    pub(super) async fn page(
        &self,
        statement: Statement,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let failed = |error: ExecutionError| match is_hopeless(&error) {
            true => StoreError::Refused(error.into()),
            false => StoreError::io("asking the cluster", error),
        };
        let mut prepared = (statement.pick)(&self.statements).clone();
        prepared.set_page_size(i32::try_from(limit).unwrap_or(i32::MAX).clamp(1, CQL_PAGE_ROWS));
        let state = after.map_or_else(PagingState::start, |cursor| PagingState::new_from_raw_bytes(cursor.0.clone()));
        let _permit = self.permits.acquire().await.expect("permits are never closed");
        let page = self.session.execute_single_page(&prepared, &statement.values, state).await;
        let (result, next) = page.map_err(failed)?;
        self.health.worked();
        let next = match next.into_paging_control_flow() {
            ControlFlow::Continue(state) => state.as_bytes_slice().map(|bytes| Cursor(bytes.to_vec())),
            ControlFlow::Break(()) => None,
        };
        let rows = result.into_rows_result().map_err(|error| StoreError::corrupt(error.to_string()))?;
        Ok((rows, next))
    }

    /// Something a write depends on, which is asked for until it is known.
    pub(super) async fn needed<T>(&self, ask: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        loop {
            match ask().await {
                Err(StoreError::Io { .. }) => {}
                known => return known,
            }
        }
    }

    async fn pause(&self, error: &ExecutionError, backoff: &mut Duration) {
        self.health.failed(error);
        let random = f64::from(u16::from_ne_bytes(random_bytes())) / f64::from(u16::MAX);
        tokio::time::sleep(backoff.mul_f64(0.5 + random)).await;
        *backoff = (*backoff * 2).min(BACKOFF_MAX);
    }
}

fn random_bytes() -> [u8; 2] {
    let mut bytes = [0; 2];
    // Without randomness the pauses are all alike, which does no harm.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

/// Whether a statement will fail however often it is tried: it is wrong, or not allowed. (No node to send it to is no such
/// reason: all those of the preferred data centre may be away.)
fn is_hopeless(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::SyntaxError
                | DbError::Invalid
                | DbError::AlreadyExists { .. }
                | DbError::FunctionFailure { .. }
                | DbError::Unauthorized
                | DbError::ConfigError
        ),
        _ => false,
    }
}
