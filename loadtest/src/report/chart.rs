//! Line charts as SVG, drawn here so that a report needs no network and no script. Colours are CSS variables `--c0` to
//! `--c7` of the page around. Knows nothing of what is drawn.

use std::fmt::Write;

/// Colours that the page defines.
pub const COLOURS: usize = 8;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;
/// Up to so many points a chart shows what each is when pointed at.
const TITLES_MAX: usize = 1_500;

/// How an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero if all is positive.
    Linear,
    /// By powers of ten; what is not positive is not drawn.
    Log,
    /// The values are numbers of nines: 1 is 90 %, 2 is 99 %.
    Nines,
}

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// How it counts.
    pub scale: Scale,
    /// What it says, with the unit.
    pub label: &'static str,
    /// How a value is written.
    pub text: fn(f64) -> String,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Through.
    Solid,
    /// In dashes.
    Dashed,
    /// In dots.
    Dotted,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// For the legend; any text.
    pub label: String,
    /// One of [`COLOURS`].
    pub colour: usize,
    /// How it looks.
    pub stroke: Stroke,
    /// Where it goes; NaN interrupts it.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it; any text.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upward.
    pub y: Axis,
    /// What is drawn.
    pub lines: Vec<Line>,
}

/// Text as HTML and SVG take it, in elements and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Other control characters are not allowed in HTML at all.
            letter if letter.is_control() && letter != '\n' && letter != '\t' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl Chart {
    /// The chart as a `<figure>`; empty if there is nothing to draw.
    pub fn draw(&self) -> String {
        let points =
            || self.lines.iter().flat_map(|line| &line.points).copied().filter(|point| self.is_drawable(*point));
        let Some(x) = Span::of(points().map(|point| point.0), self.x.scale) else { return String::new() };
        let Some(y) = Span::of(points().map(|point| point.1), self.y.scale).map(Span::rounded) else {
            return String::new();
        };
        let titles = points().count() <= TITLES_MAX;
        let mut svg = String::new();
        self.draw_axes(&mut svg, x, y);
        for line in &self.lines {
            self.draw_line(&mut svg, line, x, y, titles);
        }
        let legend: String = self.lines.iter().map(legend_entry).collect();
        let title = escape(&self.title);
        format!(
            "<figure><figcaption>{title}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{svg}</svg>\
             <p class=\"legend\">{legend}</p></figure>\n"
        )
    }

    fn is_drawable(&self, (x, y): (f64, f64)) -> bool {
        let fits = |value: f64, scale| value.is_finite() && (scale != Scale::Log || value > 0.0);
        fits(x, self.x.scale) && fits(y, self.y.scale)
    }

    fn draw_axes(&self, svg: &mut String, x: Span, y: Span) {
        for tick in y.ticks(7) {
            let at = y_at(y, tick);
            put(
                svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    WIDTH - RIGHT,
                    LEFT - 6.0,
                    at + 4.0,
                    escape(&rounded((self.y.text)(tick)))
                ),
            );
        }
        if x.low < 0.0 && self.x.scale == Scale::Linear {
            let at = x_at(x, 0.0);
            put(
                svg,
                format_args!(
                    "<line class=\"origin\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
                    HEIGHT - BOTTOM
                ),
            );
        }
        for tick in x.ticks(9) {
            let at = x_at(x, tick);
            put(
                svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{}\">{}</text>",
                    HEIGHT - BOTTOM,
                    HEIGHT - BOTTOM + 15.0,
                    if at > WIDTH - RIGHT - 20.0 { "end" } else { "middle" },
                    escape(&rounded((self.x.text)(tick)))
                ),
            );
        }
        put(
            svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                (LEFT + WIDTH - RIGHT) / 2.0,
                HEIGHT - 6.0,
                escape(self.x.label),
                (TOP + HEIGHT - BOTTOM) / 2.0,
                escape(self.y.label)
            ),
        );
    }

    fn draw_line(&self, svg: &mut String, line: &Line, x: Span, y: Span, titles: bool) {
        let colour = line.colour % COLOURS;
        let (mut path, mut marks) = (String::new(), String::new());
        let mut is_drawing = false;
        for point in &line.points {
            if !self.is_drawable(*point) {
                is_drawing = false;
                continue;
            }
            let (left, top) = (x_at(x, point.0), y_at(y, point.1));
            put(&mut path, format_args!("{}{left:.1} {top:.1}", if is_drawing { 'L' } else { 'M' }));
            is_drawing = true;
            if titles {
                put(
                    &mut marks,
                    format_args!(
                        "<circle cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"5\"><title>{} — {}: {}</title></circle>",
                        escape(&line.label),
                        escape(&(self.x.text)(point.0)),
                        escape(&(self.y.text)(point.1))
                    ),
                );
            }
        }
        put(
            svg,
            format_args!("<path class=\"{}\" style=\"stroke:var(--c{colour})\" d=\"{path}\"/>", line.stroke.class()),
        );
        svg.push_str(&marks);
    }
}

