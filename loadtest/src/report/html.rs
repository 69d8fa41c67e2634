//! `report.html`: one run, or several laid over each other. Reads results only; how things look is in `page` and
//! `chart`.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use crate::measure;
use crate::report::chart::{Axis, Chart, Line, Scale, Stroke, escape};
use crate::report::format::{bytes, digits, moment, nanos, whole};
use crate::report::page::{page as frame, table};
use crate::report::summary::{load_line, measured_text, server_cpus, server_rss_bytes, waits};
use crate::result::{Latency, RunResult, Verdict};

/// Charts over time have at most so many points a line; longer runs are drawn by stretches of several seconds, whose
/// histograms are added.
const POINTS_MAX: i64 = 600;

/// A run and what it is called.
type Named<'a> = (String, &'a RunResult);
/// A percentile of a latency, nanoseconds.
type ValueOf = fn(&Latency) -> u64;

const SECONDS: Axis = Axis { scale: Scale::Linear, label: "seconds since the measured window began", text: digits };
const TIMES: Axis = Axis { scale: Scale::Log, label: "latency", text: nanos };

/// The whole page.
pub fn page(runs: &[(String, &RunResult)]) -> String {
    let title = match runs {
        [(_, run)] => format!("{} over {}", run.scenario, run.dialect),
        _ => format!("{} runs", runs.len()),
    };
    let mut body = format!("<h1>{}</h1>\n", escape(&title));
    for run in runs {
        body.push_str(&verdict(run, runs.len() > 1));
    }
    body.push_str(&section("Latency", &latency_table(runs)));
    body.push_str(&section("Objectives", &objective_table(runs)));
    body.push_str(&section("Accounts", &account_table(runs)));
    body.push_str(&section("Over time", &grid(time_charts(runs))));
    body.push_str(&section("Percentiles", &grid(percentile_charts(runs))));
    body.push_str(&section("Server and generator", &sides_table(runs)));
    body.push_str(&section("Figures", &figure_table(runs)));
    body.push_str(&section("Where and how", &origin(runs)));
    frame(&title, &body)
}

fn section(title: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<h2>{}</h2>\n{content}", escape(title)) }
}

fn grid(charts: Vec<Chart>) -> String {
    let drawn: String = charts.iter().map(Chart::draw).collect();
    if drawn.is_empty() { drawn } else { format!("<div class=\"charts\">\n{drawn}</div>\n") }
}

fn verdict((label, run): &Named, is_one_of_several: bool) -> String {
    let class = if matches!(run.verdict, Verdict::Kept) { "good" } else { "bad" };
    let reasons: String = run.verdict.reasons().iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
    let reasons = if reasons.is_empty() { reasons } else { format!("<ul>{reasons}</ul>") };
    let name = if is_one_of_several { format!("{label}: ") } else { String::new() };
    let about = format!(
        "{} over {}, {}, {:.1} s measured, {}",
        run.scenario,
        run.dialect,
        load_line(&run.load),
        run.measured_s,
        moment(run.started_unix_ms)
    );
    format!(
        "<div class=\"verdict {class}\"><span class=\"{class}\">{}{}</span><p>{}</p>{reasons}</div>\n",
        escape(&name),
        run.verdict.word(),
        escape(&about)
    )
}

/// Rows of all runs under the same heads, with the run's name in front if there are several.
fn rows_of(runs: &[Named], heads: &[&str], rows: impl Fn(&RunResult) -> Vec<Vec<String>>) -> String {
    let mut all = Vec::new();
    for (label, run) in runs {
        for mut row in rows(run) {
            if runs.len() > 1 {
                row.insert(1, label.clone());
            }
            all.push(row);
        }
    }
    // The same thing of all runs next to each other.
    let order: Vec<String> = all.iter().map(|row| row[0].clone()).fold(Vec::new(), |mut seen, name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
        seen
    });
    all.sort_by_key(|row| order.iter().position(|name| *name == row[0]));
    let mut heads = heads.to_vec();
    if runs.len() > 1 {
        heads.insert(1, "run");
    }
    table(&heads, &all)
}

