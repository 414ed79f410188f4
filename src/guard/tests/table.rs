//! The whole table: every row, every urgency, and every combination of rows.

use ballast_chains::feeds::Uptime;

use super::*;

/// The table as the design has it, written down once more: B binds, w warns, – passes; routine,
/// prompt, emergency.
const TABLE: [(Row, &str); 17] = [
    (Row::Paused, "BBB"),
    (Row::Moved, "BBB"),
    (Row::DeleverOnly, "BBB"),
    (Row::StaleHead, "BBB"),
    (Row::Dispute, "BBw"),
    (Row::RepeatLimit, "BBB"),
    (Row::Repeating, "www"),
    (Row::Breaker, "Bw-"),
    (Row::CoolDown, "Bw-"),
    (Row::Sequencer, "Bw-"),
    (Row::StoreShort, "Bw-"),
    (Row::OtherInstance, "BBB"),
    (Row::HardBudget, "BBB"),
    (Row::MonthlyBudget, "Bww"),
    (Row::NoPrice, "Bw-"),
    (Row::BaseFee, "Bw-"),
    (Row::PatienceOver, "w--"),
];

/// Once at any pace, and then never.
const ONCE: RepeatLimit = RepeatLimit { times: 1, cooldown: u64::MAX };

fn expected(row: Row, urgency: Urgency) -> Option<Effect> {
    let (_, effects) = TABLE.iter().find(|(other, _)| *other == row).unwrap();
    let place = URGENCIES.iter().position(|other| *other == urgency).unwrap();
    match effects.as_bytes()[place] {
        b'B' => Some(Effect::Binds),
        b'w' => Some(Effect::Warns),
        _ => None,
    }
}

/// What applies at once. Failures and the base fee have two rows each, of which one can apply.
#[derive(Debug, Clone, Copy)]
struct World {
    bits: u16,
    failures: u8,
    base_fee: u8,
}

impl World {
    const TOGGLES: [Row; 12] = [
        Row::Paused,
        Row::Moved,
        Row::DeleverOnly,
        Row::StaleHead,
        Row::Dispute,
        Row::RepeatLimit,
        Row::Sequencer,
        Row::StoreShort,
        Row::OtherInstance,
        Row::HardBudget,
        Row::MonthlyBudget,
        Row::NoPrice,
    ];

    fn all() -> impl Iterator<Item = Self> {
        let worlds = (0..1 << Self::TOGGLES.len()).flat_map(|bits| {
            (0..3).flat_map(move |failures| (0..3).map(move |fee| (bits, failures, fee)))
        });
        worlds.map(|(bits, failures, base_fee)| Self { bits, failures, base_fee })
    }

    fn has(self, row: Row) -> bool {
        let place = Self::TOGGLES.iter().position(|other| *other == row).unwrap();
        self.bits >> place & 1 == 1
    }

    /// The rows that apply to an action of this urgency.
    fn rows(self, urgency: Urgency) -> Vec<Row> {
        let mut rows: Vec<Row> = Self::TOGGLES.into_iter().filter(|row| self.has(*row)).collect();
        rows.extend([None, Some(Row::CoolDown), Some(Row::Breaker)][usize::from(self.failures)]);
        let dear = if urgency == Urgency::Routine { Row::PatienceOver } else { Row::BaseFee };
        rows.extend([None, Some(Row::BaseFee), Some(dear)][usize::from(self.base_fee)]);
        rows.sort_by_key(|row| TABLE.iter().position(|(other, _)| other == row));
        rows
    }

    fn past(self) -> Past {
        let call = |result| Recent { action: "rebalance".into(), result, at: Some(NOW - 60) };
        let failures = [0, 2, 5][usize::from(self.failures)];
        let mut recent = vec![call(CallResult::Failed); failures];
        recent.extend([call(CallResult::Succeeded), call(CallResult::Succeeded)]);
        let month = budget::month_start(NOW);
        Past { recent, spending: Spending { month, priced: usd(100), ..Spending::default() } }
    }

    fn limits(self) -> Limits {
        let budget = |row, used_up, not| Some(usd(if self.has(row) { used_up } else { not }));
        Limits {
            monthly_budget: budget(Row::MonthlyBudget, 100, 1_000),
            hard_budget: budget(Row::HardBudget, 50, 2_000),
            routine_base_fee: Some(GWEI * if self.base_fee == 0 { 30 } else { 29 }),
            act_after_blocks: 5,
            ..Limits::default()
        }
    }

    fn circumstances<'a>(self, chain: &'a ChainProfile, past: &'a Past) -> Circumstances<'a> {
        let mut feeds = if self.has(Row::NoPrice) { priced(90_001) } else { priced(90_000) };
        feeds.sequencer = Said::Answer(Uptime { up: !self.has(Row::Sequencer), since: 1 });
        let mode = if self.has(Row::DeleverOnly) { Mode::DeleverOnly } else { Mode::Normal };
        Circumstances {
            mode,
            paused: self.has(Row::Paused),
            agreed: if self.has(Row::Moved) { Agreed::Moved("a to b".into()) } else { Agreed::Any },
            head_age: Duration::from_secs(if self.has(Row::StaleHead) { 61 } else { 60 }),
            dispute: self.has(Row::Dispute).then(|| "block 7".to_owned()),
            feeds,
            due_for_blocks: if self.has(Row::OtherInstance) { 4 } else { 5 },
            store_short: self.has(Row::StoreShort),
            first_due: Some(NOW - [0, 21_599, 21_600][usize::from(self.base_fee)]),
            ..fine(chain, past)
        }
    }
}

