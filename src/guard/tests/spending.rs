//! Budgets: what counts, what is left, and which month it is.

use proptest::prelude::*;

use super::{
    super::budget::{left, month_name, month_start},
    *,
};

const ETHER: u64 = 1_000_000_000_000_000_000;

fn spent(dollars: u64) -> Past {
    let spending =
        Spending { month: month_start(NOW), priced: usd(dollars), ..Spending::default() };
    Past { spending, ..Past::default() }
}

fn budgets(monthly: Option<u64>, hard: Option<u64>) -> Limits {
    Limits { monthly_budget: monthly.map(usd), hard_budget: hard.map(usd), ..Limits::default() }
}

/// What is said at each urgency.
fn each(limits: &Limits, past: &Past) -> [String; 3] {
    URGENCIES.map(|urgency| said(urgency, limits, past, |_| {}))
}

#[test]
fn routine_waits_at_the_monthly_budget_and_everything_at_the_hard_one() {
    let limits = budgets(Some(100), Some(300));
    let (go, month, hard) = ("permit", "monthly budget is used up", "hard budget is used up");
    assert_eq!(each(&limits, &spent(99)), [go, go, go]);
    assert_eq!(each(&limits, &spent(100)), [month, go, go]);
    assert_eq!(each(&limits, &spent(299)), [month, go, go]);
    assert_eq!(each(&limits, &spent(300)), [hard, hard, hard]);
    // One of the two alone.
    assert_eq!(each(&budgets(Some(100), None), &spent(1_000)), [month, go, go]);
    assert_eq!(each(&budgets(None, Some(100)), &spent(100)), [hard, hard, hard]);
    assert_eq!(each(&Limits::default(), &spent(1_000)), [go, go, go]);
}

#[test]
fn another_month_begins_at_nothing() {
    let mut past = spent(1_000);
    past.spending.month = month_start(month_start(NOW) - 1);
    assert_eq!(each(&budgets(Some(1), Some(1)), &past), ["permit", "permit", "permit"]);
}

/// What is pending at the nonce that these tests take over.
fn pending(nonce: u64, wei: u64) -> Reservation {
    Reservation { wallet: Address::ZERO, nonce, wei: U256::from(wei) }
}

/// What was spent before there was a price counts at today's, and what is pending counts unless
/// the action would take its nonce.
#[test]
fn unpriced_and_pending_count_at_the_price() {
    let limits = budgets(Some(2_000), Some(2_000));
    let (go, hard) = ("permit", "hard budget is used up");
    let mut past = spent(0);
    past.spending.unpriced = U256::from(ETHER);
    assert_eq!(each(&limits, &past), [hard, hard, hard]);
    past.spending.unpriced -= U256::from(ETHER / 1_000_000);
    assert_eq!(each(&limits, &past), [go, go, go], "a fifth of a cent is left");

    let mut past = spent(0);
    past.spending.pending = vec![pending(3, ETHER)];
    assert_eq!(each(&limits, &past), [hard, hard, hard], "a nonce of its own is paid besides");
    let at = |wallet, nonce| {
        URGENCIES
            .map(|urgency| said(urgency, &limits, &past, |c| c.waiting = Some((wallet, nonce))))
    };
    assert_eq!(at(Address::ZERO, 3), [go, go, go], "a chain uses a nonce once");
    assert_eq!(at(Address::ZERO, 4), [hard, hard, hard]);
    assert_eq!(at(Address::repeat_byte(1), 3), [hard, hard, hard], "another wallet's");
}

/// What was permitted under a budget that is used up since is not raised beyond it.
#[test]
fn a_further_attempt_keeps_to_what_is_left_by_now() {
    let chain = chain();
    let permitted = Caps { max_fee_per_gas: 100 * GWEI, max_transaction_cost: None };
    let most = |dollars, urgency| {
        let mut past = spent(dollars);
        past.spending.pending = vec![pending(3, ETHER / 100), pending(4, ETHER / 100)];
        let case = Circumstances { waiting: Some((Address::ZERO, 3)), ..fine(&chain, &past) };
        let upkeep = upkeep(&case, &budgets(Some(100), Some(300)));
        upkeep.caps(permitted, urgency, &chain).max_transaction_cost
    };
    // 20 of 100 dollars are held for the other nonce; 80 buy a 25th of a coin.
    assert_eq!(most(0, Urgency::Routine), Some(U256::from(ETHER / 25)));
    assert_eq!(most(40, Urgency::Routine), Some(U256::from(ETHER / 50)));
    assert_eq!(
        most(70, Urgency::Routine),
        Some(U256::from(ETHER / 100)),
        "it may cost that anyway"
    );
    assert_eq!(most(240, Urgency::Prompt), Some(U256::from(ETHER / 50)));
    assert_eq!(most(500, Urgency::Emergency), Some(U256::from(ETHER / 100)));
    let past = spent(500);
    let unlimited = upkeep(&fine(&chain, &past), &Limits::default());
    assert_eq!(unlimited.caps(permitted, Urgency::Routine, &chain).max_transaction_cost, None);
}

