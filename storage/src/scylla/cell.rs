//! A statement with its values, owned so that it can be tried again as it was. Must not know what is stored.

use scylla::cluster::metadata::ColumnType;
use scylla::errors::SerializationError;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};
use scylla::statement::prepared::PreparedStatement;
use switchboard_protocol::model::CustomerId;
use uuid::Uuid;

use super::statements::Statements;

/// A value. There is no null: a column that has no value is not written.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Tiny(i8),
    Int(i32),
    Big(i64),
    /// The values of an IN.
    Bigs(Vec<i64>),
    Bool(bool),
    Blob(Vec<u8>),
    Text(String),
    Uuid(Uuid),
}

impl Cell {
    pub(super) fn of_customer(id: CustomerId) -> Self {
        Self::Uuid(Uuid::from_bytes(*id.as_bytes()))
    }
}

impl SerializeValue for Cell {
    fn serialize<'b>(
        &self,
        column: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match self {
            Self::Tiny(value) => value.serialize(column, writer),
            Self::Int(value) => value.serialize(column, writer),
            Self::Big(value) => value.serialize(column, writer),
            Self::Bigs(value) => value.serialize(column, writer),
            Self::Bool(value) => value.serialize(column, writer),
            Self::Blob(value) => value.serialize(column, writer),
            Self::Text(value) => value.serialize(column, writer),
            Self::Uuid(value) => value.serialize(column, writer),
        }
    }
}

/// Chooses a prepared statement.
pub(super) type Pick = fn(&Statements) -> &PreparedStatement;

/// A prepared statement and what it is to be carried out with.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) pick: Pick,
    pub(super) values: Vec<Cell>,
}

impl Statement {
    pub(super) fn new(pick: Pick, values: impl Into<Vec<Cell>>) -> Self {
        Self { pick, values: values.into() }
    }
}

/// An id or a counter as CQL has it. All of ours are below 2^63.
pub(super) const fn big(value: u64) -> Cell {
    Cell::Big(value.cast_signed())
}
