//! Values of flags and scenario files, each parsed once: durations, ranges of addresses. A text that is wrong is
//! refused with what would be right. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Addresses of one range or list.
const ADDRS_MAX: usize = 65_536;

/// A duration as it is typed: `500ms`, `30s`, `5m`, `2h`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration: expected something like 500ms, 30s, 5m or 2h")]
pub struct BadSpan(String);

/// Addresses as they are typed: `127.0.0.2-127.0.0.9`, or several with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Addrs(pub Vec<IpAddr>);

/// Why a text is no list of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddrs {
    /// Not of the form.
    #[error("`{0}` is no list of addresses: expected something like 127.0.0.2-127.0.0.9 or 10.0.0.1,10.0.0.2")]
    Form(String),
    /// The end before the start, or of another family.
    #[error("`{0}` is no range: it goes from a lower address to a higher one of the same family")]
    Range(String),
    /// More than anybody has.
    #[error("more than {ADDRS_MAX} addresses")]
    TooMany,
}

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let span: jiff::Span = text.parse().map_err(|_| bad())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
        Duration::try_from(signed).map(Self).map_err(|_| bad())
    }
}

impl FromStr for Addrs {
    type Err = BadAddrs;

    fn from_str(text: &str) -> Result<Self, BadAddrs> {
        let mut addresses = Vec::new();
        for part in text.split(',') {
            let parse = |address: &str| address.trim().parse().map_err(|_| BadAddrs::Form(part.to_owned()));
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (parse(first)?, parse(last)?);
            let range = range(first, last).ok_or_else(|| BadAddrs::Range(part.to_owned()))?;
            // A range is lazy, so its length is never a matter of memory before it is refused.
            addresses.extend(range.take(ADDRS_MAX + 1));
            if addresses.len() > ADDRS_MAX {
                return Err(BadAddrs::TooMany);
            }
        }
        Ok(Self(addresses))
    }
}

impl TryFrom<String> for Span {
    type Error = BadSpan;

    fn try_from(text: String) -> Result<Self, BadSpan> {
        text.parse()
    }
}

impl TryFrom<String> for Addrs {
    type Error = BadAddrs;

    fn try_from(text: String) -> Result<Self, BadAddrs> {
        text.parse()
    }
}

fn range(first: IpAddr, last: IpAddr) -> Option<Box<dyn Iterator<Item = IpAddr>>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Box::new((first.to_bits()..=last.to_bits()).map(|bits| Ipv4Addr::from_bits(bits).into())))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Box::new((first.to_bits()..=last.to_bits()).map(|bits| Ipv6Addr::from_bits(bits).into())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1h 30m", 5_400_000), ("0s", 0)]
        {
            assert_eq!(text.parse::<Span>(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "5", "-5s", "five", "5 parsecs"] {
            assert_eq!(text.parse::<Span>(), Err(BadSpan(text.to_owned())));
        }
    }

    #[test]
    fn addresses_are_read() {
        let Addrs(range) = "127.0.0.2-127.0.0.9".parse().unwrap();
        assert_eq!(range.len(), 8);
        assert_eq!((range[0].to_string(), range[7].to_string()), ("127.0.0.2".to_owned(), "127.0.0.9".to_owned()));
        let Addrs(list) = "10.0.0.1, ::1-::2".parse().unwrap();
        assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1", "::1", "::2"]);
        assert!(matches!("127.0.0.9-127.0.0.2".parse::<Addrs>(), Err(BadAddrs::Range(_))));
        assert!(matches!("127.0.0.2-::1".parse::<Addrs>(), Err(BadAddrs::Range(_))));
        assert!(matches!("localhost".parse::<Addrs>(), Err(BadAddrs::Form(_))));
        assert!(matches!("::-ffff::".parse::<Addrs>(), Err(BadAddrs::TooMany)));
    }
}
