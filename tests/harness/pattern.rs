//! Comparing what the server said with what the guide shows. A pattern is the guide's JSON with marks
//! where ids and times stand; fields beyond the pattern are allowed, as dialects.md says.

use serde_json::Value;

/// Fails the test unless `actual` is like `pattern`: every field of the pattern is there and equal.
/// Marks: `"@id"` an integer id below 2^53, `"@time"` `YYYY-MM-DD HH:MM:SS`, `"@secs"` Unix seconds
/// of about now, `"@text"` a non-empty string.
#[track_caller]
pub fn assert_like(actual: &Value, pattern: Value) {
    if let Err(why) = like(actual, &pattern, "") {
        panic!("{why}\n actual: {actual}\n pattern: {pattern}");
    }
}

fn like(actual: &Value, pattern: &Value, at: &str) -> Result<(), String> {
    match pattern {
        Value::String(mark) if mark.starts_with('@') => {
            if marked(actual, mark) {
                Ok(())
            } else {
                Err(format!("{at} is no {mark}: {actual}"))
            }
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, wanted)| {
            let found = actual.get(name).ok_or_else(|| format!("{at}.{name} is missing"))?;
            like(found, wanted, &format!("{at}.{name}"))
        }),
        Value::Array(wanted) => {
            let found = actual.as_array().ok_or_else(|| format!("{at} is no array"))?;
            if found.len() != wanted.len() {
                return Err(format!("{at} has {} entries, not {}", found.len(), wanted.len()));
            }
            found.iter().zip(wanted).enumerate().try_for_each(|(i, (f, w))| like(f, w, &format!("{at}[{i}]")))
        }
        _ if actual == pattern => Ok(()),
        _ => Err(format!("{at} is {actual}, not {pattern}")),
    }
}

fn marked(actual: &Value, mark: &str) -> bool {
    match mark {
        "@id" => actual.as_u64().is_some_and(|id| id > 0 && id < 1 << 53),
        "@time" => actual.as_str().is_some_and(is_time),
        "@secs" => actual.as_u64().is_some_and(|secs| secs.abs_diff(now_secs()) < 120),
        "@text" => actual.as_str().is_some_and(|text| !text.is_empty()),
        _ => panic!("no such mark: {mark}"),
    }
}

fn is_time(text: &str) -> bool {
    text.len() == 19
        && text.bytes().zip(b"dddd-dd-dd dd:dd:dd").all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            _ => byte == *wanted,
        })
}

/// Unix seconds.
pub fn now_secs() -> u64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    elapsed.expect("the clock is after 1970").as_secs()
}

/// Unix seconds as `YYYY-MM-DD HH:MM:SS` at UTC+8, kefu's default zone. (Civil date of a day number, by
/// Howard Hinnant's algorithm.)
pub fn time_at_utc8(secs: u64) -> String {
    let local = secs + 8 * 3600;
    let (days, rest) = (local / 86_400 + 719_468, local % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[test]
fn patterns_tell_like_from_unlike() {
    use serde_json::json;
    let said = json!({"id": 4097, "at": "2025-01-01 10:00:00", "extra": 1, "list": [1, null]});
    assert_like(&said, json!({"id": "@id", "at": "@time", "list": [1, null]}));
    for unlike in [json!({"id": 4098}), json!({"at": "@id"}), json!({"none": null}), json!({"list": [1]})] {
        assert!(like(&said, &unlike, "").is_err(), "{unlike}");
    }
    assert_eq!(time_at_utc8(1_704_067_200), "2024-01-01 08:00:00");
    assert_eq!(time_at_utc8(1_709_222_399), "2024-02-29 23:59:59");
}