fn latency_table(runs: &[Named]) -> String {
    rows_of(runs, &["metric", "count", "per second", "min", "p50", "p90", "p99", "p99.9", "max"], |run| {
        let row = |(metric, latency): (&String, &Latency)| {
            let rate = if run.measured_s > 0.0 { latency.count as f64 / run.measured_s } else { 0.0 };
            let mut cells = vec![metric.clone(), whole(latency.count), digits(rate)];
            let values =
                [latency.min_ns, latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns, latency.max_ns];
            cells.extend(values.map(|ns| nanos(ns as f64)));
            cells
        };
        run.latencies.iter().map(row).collect()
    })
}

fn objective_table(runs: &[Named]) -> String {
    rows_of(runs, &["objective", "measured", ""], |run| {
        let word = |kept| if kept { "kept" } else { "BROKEN" }.to_owned();
        run.slos.iter().map(|slo| vec![slo.objective.clone(), measured_text(slo), word(slo.kept)]).collect()
    })
}

fn account_table(runs: &[Named]) -> String {
    let mut heads = vec!["account"];
    heads.extend(runs.iter().map(|(label, _)| if runs.len() > 1 { label.as_str() } else { "" }));
    let mut rows: Vec<Vec<String>> = crate::slo::ACCOUNTS
        .into_iter()
        .map(|name| {
            let count = |run: &RunResult| crate::slo::account(&run.accounts, name).map(whole).unwrap_or_default();
            std::iter::once(name.replace('_', " ")).chain(runs.iter().map(|(_, run)| count(run))).collect()
        })
        .collect();
    let counters: BTreeSet<&String> = runs.iter().flat_map(|(_, run)| run.counters.keys()).collect();
    rows.extend(counters.into_iter().map(|name| {
        let count = |run: &RunResult| run.counters.get(name).map_or("-".to_owned(), |count| whole(*count));
        std::iter::once(name.clone()).chain(runs.iter().map(|(_, run)| count(run))).collect()
    }));
    table(&heads, &rows)
}

fn sides_table(runs: &[Named]) -> String {
    let heads = [
        "",
        "server CPU a message",
        "server CPU of one",
        "server RSS",
        "generator CPU of one",
        "generator RSS",
        "lag p50",
        "lag p99",
        "lag max",
        "turn p99",
    ];
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|(label, run)| {
            let server = run.server.as_ref();
            let generator = &run.generator;
            let percent = |cpus: f64| format!("{:.0} %", cpus * 100.0);
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "not seen".to_owned());
            vec![
                if runs.len() > 1 { label.clone() } else { "this run".to_owned() },
                or_dash(server.and_then(|side| side.cpu_us_per_message).map(|micros| format!("{} us", digits(micros)))),
                or_dash(server_cpus(run).map(percent)),
                or_dash(server.and_then(server_rss_bytes).map(|size| bytes(size as f64))),
                if run.measured_s > 0.0 { percent(generator.cpu_s / run.measured_s) } else { "-".to_owned() },
                bytes(generator.rss_peak_bytes as f64),
                nanos(generator.lag.p50_ns as f64),
                nanos(generator.lag.p99_ns as f64),
                nanos(generator.lag.max_ns as f64),
                nanos(generator.turn.p99_ns as f64),
            ]
        })
        .collect();
    let threads = rows_of(runs, &["thread", "CPU of one"], |run| {
        let Some(server) = run.server.as_ref().filter(|_| run.measured_s > 0.0) else { return Vec::new() };
        let share = |cpu_s: f64| format!("{:.1} %", cpu_s / run.measured_s * 100.0);
        server.cpu_by_thread_s.iter().map(|(thread, cpu_s)| vec![thread.clone(), share(*cpu_s)]).collect()
    });
    let waits = rows_of(runs, &["waited for a CPU", "of the window"], |run| {
        waits(run).into_iter().map(|(who, wait)| vec![who, wait]).collect()
    });
    table(&heads, &rows) + &threads + &waits
}

fn figure_table(runs: &[Named]) -> String {
    rows_of(runs, &["figure", "value"], |run| {
        run.figures.iter().map(|(name, value)| vec![name.clone(), digits(*value)]).collect()
    })
}

