//! Who can do what: the table that the journeys follow. The README shows the same, and a test compares them.

use super::{bytedesk, kefu, multichannel, webchat};
use crate::harness::server::root;

/// What people do in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Open,
    Take,
    Talk,
    Read,
    Edit,
    Transfer,
    Resume,
    History,
    End,
}

/// How a side does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As its guide shows.
    Guide,
    /// By an extension of its dialect.
    Extension,
    /// By a call of `/api/v1` with its own token.
    Api,
    /// Not at all: this side only hears of it, or it is the other side's.
    Never,
}

/// How one side does everything, in the order of [`ACTS`].
pub struct Ways(pub [Way; ACTS.len()]);

impl Ways {
    /// Whether it can at all.
    pub fn can(&self, act: Act) -> bool {
        let at = ACTS.iter().position(|(other, _)| *other == act).expect("all acts are in the table");
        self.0[at] != Way::Never
    }
}

/// The rows, and what the README calls them.
pub const ACTS: [(Act, &str); 9] = [
    (Act::Open, "open a conversation"),
    (Act::Take, "be assigned, or accept"),
    (Act::Talk, "talk"),
    (Act::Read, "mark as read"),
    (Act::Edit, "edit and recall its messages"),
    (Act::Transfer, "transfer to a colleague or a group"),
    (Act::Resume, "resume after a lost connection"),
    (Act::History, "list the history"),
    (Act::End, "end"),
];

const SIDES: [(&str, &Ways); 8] = [
    ("kefu user", &kefu::USER),
    ("kefu visitor", &kefu::VISITOR),
    ("webchat customer", &webchat::CUSTOMER),
    ("bytedesk user", &bytedesk::USER),
    ("kefu agent", &kefu::AGENT),
    ("webchat agent", &webchat::AGENT),
    ("multichannel agent", &multichannel::AGENT),
    ("bytedesk agent", &bytedesk::AGENT),
];

/// The table in Markdown.
fn markdown() -> String {
    let mut out = String::from("| |");
    for (side, _) in SIDES {
        out.push_str(&format!(" {side} |"));
    }
    out.push_str(&format!("\n|{}\n", " --- |".repeat(SIDES.len() + 1)));
    for (at, (_, name)) in ACTS.iter().enumerate() {
        out.push_str(&format!("| {name} |"));
        for (_, ways) in SIDES {
            let word = match ways.0[at] {
                Way::Guide => "guide",
                Way::Extension => "extension",
                Way::Api => "`/api/v1`",
                Way::Never => "–",
            };
            out.push_str(&format!(" {word} |"));
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_readme_shows_who_can_do_what() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = markdown();
    assert!(readme.contains(&table), "README.md lacks this table, or has an older one:\n\n{table}");
}
