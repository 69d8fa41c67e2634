//! `METRIC.hlog`: the interval log of the HdrHistogram family, one interval a second, which its readers, plotters and
//! analysers in every language take. Values are nanoseconds; the log's own column of maxima is in milliseconds.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};

use crate::measure::{self, Series};
use crate::result::RunResult;

/// What interval maxima are divided by, as HdrHistogram's own log writer does by default: nanoseconds to milliseconds.
const MAX_DIVISOR: f64 = 1e6;

/// Writes the seconds of one metric. `BaseTime` and `StartTime` are the start of the first second there is.
pub fn write(result: &RunResult, metric: &str, to: &mut impl Write) -> io::Result<()> {
    let seconds: Vec<&Series> = result.series.iter().filter(|entry| entry.metric == metric).collect();
    let first = seconds.iter().map(|entry| entry.second).min().unwrap_or_default();
    let start_ms = (i128::from(result.started_unix_ms) + i128::from(first) * 1_000).max(0) as u64;
    let start = UNIX_EPOCH + Duration::from_millis(start_ms);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[Logged with switchboard-loadtest {}]", result.machine.loadtest))
        .add_comment(&format!("{metric} of {} over {}, nanoseconds", result.scenario, result.dialect))
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(MAX_DIVISOR)
        .begin_log_with(to, &mut serializer)?;
    for entry in seconds {
        let histogram = measure::histogram_of(&entry.latency)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("histogram of {metric} is damaged")))?;
        let offset = Duration::from_secs((entry.second - first) as u64);
        log.write_histogram(&histogram, offset, Duration::from_secs(1), None).map_err(|error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::result_samples::chat;

    #[test]
    fn comes_back_through_the_reader() {
        let mut result = chat();
        for entry in &mut result.series {
            entry.second -= 3;
        }
        let mut written = Vec::new();
        write(&result, "push", &mut written).expect("a vector takes everything");
        let mut sum = measure::histogram();
        let (mut base, mut seconds) = (None, Vec::new());
        for entry in IntervalLogIterator::new(&written) {
            match entry.expect("well-formed") {
                LogEntry::BaseTime(time) => base = Some(time),
                LogEntry::StartTime(_) => {}
                LogEntry::Interval(interval) => {
                    let bytes = BASE64.decode(interval.encoded_histogram()).expect("base64");
                    let histogram: Histogram<u64> =
                        Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
                    // The maximum is in milliseconds with three decimals.
                    assert!((interval.max() - histogram.max() as f64 / 1e6).abs() < 1e-3);
                    seconds.push(interval.start_timestamp().as_secs());
                    sum.add(&histogram).expect("same bounds");
                }
            }
        }
        // The first of the ten seconds is 3 s before the measured window.
        assert_eq!(base, Some(Duration::from_millis(1_780_000_000_000 - 3_000)));
        assert_eq!(seconds, (0..10).collect::<Vec<u64>>());
        assert_eq!(measure::sum_up(&sum), result.latencies["push"]);
        let text = String::from_utf8(written).expect("text");
        // What the Java reader insists on: the version on the first line, compressed histograms (cookie HISTFAAA).
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"), "{}", &text[..80]);
        assert!(text.lines().filter(|line| !line.starts_with('#')).all(|line| line.contains(",HISTFAAA")));
    }
}
