//! Failures and repeats.

use proptest::prelude::*;

use super::{
    super::breaker::{cool_down_after, run_of, streak},
    *,
};
use CallResult::{Failed, GivenUp, Succeeded, Undecided};

fn past(results: &[(&str, CallResult, u64)]) -> Past {
    let recent = results.iter().map(|(action, result, ago)| Recent {
        action: (*action).to_owned(),
        result: *result,
        at: Some(NOW - ago),
    });
    Past { recent: recent.collect(), ..Past::default() }
}

fn routine(past: &Past) -> String {
    said(Urgency::Routine, &Limits::default(), past, |_| {})
}

#[test]
fn routine_work_cools_down_after_two_failures_and_longer_after_more() {
    let failed = |count: usize, ago| past(&vec![("rebalance", Failed, ago); count]);
    assert_eq!(routine(&failed(1, 0)), "permit", "a lost race");
    for (count, seconds) in [(2, 600), (3, 1_200), (4, 2_400)] {
        assert_eq!(routine(&failed(count, 0)), "cool-down after failures");
        assert_eq!(routine(&failed(count, seconds - 1)), "cool-down after failures", "{count}");
        assert_eq!(routine(&failed(count, seconds)), "permit", "{count}");
    }
    for count in [5, 6, 300] {
        assert_eq!(routine(&failed(count, 80_000)), "circuit breaker is open", "{count}");
    }
    assert_eq!(cool_down_after(1), None);
    assert_eq!(cool_down_after(200), Some(u64::MAX));
}

#[test]
fn a_success_closes_the_breaker_and_what_is_undecided_does_not() {
    let mut calls = vec![("rebalance", Failed, 10); 5];
    assert_eq!(routine(&past(&calls)), "circuit breaker is open");
    calls.insert(0, ("rebalance", Undecided, 5));
    calls.insert(0, ("rebalance", GivenUp, 4));
    assert_eq!(routine(&past(&calls)), "circuit breaker is open");
    calls.insert(0, ("ripcord", Succeeded, 3));
    assert_eq!(routine(&past(&calls)), "permit");
    calls.insert(0, ("ripcord", Failed, 2));
    assert_eq!(routine(&past(&calls)), "permit");
}

/// The newest failure's time counts; one whose block is not known yet is as good as now.
#[test]
fn a_failure_without_a_time_is_now() {
    let mut failures = past(&[("a", Failed, 0), ("a", Failed, 90_000)]);
    failures.recent[0].at = None;
    assert_eq!(routine(&failures), "cool-down after failures");
    failures.recent[0].at = Some(NOW - 600);
    assert_eq!(routine(&failures), "permit");
}

#[test]
fn an_action_follows_itself_as_often_as_it_says() {
    let (chain, limits) = (chain(), Limits::default());
    let goes = |times: Option<u8>, past: &Past| {
        let repeat_limit = times.map(|times| RepeatLimit { times, cooldown: u64::MAX });
        let answers = URGENCIES.map(|urgency| {
            let action = Action { repeat_limit, ..action(urgency) };
            let verdict = judge(action, &fine(&chain, past), &limits).verdict;
            matches!(verdict, Verdict::Permit(_))
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "at every urgency");
        answers[0]
    };
    let times = |count: usize| past(&vec![("rebalance", Succeeded, 60); count]);
    assert!(goes(Some(0), &times(0)) && !goes(Some(0), &times(1)));
    assert!(goes(Some(3), &times(3)) && !goes(Some(3), &times(4)));
    assert!(goes(None, &times(300)));
    assert!(goes(Some(255), &times(255)) && !goes(Some(255), &times(256)));
    // Another action, or a day, begins anew; one that was given up was not carried out.
    assert!(goes(Some(1), &past(&[("iterate", Succeeded, 9), ("rebalance", Succeeded, 10)])));
    assert!(goes(Some(0), &past(&[("rebalance", Succeeded, 86_401)])));
    assert!(!goes(Some(0), &past(&[("rebalance", Succeeded, 86_400)])));
    let given_up = [("rebalance", GivenUp, 9), ("rebalance", Failed, 10)];
    assert!(!goes(Some(0), &past(&given_up)) && goes(Some(1), &past(&given_up)));
}

/// Two in a row are normal for some actions. From the third on people are told, and it waits for the
/// cooldown before each.
#[test]
fn past_its_limit_an_action_goes_on_at_the_pace_of_its_cooldown() {
    let chain = chain();
    let told = |count: usize, ago: u64| {
        let past = past(&vec![("rebalance", Succeeded, ago); count]);
        let repeat_limit = Some(RepeatLimit { times: 1, cooldown: 3_000 });
        let action = Action { repeat_limit, ..action(Urgency::Prompt) };
        let Judgement { verdict, notes } = judge(action, &fine(&chain, &past), &Limits::default());
        let warns = notes.first().map(|(finding, effect)| (finding.row, *effect));
        match verdict {
            Verdict::Refuse(finding) => (false, Some((finding.row, Effect::Binds))),
            Verdict::Permit(_) | Verdict::Rehearse(_) => (true, warns),
        }
    };
    assert_eq!(told(1, 0), (true, None));
    assert_eq!(told(2, 0), (false, Some((Row::RepeatLimit, Effect::Binds))));
    assert_eq!(told(2, 2_999), (false, Some((Row::RepeatLimit, Effect::Binds))));
    assert_eq!(told(2, 3_000), (true, Some((Row::Repeating, Effect::Warns))));
    assert_eq!(told(9, 86_400), (true, Some((Row::Repeating, Effect::Warns))));
    assert_eq!(told(9, 86_401), (true, None), "the row is over");
}

proptest! {
    /// Against the words of the rule: the run ends at another action or at a day's gap.
    #[test]
    fn a_run_is_the_longest_row_without_another_action_or_a_day(
        calls in prop::collection::vec((any::<bool>(), 0_u64..100_000), 0..40),
    ) {
        let mut ago = 0;
        let recent: Vec<Recent> = calls.iter().map(|(same, gap)| {
            ago += gap;
            let action = if *same { "rebalance" } else { "other" };
            Recent { action: action.into(), result: Succeeded, at: Some(NOW * 2 - ago) }
        }).collect();
        let expected = calls.iter().take_while(|(same, gap)| *same && *gap <= 86_400).count();
        prop_assert_eq!(usize::try_from(run_of("rebalance", &recent, NOW * 2)).unwrap(), expected);
    }

    #[test]
    fn a_streak_is_the_failures_before_the_newest_success(
        results in prop::collection::vec(prop::sample::select(vec![Failed, Undecided, GivenUp, Succeeded]), 0..30),
    ) {
        let recent: Vec<Recent> = results.iter().map(|result| {
            Recent { action: "a".into(), result: *result, at: Some(1) }
        }).collect();
        let since = results.iter().take_while(|result| **result != Succeeded);
        let expected = since.filter(|result| **result == Failed).count();
        prop_assert_eq!(usize::try_from(streak(&recent).0).unwrap(), expected);
    }
}
