//! The schema: numbered migrations, what of them a keyspace has had, and whether that is what this program wants. Must not
//! know what stands in the tables.

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use tokio::time::Instant;

use super::settings::ScyllaSettings;
use super::{connect, read};
use crate::StoreError;

/// One step of the schema. Every statement of it may be carried out again, should a migration have been cut short.
struct Migration {
    version: i32,
    name: &'static str,
    cql: &'static str,
}

/// All steps, ascending. A step that was released is never changed.
const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "tables", cql: include_str!("../../../ops/scylla/migrations/0001-tables.cql") }];

const APPLIED: &str = "\
-- Which migrations this keyspace has had.
CREATE TABLE IF NOT EXISTS schema_migrations (
    part int,
    version int,
    name text,
    applied_at bigint,
    PRIMARY KEY (part, version)
);
";

/// The version that this program wants.
const WANTED: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// What a migration has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0 if there was no schema.
    pub from: i32,
    /// The version now.
    pub to: i32,
    /// The names of the steps that were carried out.
    pub steps: Vec<String>,
}

/// The whole schema as CQL, for whoever wants to look at it or carry it out by hand.
pub fn schema() -> String {
    let steps = MIGRATIONS.iter().map(|step| format!("-- Migration {}: {}\n\n{}", step.version, step.name, step.cql));
    let all: Vec<_> = std::iter::once(APPLIED.to_owned()).chain(steps).collect();
    all.join("\n")
}

/// Brings a keyspace to the schema that this program wants, making it if `replication` says how.
pub(super) async fn migrate(settings: &ScyllaSettings, replication: Option<&str>) -> Result<Migrated, StoreError> {
    let session = connect::session(settings, Instant::now() + settings.start_timeout).await?;
    let keyspace = &settings.keyspace;
    if let Some(replication) = replication {
        let make = format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}");
        carry_out(&session, &make).await?;
    }
    use_keyspace(&session, settings).await?;
    for statement in statements(APPLIED) {
        carry_out(&session, &statement).await?;
    }
    let from = version(&session, keyspace).await?.unwrap_or(0);
    if from > WANTED {
        return Err(newer(keyspace, from));
    }
    let mut steps = Vec::new();
    for step in MIGRATIONS.iter().filter(|step| step.version > from) {
        for statement in statements(step.cql) {
            carry_out(&session, &statement).await?;
        }
        let now = now_millis();
        let insert = "INSERT INTO schema_migrations (part, version, name, applied_at) VALUES (0, ?, ?, ?)";
        let values = (step.version, step.name, now);
        session.query_unpaged(insert, values).await.map_err(failed("recording a migration"))?;
        steps.push(step.name.to_owned());
    }
    Ok(Migrated { from, to: WANTED, steps })
}

/// Empties every table of a keyspace.
pub(super) async fn empty(settings: &ScyllaSettings) -> Result<(), StoreError> {
    let session = connect::session(settings, Instant::now() + settings.start_timeout).await?;
    check(&session, settings).await?;
    let tables = MIGRATIONS.iter().flat_map(|step| statements(step.cql)).filter_map(|statement| {
        let name = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
        name.split_whitespace().next().map(|name| format!("TRUNCATE {}.{name}", settings.keyspace))
    });
    for truncate in tables {
        carry_out(&session, &truncate).await?;
    }
    Ok(())
}

/// Uses the keyspace if its schema is the one that this program wants.
pub(super) async fn check(session: &Session, settings: &ScyllaSettings) -> Result<(), StoreError> {
    let keyspace = &settings.keyspace;
    use_keyspace(session, settings).await?;
    match version(session, keyspace).await? {
        Some(found) if found == WANTED => Ok(()),
        Some(found) if found > WANTED => Err(newer(keyspace, found)),
        older => Err(StoreError::Schema {
            what: match older {
                Some(found) => format!("keyspace {keyspace} has schema {found}, this program wants {WANTED}"),
                None => format!("keyspace {keyspace} has no schema"),
            },
            remedy: "run `switchboard migrate` with the same configuration".into(),
        }),
    }
}

fn newer(keyspace: &str, found: i32) -> StoreError {
    StoreError::Schema {
        what: format!("keyspace {keyspace} has schema {found}, this program knows up to {WANTED}"),
        remedy: "use the program that migrated it, or a newer one".into(),
    }
}

async fn use_keyspace(session: &Session, settings: &ScyllaSettings) -> Result<(), StoreError> {
    let keyspace = &settings.keyspace;
    session.use_keyspace(keyspace, false).await.map_err(|error| {
        let missing = error.to_string().contains("exist");
        if missing {
            StoreError::Schema {
                what: format!("there is no keyspace {keyspace}"),
                remedy: "run `switchboard migrate --replication ...` with the same configuration".into(),
            }
        } else {
            StoreError::io(format!("using keyspace {keyspace}"), error)
        }
    })
}

/// The version of a keyspace; `None` if it has had no migration.
async fn version(session: &Session, keyspace: &str) -> Result<Option<i32>, StoreError> {
    let select = format!("SELECT version FROM {keyspace}.schema_migrations WHERE part = 0");
    let rows = match session.query_unpaged(select, ()).await {
        Ok(result) => result.into_rows_result().map_err(read::unreadable)?,
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))) => return Ok(None),
        Err(error) => return Err(StoreError::io("reading the schema's version", error)),
    };
    let versions = rows.rows::<(i32,)>().map_err(read::unreadable)?;
    let mut newest = None;
    for row in versions {
        newest = newest.max(Some(row.map_err(read::unreadable)?.0));
    }
    Ok(newest)
}

async fn carry_out(session: &Session, statement: &str) -> Result<(), StoreError> {
    let mut statement = scylla::statement::unprepared::Statement::new(statement);
    // A cluster takes its time to agree on a table.
    statement.set_request_timeout(Some(std::time::Duration::from_secs(30)));
    session.query_unpaged(statement, ()).await.map(drop).map_err(failed("migrating the schema"))
}

fn failed(doing: &'static str) -> impl Fn(ExecutionError) -> StoreError {
    move |error| StoreError::io(doing, error)
}

/// The statements of a file, without its comments.
fn statements(cql: &str) -> Vec<String> {
    let code: Vec<_> = cql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    code.split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|s| !s.is_empty())
        .collect()
}

fn now_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_and_may_be_repeated() {
        for (number, step) in (1..).zip(MIGRATIONS) {
            assert_eq!(step.version, number, "{}", step.name);
            for statement in statements(step.cql) {
                assert!(statement.starts_with("CREATE TABLE IF NOT EXISTS"), "cut short, it is repeated: {statement}");
            }
        }
        assert_eq!(statements(MIGRATIONS[0].cql).len(), 17);
    }

    /// `ops/scylla/schema.cql` is what `switchboard migrate --print` prints.
    #[test]
    fn the_schema_for_people_is_that_of_the_migrations() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/scylla/schema.cql");
        let file = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(file, schema(), "write it again: switchboard migrate --print > ops/scylla/schema.cql");
    }
}
