//! Tests of the statistics against published numbers: NIST's reference data sets and tables, Student's sleep data.

use super::*;

fn near(value: f64, expected: f64, relative: f64) {
    assert!((value - expected).abs() <= relative * expected.abs().max(1e-300), "{value} is not {expected}");
}

#[test]
fn students_t_is_that_of_the_tables() {
    // NIST/SEMATECH e-Handbook 1.3.6.7.2, column 0.975.
    let table = [(1.0, 12.706), (2.0, 4.303), (3.0, 3.182), (4.0, 2.776), (10.0, 2.228), (30.0, 2.042), (100.0, 1.984)];
    for (degrees, expected) in table {
        assert!((t_critical(degrees) - expected).abs() < 0.000_6, "{degrees}: {}", t_critical(degrees));
    }
    near(t_distribution(0.0, 5.0), 0.5, 1e-12);
    // One degree is Cauchy: 1/2 + atan(t)/pi.
    near(t_distribution(1.0, 1.0), 0.75, 1e-12);
    near(t_distribution(-1.0, 1.0), 0.25, 1e-12);
}

#[test]
fn interval_of_a_mean_is_nists() {
    // NIST/SEMATECH e-Handbook 1.3.5.2, ZARR13.DAT: n 195, mean 9.261460, deviation 0.022789.
    let interval = interval_of_summary(195, 9.261_460, 0.022_789);
    assert!((interval.low - 9.258_242).abs() < 2e-6, "{interval:?}");
    assert!((interval.high - 9.264_679).abs() < 2e-6, "{interval:?}");
    let direct = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("five values");
    // 3 ± 2.776445 * sqrt(2.5 / 5).
    near(direct.low, 3.0 - 2.776_445_105_197_79 * 0.5_f64.sqrt(), 1e-9);
    assert_eq!(mean_interval(&[1.0]), None);
}

/// Student 1908, Cushny and Peebles' extra hours of sleep by two drugs.
const SLEEP: ([f64; 10], [f64; 10]) =
    ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);

#[test]
fn welch_is_that_of_r() {
    // R's documentation of t.test: t = -1.8608, df = 17.776, p = 0.07939, interval -3.3654832 to 0.2054832 of 1 - 2.
    let test = welch(&SLEEP.0, &SLEEP.1).expect("ten values each");
    assert!((test.t - 1.8608).abs() < 5e-5, "{test:?}");
    assert!((test.degrees - 17.776).abs() < 5e-4, "{test:?}");
    assert!((test.p - 0.079_39).abs() < 5e-6, "{test:?}");
    assert!((test.difference.low + 0.205_483_2).abs() < 1e-6, "{test:?}");
    assert!((test.difference.high - 3.365_483_2).abs() < 1e-6, "{test:?}");
}

#[test]
fn welch_of_constants() {
    let same = welch(&[2.0, 2.0], &[2.0, 2.0]).expect("two each");
    assert_eq!((same.difference.value, same.p), (0.0, 1.0));
    let other = welch(&[2.0, 2.0], &[3.0, 3.0]).expect("two each");
    assert_eq!((other.difference.low, other.difference.high, other.p), (1.0, 1.0, 0.0));
}

#[test]
fn ratios_are_symmetric() {
    let (a, b) = ([10.0, 11.0, 9.5, 10.2], [20.0, 22.5, 19.0, 21.0]);
    let up = ratio_of_runs(&a, &b).expect("positive");
    let down = ratio_of_runs(&b, &a).expect("positive");
    near(up.value * down.value, 1.0, 1e-12);
    near(up.low * down.high, 1.0, 1e-12);
    assert!(up.low > 1.7 && up.high < 2.4, "{up:?}");
    assert_eq!(ratio_of_runs(&[0.0, 1.0], &b), None);
}

/// NIST StRD "Norris": (y, x) as published.
const NORRIS: [(f64, f64); 36] = [
    (0.1, 0.2),
    (338.8, 337.4),
    (118.1, 118.2),
    (888.0, 884.6),
    (9.2, 10.1),
    (228.1, 226.5),
    (668.5, 666.3),
    (998.5, 996.3),
    (449.1, 448.6),
    (778.9, 777.0),
    (559.2, 558.2),
    (0.3, 0.4),
    (0.1, 0.6),
    (778.1, 775.5),
    (668.8, 666.9),
    (339.3, 338.0),
    (448.9, 447.5),
    (10.8, 11.6),
    (557.7, 556.0),
    (228.3, 228.1),
    (998.0, 995.8),
    (888.8, 887.6),
    (119.6, 120.2),
    (0.3, 0.3),
    (0.6, 0.3),
    (557.6, 556.8),
    (339.3, 339.1),
    (888.0, 887.2),
    (998.5, 999.0),
    (778.9, 779.0),
    (10.2, 11.1),
    (117.6, 118.3),
    (228.9, 229.2),
    (668.4, 669.1),
    (449.2, 448.9),
    (0.2, 0.5),
];

