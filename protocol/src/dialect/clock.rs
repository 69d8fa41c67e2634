//! Times as text: `YYYY-MM-DD HH:MM:SS` in a fixed zone, as kefu shows them, and RFC 3339 in UTC. Must not read a
//! clock.

use jiff::tz::Offset;
use serde::{Serialize, Serializer};

use crate::model::Timestamp;

use super::Settings;

/// The last second that a calendar of four-digit years shows in every zone (9999-12-30).
const LAST_SECOND: u64 = 253_402_207_200;

/// A time as text, 19 ASCII bytes.
#[derive(Clone, Copy)]
pub(super) struct WallTime([u8; 19]);

impl WallTime {
    /// The wall-clock time of an instant in the zone of the config.
    pub(super) fn new(at: Timestamp, settings: &Settings) -> Self {
        let seconds = at.as_secs().min(LAST_SECOND);
        let instant = jiff::Timestamp::from_second(seconds.cast_signed()).unwrap_or_default();
        let offset = Offset::from_seconds(settings.utc_offset_seconds).unwrap_or(Offset::UTC);
        let time = offset.to_datetime(instant);
        let mut text = *b"0000-00-00 00:00:00";
        digits(&mut text[0..4], time.year().unsigned_abs());
        for (at, value) in
            [(5, time.month()), (8, time.day()), (11, time.hour()), (14, time.minute()), (17, time.second())]
        {
            digits(&mut text[at..at + 2], value.unsigned_abs().into());
        }
        Self(text)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits and separators are written")
    }
}

/// A time as text by RFC 3339, in UTC and whole seconds: `2026-02-24T10:00:00Z`, 20 ASCII bytes.
#[derive(Clone, Copy)]
pub(super) struct UtcTime([u8; 20]);

impl UtcTime {
    /// The text of an instant.
    pub(super) fn new(at: Timestamp) -> Self {
        let mut text = *b"0000-00-00T00:00:00Z";
        text[..19].copy_from_slice(&WallTime::new(at, &Settings { utc_offset_seconds: 0 }).0);
        text[10] = b'T';
        Self(text)
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).expect("only ASCII is written"))
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A time in RFC 3339, in UTC with `Z`; milliseconds are shown where there are any.
#[derive(Clone, Copy)]
pub(super) struct UtcMillis(jiff::Timestamp);

impl UtcMillis {
    /// An instant.
    pub(super) fn new(at: Timestamp) -> Self {
        let millis = at.as_millis().min(LAST_SECOND * 1000);
        Self(jiff::Timestamp::from_millisecond(millis.cast_signed()).unwrap_or_default())
    }
}

impl Serialize for UtcMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Reads a time in RFC 3339, whatever its offset; `None` if it is none, or before 1970.
pub(super) fn parse_utc(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

fn digits(place: &mut [u8], mut value: u16) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seconds: u64, utc_offset_seconds: i32) -> String {
        let settings = Settings { utc_offset_seconds };
        WallTime::new(Timestamp::from_millis(seconds * 1000 + 999), &settings).as_str().to_owned()
    }

    #[test]
    fn times_follow_the_zone_of_the_config() {
        assert_eq!(shown(1_735_696_800, 28_800), "2025-01-01 10:00:00");
        assert_eq!(shown(1_735_696_800, 0), "2025-01-01 02:00:00");
        assert_eq!(shown(1_735_696_800, -12_600), "2024-12-31 22:30:00");
        assert_eq!(shown(1_709_164_800, 0), "2024-02-29 00:00:00");
    }

    #[test]
    fn utc_is_said_by_a_z() {
        let text = |seconds: u64| serde_json::to_string(&UtcTime::new(Timestamp::from_millis(seconds * 1000 + 999)));
        assert_eq!(text(1_771_927_200).unwrap(), "\"2026-02-24T10:00:00Z\"");
        assert_eq!(text(0).unwrap(), "\"1970-01-01T00:00:00Z\"");
    }

    #[test]
    fn utc_times_come_back_as_they_went() {
        let shown = |millis| serde_json::to_string(&UtcMillis::new(Timestamp::from_millis(millis))).unwrap();
        assert_eq!(shown(1_705_314_600_000), "\"2024-01-15T10:30:00Z\"");
        assert_eq!(shown(1_705_314_600_007), "\"2024-01-15T10:30:00.007Z\"");
        assert_eq!(parse_utc("2024-01-15T10:30:00.007Z"), Some(Timestamp::from_millis(1_705_314_600_007)));
        assert_eq!(parse_utc("2024-01-15T18:30:00+08:00"), Some(Timestamp::from_millis(1_705_314_600_000)));
        assert_eq!([parse_utc("yesterday"), parse_utc("1960-01-01T00:00:00Z")], [None, None]);
    }

    #[test]
    fn times_beyond_the_calendar_do_not_panic() {
        assert!(shown(u64::MAX / 2000, 86_400).starts_with("9999-12-31"));
        assert!(shown(0, -86_400).starts_with("1969-12-31"));
    }
}
