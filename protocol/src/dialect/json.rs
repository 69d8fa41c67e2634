//! Reading JSON of strangers: depth and `op_id` found before parsing, parsing in place, and typed getters
//! whose errors name the field.
//!
//! Must not know any dialect's fields. Unknown fields are passed over; of duplicate keys the last wins;
//! `null` counts as absent.

use std::ops::Range;

use simd_json::prelude::*;
use simd_json::tape::Value;
use simd_json::{Buffers, Tape};

use crate::model::MessageId;
use crate::model::limits::{ID_END, JSON_DEPTH_MAX, READ_IDS_MAX};

/// Why a payload is no JSON object that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON.
    #[error("Malformed JSON")]
    Syntax,
    /// Nested deeper than `JSON_DEPTH_MAX`.
    #[error("JSON is nested too deeply")]
    TooDeep,
    /// JSON, but not an object.
    #[error("JSON must be an object")]
    NotAnObject,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is absent, `null` or empty.
    Required,
    /// It is not what it must be.
    MustBe(&'static str),
}

/// A missing or wrong field: the sender's mistake, answered with the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The name on the wire.
    pub field: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

impl FieldError {
    /// The field is absent.
    pub const fn required(field: &'static str) -> Self {
        Self { field, fault: Fault::Required }
    }

    /// The field is not what it must be; `what` continues "must be".
    pub const fn must_be(field: &'static str, what: &'static str) -> Self {
        Self { field, fault: Fault::MustBe(what) }
    }
}

impl std::error::Error for FieldError {}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.fault {
            Fault::Required => write!(f, "{} is required", self.field),
            Fault::MustBe(what) => write!(f, "{} must be {what}", self.field),
        }
    }
}

/// The parser's buffers, one per shard, used again for every message.
pub struct Scratch {
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { buffers: Buffers::default(), tape: Tape(Vec::new()) }
    }
}

impl Scratch {
    /// Parses an object in place and hands it to `read`. The depth must have been checked ([`scan`]).
    pub(super) fn read<R>(&mut self, json: &mut [u8], read: impl FnOnce(Result<Fields<'_, '_>, Malformed>) -> R) -> R {
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match simd_json::fill_tape(json, &mut self.buffers, &mut tape) {
            Ok(()) if tape.as_value().is_object() => read(Ok(Fields(Some(tape.as_value())))),
            Ok(()) => read(Err(Malformed::NotAnObject)),
            Err(_) => read(Err(Malformed::Syntax)),
        };
        self.tape = tape.reset();
        result
    }

    /// Checks the depth, then parses, for bodies that nothing is to be given back of.
    pub(super) fn read_checked<R>(
        &mut self,
        json: &mut [u8],
        read: impl FnOnce(Result<Fields<'_, '_>, Malformed>) -> R,
    ) -> R {
        match scan(json, b"") {
            Ok(_) => self.read(json, read),
            Err(malformed) => read(Err(malformed)),
        }
    }
}

/// Finds the raw value of a top-level key (given with its quotes) and checks the depth, without parsing:
/// one pass, linear. Of what is no JSON it may find nonsense; the parser decides that.
pub(super) fn scan(json: &[u8], key: &[u8]) -> Result<Option<Range<usize>>, Malformed> {
    let mut depth = 0_usize;
    let mut expects_key = false;
    let mut open: Option<usize> = None;
    let mut found = None;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                let end = end_of_string(json, at);
                if depth == 1 && expects_key && &json[at..end] == key {
                    let colon = skip_blanks(json, end);
                    if json.get(colon) == Some(&b':') {
                        at = skip_blanks(json, colon + 1);
                        open = Some(at);
                        expects_key = false;
                        continue;
                    }
                }
                expects_key = false;
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                expects_key = depth == 1 && byte == b'{';
                if depth > JSON_DEPTH_MAX {
                    return Err(Malformed::TooDeep);
                }
            }
            b'}' | b']' => {
                if depth == 1 {
                    found = open.take().map(|start| start..at).or(found);
                }
                depth = depth.saturating_sub(1);
            }
            b',' if depth == 1 => {
                found = open.take().map(|start| start..at).or(found);
                expects_key = true;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(found.map(|range| range.start..range.start + json[range].trim_ascii_end().len()))
}

