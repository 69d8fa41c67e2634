//! Figures to OpenMetrics text. Runs once per scrape; counts nothing itself.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::figures::{BadInput, CLOSE_CODES, Figure, HTTP_STATUSES, LATENCY_BOUNDS_MICROS, ShardFigures};
use super::{Metrics, StorageFigures};
use crate::observe::process;

type Encoded = Result<(), Error>;

pub(super) fn render(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("switchboard");
    own.register_collector(Box::new(Own(Arc::clone(metrics))));
    registry.register_collector(Box::new(Process));
    let mut text = String::with_capacity(16 * 1024);
    text::encode(&mut text, &registry).expect("a String takes every write");
    text
}

/// Names that get the prefix `switchboard_`.
#[derive(Debug)]
struct Own(Arc<Metrics>);

impl Collector for Own {
    fn encode(&self, encoder: DescriptorEncoder) -> Encoded {
        let mut page = Page(encoder);
        let shards = &self.0.shards;
        page.connections(shards)?;
        page.traffic(shards)?;
        page.refusals(shards)?;
        page.latency(shards)?;
        page.desk(&self.0)?;
        if let Some(source) = self.0.storage.get() {
            page.storage(source())?;
        }
        let mut build = page.0.encode_descriptor("build", "What runs", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

/// Names that Prometheus' own clients use, without a prefix.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder) -> Encoded {
        let mut page = Page(encoder);
        let figures = process::read();
        if let Some(value) = figures.resident_bytes {
            page.gauge("process_resident_memory_bytes", "Resident memory", value as f64)?;
        }
        if let Some(value) = figures.cpu_secs {
            page.counter_f64("process_cpu_seconds", "User and system CPU time", value)?;
        }
        if let Some(value) = figures.started_at_secs {
            page.gauge("process_start_time_seconds", "Start, Unix time", value)?;
        }
        if let Some(value) = figures.open_fds {
            page.gauge("process_open_fds", "Open file descriptors", value as f64)?;
        }
        if let Some(value) = figures.max_fds {
            page.gauge("process_max_fds", "Most file descriptors allowed", value as f64)?;
        }
        Ok(())
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

type Shards = [Arc<ShardFigures>];

impl Page<'_> {
    fn connections(&mut self, shards: &Shards) -> Encoded {
        self.per_shard("connections", "Connections open", shards, |shard| &shard.connections)?;
        self.total("connections_opened", "Connections accepted", shards, |shard| &shard.opened)?;
        self.total("handovers", "Connections moved to their party's home", shards, |shard| &shard.handovers)?;
        self.per_shard("mail_queue_depth", "Mail that waits for a shard", shards, |shard| &shard.mail_depth)?;
        self.per_shard("mail_overflow", "Mail of a shard that waits for room", shards, |shard| &shard.mail_overflow)?;
        self.per_shard("deadlines", "Deadlines on the timer wheel", shards, |shard| &shard.deadlines)?;
        self.per_shard("outbox_queued_bytes", "Bytes that wait for slow peers", shards, |shard| &shard.outbox_bytes)
    }

    fn traffic(&mut self, shards: &Shards) -> Encoded {
        self.total("messages", "Messages acknowledged, so durable", shards, |shard| &shard.messages)?;
        self.total("commands", "What peers asked for", shards, |shard| &shard.commands)?;
        self.total("pushes", "Events said to connections", shards, |shard| &shard.pushes)?;
        let ok = sum(shards, |shard| &shard.logins_ok);
        let refused = sum(shards, |shard| &shard.logins_refused);
        let results = [("ok", ok), ("refused", refused)];
        self.labelled("logins", "Logins by result", "result", results.into_iter())
    }

    fn refusals(&mut self, shards: &Shards) -> Encoded {
        let closes =
            (0..=CLOSE_CODES.len()).map(|at| (named(&CLOSE_CODES, at), sum(shards, |shard| &shard.closes[at])));
        self.labelled("closes", "WebSockets ended, by close code", "code", closes)?;
        let http =
            (0..=HTTP_STATUSES.len()).map(|at| (named(&HTTP_STATUSES, at), sum(shards, |shard| &shard.http[at])));
        self.labelled("http_requests", "HTTP answers, by status", "status", http)?;
        let kinds = BadInput::ALL.into_iter();
        let bad = kinds.map(|kind| (kind.name(), sum(shards, |shard| &shard.bad_input[kind as usize])));
        self.labelled("bad_input", "What peers sent and should not", "kind", bad)
    }

    fn latency(&mut self, shards: &Shards) -> Encoded {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(LATENCY_BOUNDS_MICROS.len() + 1);
        for at in 0..=LATENCY_BOUNDS_MICROS.len() {
            let here = sum(shards, |shard| &shard.durable[at]);
            let bound = LATENCY_BOUNDS_MICROS.get(at).map_or(f64::INFINITY, |micros| seconds(*micros));
            // The encoder cumulates.
            buckets.push((bound, here));
            count += here;
        }
        let total = seconds(sum(shards, |shard| &shard.durable_sum_micros));
        let help = "From a write being asked for to its being durable";
        let mut metric = self.describe("durable_latency_seconds", help, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(total, count, &buckets, None)
    }

    fn desk(&mut self, metrics: &Metrics) -> Encoded {
        let desk = &metrics.desk;
        self.gauge("desk_waiting", "Conversations that wait", desk.waiting.get() as f64)?;
        self.gauge("desk_assigned", "Conversations with an agent", desk.assigned.get() as f64)?;
        self.gauge("desk_agents_online", "Agents online", desk.agents_online.get() as f64)?;
        self.counter("desk_assignments", "Conversations given to an agent", desk.assignments.get())?;
        self.counter("desk_violations", "Broken rules of the desk: always 0", desk.violations.get())
    }

    fn storage(&mut self, figures: StorageFigures) -> Encoded {
        self.gauge("storage_queue_depth", "Writes that wait", figures.queue_depth as f64)?;
        self.counter("storage_writes", "Writes durable", figures.writes)?;
        self.counter("storage_groups", "Groups of writes, each one sync", figures.groups)?;
        self.gauge("storage_read_queue_depth", "Reads that wait", figures.read_queue_depth as f64)?;
        self.counter("storage_reads", "Reads answered", figures.reads)?;
        self.counter("storage_failed", "Operations that failed alone", figures.failed)?;
        self.gauge("storage_writable", "1 if storage can write, 0 if not", f64::from(u8::from(figures.writable)))
    }

    fn describe<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Result<MetricEncoder<'s>, Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Encoded {
        self.describe(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// The encoder adds `_total` to a counter's name.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Encoded {
        let mut metric = self.describe(name, help, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counter_f64(&mut self, name: &str, help: &str, value: f64) -> Encoded {
        let mut metric = self.describe(name, help, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn total(&mut self, name: &str, help: &str, shards: &Shards, of: fn(&ShardFigures) -> &Figure) -> Encoded {
        self.counter(name, help, sum(shards, of))
    }

    fn per_shard(&mut self, name: &str, help: &str, shards: &Shards, of: fn(&ShardFigures) -> &Figure) -> Encoded {
        let mut family = self.describe(name, help, MetricType::Gauge)?;
        for (index, shard) in shards.iter().enumerate() {
            family.encode_family(&[("shard", index)])?.encode_gauge(&of(shard).get())?;
        }
        Ok(())
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (impl AsRef<str>, u64)>,
    ) -> Encoded {
        let mut family = self.describe(name, help, MetricType::Counter)?;
        for (value, count) in values {
            let labels = [(label, value.as_ref())];
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

fn sum<'a>(shards: &'a Shards, of: impl Fn(&'a ShardFigures) -> &'a Figure) -> u64 {
    shards.iter().map(|shard| of(shard).get()).sum()
}

fn named(known: &[u16], at: usize) -> String {
    known.get(at).map_or_else(|| "other".to_owned(), u16::to_string)
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::super::{BadInput, Metrics, StorageFigures};

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|have| have == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn figures_of_all_shards_come_out_under_their_names() {
        let metrics = Metrics::new(2);
        let (first, second) = (metrics.shard(0), metrics.shard(1));
        first.set_connections(3);
        second.set_connections(4);
        first.opened();
        second.opened();
        first.message();
        second.message();
        second.command();
        second.pushes(5);
        first.login(true);
        first.login(false);
        second.close(1012);
        second.close(1);
        first.http(101);
        second.http(418);
        first.bad_input(BadInput::Utf8);
        first.handover();
        second.set_mail_depth(6);
        second.set_mail_overflow(7);
        second.set_outbox_bytes(8);
        second.set_deadlines(14);
        metrics.desk().set_state(9, 10, 11);
        metrics.desk().set_assignments(1);
        metrics.set_storage(Box::new(|| StorageFigures { queue_depth: 12, writes: 13, ..StorageFigures::default() }));
        let text = metrics.render();
        for line in [
            r#"switchboard_connections{shard="0"} 3"#,
            r#"switchboard_connections{shard="1"} 4"#,
            "switchboard_connections_opened_total 2",
            "switchboard_messages_total 2",
            "switchboard_commands_total 1",
            "switchboard_pushes_total 5",
            r#"switchboard_logins_total{result="ok"} 1"#,
            r#"switchboard_logins_total{result="refused"} 1"#,
            r#"switchboard_closes_total{code="1012"} 1"#,
            r#"switchboard_closes_total{code="other"} 1"#,
            r#"switchboard_http_requests_total{status="101"} 1"#,
            r#"switchboard_http_requests_total{status="other"} 1"#,
            r#"switchboard_bad_input_total{kind="utf8"} 1"#,
            "switchboard_handovers_total 1",
            r#"switchboard_mail_queue_depth{shard="1"} 6"#,
            r#"switchboard_mail_overflow{shard="1"} 7"#,
            r#"switchboard_outbox_queued_bytes{shard="1"} 8"#,
            r#"switchboard_deadlines{shard="1"} 14"#,
            "switchboard_desk_waiting 9.0",
            "switchboard_desk_assigned 10.0",
            "switchboard_desk_agents_online 11.0",
            "switchboard_desk_assignments_total 1",
            "switchboard_desk_violations_total 0",
            "switchboard_storage_queue_depth 12.0",
            "switchboard_storage_writes_total 13",
            concat!("switchboard_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            has(&text, line);
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
        assert_eq!(metrics.connections(), 7);
    }

    #[test]
    fn latencies_fall_into_cumulated_buckets() {
        let metrics = Metrics::new(2);
        for micros in [10, 50, 51, 130] {
            metrics.shard(0).durable(micros);
        }
        metrics.shard(1).durable(60_000_000);
        let text = metrics.render();
        for line in [
            r#"switchboard_durable_latency_seconds_bucket{le="0.00005"} 2"#,
            r#"switchboard_durable_latency_seconds_bucket{le="0.0001"} 3"#,
            r#"switchboard_durable_latency_seconds_bucket{le="0.0002"} 4"#,
            r#"switchboard_durable_latency_seconds_bucket{le="5.0"} 4"#,
            r#"switchboard_durable_latency_seconds_bucket{le="+Inf"} 5"#,
            "switchboard_durable_latency_seconds_count 5",
            "switchboard_durable_latency_seconds_sum 60.000241",
        ] {
            has(&text, line);
        }
    }

    #[test]
    fn every_name_is_described_once_and_no_value_twice() {
        let text = Metrics::new(2).render();
        let mut described: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let mut values: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' ').map(|(name, _)| name))
            .collect();
        for names in [&mut described, &mut values] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{text}");
        }
    }
}
