//! `loadtest list`: the scenarios and the dialects, a line each. Knows nothing of them but what their tables say.

use std::process::ExitCode;

use super::{KEPT, Problem};
use crate::scenario::ScenarioKind;
use crate::wire::Dialect;

/// Prints them.
pub fn run() -> Result<ExitCode, Problem> {
    print!("{}", text());
    Ok(ExitCode::from(KEPT))
}

fn text() -> String {
    let line = |(name, about): (&str, &str)| format!("  {name:<14}{about}\n");
    let scenarios: String = ScenarioKind::ALL.iter().map(|kind| line((kind.name(), kind.about()))).collect();
    let dialects: String = Dialect::ALL.iter().map(|dialect| line((dialect.name(), dialect.about()))).collect();
    format!("scenarios\n{scenarios}\ndialects\n{dialects}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_line() {
        let text = text();
        assert_eq!(text.lines().count(), ScenarioKind::ALL.len() + Dialect::ALL.len() + 3);
        for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
            let (name, about) = line.split_at(14);
            assert!(!name.trim().is_empty() && about.len() > 3, "{line}");
        }
    }
}
