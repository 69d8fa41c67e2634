//! `loadtest list`: the scenarios, a line each. Knows nothing of what they do but what their table says.

use std::process::ExitCode;

use super::{KEPT, Problem};
use crate::scenario::ScenarioKind;

/// Prints them.
pub fn run() -> Result<ExitCode, Problem> {
    print!("{}", text());
    Ok(ExitCode::from(KEPT))
}

fn text() -> String {
    ScenarioKind::ALL.iter().map(|kind| format!("{:<12}{}\n", kind.name(), kind.about())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_line() {
        let text = text();
        assert_eq!(text.lines().count(), ScenarioKind::ALL.len());
        for line in text.lines() {
            let (name, about) = line.split_at(12);
            assert!(!name.trim().is_empty() && about.len() > 3, "{line}");
        }
    }
}
