//! Query strings and percent-encoding (RFC 3986 section 2.1), with `+` as space in queries.
//!
//! It must not know which parameters exist.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::HttpError;

/// The decoded parameters of a query string, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    pairs: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 4]>,
}

impl<'a> Query<'a> {
    /// Decodes what stands behind the `?`: `a=1&b=2`. A name without `=` has the empty value.
    pub fn parse(raw: &'a str) -> Result<Self, HttpError> {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name, true)?, decode(value, true)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { pairs })
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All parameters as (name, value).
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// Decodes one path segment; `+` stays itself.
pub fn percent_decode(raw: &str) -> Result<Cow<'_, str>, HttpError> {
    decode(raw, false)
}

/// Encodes a value for a query: all but the unreserved characters of RFC 3986, section 2.3.
pub fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

fn decode(raw: &str, plus_is_space: bool) -> Result<Cow<'_, str>, HttpError> {
    if !raw.bytes().any(|byte| byte == b'%' || (plus_is_space && byte == b'+')) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(HttpError::PercentEncoding);
                };
                decoded.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => decoded.push(b' '),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| HttpError::PercentEncoding)
}
