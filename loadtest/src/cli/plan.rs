//! `loadtest plan`: shards, memory and machines for a load, with what they rest on. Knows nothing of the arithmetic.

use std::path::PathBuf;
use std::process::ExitCode;

use super::reading::{ReadError, labels, load_all};
use crate::plan::{Cost, Costs, Demand, Found, KERNEL_SOCKET_BYTES, MEASURED, Shape, costs_in, plan};

/// The load, the machines, and where costs come from.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Sockets connected at once.
    #[arg(long, value_name = "N", value_parser = whole_number)]
    sockets: u64,
    /// Messages sent a second by all of them.
    #[arg(long, value_name = "R")]
    messages_per_second: f64,
    /// Time between two heartbeats of a socket (500ms, 30s, 5m); 0s if there are none.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    heartbeat_interval: f64,
    /// Peaks above these numbers, as a part of them: 0.3 plans for 1.3 times as much.
    #[arg(long, value_name = "PART", default_value_t = 0.3)]
    headroom: f64,
    /// Measured runs to take the costs from: `heartbeat`, `chat`, and one with `socket_slope_bytes`.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Memory of a socket, bytes, instead of a measured one.
    #[arg(long, value_name = "BYTES")]
    socket_bytes: Option<f64>,
    /// CPU of a heartbeat, microseconds, instead of a measured one.
    #[arg(long, value_name = "US")]
    heartbeat_us: Option<f64>,
    /// CPU of a message, microseconds, instead of a measured one.
    #[arg(long, value_name = "US")]
    message_us: Option<f64>,
    #[command(flatten)]
    machine: MachineArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The machines.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Machines")]
struct MachineArgs {
    /// CPUs of a machine.
    #[arg(long, value_name = "N", default_value_t = 16)]
    cores_per_machine: u32,
    /// CPUs of a machine that run no shard.
    #[arg(long, value_name = "N", default_value_t = 2)]
    reserved_cores: u32,
    /// Memory of a machine (64GB, 64GiB).
    #[arg(long, value_name = "SIZE", default_value = "64GB", value_parser = size)]
    memory_per_machine: f64,
    /// Part of a shard's CPU that may be busy.
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    target_utilisation: f64,
    /// Part of a machine's memory that sockets may take.
    #[arg(long, value_name = "PART", default_value_t = 0.7)]
    memory_utilisation: f64,
    /// Sockets that a machine's limit of open files allows.
    #[arg(long, value_name = "N", default_value = "1_000_000", value_parser = whole_number)]
    sockets_per_machine: u64,
    /// Machines that may be lost.
    #[arg(long, value_name = "N", default_value_t = 1)]
    spare_machines: u64,
}

/// Works the plan out and prints it.
pub fn run(args: &PlanArgs) -> Result<ExitCode, ReadError> {
    let loaded = load_all(&args.from)?;
    let found = costs_in(labels(&loaded).into_iter().zip(&loaded).map(|(label, loaded)| (label, &loaded.result)));
    for left_out in &found.left_out {
        eprintln!("{left_out}");
    }
    let demand = Demand {
        sockets: args.sockets,
        messages_per_s: args.messages_per_second,
        heartbeat_interval_s: args.heartbeat_interval,
        headroom: args.headroom,
    };
    let plan = plan(demand, args.machine.shape(), args.costs(found))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&plan).map_err(std::io::Error::from)?);
    } else {
        print!("{plan}");
    }
    Ok(ExitCode::SUCCESS)
}

impl PlanArgs {
    /// Said by hand, else measured in the runs named, else the figures this version was measured at.
    fn costs(&self, found: Found) -> Costs {
        let cost = |given: Option<f64>, flag: &str, found: Option<Cost>, default: f64| {
            let said = given.map(|value| Cost { value, source: format!("given by {flag}") });
            said.or(found).unwrap_or_else(|| Cost { value: default, source: MEASURED.source.to_owned() })
        };
        let loopback = "loopback, Linux 6.18, empty buffers; no RSS shows it".to_owned();
        Costs {
            socket_bytes: cost(self.socket_bytes, "--socket-bytes", found.socket_bytes, MEASURED.socket_bytes),
            kernel_bytes: Cost { value: KERNEL_SOCKET_BYTES, source: loopback },
            heartbeat_us: cost(self.heartbeat_us, "--heartbeat-us", found.heartbeat_us, MEASURED.heartbeat_us),
            message_us: cost(self.message_us, "--message-us", found.message_us, MEASURED.message_us),
        }
    }
}

impl MachineArgs {
    fn shape(&self) -> Shape {
        Shape {
            cores: self.cores_per_machine,
            reserved_cores: self.reserved_cores,
            memory_bytes: self.memory_per_machine,
            target_utilisation: self.target_utilisation,
            memory_utilisation: self.memory_utilisation,
            sockets_per_machine: self.sockets_per_machine,
            spare_machines: self.spare_machines,
        }
    }
}

/// A number, and what follows it.
fn split(text: &str) -> Result<(f64, &str), String> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
    Ok((number, text[end..].trim()))
}

fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    match unit {
        "ms" => Ok(number / 1e3),
        "s" => Ok(number),
        "m" => Ok(number * 60.0),
        "h" => Ok(number * 3_600.0),
        _ => Err(format!("`{text}` needs one of the units ms, s, m, h")),
    }
}

fn size(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    match unit {
        "MB" => Ok(number * 1e6),
        "GB" => Ok(number * 1e9),
        "TB" => Ok(number * 1e12),
        "MiB" => Ok(number * 1024.0 * 1024.0),
        "GiB" => Ok(number * 1024.0 * 1024.0 * 1024.0),
        "TiB" => Ok(number * 1024.0 * 1024.0 * 1024.0 * 1024.0),
        _ => Err(format!("`{text}` needs one of the units MB, GB, TB, MiB, GiB, TiB")),
    }
}

fn whole_number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!((seconds("30s"), seconds("500ms"), seconds("5m")), (Ok(30.0), Ok(0.5), Ok(300.0)));
        assert_eq!((size("64GB"), size("1.5GiB")), (Ok(64e9), Ok(1_610_612_736.0)));
        assert_eq!(whole_number("10_000_000"), Ok(10_000_000));
        for bad in ["", "30", "s", "30 days"] {
            assert!(seconds(bad).is_err() && size(bad).is_err(), "{bad}");
        }
    }
}
