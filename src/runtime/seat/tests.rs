//! What a reorganisation does to a turn, and that a late outcome is nobody's.

use std::collections::BTreeSet;
use std::{fs, sync::Arc};

use alloy::primitives::B256;
use ballast_chains::{Head, driver::Outcome, feeds::FeedReading};
use ballast_strategy_api::StrategyError;
use tokio::sync::watch;

use super::{Brought, Mailbox, Seat, TurnResult};
use crate::{
    config::{Config, Environment, Secrets},
    registry::strategies,
    runtime::wallets::{Owners, WalletHandle},
};

const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const PRODUCT: &str = "strategy = \"fli\"\nchain = \"local\"\n\
    [wallet]\naddress = \"0x0000000000000000000000000000000000000001\"\n\
    [params]\nextension = \"0x0000000000000000000000000000000000000002\"\n";

fn seat() -> (Seat, Mailbox) {
    let dir = tempfile::tempdir().unwrap();
    for (folder, file, text) in [("chains", "local", CHAIN), ("products", "one", PRODUCT)] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join(format!("{file}.toml")), text).unwrap();
    }
    let registry = Arc::new(strategies());
    let nothing = Environment::default();
    let config = Config::load(dir.path(), &nothing, &registry, Secrets::Skip).unwrap();
    let product = Arc::new(config.products["one"].clone());
    let (_, feeds) = watch::channel(FeedReading::default());
    let wallet = WalletHandle::new(Arc::clone(&product), 1, nothing, Owners::default()).unwrap();
    let seat = Seat::new(product, registry, wallet, feeds, Arc::default());
    let mailbox = seat.mailbox();
    (seat, mailbox)
}

fn head(number: u64) -> Head {
    Head {
        number,
        hash: B256::with_last_byte(u8::try_from(number).unwrap()),
        parent: B256::ZERO,
        timestamp: number,
        base_fee_per_gas: None,
        gas_limit: 30_000_000,
        gas_used: 0,
    }
}

fn delivered(mailbox: &Mailbox) -> Option<u64> {
    mailbox.turns.borrow().as_ref().map(|turn| turn.head.number)
}

/// One turn at `number` during which these reorganisations come, and the head it is delivered at.
fn turn(number: u64, reorganisations: &[u64]) -> Option<u64> {
    let (mut seat, mailbox) = seat();
    let (turn, _) = seat.begin(&head(number));
    for to in reorganisations {
        seat.reorganised(*to);
    }
    assert!(!seat.is_due(&head(number + 1)), "still busy");
    seat.end(turn, head(number), Outcome::TimedOut);
    assert!(seat.is_due(&head(number + 1)), "free again");
    delivered(&mailbox)
}

#[test]
fn what_was_read_above_the_ancestor_is_dropped() {
    assert_eq!(turn(105, &[]), Some(105));
    assert_eq!(turn(105, &[102]), None);
    assert_eq!(turn(105, &[105]), Some(105), "its block stayed");
    assert_eq!(turn(105, &[102, 106]), None, "a later one does not give it back");
}

#[test]
fn a_turn_that_waits_to_be_taken_falls_away_too() {
    let (mut seat, mailbox) = seat();
    let (turn, _) = seat.begin(&head(105));
    seat.end(turn, head(105), Outcome::TimedOut);
    seat.reorganised(105);
    assert_eq!(delivered(&mailbox), Some(105));
    seat.reorganised(104);
    assert_eq!(delivered(&mailbox), None);
}

#[test]
fn an_outcome_of_a_seat_that_was_freed_comes_too_late() {
    let (mut seat, mailbox) = seat();
    let (lost, _) = seat.begin(&head(100));
    seat.free(lost);
    let (turn, _) = seat.begin(&head(101));
    seat.end(lost, head(100), Outcome::TimedOut);
    assert_eq!(delivered(&mailbox), None);
    seat.end(turn, head(101), Outcome::TimedOut);
    assert_eq!(delivered(&mailbox), Some(101));
}

#[test]
fn the_balance_is_read_first_when_asked_for_and_once_a_stretch() {
    let (mut seat, mailbox) = seat();
    let mut asked = Vec::new();
    for number in 0..25 {
        if number == 14 {
            mailbox.want_balance();
        }
        if seat.asks_balance(&head(number)) {
            asked.push(number);
        }
    }
    let turn = u64::from(*seat.caller().unwrap().last().unwrap());
    let in_turn = (0..25).filter(|number| (number + turn) % 4 == 0);
    let expected: BTreeSet<u64> = in_turn.chain([0, 14]).collect();
    assert_eq!(BTreeSet::from_iter(asked), expected);
    // A seat that rests longer than that reads it whenever it is read at all.
    assert!(seat.asks_balance(&head(45)) && seat.asks_balance(&head(65)));
    assert!(!seat.asks_balance(&head(65)), "once");
}

#[test]
fn an_order_has_the_same_head_assessed_again_even_while_the_product_rests() {
    let (mut seat, mailbox) = seat();
    let (turn, _) = seat.begin(&head(100));
    // Its strategy could not be connected, so it rests for a block.
    let failed = TurnResult {
        strategy: None,
        assessed: Err(StrategyError::Misconfigured("no such place".into())),
        balance: None,
    };
    seat.end(turn, head(100), Outcome::Done(Brought::Turn(failed)));
    assert!(!seat.is_due(&head(100)));
    let first = mailbox.order_turn();
    assert!(seat.is_due(&head(100)));
    let (turn, _) = seat.begin(&head(100));
    // One that comes while it is assessed wants to be answered by the next.
    let second = mailbox.order_turn();
    seat.end(turn, head(100), Outcome::TimedOut);
    let answers = || mailbox.turns.borrow().as_ref().map(|turn| turn.answers);
    assert_eq!(answers(), Some(first));
    assert!(seat.is_due(&head(100)));
    let (turn, _) = seat.begin(&head(100));
    seat.end(turn, head(100), Outcome::TimedOut);
    assert_eq!(answers(), Some(second));
    assert!(!seat.is_due(&head(100)));
}
