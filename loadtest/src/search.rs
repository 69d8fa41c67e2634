//! The highest load that is kept: doubled until it is not, then narrowed down, then confirmed. Knows no run; whoever
//! calls says what became of each load. Pure.

/// Where is searched, and how closely. All loads are in the caller's unit, above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The first load tried.
    pub from: f64,
    /// No load above is tried.
    pub to: f64,
    /// The search ends when the lowest load that failed is below this many times the highest that was kept.
    pub precision: f64,
    /// So many further runs at the load that was found have to keep it too.
    pub confirmations: u32,
    /// Loads are whole numbers (sockets).
    pub whole: bool,
}

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Objectives kept.
    Kept,
    /// An objective was broken.
    Broken,
    /// Nothing can be said: the generator was not up to it.
    Invalid,
}

/// What ended the search upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The server: more breaks an objective.
    Server,
    /// The generator: more makes the run INVALID, so the server may carry more than was found.
    Generator,
    /// [`Plan::to`].
    Range,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The highest load that was kept and confirmed; `None` if even a thousandth of the first one was not.
    pub load: Option<f64>,
    /// What is above it.
    pub bound: Bound,
}

/// Loads below this part of the first one are not tried.
const LOWEST_PART: f64 = 1.0 / 1024.0;

/// Searches. `attempt` runs a load; its errors end the search.
pub fn search<E>(plan: &Plan, mut attempt: impl FnMut(f64) -> Result<Trial, E>) -> Result<Found, E> {
    let (mut kept, mut failed) = bracket(plan, &mut attempt)?;
    while let (Some(low), Some((high, _))) = (kept, failed) {
        let middle = plan.round((low * high).sqrt());
        if high <= low * plan.precision || middle <= low || middle >= high {
            break;
        }
        match attempt(middle)? {
            Trial::Kept => kept = Some(middle),
            Trial::Broken => failed = Some((middle, Bound::Server)),
            Trial::Invalid => failed = Some((middle, Bound::Generator)),
        }
    }
    confirm(plan, kept, failed.map_or(Bound::Range, |(_, bound)| bound), attempt)
}

/// The highest load that was kept and the lowest that was not, and why.
type Bracket = (Option<f64>, Option<(f64, Bound)>);

fn bracket<E>(plan: &Plan, attempt: &mut impl FnMut(f64) -> Result<Trial, E>) -> Result<Bracket, E> {
    let (mut kept, mut failed) = (None, None);
    let mut load = plan.round(plan.from.min(plan.to));
    loop {
        match attempt(load)? {
            Trial::Kept => kept = Some(load),
            Trial::Broken => failed = Some((load, Bound::Server)),
            Trial::Invalid => failed = Some((load, Bound::Generator)),
        }
        let next = match (kept, failed) {
            (Some(_), Some(_)) => return Ok((kept, failed)),
            (Some(low), None) => plan.round((low * 2.0).min(plan.to)),
            (None, _) => plan.round(load / 2.0),
        };
        let is_over = next == load || next < plan.from * LOWEST_PART;
        if is_over {
            return Ok((kept, failed));
        }
        load = next;
    }
}

/// Runs at the load found; one that fails takes the load down a step, and all confirmations begin anew.
fn confirm<E>(
    plan: &Plan,
    kept: Option<f64>,
    mut bound: Bound,
    mut attempt: impl FnMut(f64) -> Result<Trial, E>,
) -> Result<Found, E> {
    let Some(mut load) = kept else { return Ok(Found { load: None, bound }) };
    let mut confirmed = 0;
    while confirmed < plan.confirmations {
        let trial = attempt(load)?;
        if trial == Trial::Kept {
            confirmed += 1;
            continue;
        }
        bound = if trial == Trial::Broken { Bound::Server } else { Bound::Generator };
        let lower = plan.round(load / plan.precision);
        if lower >= load || lower < plan.from * LOWEST_PART {
            return Ok(Found { load: None, bound });
        }
        (load, confirmed) = (lower, 0);
    }
    Ok(Found { load: Some(load), bound })
}

