//! Calendars at their corners, and what is late.

use ballast_strategy_api::{calendar, decision::fixed18};
use proptest::prelude::*;

use super::*;

const DAY: u64 = calendar::DAY;
const HOUR: u64 = 3_600;

fn at(text: &str) -> Timestamp {
    let moment = humantime::parse_rfc3339_weak(text).unwrap();
    moment.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn text(at: Timestamp) -> String {
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
    humantime::format_rfc3339_seconds(moment).to_string().replace('T', " ").replace(":00Z", "")
}

fn cron(text: &str) -> Cron {
    text.parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule { due: Some(cron(text)), ..Schedule::default() }
}

const MONTHLY: &str = "0 0 1 * *";
const QUARTERLY: &str = "0 0 1 1,4,7,10 *";

#[test]
fn the_next_moment_and_the_last_one() {
    for (expression, moment, last, next) in [
        (MONTHLY, "2026-11-21 18:00:00", "2026-11-01 00:00", "2026-12-01 00:00"),
        (MONTHLY, "2026-12-31 23:59:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        (MONTHLY, "2027-01-01 00:00:00", "2027-01-01 00:00", "2027-02-01 00:00"),
        (MONTHLY, "2024-02-29 12:00:00", "2024-02-01 00:00", "2024-03-01 00:00"),
        (QUARTERLY, "2026-11-21 18:00:00", "2026-10-01 00:00", "2027-01-01 00:00"),
        (QUARTERLY, "2026-06-30 23:59:59", "2026-04-01 00:00", "2026-07-01 00:00"),
        ("0 12 1 * *", "2026-11-01 11:59:59", "2026-10-01 12:00", "2026-11-01 12:00"),
        ("0 12 1 * *", "2026-11-01 12:00:59", "2026-11-01 12:00", "2026-12-01 12:00"),
        // The clocks of Europe and America change on these days; those of chains do not.
        ("30 2 29 3 *", "2026-03-29 02:29:59", "2025-03-29 02:30", "2026-03-29 02:30"),
        ("30 1 * * *", "2026-10-25 01:30:00", "2026-10-25 01:30", "2026-10-26 01:30"),
        // Months without that day are left out.
        ("0 0 31 * *", "2026-04-15 00:00:00", "2026-03-31 00:00", "2026-05-31 00:00"),
        ("0 0 30 * *", "2027-02-10 00:00:00", "2027-01-30 00:00", "2027-03-30 00:00"),
        // 2100 is no leap year.
        ("0 0 29 2 *", "2023-06-01 00:00:00", "2020-02-29 00:00", "2024-02-29 00:00"),
        ("0 0 29 2 *", "2097-01-01 00:00:00", "2096-02-29 00:00", "2104-02-29 00:00"),
        // A day of the month or a day of the week, as in every cron; both, beside a star.
        ("0 0 13 * 5", "2026-11-12 00:00:00", "2026-11-06 00:00", "2026-11-13 00:00"),
        ("0 0 13 * 5", "2026-11-13 00:00:00", "2026-11-13 00:00", "2026-11-20 00:00"),
        ("0 0 1-7 * */8", "2026-11-03 00:00:00", "2026-11-01 00:00", "2026-12-06 00:00"),
        ("0 9 * * mon-FRI", "2026-11-20 09:00:00", "2026-11-20 09:00", "2026-11-23 09:00"),
        ("0 9 * * 7", "2026-11-20 09:00:00", "2026-11-15 09:00", "2026-11-22 09:00"),
        ("0 0 1 Jan,jul *", "2026-11-20 09:00:00", "2026-07-01 00:00", "2027-01-01 00:00"),
        ("*/20 6-18/6 * * *", "2026-11-20 12:39:00", "2026-11-20 12:20", "2026-11-20 12:40"),
        ("5,10 23 * * *", "2026-11-20 23:10:00", "2026-11-20 23:10", "2026-11-21 23:05"),
    ] {
        let (cron, moment) = (cron(expression), at(moment));
        let found = (cron.until(moment).map(text), cron.after(moment).map(text));
        assert_eq!(found, (Some(last.to_owned()), Some(next.to_owned())), "{expression} {moment}");
    }
}

#[test]
fn before_the_first_and_after_the_last() {
    assert_eq!(cron("0 0 1 2 *").until(10), None);
    assert_eq!(cron(MONTHLY).until(10), Some(0));
    assert_eq!(cron("* * * * *").after(u64::MAX), None);
    assert_eq!(
        cron("0 0 29 2 */7").after(at("2026-01-01 00:00:00")).map(text).as_deref(),
        Some("2032-02-29 00:00")
    );
}

#[test]
fn what_is_no_expression() {
    for (wrong, words) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 0 0 1 * *", "6 fields"),
        ("@monthly", "1 fields"),
        ("60 * * * *", "\"60\" is no minute from 0 to 59"),
        ("* 24 * * *", "\"24\" is no hour from 0 to 23"),
        ("* * 0 * *", "\"0\" is no day from 1 to 31"),
        ("* * 32 * *", "\"32\" is no day from 1 to 31"),
        ("* * * 13 *", "\"13\" is no month from 1 to 12"),
        ("* * * mon *", "\"mon\" is no month"),
        ("* * * * 8", "\"8\" is no day of the week from 0 to 7"),
        ("5-1 * * * *", "\"5-1\" is no minute"),
        ("*/0 * * * *", "\"*/0\" is no minute"),
        ("5/10 * * * *", "\"5/10\" is no minute"),
        ("1,,2 * * * *", "\"\" is no minute"),
        ("-1 * * * *", "\"-1\" is no minute"),
        ("+1 * * * *", "\"+1\" is no minute"),
        ("0.5 * * * *", "\"0.5\" is no minute"),
        ("99999999999999999999 * * * *", "is no minute"),
        ("* * L * *", "\"L\" is no day"),
        ("0 0 30 2 *", "no such day comes"),
        ("0 0 31 4,6,9,11 *", "no such day comes"),
    ] {
        let told = wrong.parse::<Cron>().unwrap_err().to_string();
        assert!(told.contains(words), "{wrong}: {told}");
    }
    assert!("0 0 31 2 1".parse::<Cron>().is_ok(), "its Mondays come");
    let long = format!("{} * * * *", ["1"; 100].join(","));
    assert!(long.parse::<Cron>().is_err());
}

#[test]
fn due_until_it_was_started() {
    let monthly = schedule(MONTHLY);
    let due = |last: Option<&str>, now: &str| {
        monthly.due_since(last.map(at), at(now)).map(text).unwrap_or_default()
    };
    let november = Some("2026-11-02 08:00:00");
    assert_eq!(due(november, "2026-11-30 23:59:59"), "");
    assert_eq!(due(november, "2026-12-01 00:00:00"), "2026-12-01 00:00");
    assert_eq!(due(november, "2026-12-20 00:00:00"), "2026-12-01 00:00");
    assert_eq!(due(november, "2027-02-10 00:00:00"), "2026-12-01 00:00", "the first one missed");
    assert_eq!(due(Some("2026-12-04 00:00:00"), "2026-12-20 00:00:00"), "");
    // A weekend before its time is in time; a week before it is not.
    assert_eq!(due(Some("2026-11-28 00:00:00"), "2026-12-20 00:00:00"), "");
    assert_eq!(due(Some("2026-11-28 00:00:00"), "2027-01-01 00:00:00"), "2027-01-01 00:00");
    assert_eq!(due(Some("2026-11-24 00:00:00"), "2026-12-20 00:00:00"), "2026-12-01 00:00");
    // In its own second it is in time.
    assert_eq!(due(Some("2026-12-01 00:00:00"), "2026-12-20 00:00:00"), "");
    // Nothing is remembered: the latest.
    assert_eq!(due(None, "2026-12-20 00:00:00"), "2026-12-01 00:00");
    assert_eq!(Schedule::default().due_since(None, at("2026-12-20 00:00:00")), None);
}

#[test]
fn early_is_at_most_half_of_the_time_between() {
    let daily = schedule("0 0 * * *");
    let due = |last: &str, now: &str| daily.due_since(Some(at(last)), at(now)).map(text);
    assert_eq!(
        due("2026-11-20 11:59:59", "2026-11-21 01:00:00").as_deref(),
        Some("2026-11-21 00:00")
    );
    assert_eq!(due("2026-11-20 12:00:00", "2026-11-21 01:00:00"), None);
}

#[test]
fn idle_is_what_could_have_gone_on() {
    let since = |ready: &[u64], newest| idle_since(ready.iter().copied(), newest, 1_000);
    assert_eq!(since(&[], Some(10)), None, "nothing waits");
    assert_eq!(since(&[1_001, 2_000], Some(10)), None, "all of it rests");
    assert_eq!(since(&[900, 2_000], Some(10)), Some(900), "since its rest was over");
    assert_eq!(since(&[900, 400], Some(10)), Some(400));
    assert_eq!(since(&[900, 400], Some(950)), Some(950), "something was traded since");
    assert_eq!(since(&[0], None), Some(0));
    assert_eq!(since(&[1_000], Some(5_000)), Some(1_000), "never in the future");
}

fn told(
    schedule: &Schedule,
    progress: Progress,
    now: &str,
) -> Vec<(&'static str, String, Option<String>)> {
    let seen = schedule.observations(&progress, at(now)).into_iter();
    seen.filter(|seen| seen.name != NEXT_START)
        .map(|seen| (seen.name, fixed18(seen.value), seen.max.map(fixed18)))
        .collect()
}

#[test]
fn what_people_are_told() {
    let monthly = Schedule { still_after: HOUR, ..schedule(MONTHLY) };
    let last = Some(at("2026-11-02 08:00:00"));
    let (grace, hour) = (Some((3 * DAY).to_string()), Some(HOUR.to_string()));
    let all = |due: u64, still: u64| {
        vec![
            (START_DUE, due.to_string(), grace.clone()),
            (STANDING_STILL, still.to_string(), hour.clone()),
        ]
    };
    let done = Progress { last, is_open: false, idle_since: Some(5) };
    assert_eq!(told(&monthly, done, "2026-11-20 00:00:00"), all(0, 0));
    assert_eq!(told(&monthly, done, "2026-12-01 00:00:00"), all(1, 0), "from its first second");
    assert_eq!(told(&monthly, done, "2026-12-04 00:00:01"), all(3 * DAY + 1, 0));
    let open = Progress { last, is_open: true, idle_since: Some(at("2026-12-04 00:00:00")) };
    assert_eq!(told(&monthly, open, "2026-12-04 02:00:00"), all(0, 2 * HOUR), "one is under way");
    let resting = Progress { idle_since: None, ..open };
    assert_eq!(told(&monthly, resting, "2026-12-04 02:00:00"), all(0, 0));
    let never = Schedule { still_after: HOUR, ..Schedule::default() };
    let only = vec![(STANDING_STILL, "7200".to_owned(), hour)];
    assert_eq!(told(&never, open, "2026-12-04 02:00:00"), only);
    let seen = monthly.observations(&done, at("2026-11-20 00:00:00"));
    let next = seen.iter().find(|seen| seen.name == NEXT_START).unwrap();
    assert_eq!(
        (fixed18(next.value), next.unit),
        (at("2026-12-01 00:00:00").to_string(), Unit::Time)
    );
}

/// One field: a star, a number, a range with or without a step, or a list.
fn field(least: u64, most: u64) -> impl Strategy<Value = String> {
    let number = least..=most;
    let range = (number.clone(), number.clone(), 1_u64..=9).prop_map(|(a, b, step)| {
        let (a, b) = (a.min(b), a.max(b));
        if step == 1 { format!("{a}-{b}") } else { format!("{a}-{b}/{step}") }
    });
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => number.clone().prop_map(|n| n.to_string()),
        1 => range,
        1 => (1_u64..=9).prop_map(|step| format!("*/{step}")),
        1 => prop::collection::vec(number, 1..4).prop_map(|all| {
            all.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
        }),
    ]
}