impl Stroke {
    const fn class(self) -> &'static str {
        match self {
            Self::Solid => "line",
            Self::Dashed => "line dashed",
            Self::Dotted => "line dotted",
        }
    }
}

fn legend_entry(line: &Line) -> String {
    format!(
        "<span><svg class=\"key\" viewBox=\"0 0 26 8\" aria-hidden=\"true\"><path class=\"{}\" style=\"stroke:var(--c{})\" \
         d=\"M1 4L25 4\"/></svg>{}</span>",
        line.stroke.class(),
        line.colour % COLOURS,
        escape(&line.label)
    )
}

fn put(to: &mut String, text: std::fmt::Arguments<'_>) {
    to.write_fmt(text).expect("a string takes everything");
}

/// A tick's text without the zeros after its point: `2.00 ms` is `2 ms`.
fn rounded(text: String) -> String {
    let (number, unit) = text.split_once(' ').map_or((text.as_str(), None), |(number, unit)| (number, Some(unit)));
    if !number.contains('.') || number.contains('e') {
        return text;
    }
    let number = number.trim_end_matches('0').trim_end_matches('.');
    unit.map_or_else(|| number.to_owned(), |unit| format!("{number} {unit}"))
}

fn x_at(span: Span, value: f64) -> f64 {
    LEFT + span.part(value) * (WIDTH - LEFT - RIGHT)
}

fn y_at(span: Span, value: f64) -> f64 {
    HEIGHT - BOTTOM - span.part(value) * (HEIGHT - TOP - BOTTOM)
}

/// What an axis shows, both ends finite and different; logarithms of base ten if it counts so.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Span {
    fn of(values: impl Iterator<Item = f64>, scale: Scale) -> Option<Self> {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        let (low, high) = match scale {
            Scale::Linear | Scale::Nines => (low.min(0.0), if high > low.min(0.0) { high } else { low.min(0.0) + 1.0 }),
            // To the next 1, 2 or 5 below and above.
            Scale::Log => (round_log(low.log10(), f64::floor, 1e-9), round_log(high.log10(), f64::ceil, -1e-9)),
        };
        let high = if high > low { high } else { low + 1.0 };
        Some(Self { low, high, scale })
    }

    /// To the next ticks below and above, if it counts evenly.
    fn rounded(self) -> Self {
        if self.scale != Scale::Linear {
            return self;
        }
        let step = self.step(7);
        Self { low: (self.low / step).floor() * step, high: (self.high / step).ceil() * step, ..self }
    }

    /// 0 to 1 from end to end.
    fn part(self, value: f64) -> f64 {
        let value = if self.scale == Scale::Log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// 1, 2 or 5 times a power of ten, so that there are at most so many steps.
    fn step(self, most: u32) -> f64 {
        let rough = (self.high - self.low) / f64::from(most);
        let power = 10_f64.powf(rough.log10().floor());
        let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= rough * 0.999_999).unwrap_or(10.0);
        times * power
    }

    fn ticks(self, most: u32) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = self.step(most);
                let (first, last) = ((self.low / step).ceil() as i64, (self.high / step + 1e-6).floor() as i64);
                (first..=last).map(|index| index as f64 * step).collect()
            }
            Scale::Nines => (0..=self.high.floor() as i32).map(f64::from).chain([0.5_f64.log10().abs()]).collect(),
            Scale::Log => {
                let decades = self.high - self.low;
                let times: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let mut ticks = Vec::new();
                for decade in self.low.floor() as i32..=self.high.ceil() as i32 {
                    ticks.extend(times.iter().map(|times| times * 10_f64.powi(decade)));
                }
                ticks.retain(|tick| (-1e-6..=1.000_001).contains(&self.part(*tick)));
                ticks
            }
        }
    }
}