impl Plan {
    /// Sockets are whole; a rate is given three digits, so that it can be typed again.
    fn round(&self, load: f64) -> f64 {
        if self.whole {
            return load.floor().max(1.0);
        }
        let unit = 10f64.powf(load.log10().floor() - 2.0);
        let rounded = (load / unit).round() * unit;
        // Powers of ten below one are not exact.
        (rounded * 1e6).round() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> Plan {
        Plan { from: 100.0, to: 1e9, precision: 1.05, confirmations: 2, whole: false }
    }

    /// A server that keeps up to `limit`, and a generator that does up to `able`.
    fn find(plan: &Plan, limit: f64, able: f64) -> (Found, Vec<f64>) {
        let mut tried = Vec::new();
        let found = search(plan, |load| {
            tried.push(load);
            Ok::<_, ()>(match load {
                load if load > able => Trial::Invalid,
                load if load > limit => Trial::Broken,
                _ => Trial::Kept,
            })
        });
        (found.unwrap(), tried)
    }

    #[test]
    fn the_capacity_is_found_and_confirmed() {
        let (found, tried) = find(&plan(), 5000.0, f64::INFINITY);
        let load = found.load.unwrap();
        assert!((5000.0 / 1.05..=5000.0).contains(&load), "{load}");
        assert_eq!(found.bound, Bound::Server);
        assert_eq!(tried[tried.len() - 2..], [load, load], "confirmed twice");
        assert_eq!(tried[..4], [100.0, 200.0, 400.0, 800.0], "doubled first");
        assert!(tried.len() < 16, "{tried:?}");
    }

    #[test]
    fn it_may_be_below_where_the_search_began() {
        let (found, _) = find(&plan(), 7.0, f64::INFINITY);
        assert!((7.0 / 1.05..=7.0).contains(&found.load.unwrap()));
        let (none, tried) = find(&plan(), 0.0, f64::INFINITY);
        assert_eq!(none.load, None);
        assert!(tried.len() < 14, "{tried:?}");
    }

    #[test]
    fn a_generator_that_gives_up_is_no_limit_of_the_server() {
        let (found, _) = find(&plan(), f64::INFINITY, 3000.0);
        assert!((3000.0 / 1.05..=3000.0).contains(&found.load.unwrap()));
        assert_eq!(found.bound, Bound::Generator);
    }

    #[test]
    fn the_range_is_kept() {
        let (found, tried) = find(&Plan { to: 450.0, ..plan() }, f64::INFINITY, f64::INFINITY);
        assert_eq!((found.load, found.bound), (Some(450.0), Bound::Range));
        assert!(tried.iter().all(|load| *load <= 450.0));
    }

    #[test]
    fn what_is_not_confirmed_is_lowered() {
        let mut runs_at_top = 0;
        let found = search(&plan(), |load| {
            let is_top = load > 390.0;
            runs_at_top += u32::from(is_top && load <= 410.0);
            // 400 is kept the first time only.
            Ok::<_, ()>(if load > 410.0 || (is_top && runs_at_top > 1) { Trial::Broken } else { Trial::Kept })
        });
        let load = found.unwrap().load.unwrap();
        assert!((350.0..390.0).contains(&load), "{load}");
    }

    proptest! {
        #[test]
        fn never_above_and_within_the_precision(limit in 1.0..1e7f64, whole: bool) {
            let (found, tried) = find(&Plan { whole, ..plan() }, limit, f64::INFINITY);
            let load = found.load.unwrap();
            prop_assert!(load <= limit);
            // A step of rounding on top of the precision.
            let step = if whole { 1.0 } else { limit * 0.01 };
            prop_assert!(load * 1.05 + 2.0 * step >= limit, "{load} of {limit}");
            prop_assert!(tried.len() < 60);
        }
    }
}
