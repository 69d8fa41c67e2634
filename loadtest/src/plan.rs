//! Turns measured costs of a socket, a heartbeat and a message into shards, memory and machines. Every number says
//! where it came from; the arithmetic supposes that costs add up and that load spreads evenly. Knows no file.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::measure::Metric;
use crate::report::format::{bytes, digits, nanos, whole};
use crate::report::summary::server_cpus;
use crate::result::{RunResult, Verdict};

/// Kernel memory of one accepted TCP socket on loopback, bytes: `/proc/slabinfo` and `MemAvailable` on
/// Linux 6.18. No RSS shows it. With empty socket buffers; what a slow reader leaves in them comes on top.
pub const KERNEL_SOCKET_BYTES: f64 = 3_800.0;

/// Costs of one version on one machine, for plans made before anything was measured where it will run.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// As [`Costs::socket_bytes`].
    pub socket_bytes: f64,
    /// As [`Costs::heartbeat_us`].
    pub heartbeat_us: f64,
    /// As [`Costs::message_us`].
    pub message_us: f64,
    /// Where and how.
    pub source: &'static str,
}

/// Server 0.1.0 with one shard on one of two CPUs of a virtual machine (Intel Xeon, Linux 6.18), over loopback, on
/// 2026-11-21. A socket: RSS with 18,000 logged in less RSS with none was 171 to 311 B a socket in four runs; the design's
/// bound is taken. A heartbeat: 400 sockets with one ping in flight each, 3.9 us as text and 4.0 us as JSON, shard 43 %
/// busy. A message: 64 customers with one durable message of 100 bytes in flight each, pushed to an agent, 17.9 us of all
/// threads, shard 25 % busy. A shard with little to do wakes for each message, which costs it several times as much; a
/// busier one answers many in one turn.
pub const MEASURED: Measured = Measured {
    socket_bytes: 320.0,
    heartbeat_us: 4.0,
    message_us: 18.0,
    source: "default: one shard of 0.1.0 on a 2-CPU Intel Xeon VM, Linux 6.18, loopback; better measure yours: --from",
};

/// What is asked of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// Sockets connected at once.
    pub sockets: u64,
    /// Messages sent a second, each acknowledged when it is durable and pushed to its conversation.
    pub messages_per_s: f64,
    /// Each socket sends a heartbeat every so often, seconds; 0 if none.
    pub heartbeat_interval_s: f64,
    /// Peaks above the numbers given, as a part of them: 0.3 plans for 1.3 times the sockets and messages.
    pub headroom: f64,
}

/// What one machine offers and how full it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// CPUs of a machine.
    pub cores: u32,
    /// CPUs of a machine that run no shard: the kernel's network, storage, everything else.
    pub reserved_cores: u32,
    /// Memory of a machine, bytes.
    pub memory_bytes: f64,
    /// Part of a shard's CPU that may be busy: latency grows without bound towards 1.
    pub target_utilisation: f64,
    /// Part of the memory that sockets may take; the rest is for desks, stores, buffers and the page cache.
    pub memory_utilisation: f64,
    /// Sockets of a machine that its file-number limit allows (`fs.nr_open`, `LimitNOFILE`).
    pub sockets_per_machine: u64,
    /// Machines that may be lost without the others being over the target.
    pub spare_machines: u64,
}

/// A number and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The number.
    pub value: f64,
    /// Its origin, in words.
    pub source: String,
}

/// What things cost the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// User memory of an idle, logged-in socket, bytes.
    pub socket_bytes: Cost,
    /// Kernel memory of the same, bytes.
    pub kernel_bytes: Cost,
    /// CPU of a heartbeat and its answer, microseconds.
    pub heartbeat_us: Cost,
    /// CPU of a message, its acknowledgement and its push, microseconds.
    pub message_us: Cost,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A value that makes no sense.
    #[error("{what} must be {must}")]
    Value {
        /// Which.
        what: &'static str,
        /// How it must be.
        must: &'static str,
    },
}

