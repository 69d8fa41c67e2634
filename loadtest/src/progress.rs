//! What is shown while a run goes on, on standard error: on a terminal a bar and the newest second, elsewhere a plain
//! line a second. Knows nothing of how ticks are made.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::run::Tick;
use crate::settings::Settings;

/// Shows ticks.
pub struct Progress {
    view: View,
    started: Instant,
    total: Duration,
}

enum View {
    Nothing,
    Lines,
    Terminal { all: MultiProgress, bar: ProgressBar, newest: ProgressBar },
}

impl Progress {
    /// For a run with these settings; `title` begins the bar.
    pub fn start(settings: &Settings, title: &str, quiet: bool) -> Self {
        let total = settings.ramp + settings.warm_up + settings.measured() + settings.drain;
        let view = if quiet {
            View::Nothing
        } else if std::io::stderr().is_terminal() {
            terminal(title, total)
        } else {
            View::Lines
        };
        Self { view, started: Instant::now(), total }
    }

    /// Shows one second.
    pub fn show(&mut self, tick: &Tick) {
        match &self.view {
            View::Nothing => {}
            View::Lines => {
                // Whoever closed standard error does not want to know.
                let _ = writeln!(std::io::stderr(), "{}", line(tick));
            }
            View::Terminal { bar, newest, .. } => {
                let at = self.started.elapsed().min(self.total);
                bar.set_position(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
                bar.set_message(tick.phase.clone());
                newest.set_message(line(tick));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Terminal { all, .. } = &self.view {
            // The table that follows says all of it, and better; a terminal that went away shows nothing anyhow.
            let _ = all.clear();
        }
    }
}

fn terminal(title: &str, total: Duration) -> View {
    let all = MultiProgress::new();
    let bar = all.add(ProgressBar::new(u64::try_from(total.as_millis()).unwrap_or(u64::MAX)));
    let style = ProgressStyle::with_template("{prefix} [{elapsed_precise}] {wide_bar} {percent:>3}% {msg}");
    bar.set_style(style.expect("the template is sound"));
    bar.set_prefix(title.to_owned());
    let newest = all.add(ProgressBar::new_spinner());
    newest.set_style(ProgressStyle::with_template("{msg}").expect("the template is sound"));
    View::Terminal { all, bar, newest }
}

/// One second in one line.
pub fn line(tick: &Tick) -> String {
    format!(
        "{:>7.1}s {:<14} open {:>7}  {:>9.1}/s  p50 {:>8}  p99 {:>8}  max {:>8}  errors {}  lag p99 {}",
        tick.at_s,
        tick.phase,
        tick.open,
        tick.rate,
        time(tick.p50_ns),
        time(tick.p99_ns),
        time(tick.max_ns),
        tick.errors,
        time(tick.lag_p99_ns),
    )
}

/// Three digits that matter; a dash for nothing measured.
fn time(nanos: u64) -> String {
    let nanos = nanos as f64;
    let (value, unit) = match nanos {
        0.0 => return "-".to_owned(),
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (nanos, text) in [
            (0, "-"),
            (7, "7.00 ns"),
            (12_340, "12.3 us"),
            (312_000, "312 us"),
            (1_234_567, "1.23 ms"),
            (45_600_000, "45.6 ms"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(time(nanos), text);
        }
    }

    #[test]
    fn a_second_is_a_line() {
        let tick = Tick {
            at_s: -1.0,
            phase: "ramp".to_owned(),
            open: 4000,
            rate: 250.5,
            p50_ns: 310_000,
            p99_ns: 920_000,
            max_ns: 3_100_000,
            errors: 2,
            lag_p99_ns: 50_000,
        };
        let expected = "   -1.0s ramp           open    4000      250.5/s  p50   310 us  p99   920 us  max  3.10 ms  errors 2  lag p99 50.0 us";
        assert_eq!(line(&tick), expected);
    }
}