#[test]
fn without_a_fresh_price_only_routine_work_with_a_budget_waits() {
    let mut past = spent(10);
    past.spending.unpriced = U256::MAX;
    let limits = budgets(Some(100), Some(300));
    let stale = "the price of the native currency is stale";
    for (feeds, reason) in [
        (priced(90_001), stale),
        (
            FeedReading { native_usd: Said::Nothing("x".into()), ..FeedReading::default() },
            "no price of the native currency",
        ),
        (FeedReading::default(), "no price of the native currency"),
    ] {
        let answers = URGENCIES.map(|urgency| {
            said(urgency, &limits, &past, |c| {
                c.feeds = feeds.clone();
            })
        });
        assert_eq!(answers, [reason, "permit", "permit"]);
        let routine = said(Urgency::Routine, &Limits::default(), &past, |c| {
            c.feeds = feeds.clone();
        });
        assert_eq!(routine, "permit", "no budget needs it");
    }
    // What was booked with a price still counts.
    let full = spent(300);
    let emergency = said(Urgency::Emergency, &limits, &full, |c| c.feeds = FeedReading::default());
    assert_eq!(emergency, "hard budget is used up");
}

#[test]
fn what_is_left_caps_the_transaction() {
    let chain = chain();
    let cap = |urgency, limits: Limits, past: &Past| {
        let judgement = judge(action(urgency), &fine(&chain, past), &limits);
        let Verdict::Permit(permit) = judgement.verdict else { panic!("{judgement:?}") };
        permit.caps().max_transaction_cost
    };
    let past = spent(60);
    let limits = budgets(Some(100), Some(300));
    // 40 and 240 dollars at 2,000 a coin.
    let (routine, other) = (Some(U256::from(ETHER / 50)), Some(U256::from(ETHER / 100 * 12)));
    assert_eq!(cap(Urgency::Routine, limits, &past), routine);
    assert_eq!(cap(Urgency::Prompt, limits, &past), other);
    assert_eq!(cap(Urgency::Emergency, limits, &past), other);
    let tighter = Limits { max_transaction_cost: Some(U256::from(7)), ..limits };
    assert_eq!(cap(Urgency::Routine, tighter, &past), Some(U256::from(7)));
    assert_eq!(cap(Urgency::Prompt, budgets(Some(100), None), &past), None);
    assert_eq!(cap(Urgency::Routine, budgets(None, Some(100)), &past), routine);
    assert_eq!(cap(Urgency::Routine, Limits::default(), &past), None);
}

#[test]
fn months_are_those_of_the_calendar() {
    for (at, start, name) in [
        (0, 0, "1970-01"),
        (2_678_399, 0, "1970-01"),
        (2_678_400, 2_678_400, "1970-02"),
        // A leap day, and the one that 2100 does not have.
        (1_709_251_199, 1_706_745_600, "2024-02"),
        (1_709_251_200, 1_709_251_200, "2024-03"),
        (4_107_542_399, 4_105_123_200, "2100-02"),
        (4_107_542_400, 4_107_542_400, "2100-03"),
        (1_795_000_000, 1_793_491_200, "2026-11"),
        (1_798_761_599, 1_796_083_200, "2026-12"),
        (1_798_761_600, 1_798_761_600, "2027-01"),
    ] {
        assert_eq!((month_start(at), month_name(at).as_str()), (start, name), "{at}");
    }
    assert!(month_start(u64::MAX) > 4_107_542_400);
}

/// Ten dollars a day for as long as the pace looks back, at 30 gwei.
fn at_a_pace(used: u64) -> Past {
    let mut past = spent(used);
    for day in 0..30 {
        let wei = U256::from(1_000_000_u128 * 30 * GWEI);
        past.spending.pace.add(NOW - (30 - day) * 86_400, (usd(10), wei, 1_000_000));
    }
    past
}

/// The month has 12 and a half days left, which cost 125 dollars and some at this pace.
#[test]
fn a_budget_that_will_not_last_makes_routine_work_wait_for_cheaper_blocks() {
    let past = at_a_pace(100);
    let waits = "waits for a cheap block";
    let at = |urgency, budget: Limits, gwei: u128| {
        said(urgency, &budget, &past, |c| c.next_base_fee = Some(gwei * GWEI))
    };
    // On course: whatever a block costs.
    assert_eq!(at(Urgency::Routine, budgets(Some(230), None), 900), "permit");
    // A third of what the rest would cost is left: a third of the usual price.
    let tight = budgets(Some(143), None);
    assert_eq!(at(Urgency::Routine, tight, 10), "permit");
    assert_eq!(at(Urgency::Routine, tight, 11), waits);
    assert_eq!(at(Urgency::Routine, tight, 29), waits);
    assert_eq!(at(Urgency::Prompt, tight, 900), "permit");
    assert_eq!(at(Urgency::Emergency, tight, 900), "permit");
    // The hard budget alone is one that routine work must not exhaust.
    assert_eq!(at(Urgency::Routine, budgets(None, Some(143)), 29), waits);
    // The lower cap of the two binds.
    let both = Limits { routine_base_fee: Some(5 * GWEI), ..tight };
    assert_eq!(at(Urgency::Routine, both, 6), waits);
    // Patience ends it, and people are told why.
    let (chain, mut case) = (chain(), None);
    let case = case.get_or_insert(fine(&chain, &past));
    (case.next_base_fee, case.first_due) = (Some(29 * GWEI), Some(NOW - 21_600));
    let judgement = judge(action(Urgency::Routine), case, &tight);
    assert!(matches!(judgement.verdict, Verdict::Permit(_)));
    let (told, _) = &judgement.notes[0];
    assert_eq!(told.row, Row::PatienceOver);
    assert!(told.detail.contains("the month is on its way to"), "{}", told.detail);
}

