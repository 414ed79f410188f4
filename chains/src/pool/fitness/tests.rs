use super::{EndpointState as S, *};

const MAX_LAG: u64 = 3;
const BLOCK: Duration = Duration::from_secs(12);

fn verified(now: Instant) -> Fitness {
    let mut fitness = Fitness::new();
    fitness.told_chain(true, now);
    fitness
}

#[test]
fn chain_id_decides_first() {
    let now = Instant::now();
    let mut fitness = Fitness::new();
    assert_eq!(fitness.state(MAX_LAG), S::Unverified);
    fitness.told_chain(false, now);
    assert_eq!(fitness.state(MAX_LAG), S::Quarantined);
    fitness.failed("down".into(), None, now);
    assert_eq!(fitness.state(MAX_LAG), S::Quarantined, "failing does not end a quarantine");
    assert_eq!(fitness.next_probe(true, BLOCK, now), now + CHAIN_ID_INTERVAL);
    fitness.answered();
    fitness.told_chain(true, now);
    assert_eq!(fitness.state(MAX_LAG), S::Fit);
}

#[test]
fn quarantined_endpoint_that_is_down_is_left_alone_for_longer_and_longer() {
    let start = Instant::now();
    let mut fitness = Fitness::new();
    fitness.told_chain(false, start);
    let mut now = start + CHAIN_ID_INTERVAL;
    let mut probes = 0;
    while now < start + CHAIN_ID_INTERVAL * 3 {
        fitness.failed("connection refused".into(), None, now);
        probes += 1;
        let next = fitness.next_probe(true, BLOCK, now);
        assert!(next > now, "the {probes}th probe is followed at once");
        now = next;
    }
    assert!(probes <= 12, "{probes} probes in two minutes");
    fitness.told_chain(true, now);
    fitness.probed(now);
    assert_eq!(fitness.state(MAX_LAG), S::Fit);
}

#[test]
fn lag_is_measured_when_asked_and_ends_when_caught_up() {
    let now = Instant::now();
    let mut fitness = verified(now);
    fitness.told_head(100, Some(103), now);
    assert_eq!(fitness.state(MAX_LAG), S::Fit);
    fitness.told_head(100, Some(104), now);
    assert_eq!(fitness.state(MAX_LAG), S::Lagging);
    fitness.told_head(105, Some(104), now);
    assert_eq!(fitness.state(MAX_LAG), S::Fit);
}

#[test]
fn late_pushes_do_not_make_an_endpoint_lag() {
    let now = Instant::now();
    let mut fitness = verified(now);
    fitness.told_head(140, Some(140), now);
    fitness.pushed_head(101, Some(140), now);
    assert_eq!((fitness.state(MAX_LAG), fitness.head()), (S::Fit, Some(140)));
}

#[test]
fn cool_down_doubles_to_a_bound_and_only_a_probe_ends_it() {
    let mut now = Instant::now();
    let mut fitness = verified(now);
    let mut last = Duration::ZERO;
    for round in 0..12 {
        assert!(fitness.failed("503".into(), None, now));
        assert!(!fitness.failed("503".into(), None, now), "counted once while cooling");
        let wait = fitness.next_probe(true, BLOCK, now) - now;
        assert!(wait >= last, "round {round}: {wait:?} after {last:?}");
        last = wait;
        fitness.probed(now);
        assert_eq!(fitness.state(MAX_LAG), S::Cooling, "a probe before its time");
        now += wait;
        assert_eq!(fitness.state(MAX_LAG), S::Cooling, "time alone ends nothing");
        fitness.probed(now);
        assert_eq!(fitness.state(MAX_LAG), S::Fit);
    }
    assert_eq!(last, Duration::from_secs(32));
    fitness.answered();
    assert_eq!(fitness.failures(), 0);
}

#[test]
fn endpoint_that_names_a_time_is_left_alone_so_long() {
    let now = Instant::now();
    let mut fitness = verified(now);
    fitness.failed("429".into(), Some(Duration::from_secs(7)), now);
    assert_eq!(fitness.next_probe(true, BLOCK, now), now + Duration::from_secs(7));
}

#[test]
fn endpoint_that_is_heard_needs_no_probe() {
    let now = Instant::now();
    let mut fitness = verified(now);
    assert_eq!(fitness.next_probe(true, BLOCK, now), now, "its head is not known");
    fitness.told_head(7, None, now);
    assert_eq!(fitness.next_probe(true, BLOCK, now), now + BLOCK);
    let later = now + BLOCK / 2;
    fitness.pushed_head(8, None, later);
    assert_eq!(fitness.next_probe(true, BLOCK, later), later + BLOCK);
}

#[test]
fn endpoint_for_sends_only_is_asked_for_its_chain_id_only() {
    let now = Instant::now();
    assert_eq!(verified(now).next_probe(false, BLOCK, now), now + CHAIN_ID_INTERVAL);
}

fn pick_of(states: &[S], tried: &[usize], idle: bool) -> Option<usize> {
    let states: Vec<_> = states.iter().map(|state| (*state, 9)).collect();
    let tried: Vec<_> = (0..states.len()).map(|index| tried.contains(&index)).collect();
    pick(&states, &tried, idle)
}

#[test]
fn fit_endpoints_come_in_order_and_alone() {
    let states = [S::Cooling, S::Fit, S::Unverified, S::Fit, S::Quarantined];
    assert_eq!(pick_of(&states, &[], true), Some(1));
    assert_eq!(pick_of(&states, &[1], false), Some(3), "the hedge");
    assert_eq!(pick_of(&states, &[1, 3], false), None, "the unfit get nothing meanwhile");
    assert_eq!(pick_of(&states, &[1, 3], true), Some(2), "that one gets verified first");
    assert_eq!(pick_of(&states, &[1, 2, 3], true), None, "the unfit get nothing at all");
}

#[test]
fn unfit_endpoints_come_in_only_when_no_other_is_left() {
    let states = [S::Quarantined, S::Cooling, S::Lagging, S::Unverified];
    assert_eq!(pick_of(&states, &[], true), Some(3));
    assert_eq!(pick_of(&states, &[3], true), Some(2));
    assert_eq!(pick_of(&states, &[2, 3], true), Some(1));
    assert_eq!(pick_of(&states, &[1, 2, 3], true), None, "never the wrong chain");
    let lagging = [(S::Lagging, 20), (S::Lagging, 5)];
    assert_eq!(pick(&lagging, &[false, false], true), Some(1), "the one that lags least");
}

#[test]
fn one_on_another_fork_comes_last() {
    let now = Instant::now();
    let mut fitness = verified(now);
    fitness.judged(true);
    assert_eq!(fitness.state(MAX_LAG), S::Forked);
    fitness.judged(false);
    assert_eq!(fitness.state(MAX_LAG), S::Fit);
    let states = [S::Forked, S::Cooling, S::Lagging];
    assert_eq!(pick_of(&states, &[], true), Some(2));
    assert_eq!(pick_of(&states, &[1, 2], true), Some(0));
    assert_eq!(pick_of(&[S::Forked, S::Fit], &[1], true), None);
}

#[test]
fn at_the_start_the_next_unverified_one_is_the_hedge() {
    assert_eq!(pick_of(&[S::Unverified, S::Unverified], &[0], false), Some(1));
}