#[test]
fn the_table_is_the_designs() {
    assert_eq!(Row::ALL.as_slice(), TABLE.map(|(row, _)| row));
    for (row, _) in TABLE {
        for urgency in URGENCIES {
            let effect = Some(row.effect(urgency)).filter(|effect| *effect != Effect::Passes);
            assert_eq!(effect, expected(row, urgency), "{row:?} {urgency:?}");
        }
    }
}

/// 36,864 worlds at three urgencies. The first row that binds is the reason; all others that bind or warn are told.
#[test]
fn every_combination_of_rows_at_every_urgency() {
    let chain = chain();
    for world in World::all() {
        let (past, limits) = (world.past(), world.limits());
        let circumstances = world.circumstances(&chain, &past);
        for urgency in URGENCIES {
            let repeat_limit = world.has(Row::RepeatLimit).then_some(ONCE);
            let action = Action { repeat_limit, ..action(urgency) };
            let Judgement { verdict, notes } = judge(action, &circumstances, &limits);
            let felt = world.rows(urgency).into_iter();
            let mut felt: Vec<_> =
                felt.filter_map(|row| Some((row, expected(row, urgency)?))).collect();
            let first = felt.iter().position(|(_, effect)| *effect == Effect::Binds);
            let bound = first.map(|place| felt.remove(place).0);
            let told = match &verdict {
                Verdict::Refuse(finding) => Some(finding.row),
                Verdict::Permit(_) | Verdict::Rehearse(_) => None,
            };
            assert_eq!(told, bound, "{urgency:?} {world:?}");
            let notes: Vec<_> =
                notes.into_iter().map(|(found, effect)| (found.row, effect)).collect();
            assert_eq!(notes, felt, "{urgency:?} {world:?}");
        }
    }
}

/// A refusal tells the figures behind it, all but the stop, which has none.
#[test]
fn what_is_told_has_figures() {
    let chain = chain();
    let everything = World { bits: (1 << World::TOGGLES.len()) - 1, failures: 2, base_fee: 1 };
    let (past, limits) = (everything.past(), everything.limits());
    let action = Action { repeat_limit: Some(ONCE), ..action(Urgency::Routine) };
    let notes = judge(action, &everything.circumstances(&chain, &past), &limits).notes;
    assert_eq!(notes.len(), 13, "all but the first");
    for (finding, _) in notes {
        assert!(!finding.detail.is_empty() && !finding.reason.is_empty(), "{finding:?}");
    }
}

#[test]
fn a_sequencer_that_is_back_is_left_alone_for_the_grace_period() {
    let past = Past::default();
    let at = |urgency, uptime: Said<Uptime>| {
        said(urgency, &Limits::default(), &past, |c| c.feeds.sequencer = uptime.clone())
    };
    let up_for = |seconds| Said::Answer(Uptime { up: true, since: NOW - seconds });
    let down = Said::Answer(Uptime { up: false, since: NOW - 90_000 });
    let routine = Urgency::Routine;
    assert_eq!(at(routine, down.clone()), "sequencer is down");
    assert_eq!(at(routine, up_for(0)), "sequencer has just come back");
    assert_eq!(at(routine, up_for(3_599)), "sequencer has just come back");
    assert_eq!(at(routine, up_for(3_600)), "permit");
    assert_eq!(at(routine, Said::NoFeed), "permit");
    assert_eq!(at(routine, Said::Nothing("reverted".into())), "sequencer state unknown");
    assert_eq!(at(Urgency::Prompt, down.clone()), "permit");
    assert_eq!(at(Urgency::Emergency, down), "permit");
}

#[test]
fn what_is_due_is_left_to_another_instance_for_so_many_blocks() {
    let past = Past::default();
    for urgency in URGENCIES {
        let after = |blocks, due| {
            let limits = Limits { act_after_blocks: blocks, ..Limits::default() };
            said(urgency, &limits, &past, |c| c.due_for_blocks = due)
        };
        assert_eq!(after(0, 0), "permit", "off by default");
        assert_eq!(after(3, 0), "left to another instance");
        assert_eq!(after(3, 2), "left to another instance");
        assert_eq!(after(3, 3), "permit");
        assert_eq!(after(3, u64::MAX), "permit");
    }
    let (chain, limits) = (chain(), Limits { act_after_blocks: 3, ..Limits::default() });
    let waited = Circumstances { due_for_blocks: 1, ..fine(&chain, &past) };
    let Verdict::Refuse(finding) = judge(action(Urgency::Emergency), &waited, &limits).verdict
    else {
        panic!("it was let through")
    };
    assert_eq!(finding.detail, "left to another instance for 3 blocks, 2 to go");
}

#[test]
fn patience_counts_from_when_the_action_was_first_due() {
    let limits = Limits { routine_base_fee: Some(29 * GWEI), ..Limits::default() };
    let past = Past::default();
    let at = |due, fee| {
        said(Urgency::Routine, &limits, &past, |c| {
            (c.first_due, c.next_base_fee) = (due, fee);
        })
    };
    let dear = Some(30 * GWEI);
    assert_eq!(at(None, dear), "waits for a cheap block");
    assert_eq!(at(Some(NOW - 21_599), dear), "waits for a cheap block");
    assert_eq!(at(Some(NOW - 21_600), dear), "permit");
    assert_eq!(at(None, Some(29 * GWEI)), "permit");
    assert_eq!(at(None, None), "permit", "a chain without base fees");
    // A head of before, after a reorganisation.
    assert_eq!(at(Some(NOW + 5), dear), "waits for a cheap block");
}
