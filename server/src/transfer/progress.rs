//! How far an export or import is, on standard error: a bar on a terminal, else a line a second. Must not know either.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::form::Counts;

const LINE_EVERY: Duration = Duration::from_secs(1);
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Tells how far it is.
pub(super) struct Progress {
    what: &'static str,
    began: Instant,
    told: Instant,
    /// Messages that an interrupted run had behind it: no part of this one's rate.
    before: u64,
    bar: Option<ProgressBar>,
    total_bytes: Option<u64>,
}

impl Progress {
    /// Begins; `total_bytes` if it is known where the end is.
    pub(super) fn new(what: &'static str, total_bytes: Option<u64>, before: Counts) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| match total_bytes {
            Some(total) => ProgressBar::new(total).with_style(style("{wide_bar} {percent}% {elapsed} {msg}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {elapsed} {msg}")),
        });
        let now = Instant::now();
        Self { what, began: now, told: now, before: before.messages, bar, total_bytes }
    }

    /// Tells, if it is time to.
    pub(super) fn tell(&mut self, counts: &Counts, bytes: u64) {
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let rate = self.rate(counts);
        match (&self.bar, self.total_bytes) {
            (Some(bar), _) => {
                bar.set_position(bytes);
                bar.set_message(format!("{} messages, {rate}/s", counts.messages));
            }
            (None, Some(total)) => {
                let percent = bytes.saturating_mul(100) / total.max(1);
                eprintln!("{}: {percent} %: {counts}; {rate} messages/s", self.what);
            }
            (None, None) => eprintln!("{}: {} MB: {counts}; {rate} messages/s", self.what, bytes / 1_000_000),
        }
    }

    /// Tells the end.
    pub(super) fn finish(&self, counts: &Counts, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = self.rate(counts);
        eprintln!("{}: done: {counts}; {bytes} bytes in {seconds:.1} s, {rate} messages/s", self.what);
    }

    fn rate(&self, counts: &Counts) -> u64 {
        let messages = counts.messages.saturating_sub(self.before);
        (messages as f64 / self.began.elapsed().as_secs_f64().max(0.001)) as u64
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right")
}