fn origin(runs: &[Named]) -> String {
    let mut text = rows_of(runs, &["host", "CPU", "CPUs", "memory", "kernel", "loadtest", "server", "seed"], |run| {
        let machine = &run.machine;
        vec![vec![
            machine.host.clone(),
            machine.cpu.clone(),
            machine.cpus.to_string(),
            bytes(machine.memory_bytes as f64),
            machine.kernel.clone(),
            machine.loadtest.clone(),
            machine.server.clone().unwrap_or_else(|| "unknown".to_owned()),
            run.load.seed.to_string(),
        ]]
    });
    for (label, run) in runs {
        let name = if runs.len() > 1 { format!("{label}: ") } else { String::new() };
        let command: Vec<String> = run.command.iter().map(|argument| shell_quoted(argument)).collect();
        text.push_str(&format!(
            "<p class=\"soft\">{}target {}</p>\n<pre>{}</pre>\n",
            escape(&name),
            escape(&run.load.target),
            escape(&command.join(" "))
        ));
    }
    text
}

/// An argument as a shell takes it, so that the command can be copied.
fn shell_quoted(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// What was measured in the window first, then what there was besides, as connects during the ramp.
fn metrics_of(runs: &[Named]) -> Vec<String> {
    let whole: BTreeSet<&String> = runs.iter().flat_map(|(_, run)| run.latencies.keys()).collect();
    let in_series: BTreeSet<&String> =
        runs.iter().flat_map(|(_, run)| run.series.iter().map(|entry| &entry.metric)).collect();
    whole.iter().chain(in_series.difference(&whole)).map(|metric| (*metric).clone()).collect()
}

fn labelled(runs: &[Named], label: &str, what: &str) -> String {
    if runs.len() > 1 { format!("{label} {what}") } else { what.to_owned() }
}

fn time_charts(runs: &[Named]) -> Vec<Chart> {
    let mut charts = Vec::new();
    let several = runs.len() > 1;
    for metric in metrics_of(runs) {
        let (mut latency, mut rate) = (Vec::new(), Vec::new());
        for (index, (label, run)) in runs.iter().enumerate() {
            let seconds = by_stretch(run, &metric);
            // One run: a colour a percentile. Several: a colour a run, a stroke a percentile.
            let drawn: [(&str, usize, Stroke, ValueOf); 3] = [
                ("p50", 2, Stroke::Dashed, |latency| latency.p50_ns),
                ("p99", 0, Stroke::Solid, |latency| latency.p99_ns),
                ("max", 1, Stroke::Dotted, |latency| latency.max_ns),
            ];
            for (what, colour, stroke, value) in drawn {
                latency.push(Line {
                    label: labelled(runs, label, what),
                    colour: if several { index } else { colour },
                    stroke,
                    points: seconds.iter().map(|(second, _, latency)| (*second, value(latency) as f64)).collect(),
                });
            }
            rate.push(Line {
                label: labelled(runs, label, &metric),
                colour: index,
                stroke: Stroke::Solid,
                points: seconds.iter().map(|(at, length, latency)| (*at, latency.count as f64 / length)).collect(),
            });
        }
        if rate.iter().all(|line| line.points.len() < 2) {
            continue;
        }
        charts.push(Chart { title: format!("{metric}: latency by the second"), x: SECONDS, y: TIMES, lines: latency });
        let y = Axis { scale: Scale::Linear, label: "per second", text: digits };
        charts.push(Chart { title: format!("{metric}: throughput"), x: SECONDS, y, lines: rate });
    }
    charts.extend(server_charts(runs));
    charts
}

/// The seconds of a metric as (middle, length in seconds, latency); stretches of several where there are too many.
fn by_stretch(run: &RunResult, metric: &str) -> Vec<(f64, f64, Latency)> {
    let seconds: Vec<_> = run.series.iter().filter(|entry| entry.metric == metric).collect();
    let (Some(first), Some(last)) =
        (seconds.iter().map(|entry| entry.second).min(), seconds.iter().map(|entry| entry.second).max())
    else {
        return Vec::new();
    };
    let length = (last - first) / POINTS_MAX + 1;
    if length == 1 {
        return seconds.into_iter().map(|entry| (entry.second as f64, 1.0, entry.latency.clone())).collect();
    }
    let mut stretches: BTreeMap<i64, Histogram<u64>> = BTreeMap::new();
    for entry in seconds {
        let sum = stretches.entry(entry.second.div_euclid(length)).or_insert_with(measure::histogram);
        // A damaged second is left out of the drawing; merging and comparing refuse it.
        if let Some(histogram) = measure::histogram_of(&entry.latency) {
            sum.add(&histogram).ok();
        }
    }
    let middle = |stretch: i64| (stretch * length) as f64 + (length - 1) as f64 / 2.0;
    stretches.iter().map(|(at, sum)| (middle(*at), length as f64, measure::sum_up(sum))).collect()
}

fn server_charts(runs: &[Named]) -> Vec<Chart> {
    let (mut cpu, mut rss) = (Vec::new(), Vec::new());
    for (index, (label, run)) in runs.iter().enumerate() {
        let Some(server) = &run.server else { continue };
        let share = |pair: &[crate::result::ServerSample]| {
            let [before, after] = pair else { return None };
            let length = after.at_s - before.at_s;
            (length > 0.0).then_some((after.at_s, (after.cpu_s? - before.cpu_s?) / length * 100.0))
        };
        let line = |what: &str, points: Vec<(f64, f64)>| Line {
            label: labelled(runs, label, what),
            colour: index,
            stroke: Stroke::Solid,
            points: thinned(points),
        };
        cpu.push(line("server CPU", server.samples.windows(2).filter_map(share).collect()));
        let sizes = server.samples.iter().filter_map(|sample| Some((sample.at_s, sample.rss_bytes? as f64)));
        rss.push(line("server RSS", sizes.collect()));
    }
    let percent = Axis { scale: Scale::Linear, label: "% of one CPU", text: digits };
    let size = Axis { scale: Scale::Linear, label: "resident memory", text: bytes };
    vec![
        Chart { title: "Server CPU".to_owned(), x: SECONDS, y: percent, lines: cpu },
        Chart { title: "Server memory".to_owned(), x: SECONDS, y: size, lines: rss },
    ]
}

/// Means of stretches, where there are too many points; these are levels, not percentiles.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let length = points.len() / POINTS_MAX as usize + 1;
    let mean = |stretch: &[(f64, f64)]| {
        let n = stretch.len() as f64;
        (stretch.iter().map(|point| point.0).sum::<f64>() / n, stretch.iter().map(|point| point.1).sum::<f64>() / n)
    };
    if length == 1 { points } else { points.chunks(length).map(mean).collect() }
}

