//! Seeded simulation of the domain: some shards, slow mail, slow storage, crashes, and people who do as
//! they please, judged all the time and whenever everything comes to rest. A failure prints its seed and
//! what happened last; `SIM_SEED=n` runs that one alone, `SIM_SEEDS=n` runs more.

mod acts;
mod calm;
mod judge;
mod people;
mod witness;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use judge::Counts;
use world::World;

/// Seeds of an ordinary run.
const SEEDS: u64 = 200;
/// Acts of one seed.
const ACTS: u64 = 2000;

#[test]
fn the_domain_keeps_its_invariants_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let many = seeds.end - seeds.start >= SEEDS;
    let mut sum = Counts::default();
    for seed in seeds {
        let mut world = World::new(seed, false);
        match catch_unwind(AssertUnwindSafe(|| run(&mut world))) {
            Ok(()) => sum.add(&world.judge.counts),
            Err(panic) => {
                again_with_a_trace(seed);
                resume_unwind(panic);
            }
        }
    }
    println!("{sum:?}");
    assert!(!many || happened(&sum), "the simulation does not do what it is for: {sum:?}");
}

fn run(world: &mut World) {
    for act in 1..=ACTS {
        world.act();
        if !world.rng.one_in(4) {
            let pause = if world.rng.one_in(20) { 500 } else { 10 };
            let pause = world.rng.range(0, pause);
            world.pass(pause);
        }
        if act % 500 == 0 || world.rng.one_in(400) {
            world.calm();
        } else if world.rng.one_in(300) {
            world.crash();
        } else if world.rng.one_in(400) {
            world.outage();
        }
    }
}

/// The same once more, to see what led to it.
fn again_with_a_trace(seed: u64) {
    let mut world = World::new(seed, true);
    let _ = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    for line in world.trace.iter().flatten() {
        eprintln!("{line}");
    }
    eprintln!("SIM_SEED={seed} shows it again");
}

/// Nothing of what is judged was left out by chance.
fn happened(sum: &Counts) -> bool {
    let Counts { sent, repeated, repeated_after_end, ended, assigned_later, returned, .. } = *sum;
    let Counts { synced, gaps, read, waited, pushed, crashes, accepted, accepted_too_late, offered, .. } = *sum;
    let Counts { outages, refused_away, unknown, known_after, .. } = *sum;
    let rare = [
        outages,
        refused_away,
        unknown,
        known_after,
        accepted_too_late,
        repeated_after_end,
        gaps,
        returned,
        waited,
        crashes,
    ];
    let Counts { revised, given_to_agents, given_to_groups, .. } = *sum;
    let common = [
        revised,
        given_to_agents,
        given_to_groups,
        accepted,
        offered,
        sent,
        repeated,
        ended,
        assigned_later,
        synced,
        read,
        pushed,
    ];
    rare.iter().all(|times| *times > 20) && common.iter().all(|times| *times > 1000)
}