#[test]
fn every_breach_is_explained() {
    let (chain, past) = (chain(), at_a_pace(150));
    let limits = budgets(Some(100), Some(300));
    for urgency in [Urgency::Prompt, Urgency::Emergency] {
        let judgement = judge(action(urgency), &fine(&chain, &past), &limits);
        assert!(matches!(judgement.verdict, Verdict::Permit(_)));
        let told = judgement.notes.iter().find(|(finding, _)| finding.row == Row::MonthlyBudget);
        let (told, effect) = told.expect("it is told");
        assert_eq!(*effect, Effect::Warns);
        assert!(told.detail.contains("monthly_budget_usd is 100"), "{}", told.detail);
        assert!(told.detail.contains("the month ends at"), "{}", told.detail);
    }
}

proptest! {
    /// However tight the budget and however dear the block: nothing but the hard budget holds an
    /// emergency back.
    #[test]
    fn a_tight_budget_never_binds_an_emergency(
        used in 0_u64..1_000, monthly in 1_u64..1_000, more in 0_u64..1_000, gwei in 0_u128..100_000,
        waited in 0_u64..100_000,
    ) {
        let (chain, past) = (chain(), at_a_pace(used));
        let limits = budgets(Some(monthly), Some(monthly + more));
        let mut case = fine(&chain, &past);
        (case.next_base_fee, case.first_due) = (Some(gwei * GWEI), Some(NOW - waited));
        for urgency in [Urgency::Prompt, Urgency::Emergency] {
            match judge(action(urgency), &case, &limits).verdict {
                Verdict::Permit(_) => prop_assert!(used < monthly + more),
                Verdict::Refuse(finding) => prop_assert_eq!(finding.row, Row::HardBudget),
                Verdict::Rehearse(_) => prop_assert!(false),
            }
        }
    }

    #[test]
    fn a_month_holds_its_moments(at in 0_u64..253_402_300_800) {
        let start = month_start(at);
        prop_assert!(start <= at && at - start < 31 * 86_400);
        prop_assert_eq!(start % 86_400, 0);
        prop_assert_eq!(month_start(start), start);
        prop_assert_eq!(month_name(start), month_name(at));
        prop_assert!(start == 0 || month_name(start - 1) != month_name(start));
    }

    /// A transaction that costs what the cap allows never overruns the budget that gave the cap.
    #[test]
    fn the_cap_keeps_the_budget(
        done in 0_u64..500, unpriced in 0_u64..ETHER, here in 0_u64..ETHER, there in 0_u64..ETHER,
        monthly in 1_u64..1_000, over in 0_u64..1_000, dollars in 1_u64..10_000,
    ) {
        let (chain, limits) = (chain(), budgets(Some(monthly), Some(monthly + over)));
        let mut past = spent(done);
        past.spending.unpriced = U256::from(unpriced);
        past.spending.pending = vec![pending(0, here), pending(1, there)];
        let waiting = Some((Address::ZERO, 0));
        let mut case = Circumstances { waiting, ..fine(&chain, &past) };
        let round = PriceRound { price: price(dollars), updated_at: NOW };
        case.feeds.native_usd = Said::Answer(round);
        for (urgency, budget) in
            [(Urgency::Routine, monthly), (Urgency::Prompt, monthly + over), (Urgency::Emergency, monthly + over)]
        {
            let judgement = judge(action(urgency), &case, &limits);
            let used = past.spending.used(NOW, Some(price(dollars)), waiting).total();
            match judgement.verdict {
                Verdict::Permit(permit) => {
                    let most = permit.caps().max_transaction_cost.unwrap();
                    prop_assert!(used.plus(Usd::cost(most, price(dollars))) <= usd(budget));
                    let more = Usd::cost(most + U256::ONE, price(dollars));
                    prop_assert!(used.plus(more) > usd(budget));
                }
                Verdict::Refuse(_) => prop_assert!(used >= usd(budget)),
                Verdict::Rehearse(_) => prop_assert!(false),
            }
            prop_assert_eq!(left(urgency, &case, &limits).is_some(), true);
        }
    }
}
