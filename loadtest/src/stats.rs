//! The statistics that results are read with: intervals of means, differences between two sets of runs, slopes with
//! their uncertainty. Plain arithmetic on numbers handed in; its chance is seeded. Knows no result.

use serde::Serialize;

/// The confidence of every interval here.
pub const CONFIDENCE: f64 = 0.95;

/// A value and the interval that covers the true one with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies within.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Mean and interval of a sample by Student's t; `None` with fewer than two values.
pub fn mean_interval(values: &[f64]) -> Option<Interval> {
    let sample = Sample::of(values)?;
    Some(interval_of_summary(sample.n, sample.mean, sample.variance.sqrt()))
}

/// The same of a sample's size, mean and standard deviation; the size is at least 2.
pub fn interval_of_summary(n: usize, mean: f64, deviation: f64) -> Interval {
    let half = t_critical(n as f64 - 1.0) * deviation / (n as f64).sqrt();
    Interval { value: mean, low: mean - half, high: mean + half }
}

/// A difference of two means by Welch's test, which does not suppose equal variances.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Welch {
    /// Second mean minus first, with its interval.
    pub difference: Interval,
    /// Welch's t; its sign is that of the difference.
    pub t: f64,
    /// Degrees of freedom by Welch and Satterthwaite.
    pub degrees: f64,
    /// Chance of a difference this large if there is none, two-sided.
    pub p: f64,
}

/// Welch's test of `b` against `a`; `None` with fewer than two values on a side.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    let (a, b) = (Sample::of(a)?, Sample::of(b)?);
    let (part_a, part_b) = (a.variance / a.n as f64, b.variance / b.n as f64);
    let value = b.mean - a.mean;
    let error = (part_a + part_b).sqrt();
    if error == 0.0 {
        let p = if value == 0.0 { 1.0 } else { 0.0 };
        let t = if value == 0.0 { 0.0 } else { value.signum() * f64::INFINITY };
        let degrees = (a.n + b.n - 2) as f64;
        return Some(Welch { difference: Interval { value, low: value, high: value }, t, degrees, p });
    }
    let degrees =
        (part_a + part_b).powi(2) / (part_a.powi(2) / (a.n as f64 - 1.0) + part_b.powi(2) / (b.n as f64 - 1.0));
    let t = value / error;
    let half = t_critical(degrees) * error;
    let p = 2.0 * (1.0 - t_distribution(t.abs(), degrees));
    Some(Welch { difference: Interval { value, low: value - half, high: value + half }, t, degrees, p })
}

/// The ratio of `b` to `a`: Welch's test on the logarithms, so that twice and half are equally far from one.
/// `None` with fewer than two values on a side or with one that is not positive.
pub fn ratio_of_runs(a: &[f64], b: &[f64]) -> Option<Interval> {
    let difference = welch(&logarithms(a)?, &logarithms(b)?)?.difference;
    Some(Interval { value: difference.value.exp(), low: difference.low.exp(), high: difference.high.exp() })
}

/// The ratio of a statistic of `b` to that of `a`, each given by the blocks it can be computed from: blocks are drawn
/// with replacement and the statistic taken of the draw. `statistic` gets how often each block was drawn. `None` if it
/// ever has no positive value.
pub fn bootstrap_ratio(
    a_blocks: usize,
    b_blocks: usize,
    draws: usize,
    seed: u64,
    mut statistic_a: impl FnMut(&[u32]) -> Option<f64>,
    mut statistic_b: impl FnMut(&[u32]) -> Option<f64>,
) -> Option<Interval> {
    if a_blocks == 0 || b_blocks == 0 || draws == 0 {
        return None;
    }
    let positive = |value: Option<f64>| value.filter(|value| *value > 0.0).map(f64::ln);
    let value = positive(statistic_b(&vec![1; b_blocks]))? - positive(statistic_a(&vec![1; a_blocks]))?;
    let mut random = Random(seed);
    let (mut drawn_a, mut drawn_b) = (vec![0; a_blocks], vec![0; b_blocks]);
    let mut logs = Vec::with_capacity(draws);
    for _ in 0..draws {
        random.draw(&mut drawn_a);
        random.draw(&mut drawn_b);
        logs.push(positive(statistic_b(&drawn_b))? - positive(statistic_a(&drawn_a))?);
    }
    logs.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let (low, high) = (quantile_of_sorted(&logs, tail), quantile_of_sorted(&logs, 1.0 - tail));
    Some(Interval { value: value.exp(), low: low.min(value).exp(), high: high.max(value).exp() })
}

/// A straight line through points by least squares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Rise per unit of x, with its interval.
    pub slope: Interval,
    /// Standard error of the slope.
    pub slope_error: f64,
    /// Value at x = 0.
    pub intercept: f64,
    /// Standard error of the intercept.
    pub intercept_error: f64,
    /// Standard deviation of the residuals.
    pub residual: f64,
}

