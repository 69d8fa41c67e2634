//! The TOML file: walks its tables, finds each key in the one table of keys, and points at the line of
//! whatever does not fit.
//!
//! Knows no key by name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::keys::{Key, keys};
use super::problem::{Problem, nearest};
use super::value::Raw;

struct Walk<'a> {
    name: &'a str,
    text: &'a str,
    config: &'a mut Config,
    problems: &'a mut Vec<Problem>,
}

/// Applies a file's text to `config`; what does not fit is added to `problems`.
pub(super) fn apply(name: &str, text: &str, config: &mut Config, problems: &mut Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|error| {
            let message = error.message().replace('\n', ", ");
            Problem::plain(message).at(name, text, error.span().unwrap_or(0..0))
        }));
        return;
    }
    let mut walk = Walk { name, text, config, problems };
    walk.table("", table.get_ref());
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let below = format!("{path}.");
            if let Some(key) = keys().find(|key| key.path == path) {
                self.value(key, value);
            } else if keys().any(|key| key.path.starts_with(&below)) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(&below, inner),
                    other => {
                        let message = format!("`{path}` is {}; expected a table", other.type_str());
                        self.problem(message, None, value.span());
                    }
                }
            } else {
                self.unknown(prefix, name, &path);
            }
        }
    }

    fn value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        if key.set(self.config, &raw(value.get_ref())).is_err() {
            let written = self.text.get(value.span()).unwrap_or("");
            let refusal =
                if key.secret { key.refusal(&key.quoted("")) } else { key.refusal(&written.replace('\n', " ")) };
            self.problem(refusal, None, value.span());
        }
    }

    fn unknown(&mut self, prefix: &str, name: &Spanned<std::borrow::Cow<'_, str>>, path: &str) {
        // A name of the same table is meant more often than a like one elsewhere.
        let siblings = keys()
            .filter_map(|key| key.path.strip_prefix(prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest).to_owned());
        let near = nearest(name.get_ref(), siblings)
            .map(|near| format!("{prefix}{near}"))
            .or_else(|| nearest(path, keys().map(|key| key.path.to_owned())))
            .or_else(|| last_name_elsewhere(name.get_ref()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.problem(format!("unknown key `{path}`"), help, name.span());
    }

    fn problem(&mut self, message: String, help: Option<String>, span: std::ops::Range<usize>) {
        self.problems.push(Problem::with_help(message, help).at(self.name, self.text, span));
    }
}

/// `level` at the top is `log.level` in the wrong table.
fn last_name_elsewhere(name: &str) -> Option<String> {
    let last = |key: &Key| key.path.rsplit('.').next().unwrap_or(key.path).to_owned();
    let near = nearest(name, keys().map(last))?;
    keys().find(|key| last(key) == near).map(|key| key.path.to_owned())
}

fn raw<'a>(value: &'a DeValue<'a>) -> Raw<'a> {
    match value {
        DeValue::String(text) => Raw::Text(text),
        DeValue::Integer(integer) => {
            u64::from_str_radix(integer.as_str(), integer.radix()).map_or(Raw::Other, Raw::Integer)
        }
        DeValue::Boolean(yes) => Raw::Boolean(*yes),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map_or(Raw::Other, Raw::List)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Raw::Other,
    }
}