fn percentile_charts(runs: &[Named]) -> Vec<Chart> {
    let x = Axis { scale: Scale::Nines, label: "percentile", text: percentile_text };
    let of_metric = |metric: String| {
        let lines = runs
            .iter()
            .enumerate()
            .filter_map(|(index, (label, run))| {
                let histogram = measure::histogram_of(run.latencies.get(&metric)?)?;
                Some(Line {
                    label: labelled(runs, label, &metric),
                    colour: index,
                    stroke: Stroke::Solid,
                    points: percentile_curve(&histogram),
                })
            })
            .collect();
        Chart { title: format!("{metric}: percentiles"), x, y: TIMES, lines }
    };
    metrics_of(runs).into_iter().map(of_metric).collect()
}

/// Up to as many nines as there are values for.
fn percentile_curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let most = (histogram.len() as f64).log10().clamp(1.0, 7.0);
    let steps = (most * 20.0).floor() as u32;
    let at = |nines: f64| (nines, histogram.value_at_quantile(1.0 - 10_f64.powf(-nines)) as f64);
    (0..=steps).map(|step| at(f64::from(step) / 20.0)).collect()
}

/// A number of nines as a percentage: 3 is `99.9 %`.
fn percentile_text(nines: f64) -> String {
    let percent = 100.0 - 10_f64.powf(2.0 - nines);
    let decimals = (nines.ceil() as usize).saturating_sub(2);
    format!("{percent:.decimals$} %")
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