#[test]
fn a_line_is_nists() {
    let points: Vec<(f64, f64)> = NORRIS.iter().map(|(y, x)| (*x, *y)).collect();
    let line = line(&points).expect("36 points");
    near(line.slope.value, 1.002_116_818_020_45, 1e-10);
    near(line.slope_error, 0.429_796_848_199_937e-3, 1e-9);
    near(line.intercept, -0.262_323_073_774_029, 1e-8);
    near(line.intercept_error, 0.232_818_234_301_152, 1e-9);
    near(line.residual, 0.884_796_396_144_373, 1e-10);
    // 34 degrees: 2.032 times the error on each side.
    near(line.slope.high - line.slope.value, 2.032_244_5 * line.slope_error, 1e-6);
    let sen = theil_sen(&points).expect("36 points");
    assert!(sen.low < sen.value && sen.value < sen.high && sen.covers(1.002), "{sen:?}");
}

#[test]
fn theil_sen_bears_a_wild_point() {
    let mut points: Vec<(f64, f64)> = (0..20).map(|x| (f64::from(x), 5.0 + 2.0 * f64::from(x))).collect();
    points[10].1 = 1e9;
    assert_eq!(theil_sen(&points).expect("20 points").value, 2.0);
    assert!(line(&points).expect("20 points").slope.value > 1e3);
    assert_eq!(theil_sen(&points[..2]), None);
}

#[test]
fn samples_that_hang_together_do_not_feign_certainty() {
    // A random walk without drift: plain least squares finds a "certain" slope far too often, blocks less so.
    let (mut plain, mut blocked) = (0, 0);
    for seed in 0..200 {
        let mut random = Random(seed);
        // Noise whose memory fades within 50 of 2,000 samples.
        let mut value = 0.0;
        let points: Vec<(f64, f64)> = (0..2_000)
            .map(|x| {
                value = 0.98 * value + (random.next() >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
                (f64::from(x), value)
            })
            .collect();
        plain += i32::from(!line(&points).expect("points").slope.covers(0.0));
        blocked += i32::from(!line_in_blocks(&points, 10).expect("points").slope.covers(0.0));
    }
    assert!(plain > 80, "{plain} of 200");
    assert!(blocked < 30, "{blocked} of 200");
}

#[test]
fn bootstrap_finds_a_ratio_and_its_noise() {
    let a: Vec<f64> = (0..20).map(|index| 100.0 + f64::from(index % 5)).collect();
    let b: Vec<f64> = a.iter().map(|value| value * 1.5).collect();
    let mean = |values: &[f64], drawn: &[u32]| {
        let sum: f64 = values.iter().zip(drawn).map(|(value, times)| value * f64::from(*times)).sum();
        Some(sum / f64::from(drawn.iter().sum::<u32>()))
    };
    let ratio = |a: &[f64], b: &[f64]| {
        bootstrap_ratio(a.len(), b.len(), 1_000, 1, |drawn| mean(a, drawn), |drawn| mean(b, drawn)).expect("positive")
    };
    let found = ratio(&a, &b);
    near(found.value, 1.5, 1e-12);
    assert!(found.low > 1.47 && found.high < 1.53 && found.low < found.high, "{found:?}");
    assert!(ratio(&a, &a).covers(1.0));
    // The interval is about that of the theory: 1.96 * sqrt(2) * 1.414 / sqrt(20) / 102.
    let wide = ratio(&a, &a);
    near(wide.high - wide.low, 2.0 * 1.96 * 2.0_f64.sqrt() * 1.414 / 20.0_f64.sqrt() / 102.0, 0.15);
}

#[test]
fn quantiles_between_values() {
    assert_eq!(quantile_of_sorted(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
    assert_eq!(quantile_of_sorted(&[1.0, 2.0, 3.0], 1.0), 3.0);
    assert_eq!(quantile_of_sorted(&[7.0], 0.3), 7.0);
}