/// The index after the closing quote of the string that opens at `at`, or the end of the input.
fn end_of_string(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

fn skip_blanks(json: &[u8], from: usize) -> usize {
    let blanks = json[from..].iter().take_while(|byte| byte.is_ascii_whitespace());
    from + blanks.count()
}

/// An integer field that names something: what is no id of ours names what cannot exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireId {
    /// 1 to 2^53 - 1.
    Possible(u64),
    /// An integer, but nobody's id: 0, negative, or too large.
    Impossible,
}

impl WireId {
    /// Reads an id written in decimal; `None` if the text is no number at all.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(text.parse().map_or(Self::Impossible, Self::of_integer))
    }

    const fn of_integer(value: u64) -> Self {
        if value == 0 || value >= ID_END { Self::Impossible } else { Self::Possible(value) }
    }

    fn of_value(value: Value<'_, '_>) -> Option<Self> {
        if let Some(integer) = value.as_u64() {
            return Some(Self::of_integer(integer));
        }
        if value.as_i64().is_some() {
            return Some(Self::Impossible);
        }
        if let Some(float) = value.as_f64() {
            // Some languages write 1 as 1.0; below 2^53 the conversion is exact.
            let exact = float > 0.0 && float < ID_END as f64;
            let id = if exact { Self::Possible(float as u64) } else { Self::Impossible };
            return (float.fract() == 0.0).then_some(id);
        }
        value.into_string().and_then(Self::of_text)
    }
}

/// An object's fields, or those of an object that is absent. Each getter's error names the field.
#[derive(Clone, Copy)]
pub struct Fields<'t, 'd>(Option<Value<'t, 'd>>);

impl<'t, 'd> Fields<'t, 'd> {
    /// Whether the field is there, `null` included.
    pub(super) fn has(&self, name: &str) -> bool {
        self.any(name).is_some()
    }

    /// An object; an absent one has no fields.
    pub(super) fn object(&self, name: &'static str) -> Result<Self, FieldError> {
        match self.get(name) {
            None => Ok(Self(None)),
            Some(value) if value.is_object() => Ok(Self(Some(value))),
            Some(_) => Err(FieldError::must_be(name, "an object")),
        }
    }