/// What a field says, worked out differently: by asking for each number.
fn says(field: &str, number: u64, most: u64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: u64 = step.parse().unwrap();
        let (low, high) = match (range, range.split_once('-')) {
            ("*", _) => (if most == 31 || most == 12 { 1 } else { 0 }, most),
            (_, Some((low, high))) => (low.parse().unwrap(), high.parse().unwrap()),
            (one, None) => (one.parse().unwrap(), one.parse().unwrap()),
        };
        (low..=high).contains(&number) && (number - low).is_multiple_of(step)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Between a moment and the next one no minute fits; both fit.
    #[test]
    fn nothing_is_passed_over(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12),
        weekday in field(0, 7), from in 0_u64..4_000_000_000, probe in 0_u64..1_000_000,
    ) {
        let expression = format!("{minute} {hour} {day} {month} {weekday}");
        let Ok(cron) = expression.parse::<Cron>() else { return Ok(()) };
        let fits = |at: u64| {
            let date = calendar::Date::of(at);
            let of_week = calendar::weekday(at / DAY);
            let by_day = says(&day, date.day, 31);
            let by_week = says(&weekday, of_week, 7) || of_week == 0 && says(&weekday, 7, 7);
            let either = !day.starts_with('*') && !weekday.starts_with('*');
            says(&month, date.month, 12)
                && says(&hour, at / HOUR % 24, 23)
                && says(&minute, at / 60 % 60, 59)
                && if either { by_day || by_week } else { by_day && by_week }
        };
        let next = cron.after(from).unwrap();
        prop_assert!(next > from && next % 60 == 0 && fits(next), "{expression}: {}", text(next));
        prop_assert_eq!(cron.until(next), Some(next));
        prop_assert_eq!(cron.until(next - 1), cron.until(from));
        // A minute anywhere between does not fit.
        let between = (next - from) / 60;
        if between > 0 {
            let other = (from / 60 + 1 + probe % between) * 60;
            prop_assert!(other >= next || !fits(other), "{expression}: {}", text(other));
        }
    }

    /// What is due stays due, from the same moment, until something happens; what happened in it ends
    /// it.
    #[test]
    fn due_is_due_until_it_is_done(
        last in 1_500_000_000_u64..2_000_000_000, waited in 0_u64..40_000_000, more in 0_u64..4_000_000,
        monthly in any::<bool>(),
    ) {
        let schedule = schedule(if monthly { MONTHLY } else { QUARTERLY });
        let now = last + waited;
        let due = schedule.due_since(Some(last), now);
        if let Some(since) = due {
            prop_assert!(since <= now && since > last);
            prop_assert_eq!(schedule.due_since(Some(last), now + more), due);
        }
        prop_assert_eq!(schedule.due_since(Some(now), now), None, "it was done just now");
    }
}
