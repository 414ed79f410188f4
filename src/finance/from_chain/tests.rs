//! A scripted past: what is found in it is what was put there.

use alloy::primitives::bytes;
use proptest::prelude::*;

use super::*;
use crate::finance::{
    load,
    report::tests::{asked, entries as rows, facts},
};

const US: Address = Address::repeat_byte(1);
const OTHER: Address = Address::repeat_byte(2);

/// Blocks with what our wallet and another sent in them; a block every ten seconds from 1,000 on.
#[derive(Debug, Default)]
struct Script {
    blocks: Vec<Vec<Sent>>,
    /// The state of earlier blocks is gone.
    known_from: u64,
}

fn sent(from: Address, nonce: u64, input: Bytes) -> Sent {
    let hash = B256::from(U256::from(nonce) << (usize::from(from[0]) * 8));
    Sent { hash, from, to: Some(OTHER), nonce, value: U256::ZERO, input }
}

impl Script {
    fn at(&self, number: u64) -> BlockRef {
        BlockRef { number, hash: B256::from(U256::from(number)), timestamp: 1_000 + number * 10 }
    }

    fn newest(&self) -> BlockRef {
        self.at(u64::try_from(self.blocks.len()).unwrap() - 1)
    }
}

impl Past for Script {
    fn block(&self, number: u64) -> BoxFuture<'_, Result<BlockRef, FromChainError>> {
        assert!(number <= self.newest().number, "asked for a block that is not there");
        Box::pin(std::future::ready(Ok(self.at(number))))
    }

    fn nonce(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<u64, FromChainError>> {
        if at.number < self.known_from {
            let (what, cause) = ("a nonce".to_owned(), "state is gone".to_owned());
            return Box::pin(std::future::ready(Err(FromChainError::Read { what, cause })));
        }
        let until = usize::try_from(at.number).unwrap();
        let count = self.blocks[..=until].iter().flatten().filter(|sent| sent.from == of).count();
        Box::pin(std::future::ready(Ok(u64::try_from(count).unwrap())))
    }

    fn body(&self, of: BlockRef) -> BoxFuture<'_, Result<Vec<Sent>, FromChainError>> {
        let body = self.blocks[usize::try_from(of.number).unwrap()].clone();
        Box::pin(std::future::ready(Ok(body)))
    }

    fn paid(&self, of: B256) -> BoxFuture<'_, Result<Paid, FromChainError>> {
        let fees = Fees { execution: U256::from(21_000), l1: U256::from(5), ..Fees::default() };
        let succeeded = of != B256::from(U256::from(3) << 8);
        let paid = Paid { succeeded, gas_used: 21_000, effective_gas_price: 1, fees, whole: None };
        Box::pin(std::future::ready(Ok(paid)))
    }

    fn price(&self, _: BlockRef) -> BoxFuture<'_, Result<PricedAt, String>> {
        Box::pin(std::future::ready(Err("no feed".to_owned())))
    }
}

fn account(external: bool) -> Account<'static> {
    let holder = Holder { chain_id: 1, chain: "test".into(), wallet: US, product: "eth2x".into() };
    let action_of: ActionOf<'static> = &|input| (input == [7]).then_some("rebalance");
    Account { holder, category: Category::Automated, external, action_of, settle: None }
}

async fn read(script: &Script, external: bool, time: (u64, u64)) -> Vec<Entry> {
    entries(script, &account(external), time, script.newest()).await.unwrap()
}