/// What is needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// With the headroom.
    pub sockets: f64,
    /// With the headroom.
    pub messages_per_s: f64,
    /// With the headroom.
    pub heartbeats_per_s: f64,
    /// CPUs that would be fully busy with heartbeats.
    pub heartbeat_cpus: f64,
    /// CPUs that would be fully busy with messages.
    pub message_cpus: f64,
    /// Shards, one CPU each: at the target utilisation, and at least one a machine.
    pub shards: u64,
    /// Shards that the CPU asks for.
    pub shards_by_cpu: u64,
    /// Memory of all sockets, user and kernel, bytes.
    pub memory_bytes: f64,
    /// Machines that the CPU asks for.
    pub machines_by_cpu: u64,
    /// Machines that memory asks for.
    pub machines_by_memory: u64,
    /// Machines that file numbers ask for.
    pub machines_by_sockets: u64,
    /// The most of the three, and the spare ones.
    pub machines: u64,
    /// What was asked.
    pub demand: Demand,
    /// Of what.
    pub shape: Shape,
    /// At which costs.
    pub costs: Costs,
}

/// Works it out.
pub fn plan(demand: Demand, shape: Shape, costs: Costs) -> Result<Plan, PlanError> {
    check(&demand, &shape, &costs)?;
    let grown = 1.0 + demand.headroom;
    let (sockets, messages_per_s) = (demand.sockets as f64 * grown, demand.messages_per_s * grown);
    let heartbeats_per_s = if demand.heartbeat_interval_s > 0.0 { sockets / demand.heartbeat_interval_s } else { 0.0 };
    let heartbeat_cpus = heartbeats_per_s * costs.heartbeat_us.value / 1e6;
    let message_cpus = messages_per_s * costs.message_us.value / 1e6;
    let shards_by_cpu = up((heartbeat_cpus + message_cpus) / shape.target_utilisation).max(1);
    let memory_bytes = sockets * (costs.socket_bytes.value + costs.kernel_bytes.value);
    let machines_by_cpu = shards_by_cpu.div_ceil(u64::from(shape.cores - shape.reserved_cores));
    let machines_by_memory = up(memory_bytes / (shape.memory_bytes * shape.memory_utilisation)).max(1);
    let machines_by_sockets = up(sockets / shape.sockets_per_machine as f64).max(1);
    let carrying = machines_by_cpu.max(machines_by_memory).max(machines_by_sockets);
    let machines = carrying + shape.spare_machines;
    Ok(Plan {
        sockets,
        messages_per_s,
        heartbeats_per_s,
        heartbeat_cpus,
        message_cpus,
        shards: shards_by_cpu.max(carrying),
        shards_by_cpu,
        memory_bytes,
        machines_by_cpu,
        machines_by_memory,
        machines_by_sockets,
        machines,
        demand,
        shape,
        costs,
    })
}

/// Rounded up, but not for a last digit of binary arithmetic.
fn up(value: f64) -> u64 {
    (value - 1e-9).ceil().max(0.0) as u64
}

fn check(demand: &Demand, shape: &Shape, costs: &Costs) -> Result<(), PlanError> {
    let refuse = |what, must| Err(PlanError::Value { what, must });
    let is_part = |value: f64| value > 0.0 && value <= 1.0;
    let is_amount = |value: f64| value.is_finite() && value >= 0.0;
    if demand.sockets == 0 {
        return refuse("--sockets", "at least 1");
    }
    if !is_amount(demand.messages_per_s) || !is_amount(demand.heartbeat_interval_s) || !is_amount(demand.headroom) {
        return refuse("--messages-per-second, --heartbeat-interval and --headroom", "at least 0");
    }
    if !is_part(shape.target_utilisation) || !is_part(shape.memory_utilisation) {
        return refuse("--target-utilisation and --memory-utilisation", "above 0 and at most 1");
    }
    if shape.cores <= shape.reserved_cores {
        return refuse("--cores-per-machine", "more than --reserved-cores");
    }
    if !is_amount(shape.memory_bytes) || shape.memory_bytes == 0.0 || shape.sockets_per_machine == 0 {
        return refuse("--memory-per-machine and --sockets-per-machine", "above 0");
    }
    let all = [&costs.socket_bytes, &costs.kernel_bytes, &costs.heartbeat_us, &costs.message_us];
    if all.into_iter().any(|cost| !is_amount(cost.value)) {
        return refuse("costs", "at least 0");
    }
    Ok(())
}

