use super::*;

fn inclusion(succeeded: bool, cancellation: bool) -> Inclusion {
    Inclusion {
        hash: B256::repeat_byte(1),
        cancellation,
        block: 7,
        block_hash: B256::repeat_byte(7),
        succeeded,
        gas_used: 21_000,
        extra: ExtraFees::default(),
        effective_gas_price: 5,
    }
}

/// One row per state, one column per event, as in the module's table.
#[test]
fn every_pair_of_state_and_event() {
    use Outcome::{Cancelled, Confirmed, Foreign, Reverted, Superseded};
    use TxState::{Final, Included, Pending, Planned, Signed};
    let (first, moved) = (inclusion(true, false), inclusion(false, false));
    let events = [
        TxEvent::Journalled,
        TxEvent::Accepted,
        TxEvent::Ambiguous,
        TxEvent::Rejected,
        TxEvent::Included(moved.clone()),
        TxEvent::Reorged,
        TxEvent::Finalized,
        TxEvent::NonceTaken,
        TxEvent::Adopted,
        TxEvent::Undone,
    ];
    let included = |i: &Inclusion| Some(Included(i.clone()));
    let again = || included(&moved);
    let taken = || Some(Final(Superseded));
    let (signed, pending) = (|| Some(Signed), || Some(Pending));
    let of_included = |i: &Inclusion, outcome| {
        let same = || included(i);
        [None, same(), same(), same(), again(), pending(), Some(Final(outcome)), None, None, None]
    };
    let cancelled = inclusion(true, true);
    let undone = |to: TxState| {
        let mut row = [const { None }; 10];
        row[9] = Some(to);
        row
    };
    let foreign = || Some(Final(Foreign));
    #[rustfmt::skip]
    let rows: Vec<(TxState, [Option<TxState>; 10])> = vec![
        (Planned, [signed(), None, None, None, None, None, None, None, foreign(), None]),
        (Signed, [signed(), pending(), pending(), signed(), again(), None, None, taken(), None, None]),
        (Pending, [pending(), pending(), pending(), pending(), again(), None, None, taken(), None, None]),
        (Included(first.clone()), of_included(&first, Confirmed)),
        (Included(moved.clone()), of_included(&moved, Reverted)),
        (Included(cancelled.clone()), of_included(&cancelled, Cancelled)),
        (Final(Confirmed), undone(Pending)),
        (Final(Reverted), undone(Pending)),
        (Final(Superseded), undone(Pending)),
        (Final(Cancelled), undone(Pending)),
        (Final(Foreign), undone(Planned)),
    ];
    for (state, expected) in rows {
        for (event, expected) in events.iter().zip(expected) {
            let got = state.clone().on(event.clone());
            let words = format!("{} on {}", state.label(), event.label());
            assert_eq!(got.clone().ok(), expected, "{words}");
            if let Err(unexpected) = got {
                assert_eq!(unexpected.state, state.label(), "{words}");
                assert_eq!(unexpected.event, event.label(), "{words}");
            }
        }
    }
}

/// Lines of a table as cells, from the one that begins with `state` on.
fn table(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim());
    let rows = lines
        .skip_while(|line| !line.starts_with("| state |"))
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|---"));
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    rows.map(cells).collect()
}

/// A state as the table calls it.
fn states(label: &str) -> Vec<TxState> {
    use Outcome::{Cancelled, Confirmed, Foreign, Reverted, Superseded};
    match label {
        "Planned" => vec![TxState::Planned],
        "Signed" => vec![TxState::Signed],
        "Pending" => vec![TxState::Pending],
        "Included" => {
            let kinds = [(true, false), (false, false), (true, true), (false, true)];
            kinds.map(|(ok, void)| TxState::Included(inclusion(ok, void))).to_vec()
        }
        "final, ours" => [Confirmed, Reverted, Superseded, Cancelled].map(TxState::Final).to_vec(),
        "final, Foreign" => vec![TxState::Final(Foreign)],
        other => panic!("a row for {other}"),
    }
}

fn events(label: &str) -> Vec<TxEvent> {
    let event = |label: &str| match label {
        "Journalled" => TxEvent::Journalled,
        "Accepted" => TxEvent::Accepted,
        "Ambiguous" => TxEvent::Ambiguous,
        "Rejected" => TxEvent::Rejected,
        "Included" => TxEvent::Included(inclusion(true, false)),
        "Reorged" => TxEvent::Reorged,
        "Finalized" => TxEvent::Finalized,
        "NonceTaken" => TxEvent::NonceTaken,
        "Adopted" => TxEvent::Adopted,
        "Undone" => TxEvent::Undone,
        other => panic!("a column for {other}"),
    };
    label.split(", ").map(event).collect()
}

/// Both documents have the whole table, and it is the function's.
#[test]
fn the_table_that_people_read_is_the_function() {
    let module = include_str!("../lifecycle.rs");
    let page = include_str!("../../../ARCHITECTURE.md");
    for (place, text) in [("the module", module), ("ARCHITECTURE.md", page)] {
        let table = table(text);
        let (header, rows) = table.split_first().expect(place);
        assert_eq!(header[1..].iter().flat_map(|label| events(label)).count(), 10, "{place}");
        assert_eq!(rows.iter().flat_map(|row| states(&row[0])).count(), 12, "{place}");
        for (row, column) in rows.iter().flat_map(|row| (1..header.len()).map(move |c| (row, c))) {
            for state in states(&row[0]) {
                for event in events(&header[column]) {
                    let told = match state.clone().on(event.clone()) {
                        Err(_) => "–",
                        Ok(TxState::Planned) => "Planned",
                        Ok(TxState::Signed) => "Signed",
                        Ok(TxState::Pending) => "Pending",
                        Ok(TxState::Included(_)) => "Included",
                        Ok(TxState::Final(Outcome::Superseded)) => "Superseded",
                        Ok(TxState::Final(Outcome::Foreign)) => "Foreign",
                        Ok(TxState::Final(_)) => "final by the receipt",
                    };
                    let (state, event) = (state.label(), event.label());
                    assert_eq!(row[column], told, "{place}: {state} on {event}");
                }
            }
        }
    }
}

#[test]
fn outcomes_are_read_back_by_their_words() {
    for label in ["confirmed", "reverted", "superseded", "cancelled", "foreign"] {
        assert_eq!(Outcome::from_label(label).map(Outcome::label), Some(label));
    }
    assert_eq!(Outcome::from_label("pending"), None);
}