/// Least squares of `(x, y)`; `None` with fewer than three points or with one x only. The errors suppose that residuals
/// are independent, which memory sampled every second is not: see [`line_in_blocks`].
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    if points.len() < 3 {
        return None;
    }
    let n = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let spread = points.iter().map(|point| (point.0 - mean_x).powi(2)).sum::<f64>();
    if spread <= 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - mean_x) * (point.1 - mean_y)).sum::<f64>() / spread;
    let intercept = mean_y - slope * mean_x;
    let squares = points.iter().map(|point| (point.1 - intercept - slope * point.0).powi(2)).sum::<f64>();
    let residual = (squares / (n - 2.0)).sqrt();
    let slope_error = residual / spread.sqrt();
    let half = t_critical(n - 2.0) * slope_error;
    Some(Line {
        slope: Interval { value: slope, low: slope - half, high: slope + half },
        slope_error,
        intercept,
        intercept_error: residual * (1.0 / n + mean_x.powi(2) / spread).sqrt(),
        residual,
    })
}

/// Least squares through the means of `blocks` stretches of points in their order. Neighbouring samples of memory are
/// nearly the same sample; the means of long stretches are nearly independent, so the interval is an honest one.
pub fn line_in_blocks(points: &[(f64, f64)], blocks: usize) -> Option<Line> {
    if points.len() <= blocks || blocks == 0 {
        return line(points);
    }
    let means: Vec<(f64, f64)> = (0..blocks)
        .map(|block| {
            let stretch = &points[block * points.len() / blocks..(block + 1) * points.len() / blocks];
            let n = stretch.len() as f64;
            let (x, y) = stretch.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (x / n, y / n)
        })
        .collect();
    line(&means)
}

/// The median of the slopes between all pairs of points (Theil and Sen), which a few wild points do not move, with Sen's
/// interval. Quadratic in the points: hand in blocks' means if there are thousands. `None` with fewer than three points
/// or with one x only.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Interval> {
    let n = points.len();
    let mut slopes = Vec::with_capacity(n.saturating_mul(n) / 2);
    for (index, first) in points.iter().enumerate() {
        for second in &points[index + 1..] {
            if second.0 != first.0 {
                slopes.push((second.1 - first.1) / (second.0 - first.0));
            }
        }
    }
    if n < 3 || slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    // Sen 1968: Kendall's S has this variance without ties; the interval's ends are the slopes of these ranks.
    let deviation = (n as f64 * (n as f64 - 1.0) * (2.0 * n as f64 + 5.0) / 18.0).sqrt();
    let half = NORMAL_975 * deviation / 2.0;
    let middle = slopes.len() as f64 / 2.0;
    let last = slopes.len() - 1;
    let low = slopes[((middle - half).floor().max(0.0) as usize).min(last)];
    let high = slopes[((middle + half).ceil().max(0.0) as usize).min(last)];
    Some(Interval { value: quantile_of_sorted(&slopes, 0.5), low, high })
}

/// The quantile of sorted values, in a straight line between the two nearest.
pub fn quantile_of_sorted(sorted: &[f64], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = quantile.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// The value that Student's t exceeds with half of what [`CONFIDENCE`] leaves.
pub fn t_critical(degrees: f64) -> f64 {
    let wanted = 1.0 - (1.0 - CONFIDENCE) / 2.0;
    let (mut low, mut high) = (0.0, 1e4);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if t_distribution(middle, degrees) < wanted { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// Chance that Student's t is at most this.
pub fn t_distribution(t: f64, degrees: f64) -> f64 {
    let tail = incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t)) / 2.0;
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The standard normal distribution is below with 97.5 %.
const NORMAL_975: f64 = 1.959_963_984_540_054;

struct Sample {
    n: usize,
    mean: f64,
    /// Of the sample, by n - 1.
    variance: f64,
}

impl Sample {
    fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
        Some(Self { n, mean, variance })
    }
}

fn logarithms(values: &[f64]) -> Option<Vec<f64>> {
    values.iter().map(|value| (*value > 0.0).then(|| value.ln())).collect()
}

/// SplitMix64: seeded, so that the same results give the same answer.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// As many draws as there are blocks, counted by block.
    fn draw(&mut self, counts: &mut [u32]) {
        counts.fill(0);
        for _ in 0..counts.len() {
            let block = (u128::from(self.next()) * counts.len() as u128) >> 64;
            counts[block as usize] += 1;
        }
    }
}

/// The regularised incomplete beta function: its continued fraction by Lentz's method (DLMF 8.17.22).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side only (DLMF 8.17.4 mirrors it).
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let scale = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let tiny = 1e-300;
    let away = |value: f64| if value.abs() < tiny { tiny } else { value };
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 0.0);
    for step in 0..300_i32 {
        let m = f64::from(step / 2);
        let numerator = if step == 0 {
            1.0
        } else if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / away(1.0 + numerator * d);
        c = away(1.0 + numerator / c);
        fraction *= c * d;
        if (1.0 - c * d).abs() < 1e-14 {
            break;
        }
    }
    scale * (fraction - 1.0)
}

/// Lanczos' approximation with g = 7 and nine terms, right to 1e-13 for positive arguments.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let base = x + 7.5;
    let sum = TERMS.iter().enumerate().skip(1).fold(TERMS[0], |sum, (index, term)| sum + term / (x + index as f64));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
