//! What a connection has proved about itself, and as whom its commands are taken.

use switchboard_protocol::model::{Actor, AgentChoice, AgentRef, Command, Party, Refusal, Target, VisitorId, limits};

/// The identity of a connection. A connection belongs to one party and never changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Nobody yet: may act as a visitor without hearing anything, as guide 2 allows.
    Nobody {
        /// Logins that failed.
        failed_logins: u8,
    },
    /// A logged-in user or agent, or a bound visitor.
    Party(Party),
}

/// What a login or bind means for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// It is now this party's.
    New,
    /// It was already; nothing changes.
    Same,
}

impl Default for Session {
    fn default() -> Self {
        Self::Nobody { failed_logins: 0 }
    }
}

impl Session {
    /// The party, once there is one.
    pub const fn party(&self) -> Option<&Party> {
        match self {
            Self::Nobody { .. } => None,
            Self::Party(party) => Some(party),
        }
    }

    /// Whether this connection may become `party`'s. It does so by [`Session::become_party`].
    pub fn admit(&self, party: &Party) -> Result<Login, Refusal> {
        match self {
            Self::Nobody { .. } => Ok(Login::New),
            Self::Party(own) if own == party => Ok(Login::Same),
            Self::Party(_) => Err(Refusal::OtherParty),
        }
    }

    /// From now on this connection is `party`'s.
    pub fn become_party(&mut self, party: Party) {
        *self = Self::Party(party);
    }

    /// Counts a failed login; true if it was the last try (dialects.md: "closes after 3 tries").
    pub fn login_failed(&mut self) -> bool {
        match self {
            Self::Nobody { failed_logins } => {
                *failed_logins = failed_logins.saturating_add(1);
                *failed_logins >= limits::LOGIN_TRIES_MAX
            }
            Self::Party(_) => false,
        }
    }

    /// As whom a command of this connection is taken.
    pub fn actor(&self, command: &Command) -> Result<Actor, Refusal> {
        match self {
            Self::Party(Party::User(id)) => Ok(Actor::User(*id)),
            Self::Party(Party::Customer(id)) => Ok(Actor::Customer(*id)),
            Self::Party(Party::Agent(id)) => match pair(command) {
                Some((_, AgentChoice::Named(AgentRef::Id(named)))) if named != id => Err(Refusal::Forbidden),
                _ => Ok(Actor::Agent(*id)),
            },
            Self::Party(Party::Visitor(id)) => match pair(command) {
                Some((named, _)) if named != id => Err(Refusal::OtherParty),
                _ => Ok(Actor::Visitor { id: id.clone(), bound: true }),
            },
            Self::Nobody { .. } => match pair(command) {
                Some((visitor, _)) => Ok(Actor::Visitor { id: visitor.clone(), bound: false }),
                None => Err(Refusal::LoginRequired),
            },
        }
    }
}

fn pair(command: &Command) -> Option<(&VisitorId, &AgentChoice)> {
    match command {
        Command::Send { target: Target::Pair { visitor, agent }, .. } | Command::EndPair { visitor, agent } => {
            Some((visitor, agent))
        }
        Command::Send { .. }
        | Command::End { .. }
        | Command::Open { .. }
        | Command::History { .. }
        | Command::Sync { .. }
        | Command::MarkRead { .. }
        | Command::Typing { .. }
        | Command::Transcript { .. }
        | Command::ListConversations(_)
        | Command::ShowConversation(_)
        | Command::Accept { .. }
        | Command::Transfer { .. }
        | Command::ShowMessage(_)
        | Command::Revise { .. }
        | Command::SetStatus(_)
        | Command::Watch(_)
        | Command::CreateAgent(_)
        | Command::GetAgent(_)
        | Command::UpdateAgent(..)
        | Command::DeleteAgent(_)
        | Command::ListAgents { .. }
        | Command::AvailableAgents
        | Command::Identify
        | Command::IssueAgentToken { .. }
        | Command::Key(_)
        | Command::Customers(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::model::{ConversationId, Seq, UserId};

    use super::*;

    fn visitor(text: &str) -> VisitorId {
        VisitorId::new(text).unwrap()
    }

    fn end(text: &str) -> Command {
        Command::EndPair { visitor: visitor(text), agent: AgentChoice::Auto }
    }

    #[test]
    fn a_bound_visitor_acts_only_as_itself() {
        let session = Session::Party(Party::Visitor(visitor("a")));
        assert_eq!(session.actor(&end("b")), Err(Refusal::OtherParty));
        assert_eq!(session.actor(&end("a")), Ok(Actor::Visitor { id: visitor("a"), bound: true }));
    }

    #[test]
    fn nobody_may_only_use_visitor_actions() {
        let session = Session::default();
        let conversation = ConversationId::from_wire(1).unwrap();
        let sync = Command::Sync { conversation, after: Seq::ZERO, limit: 10 };
        assert_eq!(session.actor(&sync), Err(Refusal::LoginRequired));
        assert_eq!(session.actor(&end("a")), Ok(Actor::Visitor { id: visitor("a"), bound: false }));
    }

    #[test]
    fn a_connection_never_changes_its_party() {
        let user = |id| Party::User(UserId::new(id).unwrap());
        let mut session = Session::default();
        assert_eq!(session.admit(&user(1)), Ok(Login::New));
        session.become_party(user(1));
        assert_eq!(session.admit(&user(1)), Ok(Login::Same));
        assert_eq!(session.admit(&user(2)), Err(Refusal::OtherParty));
        assert_eq!(session.admit(&Party::Visitor(visitor("a"))), Err(Refusal::OtherParty));
    }

    #[test]
    fn the_third_failed_login_is_the_last() {
        let mut session = Session::default();
        assert_eq!([session.login_failed(), session.login_failed(), session.login_failed()], [false, false, true]);
    }
}