/// Costs found in results: the dearest of several stays. `None` where no result has it. Results that may not be used
/// are named with the reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// From `socket_slope_bytes`.
    pub socket_bytes: Option<Cost>,
    /// From `heartbeat` runs.
    pub heartbeat_us: Option<Cost>,
    /// From `chat` runs.
    pub message_us: Option<Cost>,
    /// Results left out, and why.
    pub left_out: Vec<String>,
}

/// Looks for costs in results, each with what it is called.
pub fn costs_in<'a>(results: impl IntoIterator<Item = (String, &'a RunResult)>) -> Found {
    let mut found = Found::default();
    for (label, run) in results {
        if let Verdict::Invalid(_) = run.verdict {
            found.left_out.push(format!("{label} is not used: it is INVALID"));
            continue;
        }
        // A shard with little to do pays more for each message: the reader should see how busy it was.
        let busy = server_cpus(run).map_or(String::new(), |cpus| format!(", server at {:.0} % of a CPU", cpus * 100.0));
        let about = format!(
            "{label} ({}, {} sockets, {} on {}{busy})",
            run.scenario,
            whole(run.load.connections),
            pace(run),
            run.machine.host
        );
        if let Some(slope) = run.figures.get("socket_slope_bytes") {
            keep_dearest(&mut found.socket_bytes, *slope, format!("RSS slope in {about}"));
        }
        let slot = match run.scenario.as_str() {
            "heartbeat" => &mut found.heartbeat_us,
            "chat" => &mut found.message_us,
            _ => continue,
        };
        match cpu_us_per_answer(run) {
            Some(micros) => keep_dearest(slot, micros, format!("server CPU by answers in {about}")),
            None => found.left_out.push(format!("{label} is not used for CPU: the server's was not seen")),
        }
    }
    found
}

/// Server CPU of one answered message with all that follows from it, pushes too, microseconds. By answers, since a
/// message has one answer and any number of pushes.
fn cpu_us_per_answer(run: &RunResult) -> Option<f64> {
    let server = run.server.as_ref()?;
    let answers = run.latencies.get(Metric::Answer.name()).map_or(0, |latency| latency.count);
    match server.cpu_s {
        Some(cpu_s) if answers > 0 => Some(cpu_s * 1e6 / answers as f64),
        _ => server.cpu_us_per_message,
    }
}

fn pace(run: &RunResult) -> String {
    match run.load.closed_window {
        Some(window) => format!("closed loop of {window}"),
        None => format!("{}/s", digits(run.load.rate_per_s)),
    }
}

