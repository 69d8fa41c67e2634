//! Who takes part: parties with their tokens, and this process's share of them.

use crate::settings::Settings;
use crate::target::token::{AgentClaims, TokenError, Tokens};
use crate::wire::{Party, Role};

/// This process's part of `whole`: the first of it, and how many.
pub(super) fn share(settings: &Settings, whole: u32) -> (u32, u32) {
    let (each, rest) = (whole / settings.processes, whole % settings.processes);
    (settings.process * each + settings.process.min(rest), each + u32::from(settings.process < rest))
}

/// The group that this process's agents are in: one of its own for each run and process, so that conversations go to
/// the agents of whoever opened them.
pub fn group(settings: &Settings) -> String {
    match &settings.group {
        Some(group) if settings.processes == 1 => group.clone(),
        Some(group) => format!("{group}-{}", settings.process),
        None => format!("load-{}-{}", settings.id_base, settings.process),
    }
}

/// The nth customer of all processes.
pub(super) fn user(settings: &Settings, tokens: &Tokens, n: u32) -> Result<Party, TokenError> {
    if !settings.has_desk() {
        return Ok(Party { role: Role::User, number: u64::from(n), token: String::new() });
    }
    if settings.tokens.is_none() && settings.wire(Role::User).abilities().issues {
        return Ok(Party { role: Role::User, number: settings.id_base + u64::from(n), token: String::new() });
    }
    let login = tokens.user(u64::from(n))?;
    Ok(Party { role: Role::User, number: login.id, token: login.token })
}

/// The nth of all processes where one side is enough: a customer, or in a dialect that only agents have one of these.
pub(super) fn peer(settings: &Settings, tokens: &Tokens, n: u32) -> Result<Party, TokenError> {
    if settings.dialect == settings.dialect.of_customers() {
        user(settings, tokens, n)
    } else {
        agent(settings, tokens, n)
    }
}

/// The nth agent of all processes.
pub(super) fn agent(settings: &Settings, tokens: &Tokens, n: u32) -> Result<Party, TokenError> {
    let claims =
        AgentClaims { groups: vec![group(settings)], max_concurrent: settings.capacity, name: format!("load {n}") };
    let login = tokens.agent(u64::from(n), &claims)?;
    Ok(Party { role: Role::Agent, number: login.id, token: login.token })
}

#[cfg(test)]
mod tests {
    #[test]
    fn conversations_go_to_the_agents_of_their_own_process() {
        let group = |given: Option<&str>, process, processes| {
            let settings = crate::settings::tests::settings(process, processes);
            super::group(&crate::settings::Settings { group: given.map(str::to_owned), ..settings })
        };
        assert_eq!(group(Some("sales"), 0, 1), "sales");
        assert_eq!(group(Some("sales"), 1, 2), "sales-1");
        assert_ne!(group(None, 0, 2), group(None, 1, 2));
    }

    /// Shares follow each other without a gap.
    #[test]
    fn shares_make_the_whole() {
        for (whole, processes) in [(10, 3), (2, 4), (0, 2), (18_000, 7)] {
            let mut next = 0;
            for process in 0..processes {
                let settings = crate::settings::tests::settings(process, processes);
                let (first, count) = super::share(&settings, whole);
                assert_eq!(first, next);
                next += count;
            }
            assert_eq!(next, whole);
        }
    }
}
