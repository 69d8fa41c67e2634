//! Texts to typed values: durations, offsets, origins, lists.
//!
//! Knows no key and no source.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// A value as its source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// From a flag or variable, where everything is text; a list is separated by commas.
    Word(&'a str),
    /// A TOML string.
    Text(&'a str),
    /// A TOML integer from 0.
    Integer(u64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array of strings.
    List(Vec<&'a str>),
    /// Anything else: fits no key.
    Other,
}

/// The value does not do for its key; the key says what would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

impl Raw<'_> {
    pub(super) fn text(&self) -> Result<&str, Unfit> {
        match self {
            Self::Word(text) | Self::Text(text) => Ok(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Other => Err(Unfit),
        }
    }

    /// A text, or a boolean as its word, for keys that take more words than these two.
    pub(super) fn word(&self) -> Result<&str, Unfit> {
        match self {
            Self::Word(text) | Self::Text(text) => Ok(text),
            Self::Boolean(true) => Ok("true"),
            Self::Boolean(false) => Ok("false"),
            Self::Integer(_) | Self::List(_) | Self::Other => Err(Unfit),
        }
    }

    pub(super) fn integer(&self) -> Result<u64, Unfit> {
        match self {
            Self::Integer(value) => Ok(*value),
            Self::Word(text) => text.parse().map_err(|_| Unfit),
            Self::Text(_) | Self::Boolean(_) | Self::List(_) | Self::Other => Err(Unfit),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Unfit> {
        match self {
            Self::Boolean(yes) => Ok(*yes),
            Self::Word("true" | "1") => Ok(true),
            Self::Word("false" | "0") => Ok(false),
            Self::Word(_) | Self::Text(_) | Self::Integer(_) | Self::List(_) | Self::Other => Err(Unfit),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<&str>, Unfit> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Word("") => Ok(Vec::new()),
            Self::Word(text) => Ok(text.split(',').map(str::trim).collect()),
            Self::Text(_) | Self::Integer(_) | Self::Boolean(_) | Self::Other => Err(Unfit),
        }
    }
}

/// Reads `30s`, `500ms`, `24h`, `1h 30m`, `30d` (a day is 24 hours). A bare number has no unit and is
/// refused, as is anything negative.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

/// A duration as [`parse_duration`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |signed| format!("{signed:#}"))
}

/// Reads `Z` or `+HH:MM` / `-HH:MM` as seconds east of UTC, up to 14 hours.
pub(super) fn parse_offset(text: &str) -> Result<i32, Unfit> {
    const FURTHEST_SECS: i32 = 14 * 3600;
    if text == "Z" {
        return Ok(0);
    }
    let two = |digits: &[u8]| match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok(i32::from(tens - b'0') * 10 + i32::from(ones - b'0')),
        _ => Err(Unfit),
    };
    let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text.as_bytes() else {
        return Err(Unfit);
    };
    let (hours, minutes) = (two(&[h1, h2])?, two(&[m1, m2])?);
    let seconds = hours * 3600 + minutes * 60;
    if minutes > 59 || seconds > FURTHEST_SECS {
        return Err(Unfit);
    }
    Ok(if sign == b'-' { -seconds } else { seconds })
}

/// An offset as [`parse_offset`] reads it.
pub(super) fn show_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Accepts what a browser sends as `Origin` (RFC 6454, section 6.2): `scheme://host[:port]` in lower case
/// and without a path, or `null`.
pub(super) fn parse_origin(text: &str) -> Result<String, Unfit> {
    let (scheme, host) = match text.split_once("://") {
        Some(parts) => parts,
        None if text == "null" => return Ok(text.to_owned()),
        None => return Err(Unfit),
    };
    let scheme_fits =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b"0123456789+-.".contains(&b));
    let host_fits = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b));
    if scheme_fits && host_fits { Ok(text.to_owned()) } else { Err(Unfit) }
}

/// A TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A TOML array of strings.
pub(super) fn quote_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quote).collect::<Vec<_>>().join(", "))
}
