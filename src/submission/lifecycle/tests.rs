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

#[test]
fn outcomes_are_read_back_by_their_words() {
    for label in ["confirmed", "reverted", "superseded", "cancelled", "foreign"] {
        assert_eq!(Outcome::from_label(label).map(Outcome::label), Some(label));
    }
    assert_eq!(Outcome::from_label("pending"), None);
}
