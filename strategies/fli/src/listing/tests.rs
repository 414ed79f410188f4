//! From a token to its extension, on scripted blocks.

use alloy::{
    primitives::{Address, Bytes, U256, address},
    sol_types::SolCall,
};
use ballast_chains::driver::Outcome;
use ballast_strategy_api::{
    Listing,
    listing::{
        Changed,
        IExtensionManager::{getAdaptersCall, getExtensionsCall},
        ISetToken::managerCall,
        MAX_LISTED,
    },
    testkit::ScriptedBlock,
};

use super::*;
use crate::contracts::ILeverageStrategyExtension::getStrategyCall;

const SET: Address = address!("0000000000000000000000000000000000000005");
const MANAGER: Address = address!("000000000000000000000000000000000000003a");
const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
const FEES: Address = address!("00000000000000000000000000000000000000e2");
const RIVAL: Address = address!("00000000000000000000000000000000000000e3");

/// An extension that serves `token`, by the shape of its settings.
fn serve(block: &mut ScriptedBlock, extension: Address, token: Address, words: usize) {
    let mut answer = vec![0_u8; 32 * words];
    answer[12..32].copy_from_slice(token.as_slice());
    block.answer_raw(extension, getStrategyCall::SELECTOR.into(), answer.into());
}

/// A token whose `BaseManager` lists a fee extension and the leverage strategy extension.
fn block() -> ScriptedBlock {
    let mut block = ScriptedBlock::new(1_700_000_000);
    block.answer(SET, &managerCall {}, &MANAGER);
    block.answer(MANAGER, &getAdaptersCall {}, &vec![FEES, EXTENSION]);
    serve(&mut block, EXTENSION, SET, 11);
    block.refuse_raw::<getStrategyCall>(FEES, Bytes::new());
    block
}

async fn find(block: &ScriptedBlock) -> Result<Listing, String> {
    match block.look(|at| async move { Listing::find(FAMILY, SET, &at).await }).await.0 {
        Outcome::Done(found) => found.map_err(|error| error.to_string()),
        other @ (Outcome::Panicked(_) | Outcome::TimedOut) => panic!("{other:?}"),
    }
}

/// What changed at another block, by a look that takes at most so many rounds.
async fn changed(listing: &Listing, block: &ScriptedBlock, rounds: u64) -> Option<Changed> {
    let listing = listing.clone();
    let (outcome, stats) =
        block.look(move |at| async move { listing.changed(&at).await.unwrap() }).await;
    assert!(stats.rounds <= rounds, "{} rounds", stats.rounds);
    match outcome {
        Outcome::Done(changed) => changed,
        other @ (Outcome::Panicked(_) | Outcome::TimedOut) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_one_extension_that_serves_the_token_is_found_under_either_name() {
    let found = find(&block()).await.unwrap();
    assert_eq!(found.extension(), EXTENSION);
    assert_eq!(changed(&found, &block(), 1).await, None);

    let mut later = block();
    later.refuse_raw::<getAdaptersCall>(MANAGER, Bytes::new());
    later.answer(MANAGER, &getExtensionsCall {}, &vec![EXTENSION]);
    let found = find(&later).await.unwrap();
    assert_eq!(found.extension(), EXTENSION);
    assert_eq!(changed(&found, &later, 1).await, None);

    // One of another token, and one of Morpho's shape.
    let mut mixed = block();
    mixed.answer(MANAGER, &getAdaptersCall {}, &vec![EXTENSION, RIVAL]);
    serve(&mut mixed, RIVAL, SET, 4);
    serve(&mut mixed, EXTENSION, MANAGER, 11);
    assert_eq!(find(&mixed).await.unwrap().extension(), RIVAL);
}

#[tokio::test]
async fn what_leads_to_no_single_extension_is_refused_with_what_was_seen() {
    let check = |said: Result<Listing, String>, words: &[&str]| {
        let said = said.unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    };
    let empty = ScriptedBlock::new(1_700_000_000);
    check(find(&empty).await, &["is no Set token", "no contract there"]);

    let mut safe = block();
    safe.answer(SET, &managerCall {}, &Address::repeat_byte(0x5a));
    check(find(&safe).await, &["lists no extensions", "name the extension"]);

    let mut none = block();
    none.answer(MANAGER, &getAdaptersCall {}, &vec![FEES]);
    check(find(&none).await, &["lists 0 leverage strategy extensions", "among its 1"]);

    let mut two = block();
    two.answer(MANAGER, &getAdaptersCall {}, &vec![EXTENSION, RIVAL]);
    serve(&mut two, RIVAL, SET, 11);
    let (one, other) = (EXTENSION.to_string(), RIVAL.to_string());
    check(find(&two).await, &["lists 2 leverage strategy extensions", &one, &other]);

    let mut many = block();
    let listed: Vec<Address> =
        (0..=MAX_LISTED).map(|n| Address::from_word(U256::from(n + 1).into())).collect();
    many.answer(MANAGER, &getAdaptersCall {}, &listed);
    check(find(&many).await, &["lists 33 extensions"]);
}

#[tokio::test]
async fn a_change_is_named_with_both_addresses() {
    let found = find(&block()).await.unwrap();
    let check = |changed: Option<Changed>, reason: &str, addresses: [Address; 2]| {
        let changed = changed.unwrap();
        assert_eq!(changed.reason, reason);
        for address in addresses {
            assert!(changed.detail.contains(&address.to_string()), "{}", changed.detail);
        }
    };
    let other = Address::repeat_byte(0x5a);
    let mut moved = block();
    moved.answer(SET, &managerCall {}, &other);
    // It may have dropped its extensions too, or not answer any more.
    moved.refuse_raw::<getAdaptersCall>(MANAGER, Bytes::new());
    check(changed(&found, &moved, 1).await, "set_token has another manager", [MANAGER, other]);

    let mut dropped = block();
    dropped.answer(MANAGER, &getAdaptersCall {}, &vec![FEES, RIVAL]);
    let reason = "manager does not list the extension";
    check(changed(&found, &dropped, 1).await, reason, [EXTENSION, RIVAL]);

    let mut joined = block();
    joined.answer(MANAGER, &getAdaptersCall {}, &vec![FEES, EXTENSION, RIVAL]);
    assert_eq!(changed(&found, &joined, 2).await, None, "some other extension");
    serve(&mut joined, RIVAL, SET, 11);
    let reason = "manager lists a second leverage strategy extension";
    check(changed(&found, &joined, 2).await, reason, [EXTENSION, RIVAL]);
}

#[tokio::test]
async fn what_cannot_be_confirmed_is_an_error() {
    let found = find(&block()).await.unwrap();
    let mut silent = block();
    silent.refuse_raw::<getAdaptersCall>(MANAGER, Bytes::new());
    let look = silent.look(move |at| async move { found.changed(&at).await }).await.0;
    let Outcome::Done(Err(error)) = look else { panic!("{look:?}") };
    assert_eq!(error.to_string(), "reading the manager's extensions");
}
