//! The shapes of `/api/v1/agents` on the wire: serde types and their words, nothing else. Guide 1 names the calls;
//! the fields are those of issue 3.

use serde::Serialize;

use crate::model::{Accept, AgentStatus};

/// An agent.
#[derive(Serialize)]
pub(super) struct AgentData<'a> {
    pub(super) id: u64,
    pub(super) cs_id: &'a str,
    pub(super) name: &'a str,
    pub(super) avatar: Option<&'a str>,
    pub(super) max_concurrent: u32,
    pub(super) groups: Vec<&'a str>,
    pub(super) skills: &'a [String],
    pub(super) accept: &'static str,
    pub(super) status: &'static str,
    pub(super) current_concurrent: u32,
}

/// A page; `next_cursor` is null on the last one.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub(super) items: Vec<AgentData<'a>>,
    pub(super) next_cursor: Option<String>,
}

/// The envelope of every answer; `code` is the HTTP status.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub(super) code: u16,
    pub(super) message: &'a str,
    pub(super) data: T,
}

pub(super) const fn accept_word(accept: Accept) -> &'static str {
    match accept {
        Accept::Auto => "auto",
        Accept::Manual => "manual",
    }
}

pub(super) fn accept_of_word(word: &str) -> Option<Accept> {
    [Accept::Auto, Accept::Manual].into_iter().find(|accept| accept_word(*accept) == word)
}

pub(super) const fn status_word(status: AgentStatus) -> &'static str {
    match status {
        AgentStatus::Online => "online",
        AgentStatus::Busy => "busy",
        AgentStatus::Away => "away",
        AgentStatus::Offline => "offline",
    }
}

pub(super) fn status_of_word(word: &str) -> Option<AgentStatus> {
    [AgentStatus::Online, AgentStatus::Busy, AgentStatus::Away, AgentStatus::Offline]
        .into_iter()
        .find(|status| status_word(*status) == word)
}
