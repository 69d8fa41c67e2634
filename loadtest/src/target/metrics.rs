//! Reads OpenMetrics text: sums over labels of the series that a report shows. Pure.

use std::collections::BTreeMap;

/// What is kept of `/metrics`; the README of the server says what each is.
pub const KEPT: [&str; 24] = [
    "switchboard_connections",
    "switchboard_connections_opened_total",
    "switchboard_closes_total",
    "switchboard_logins_total",
    "switchboard_messages_total",
    "switchboard_commands_total",
    "switchboard_pushes_total",
    "switchboard_durable_latency_seconds_sum",
    "switchboard_durable_latency_seconds_count",
    "switchboard_mail_queue_depth",
    "switchboard_mail_overflow",
    "switchboard_outbox_queued_bytes",
    "switchboard_handovers_total",
    "switchboard_desk_waiting",
    "switchboard_desk_assigned",
    "switchboard_desk_agents_online",
    "switchboard_desk_assignments_total",
    "switchboard_desk_violations_total",
    "switchboard_storage_queue_depth",
    "switchboard_storage_read_queue_depth",
    "switchboard_storage_writes_total",
    "switchboard_storage_groups_total",
    "switchboard_storage_failed_total",
    "switchboard_bad_input_total",
];

/// The [`KEPT`] series in an OpenMetrics text, each summed over its labels; one that is not there is left out. Lines
/// that are no sample are skipped: the text is another program's.
pub fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, _, value)) = sample(line)
            && KEPT.contains(&name)
        {
            *sums.entry(name.to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

/// The version that the server says in `switchboard_build_info`.
pub fn version(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, labels, _) = sample(line)?;
        let value = labels.split("version=\"").nth(1)?.split('"').next()?;
        (name == "switchboard_build_info" || name == "switchboard_build_info_info").then(|| value.to_owned())
    })
}

/// Name, labels and value of a line; a time stamp behind the value is ignored.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    // A label's value may contain a brace, so it is the last one that closes; a value never has one.
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => inside.rsplit_once('}')?,
        None => ("", rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP switchboard_connections Connections open.
# TYPE switchboard_connections gauge
switchboard_connections{shard=\"0\"} 7
switchboard_connections{shard=\"1\"} 5.5 1520879607.789
switchboard_closes_total{code=\"10}00\"} 2
switchboard_messages_total 41
switchboard_messages_total_of_another 1000
switchboard_durable_latency_seconds_bucket{le=\"+Inf\"} 9
switchboard_desk_waiting NaN
switchboard_build_info{version=\"0.1.0\"} 1
broken
# EOF
";

    #[test]
    fn series_are_summed_over_their_labels() {
        let sums = parse(TEXT);
        let expected = [
            ("switchboard_closes_total", 2.0),
            ("switchboard_connections", 12.5),
            ("switchboard_messages_total", 41.0),
        ];
        assert_eq!(sums.into_iter().collect::<Vec<_>>(), expected.map(|(name, sum)| (name.to_owned(), sum)));
    }

    #[test]
    fn the_version_is_found() {
        assert_eq!(version(TEXT).as_deref(), Some("0.1.0"));
        assert_eq!(version("switchboard_connections 1\n"), None);
    }
}
