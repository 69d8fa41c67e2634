//! Whether storage can make writes durable now. Must not know engines; each says it of itself.

/// Whether writes that come now would be durable soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// They would.
    #[default]
    Writable,
    /// They would wait, for nobody knows how long. What was taken is kept and still written.
    Unwritable(Why),
}

/// Why storage cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The operator's: there is no more room for the data directory.
    DiskFull,
    /// The database's, or the network's: too few of its nodes answer.
    ClusterAway,
    /// Nobody's: more was asked than is written in time.
    Behind,
}

impl Condition {
    /// Why nothing new may be written, if so.
    pub const fn why(self) -> Option<Why> {
        match self {
            Self::Writable => None,
            Self::Unwritable(why) => Some(why),
        }
    }
}

impl Why {
    /// For operators, and for who is refused because of it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::DiskFull => "the disk is full",
            Self::ClusterAway => "the database does not answer",
            Self::Behind => "too many writes wait",
        }
    }
}
