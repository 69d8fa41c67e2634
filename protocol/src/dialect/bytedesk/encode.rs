//! Answers and refusals to guide 1's envelope, `{code,message,data}`; `code` is the HTTP status, 200 for every
//! success. Must not know who asks.

use serde::Serialize;

use crate::dialect::{Rejection, Reply};
use crate::model::{AgentView, Answer, Noun, Refusal};

use super::wire::{AgentData, Envelope, Page, accept_word, status_word};

/// The answer to a command.
pub fn answered(result: Result<&Answer, &Refusal>) -> Reply {
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    match answer {
        Answer::Agent(view) => reply(200, "success", &agent(view)),
        Answer::Agents { agents, more } => {
            let last = agents.last().filter(|_| *more);
            let page = Page {
                items: agents.iter().map(agent).collect(),
                next_cursor: last.map(|view| view.profile.id.to_string()),
            };
            reply(200, "success", &page)
        }
        // Those without data; and those that no request of this dialect asks for yet.
        Answer::AgentDeleted
        | Answer::Conversation(_)
        | Answer::History(_)
        | Answer::Synced { .. }
        | Answer::Transcript { .. }
        | Answer::Conversations { .. }
        | Answer::Shown(_)
        | Answer::Accepted(_)
        | Answer::Watched(_)
        | Answer::Sent(_)
        | Answer::Read { .. }
        | Answer::Ended(_)
        | Answer::Typing
        | Answer::Available(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => reply(200, "success", &()),
    }
}

/// The answer to a request that did not become a command.
pub fn rejected(rejection: &Rejection) -> Reply {
    match rejection {
        Rejection::Malformed(malformed) => error(400, &malformed.to_string()),
        Rejection::Field(field) => error(400, &field.to_string()),
        Rejection::Refused(refusal) => refused(refusal),
    }
}

/// An error that is nobody's refusal (401 without a good token, 429, 500).
pub fn error(status: u16, message: &str) -> Reply {
    reply(status, message, &())
}

fn refused(refusal: &Refusal) -> Reply {
    let (status, message) = match refusal {
        Refusal::NotFound(Noun::Agent) => (404, "agent not found"),
        Refusal::NotFound(Noun::Conversation) => (404, "conversation not found"),
        Refusal::NotFound(Noun::Message) => (404, "message not found"),
        Refusal::NotFound(Noun::Customer) => (404, "customer not found"),
        Refusal::Forbidden => (403, "not allowed for this role"),
        Refusal::OtherParty => (403, "not yours"),
        Refusal::LoginRequired => (401, "a token is required"),
        Refusal::Ended => (409, "the conversation has ended"),
        Refusal::WrongState => (409, "the conversation is in another state"),
        Refusal::NotInGroup => (409, "the agent is not of the conversation's group"),
        Refusal::NoRoom => (409, "the agent has no room"),
        Refusal::TextOnly => (400, "only text messages"),
        Refusal::Taken(field) => return error(409, &format!("{field} is taken")),
        Refusal::TakenBy { field, .. } => return error(409, &format!("{field} is taken")),
        Refusal::Stale => (409, "changed meanwhile"),
        Refusal::AgentHasConversations => (409, "the agent has conversations"),
        Refusal::Gap { .. } => (409, "beyond the newest message"),
        Refusal::Busy(what) => return error(429, &format!("busy, try again later ({what})")),
    };
    error(status, message)
}

fn reply<T: Serialize>(status: u16, message: &str, data: &T) -> Reply {
    let envelope = Envelope { code: status, message, data };
    let body = serde_json::to_vec(&envelope).expect("wire types have string keys");
    Reply::new(status, body)
}

fn agent(view: &AgentView) -> AgentData<'_> {
    let profile = &view.profile;
    AgentData {
        id: profile.id.get(),
        cs_id: profile.code.as_str(),
        name: &profile.name,
        avatar: profile.avatar.as_deref(),
        max_concurrent: profile.max_concurrent,
        groups: profile.groups.iter().map(|group| group.as_str()).collect(),
        skills: &profile.skills,
        accept: accept_word(view.accept),
        status: status_word(view.status),
        current_concurrent: view.current_concurrent,
    }
}