fn round_log(log: f64, towards: fn(f64) -> f64, slack: f64) -> f64 {
    let decade = log.floor();
    let marks = [0.0, 2.0_f64.log10(), 5.0_f64.log10(), 1.0];
    let part = log - decade + slack;
    // `towards` is floor or ceil: which of the two neighbours is taken.
    let is_up = towards(0.5) > 0.5;
    let found = if is_up {
        marks.into_iter().find(|mark| *mark >= part)
    } else {
        marks.into_iter().rev().find(|mark| *mark <= part)
    };
    decade + found.unwrap_or(if is_up { 1.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale) -> Axis {
        Axis { scale, label: "x", text: |value| format!("{value}") }
    }

    fn near(ticks: Vec<f64>, expected: &[f64]) {
        assert_eq!(ticks.len(), expected.len(), "{ticks:?}");
        for (tick, expected) in ticks.iter().zip(expected) {
            assert!((tick - expected).abs() < 1e-6 * expected.abs().max(1.0), "{ticks:?}");
        }
    }

    #[test]
    fn ticks_are_round() {
        let ticks =
            |low: f64, high: f64, scale| Span::of([low, high].into_iter(), scale).expect("a span").rounded().ticks(7);
        near(ticks(3.0, 34.0, Scale::Linear), &[0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0]);
        near(ticks(-10.0, 60.0, Scale::Linear), &[-10.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        near(ticks(3e3, 4e4, Scale::Log), &[2e3, 5e3, 1e4, 2e4, 5e4]);
        near(ticks(1.0, 1e6, Scale::Log), &[1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6]);
        near(ticks(0.0, 3.2, Scale::Nines), &[0.0, 1.0, 2.0, 3.0, std::f64::consts::LOG10_2]);
        // One value, none at all, nothing but zeros.
        near(ticks(0.0, 0.0, Scale::Linear), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert!(Span::of(std::iter::empty(), Scale::Log).is_none());
        assert!(ticks(5.0, 5.0, Scale::Log).len() > 1);
    }

    #[test]
    fn ticks_are_short() {
        let table =
            [("2.00 ms", "2 ms"), ("10.0", "10"), ("500 us", "500 us"), ("0.25", "0.25"), ("1.00e-5", "1.00e-5")];
        for (text, short) in table {
            assert_eq!(rounded(text.to_owned()), short);
        }
    }

    #[test]
    fn gaps_interrupt_the_line_and_texts_are_escaped() {
        let line = Line {
            label: "<b> & 'co'".to_owned(),
            colour: 9,
            stroke: Stroke::Dashed,
            points: vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 0.0), (4.0, 3.0), (5.0, 4.0)],
        };
        let chart = Chart { title: "\"t\"".to_owned(), x: axis(Scale::Linear), y: axis(Scale::Log), lines: vec![line] };
        let drawn = chart.draw();
        let path = drawn.split("style=\"stroke:var(--c1)\" d=\"").nth(1).expect("a path");
        let path = &path[..path.find('"').expect("its end")];
        // NaN and, on a logarithmic axis, zero are not drawn.
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 2), "{path}");
        assert!(drawn.contains("&lt;b&gt; &amp; &#39;co&#39;") && !drawn.contains("<b>"));
        assert!(drawn.contains("aria-label=\"&quot;t&quot;\""));
        let empty = Chart { lines: Vec::new(), ..chart };
        assert_eq!(empty.draw(), "");
    }
}