    /// A string, possibly empty.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'d str>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.into_string() {
                Some(text) => Ok(Some(text)),
                None => Err(FieldError::must_be(name, "a string")),
            },
        }
    }

    /// A string that must be there and not empty.
    pub(super) fn required_text(&self, name: &'static str) -> Result<&'d str, FieldError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or(FieldError::required(name))
    }

    /// An integer from 0; `what` is for the error.
    pub(super) fn integer(&self, name: &'static str, what: &'static str) -> Result<Option<u64>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(FieldError::must_be(name, what)),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &'static str) -> Result<Option<bool>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or(FieldError::must_be(name, "true or false")),
        }
    }

    /// An integer or decimal string that names something. An empty string counts as absent.
    pub(super) fn id(&self, name: &'static str) -> Result<Option<WireId>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) if value.into_string() == Some("") => Ok(None),
            Some(value) => WireId::of_value(value).map(Some).ok_or(FieldError::must_be(name, "an integer")),
        }
    }

    /// Like [`Self::id`], and must be there.
    pub(super) fn required_id(&self, name: &'static str) -> Result<WireId, FieldError> {
        self.id(name)?.ok_or(FieldError::required(name))
    }

    /// A list; each entry through `entry`, whose `None` is the error `what`.
    fn list<T>(
        &self,
        name: &'static str,
        max: usize,
        what: &'static str,
        entry: impl Fn(Value<'t, 'd>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, FieldError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let entries = value
            .as_array()
            .filter(|list| list.len() <= max)
            .and_then(|list| list.iter().map(entry).collect::<Option<Vec<T>>>());
        entries.map(Some).ok_or(FieldError::must_be(name, what))
    }

    /// A list of ids, at most `max`.
    pub(super) fn ids(
        &self,
        name: &'static str,
        max: usize,
        what: &'static str,
    ) -> Result<Option<Vec<WireId>>, FieldError> {
        self.list(name, max, what, WireId::of_value)
    }

    /// The messages to be marked as read, one or more. What cannot be a message is passed over, as a message of another
    /// conversation is.
    pub(super) fn message_ids(&self, name: &'static str) -> Result<Vec<MessageId>, FieldError> {
        const _: () = assert!(READ_IDS_MAX == 1000);
        let ids = self.ids(name, READ_IDS_MAX, "a list of at most 1000 integers")?;
        let ids = ids.filter(|ids| !ids.is_empty()).ok_or(FieldError::required(name))?;
        let possible = ids.into_iter().filter_map(|id| match id {
            WireId::Possible(id) => MessageId::from_wire(id).ok(),
            WireId::Impossible => None,
        });
        Ok(possible.collect())
    }

    /// A list of texts that `entry` accepts, at most `max`.
    pub(super) fn texts<T>(
        &self,
        name: &'static str,
        max: usize,
        what: &'static str,
        entry: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, FieldError> {
        self.list(name, max, what, |value| value.into_string().and_then(&entry))
    }

    fn get(&self, name: &str) -> Option<Value<'t, 'd>> {
        self.any(name).filter(|value| !value.is_null())
    }

    fn any(&self, name: &str) -> Option<Value<'t, 'd>> {
        let object = self.0?.as_object()?;
        let mut last = None;
        for (key, value) in object.iter() {
            if key == name {
                last = Some(value);
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Option<&str> {
        scan(json.as_bytes(), b"\"op_id\"").expect("not deep").map(|range| &json[range])
    }

    #[test]
    fn the_raw_value_of_a_top_level_key_is_found() {
        assert_eq!(raw(r#"{"op_id":"a"}"#), Some(r#""a""#));
        assert_eq!(raw(r#"{ "op_id" : 1.50 , "x":2}"#), Some("1.50"));
        assert_eq!(raw(r#"{"op_id":{"a":[1,{"op_id":2}]},"b":1}"#), Some(r#"{"a":[1,{"op_id":2}]}"#));
        assert_eq!(raw(r#"{"data":{"op_id":2},"s":"\"op_id\":3,"}"#), None);
        assert_eq!(raw(r#"{"x":"op_id","y":[{"op_id":1}]}"#), None);
        assert_eq!(raw(r#"["op_id",1]"#), None);
        assert_eq!(raw(r#"{"op_id":1,"op_id":2}"#), Some("2"), "the last wins");
        assert_eq!(raw(r#"{"op_id":"a,}\"b"}"#), Some(r#""a,}\"b""#));
    }

    #[test]
    fn depth_is_refused_before_parsing() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(scan(nested(JSON_DEPTH_MAX).as_bytes(), b"\"x\""), Ok(None));
        assert_eq!(scan(nested(JSON_DEPTH_MAX + 1).as_bytes(), b"\"x\""), Err(Malformed::TooDeep));
        assert_eq!(scan("[".repeat(64 * 1024).as_bytes(), b"\"x\""), Err(Malformed::TooDeep));
        let brackets_in_text = format!("{{\"a\":\"{}\"}}", "[".repeat(100));
        assert_eq!(scan(brackets_in_text.as_bytes(), b"\"x\""), Ok(None));
    }

    #[test]
    fn ids_are_integers_or_decimal_strings() {
        let cases = [
            ("1", Ok(Some(WireId::Possible(1)))),
            ("\"1\"", Ok(Some(WireId::Possible(1)))),
            ("1.0", Ok(Some(WireId::Possible(1)))),
            ("9007199254740991", Ok(Some(WireId::Possible(ID_END - 1)))),
            ("9007199254740992", Ok(Some(WireId::Impossible))),
            ("1152921504606846976", Ok(Some(WireId::Impossible))),
            ("0", Ok(Some(WireId::Impossible))),
            ("-1", Ok(Some(WireId::Impossible))),
            ("\"-1\"", Ok(Some(WireId::Impossible))),
            ("1.5", Err(())),
            ("1e30", Ok(Some(WireId::Impossible))),
            ("\"1.5\"", Err(())),
            ("\"99999999999999999999999\"", Ok(Some(WireId::Impossible))),
            ("null", Ok(None)),
            ("\"\"", Ok(None)),
            ("\"abc\"", Err(())),
            ("\"-\"", Err(())),
            ("true", Err(())),
            ("[]", Err(())),
            ("{}", Err(())),
        ];
        let mut scratch = Scratch::default();
        for (value, expected) in cases {
            let mut json = format!("{{\"id\":{value}}}").into_bytes();
            let got = scratch.read(&mut json, |fields| fields.expect("an object").id("id"));
            assert_eq!(got.map_err(drop), expected, "{value}");
        }
    }

    #[test]
    fn of_duplicate_keys_the_last_wins() {
        let mut json = br#"{"a":1,"a":"x"}"#.to_vec();
        let got = Scratch::default().read(&mut json, |fields| fields.expect("an object").text("a").map(str_len));
        assert_eq!(got, Ok(Some(1)));
    }

    fn str_len(text: Option<&str>) -> Option<usize> {
        text.map(str::len)
    }
}