#[tokio::test]
async fn what_a_transaction_was_for_is_told_by_what_it_is() {
    let itself = Sent { to: Some(US), ..sent(US, 2, Bytes::new()) };
    let blocks = vec![
        Vec::new(),
        vec![sent(US, 0, bytes!("07")), sent(OTHER, 0, bytes!("07")), sent(US, 1, bytes!("99"))],
        Vec::new(),
        vec![itself],
        vec![sent(US, 3, bytes!("07"))],
    ];
    let script = Script { blocks, known_from: 0 };
    let said = |entry: &Entry| (entry.nonce, entry.action.clone(), entry.outcome);
    let found: Vec<_> = read(&script, false, (0, 10_000)).await.iter().map(said).collect();
    let expected = [
        (0, "rebalance", Outcome::Confirmed),
        (1, "foreign", Outcome::Foreign),
        (2, "cancellation", Outcome::Cancelled),
        (3, "rebalance", Outcome::Reverted),
    ];
    assert_eq!(found, expected.map(|(nonce, action, outcome)| (nonce, action.to_owned(), outcome)));
    let external = read(&script, true, (0, 10_000)).await;
    assert!(external.iter().all(|entry| entry.action == "external"));
    assert_eq!(external[0].cost, U256::from(21_005), "the fee of layer 1 too");
    // Only the blocks of that time: from 1,030 on and before 1,040.
    assert_eq!(read(&script, false, (1_030, 1_040)).await.len(), 1);
    assert_eq!(read(&script, false, (2_000, 3_000)).await, []);
}

#[tokio::test]
async fn state_that_is_gone_matters_only_after_the_first_transaction() {
    let mut blocks = vec![Vec::new(); 20];
    blocks[12] = vec![sent(US, 0, bytes!("07"))];
    blocks[15] = vec![sent(US, 1, bytes!("07"))];
    for (known_from, found) in [(0, Some(2)), (7, Some(2)), (11, Some(2)), (12, None), (16, None)] {
        let script = Script { blocks: blocks.clone(), known_from };
        let read = entries(&script, &account(false), (0, 10_000), script.newest()).await;
        match found {
            Some(count) => assert_eq!(read.unwrap().len(), count, "{known_from}"),
            None => assert!(read.unwrap_err().to_string().contains("state is gone")),
        }
    }
}

#[test]
fn every_difference_is_named_with_both_figures() {
    let month = asked().month;
    let all = load::fold(&rows(), month);
    let of = month_of(&all, month);
    assert_eq!(differences(of, of), []);
    let mut changed = rows();
    changed.remove(0);
    let less = load::fold(&changed, month);
    let found = differences(of, month_of(&less, month));
    let figures: Vec<&str> = found.iter().map(|difference| difference.figure).collect();
    assert_eq!(figures, ["count", "gas", "wei", "usd"]);
    let text = found[0].to_string();
    let expected = "eth2x-fli rebalance confirmed: count is 2 in the ledger and 1 on the chain";
    assert_eq!(text, expected);
    // Given up is given up, whatever the action was.
    let mut renamed = rows();
    renamed.iter_mut().filter(|e| e.outcome == Outcome::Cancelled).for_each(|e| {
        e.action = "cancellation".into();
    });
    let renamed = load::fold(&renamed, month);
    assert_eq!(differences(of, month_of(&renamed, month)), []);
    drop(facts());
}

proptest! {
    /// Whatever was sent in which block: exactly what our wallet sent in that time is found.
    #[test]
    fn nothing_is_missed_and_nothing_is_found_twice(
        counts in proptest::collection::vec((0_u64..3, 0_u64..3), 1..60),
        from in 900_u64..1_700, length in 0_u64..900,
    ) {
        let (mut ours, mut theirs) = (0, 0);
        let mut blocks = Vec::new();
        for (our, their) in &counts {
            let mut block: Vec<Sent> =
                (ours..ours + our).map(|nonce| sent(US, nonce, bytes!("07"))).collect();
            block.extend((theirs..theirs + their).map(|nonce| sent(OTHER, nonce, bytes!("07"))));
            (ours, theirs) = (ours + our, theirs + their);
            blocks.push(block);
        }
        let script = Script { blocks, known_from: 0 };
        let time = (from, from + length);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found: Vec<u64> =
            runtime.block_on(read(&script, false, time)).iter().map(|entry| entry.nonce).collect();
        // The first block is where a chain begins: nothing was sent in it.
        let expected: Vec<u64> = (0..).zip(&script.blocks).skip(1)
            .filter(|(number, _)| (time.0..time.1).contains(&script.at(*number).timestamp))
            .flat_map(|(_, block)| block.iter().filter(|sent| sent.from == US).map(|s| s.nonce))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