fn keep_dearest(slot: &mut Option<Cost>, value: f64, source: String) {
    if value.is_finite() && value > 0.0 && slot.as_ref().is_none_or(|known| value > known.value) {
        *slot = Some(Cost { value, source });
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (demand, shape, costs) = (&self.demand, &self.shape, &self.costs);
        let cpus = self.heartbeat_cpus + self.message_cpus;
        writeln!(to, "machines   {}", whole(self.machines))?;
        writeln!(
            to,
            "           {} by CPU, {} by memory, {} by file numbers; the most of them, and {} spare",
            whole(self.machines_by_cpu),
            whole(self.machines_by_memory),
            whole(self.machines_by_sockets),
            whole(shape.spare_machines)
        )?;
        writeln!(to, "shards     {}", whole(self.shards))?;
        writeln!(
            to,
            "           {} by CPU: {} busy ({} by heartbeats, {} by messages), {:.0} % each; at least one a machine",
            whole(self.shards_by_cpu),
            digits(cpus),
            digits(self.heartbeat_cpus),
            digits(self.message_cpus),
            shape.target_utilisation * 100.0
        )?;
        writeln!(to, "memory     {} of sockets", bytes(self.memory_bytes))?;
        let carrying = (self.machines - shape.spare_machines) as f64;
        writeln!(
            to,
            "a machine  {} sockets, {} messages/s, {} of memory for sockets, when the spare ones are gone\n",
            whole((self.sockets / carrying).ceil() as u64),
            digits(self.messages_per_s / carrying),
            bytes(self.memory_bytes / carrying)
        )?;
        writeln!(to, "asked for")?;
        writeln!(
            to,
            "  {} sockets, {} messages/s, {}; with {:.0} % headroom {} sockets, {} messages/s, {} heartbeats/s",
            whole(demand.sockets),
            digits(demand.messages_per_s),
            if demand.heartbeat_interval_s > 0.0 {
                format!("a heartbeat every {} s", digits(demand.heartbeat_interval_s))
            } else {
                "no heartbeats".to_owned()
            },
            demand.headroom * 100.0,
            whole(self.sockets.ceil() as u64),
            digits(self.messages_per_s),
            digits(self.heartbeats_per_s)
        )?;
        writeln!(to, "supposed")?;
        let cost = |name: &str, text: String, cost: &Cost| format!("  {name:<22}{text:<12}{}", cost.source);
        writeln!(to, "{}", cost("memory of a socket", bytes(costs.socket_bytes.value), &costs.socket_bytes))?;
        writeln!(to, "{}", cost("kernel's part of it", bytes(costs.kernel_bytes.value), &costs.kernel_bytes))?;
        writeln!(to, "{}", cost("CPU of a heartbeat", nanos(costs.heartbeat_us.value * 1e3), &costs.heartbeat_us))?;
        writeln!(to, "{}", cost("CPU of a message", nanos(costs.message_us.value * 1e3), &costs.message_us))?;
        self.write_shape(to)?;
        writeln!(to, "not counted: network bandwidth, the disk's syncs, history kept in memory, logins after a loss")
    }
}

