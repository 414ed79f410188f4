//! Selectors, topics and tuples against the published contracts' own.

use alloy::{
    primitives::{B256, Bytes, I256, U256, address, b256, hex, utils::parse_ether},
    sol_types::{SolCall, SolEvent},
};

use super::{IBasisExtension as Ext, IBasisModule as Module, IPerpAccountBalance as Account};

fn fixed(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn short(text: &str) -> I256 {
    -I256::try_from(fixed(text)).unwrap()
}

/// Words as an answer.
fn words(of: &[U256]) -> Bytes {
    of.iter().flat_map(|word| word.to_be_bytes::<32>()).collect()
}

#[test]
fn selectors_are_those_of_the_published_contracts() {
    let check = |selector: [u8; 4], expected: [u8; 4], signature: &str| {
        assert_eq!(hex::encode(selector), hex::encode(expected), "{signature}");
    };
    macro_rules! check {
        ($($interface:ident :: $call:ident = $selector:literal),* $(,)?) => {
            $(check($interface::$call::SELECTOR, hex!($selector), $interface::$call::SIGNATURE);)*
        };
    }
    check!(
        Ext::rebalanceCall = "7d7c2a1c",
        Ext::iterateRebalanceCall = "7072b3e5",
        Ext::ripcordCall = "7a993327",
        Ext::reinvestCall = "fdb5a03e",
        Ext::shouldRebalanceCall = "ae2c1d5f",
        Ext::shouldRebalanceWithBoundsCall = "fc02ba33",
        Ext::getCurrentLeverageRatioCall = "c31443bb",
        Ext::getChunkRebalanceNotionalCall = "997847a0",
        Ext::getCurrentEtherIncentiveCall = "b8e0eeb7",
        Ext::twapLeverageRatioCall = "fdfb7091",
        Ext::lastTradeTimestampCall = "19f18dee",
        Ext::lastReinvestTimestampCall = "5c2f9005",
        Ext::anyoneCallableCall = "2d158e7d",
        Ext::callAllowListCall = "aea6cc80",
        Ext::managerCall = "481c6a75",
        Ext::getStrategyCall = "07da0603",
        Ext::getMethodologyCall = "04d7f3e7",
        Ext::getExecutionCall = "63f8cb20",
        Ext::getIncentiveCall = "dde5aa69",
        Ext::getExchangeSettingsCall = "b454346f",
        Module::getAccountInfoCall = "7b510fe8",
        Module::getUpdatedSettledFundingCall = "5d031d55",
        Module::settledFundingCall = "0ab18f33",
        Account::getMarginRequirementForLiquidationCall = "f75c266d",
    );
    check(super::IPerpClearingHouse::getAccountValueCall::SELECTOR, hex!("5ae80951"), "value");
    check(super::IPriceFeed::getPriceCall::SELECTOR, hex!("e7572230"), "price");
    check(super::IPerpBaseToken::getIndexPriceCall::SELECTOR, hex!("12080647"), "index");
}

#[test]
fn topics_are_those_of_the_published_contracts() {
    let check = |topic: B256, expected: B256, signature: &str| {
        assert_eq!(topic, expected, "{signature}");
    };
    macro_rules! check {
        ($($event:ident = $topic:literal),* $(,)?) => {
            $(check(Ext::$event::SIGNATURE_HASH, b256!($topic), Ext::$event::SIGNATURE);)*
        };
    }
    check!(
        Rebalanced = "9faf13e67eb59b24c0185b87d3dac614f48afc8010972f4be9a2bcf20952f54b",
        RebalanceIterated = "df7fb8b9bcbc59ca0c2b2a61f2f424b729c96c1e35315fe7655bd4cf5a7dbf62",
        RipcordCalled = "d775566602e8e77e13657cdbd2c044b00e9b924cd3afc13d38992089c79c2363",
        Reinvested = "61d66d8767ff702762e19c18b3cf4a23e2eef70b62fde2720244871ba6d796c7",
    );
    let ends = |topic: B256, first: [u8; 4], last: [u8; 2]| {
        assert_eq!((&topic[..4], &topic[30..]), (&first[..], &last[..]));
    };
    ends(Module::PerpTraded::SIGNATURE_HASH, hex!("8b0c425c"), hex!("2ff5"));
    ends(Module::FundingWithdrawn::SIGNATURE_HASH, hex!("46b75585"), hex!("bbb9"));
}

/// The production settings, as words in the order of the reference.
#[test]
fn static_tuples_have_their_fields_in_order() {
    let raw = |ratio: I256| ratio.into_raw();
    let methodology = words(&[
        raw(short("1")),
        raw(short("0.95")),
        raw(short("2")),
        fixed("0.05"),
        U256::MAX,
        U256::from(604_800),
        U256::from(10_000),
    ]);
    let settings = Ext::getMethodologyCall::abi_decode_returns(&methodology).unwrap();
    let expected = Ext::MethodologySettings {
        targetLeverageRatio: short("1"),
        minLeverageRatio: short("0.95"),
        maxLeverageRatio: short("2"),
        recenteringSpeed: fixed("0.05"),
        rebalanceInterval: U256::MAX,
        reinvestInterval: U256::from(604_800),
        minReinvestUnits: U256::from(10_000),
    };
    assert_eq!(settings, expected);

    // Slippage first; the event of the same name has it last.
    let execution = words(&[fixed("0.02"), U256::from(30)]);
    let settings = Ext::getExecutionCall::abi_decode_returns(&execution).unwrap();
    assert_eq!(settings.slippageTolerance, fixed("0.02"));
    assert_eq!(settings.twapCooldownPeriod, U256::from(30));

    let incentive = words(&[fixed("1"), raw(short("3")), fixed("0.05"), U256::ONE]);
    let settings = Ext::getIncentiveCall::abi_decode_returns(&incentive).unwrap();
    assert_eq!(settings.etherReward, fixed("1"));
    assert_eq!(settings.incentivizedLeverageRatio, short("3"));
    assert_eq!(settings.incentivizedSlippageTolerance, fixed("0.05"));
    assert_eq!(settings.incentivizedTwapCooldownPeriod, U256::ONE);

    let numbered: Vec<U256> = (1..=11).map(U256::from).collect();
    let settings = Ext::getStrategyCall::abi_decode_returns(&words(&numbered)).unwrap();
    let address = |n: u64| alloy::primitives::Address::from_word(U256::from(n).into());
    assert_eq!(settings.setToken, address(1));
    assert_eq!(settings.basisTradingModule, address(2));
    assert_eq!(settings.tradeModule, address(3));
    assert_eq!(settings.quoter, address(4));
    assert_eq!(settings.perpV2AccountBalance, address(5));
    assert_eq!(settings.baseUSDPriceOracle, address(6));
    assert_eq!(settings.twapInterval, U256::from(7));
    assert_eq!(settings.basePriceDecimalAdjustment, U256::from(8));
    assert_eq!(settings.virtualBaseAddress, address(9));
    assert_eq!(settings.virtualQuoteAddress, address(10));
    assert_eq!(settings.spotAssetAddress, address(11));
}

/// One outer tuple with an offset, then a string and three byte strings of lengths that are no
/// whole words.
#[test]
fn the_dynamic_tuple_decodes_from_raw_words() {
    let name = b"UniswapV3ExchangeAdapterV2";
    let path = hex!(
        "7f5c764cbc14f9669b88837ca1490cca17c31607000bb84200000000000000000000000000000000000006"
    );
    let trade = hex!(
        "4200000000000000000000000000000000000006000bb87f5c764cbc14f9669b88837ca1490cca17c3160700"
    );
    let mut tail = Vec::new();
    let mut offsets = Vec::new();
    for data in [&name[..], &trade, &trade, &path] {
        offsets.push(U256::from(6 * 32 + tail.len()));
        tail.extend(U256::from(data.len()).to_be_bytes::<32>());
        tail.extend(data);
        tail.resize(tail.len().next_multiple_of(32), 0);
    }
    let mut answer = words(&[U256::from(32)]).to_vec();
    answer.extend(words(&offsets).iter());
    answer.extend(words(&[fixed("30"), fixed("60")]).iter());
    answer.extend(tail);
    let settings = Ext::getExchangeSettingsCall::abi_decode_returns(&answer).unwrap();
    assert_eq!(settings.exchangeName.as_bytes(), name);
    assert_eq!(settings.buyExactSpotTradeData.as_ref(), trade);
    assert_eq!(settings.sellExactSpotTradeData.as_ref(), trade);
    assert_eq!(settings.buySpotQuoteExactInputPath.as_ref(), path);
    assert_eq!(settings.twapMaxTradeSize, fixed("30"));
    assert_eq!(settings.incentivizedTwapMaxTradeSize, fixed("60"));
}

#[test]
fn what_the_sibling_answers_does_not_decode_as_ours() {
    // Five words in place of seven, two in place of six and an offset, eight in place of eleven.
    let five = words(&[U256::ONE; 5]);
    assert!(Ext::getMethodologyCall::abi_decode_returns(&five).is_err());
    let two = words(&[fixed("30"), fixed("60")]);
    assert!(Ext::getExchangeSettingsCall::abi_decode_returns(&two).is_err());
    let eight = words(&[U256::ONE; 8]);
    assert!(Ext::getStrategyCall::abi_decode_returns(&eight).is_err());
}

#[test]
fn account_and_size_are_signed() {
    let amounts = [short("10"), short("1"), short("1004.7"), -short("5")];
    let raw: Vec<U256> = amounts.iter().map(|amount| amount.into_raw()).collect();
    let info = Module::getAccountInfoCall::abi_decode_returns(&words(&raw)).unwrap();
    let seen = [
        info.collateralBalance,
        info.owedRealizedPnl,
        info.pendingFundingPayments,
        info.netQuoteBalance,
    ];
    assert_eq!(seen, amounts);
    let call = Account::getTakerPositionSizeCall {
        trader: address!("0000000000000000000000000000000000000005"),
        baseToken: address!("0000000000000000000000000000000000000006"),
    };
    assert_eq!(call.abi_encode().len(), 68);
    let size = words(&[short("50").into_raw()]);
    let size = Account::getTakerPositionSizeCall::abi_decode_returns(&size).unwrap();
    assert_eq!(size, short("50"));
}
