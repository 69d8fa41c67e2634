//! Numbers as people read them. Knows nothing of what they mean.

/// Nanoseconds in the unit that leaves one to three digits before the point: `812 ns`, `4.07 ms`, `12.3 s`.
pub fn nanos(ns: f64) -> String {
    let (value, unit) = match ns {
        _ if ns < 1e3 => (ns, "ns"),
        _ if ns < 1e6 => (ns / 1e3, "us"),
        _ if ns < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// Bytes: `312 B`, `18.0 KB`, `61.4 MB`; powers of 1,000.
pub fn bytes(bytes: f64) -> String {
    let (value, unit) = match bytes.abs() {
        size if size < 1e3 => (bytes, "B"),
        size if size < 1e6 => (bytes / 1e3, "KB"),
        size if size < 1e9 => (bytes / 1e6, "MB"),
        size if size < 1e12 => (bytes / 1e9, "GB"),
        _ => (bytes / 1e12, "TB"),
    };
    format!("{} {unit}", digits(value))
}

/// A whole number with commas: `10,000,000`.
pub fn whole(value: u64) -> String {
    let text = value.to_string();
    let mut grouped = String::with_capacity(text.len() * 4 / 3);
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three digits that count, or all before the point.
pub fn digits(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 99.95 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", whole(size.round() as u64))
        }
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        size if size >= 0.001 => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{value:.2e}"),
    }
}

/// A ratio as a change: `+12.3 %`, `-0.4 %`; from twice on `24.6 times`.
pub fn change(ratio: f64) -> String {
    if ratio < 2.0 { format!("{:+.1} %", (ratio - 1.0) * 100.0) } else { format!("{} times", digits(ratio)) }
}

/// A moment of Unix time as `2026-11-21 15:30:00 UTC`.
pub fn moment(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let table = [
            (nanos(812.0), "812 ns"),
            (nanos(4_070_000.0), "4.07 ms"),
            (nanos(12_345_000_000.0), "12.3 s"),
            (bytes(312.0), "312 B"),
            (bytes(61_440_000.0), "61.4 MB"),
            (whole(0), "0"),
            (whole(999), "999"),
            (whole(10_000_000), "10,000,000"),
            (digits(0.0), "0"),
            (digits(0.25), "0.25"),
            (digits(-1_234.4), "-1,234"),
            (digits(f64::NAN), "-"),
            (change(1.123), "+12.3 %"),
            (change(0.5), "-50.0 %"),
            (change(24.62), "24.6 times"),
        ];
        for (text, expected) in table {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn moments() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_780_000_000_000), "2026-05-28 20:26:40 UTC");
    }
}