impl Plan {
    fn write_shape(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = &self.shape;
        writeln!(
            to,
            "  {:<22}{:<12}of which {} run no shard; one shard a CPU, costs as on the CPU they were measured on",
            "CPUs of a machine", shape.cores, shape.reserved_cores
        )?;
        writeln!(
            to,
            "  {:<22}{:<12}of which sockets may take {:.0} %",
            "memory of a machine",
            bytes(shape.memory_bytes),
            shape.memory_utilisation * 100.0
        )?;
        writeln!(
            to,
            "  {:<22}{:<12}its limit of open files (fs.nr_open, LimitNOFILE)",
            "sockets of a machine",
            whole(shape.sockets_per_machine)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result_samples::{chat, latency};

    fn cost(value: f64) -> Cost {
        Cost { value, source: "a test".to_owned() }
    }

    fn costs() -> Costs {
        Costs {
            socket_bytes: cost(320.0),
            kernel_bytes: cost(3_800.0),
            heartbeat_us: cost(3.0),
            message_us: cost(40.0),
        }
    }

    fn shape() -> Shape {
        Shape {
            cores: 16,
            reserved_cores: 2,
            memory_bytes: 64e9,
            target_utilisation: 0.5,
            memory_utilisation: 0.7,
            sockets_per_machine: 1_000_000,
            spare_machines: 1,
        }
    }

    fn demand() -> Demand {
        Demand { sockets: 10_000_000, messages_per_s: 100_000.0, heartbeat_interval_s: 30.0, headroom: 0.0 }
    }

    #[test]
    fn ten_million_sockets() {
        let plan = plan(demand(), shape(), costs()).expect("a plan");
        // 333,333 heartbeats of 3 us are 1 CPU, 100,000 messages of 40 us are 4: 5 CPUs, at half load 10 shards.
        assert!((plan.heartbeat_cpus - 1.0).abs() < 1e-9 && (plan.message_cpus - 4.0).abs() < 1e-9);
        assert_eq!((plan.shards_by_cpu, plan.shards, plan.machines_by_cpu), (10, 10, 1));
        // 10^7 times 4,120 B are 41.2 GB; 44.8 GB of a machine may be used.
        assert!((plan.memory_bytes - 41.2e9).abs() < 1.0);
        assert_eq!((plan.machines_by_memory, plan.machines_by_sockets, plan.machines), (1, 10, 11));
    }

    #[test]
    fn headroom_grows_everything() {
        let plan = plan(Demand { headroom: 0.5, ..demand() }, shape(), costs()).expect("a plan");
        assert_eq!(
            (plan.shards, plan.machines_by_cpu, plan.machines_by_memory, plan.machines_by_sockets),
            (15, 2, 2, 15)
        );
        let plan = super::plan(Demand { heartbeat_interval_s: 0.0, ..demand() }, shape(), costs()).expect("a plan");
        // 8 by CPU, but ten machines.
        assert_eq!((plan.heartbeats_per_s, plan.shards_by_cpu, plan.shards), (0.0, 8, 10));
        let plan =
            super::plan(Demand { sockets: 1, messages_per_s: 0.0, ..demand() }, shape(), costs()).expect("a plan");
        assert_eq!((plan.shards, plan.machines), (1, 2));
    }

    #[test]
    fn every_assumption_is_in_a_line() {
        let text = plan(demand(), shape(), costs()).expect("a plan").to_string();
        for part in [
            "machines   11\n",
            "10,000,000 sockets",
            "320 B",
            "3.80 KB",
            "3.00 us",
            "40.0 us",
            "64.0 GB",
            "70 %",
            "50 %",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(text.matches("a test").count(), 4);
    }

    #[test]
    fn senseless_values_are_refused() {
        let refused = |demand, shape| assert!(plan(demand, shape, costs()).is_err());
        refused(Demand { sockets: 0, ..demand() }, shape());
        refused(Demand { messages_per_s: f64::NAN, ..demand() }, shape());
        refused(Demand { headroom: -0.5, ..demand() }, shape());
        refused(demand(), Shape { target_utilisation: 0.0, ..shape() });
        refused(demand(), Shape { memory_utilisation: 1.5, ..shape() });
        refused(demand(), Shape { cores: 2, ..shape() });
        refused(demand(), Shape { memory_bytes: 0.0, ..shape() });
    }

    #[test]
    fn costs_come_out_of_results() {
        let mut message = chat();
        message.latencies.insert("answer".to_owned(), latency(1..=50_000));
        let mut dearer = message.clone();
        dearer.server.as_mut().expect("a server").cpu_s = Some(5.0);
        dearer.figures.clear();
        let mut heartbeat = chat();
        heartbeat.scenario = "heartbeat".to_owned();
        heartbeat.figures.insert("socket_slope_bytes".to_owned(), 300.0);
        let mut late = dearer.clone();
        late.server.as_mut().expect("a server").cpu_s = Some(50.0);
        late.verdict = Verdict::Invalid(vec!["late".to_owned()]);
        let mut unseen = message.clone();
        unseen.server = None;
        let runs = [("m", &message), ("d", &dearer), ("h", &heartbeat), ("l", &late), ("u", &unseen)];
        let found = costs_in(runs.map(|(label, run)| (label.to_owned(), run)));
        // 5 s by 50,000 answers.
        let dearest = found.message_us.expect("chat");
        assert!(
            (dearest.value - 100.0).abs() < 1e-9
                && dearest.source.contains("in d (chat, 400 sockets, 1,000/s on planner, server at 50 % of a CPU)")
        );
        // No answers in the made-up heartbeat: the result's own figure.
        assert_eq!(found.heartbeat_us.expect("heartbeat").value, 125.0);
        assert_eq!(found.socket_bytes.expect("a slope").value, 312.0);
        assert_eq!(found.left_out.len(), 2, "{:?}", found.left_out);
    }
}
