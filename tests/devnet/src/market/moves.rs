//! What moves a price, as steps of one transaction: rounds of feeds, and swaps of as much as it takes.

use alloy::{
    primitives::{
        Address, Bytes, I256, U256, U512,
        aliases::{U24, U80, U160},
    },
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result};

use super::{Market, purse};
use crate::{
    Deployment, Node, Tokens, Uniswap,
    contracts::{
        ICompoundOracle, IFeed, IUniswapV2Pair, IUniswapV2Router, IUniswapV3Pool, IUniswapV3Router,
    },
};

/// Wei times a price of 8 decimals, in dollars of 6 decimals.
const WEI_PRICE_PER_USDC: u128 = 100_000_000_000_000_000_000;
/// What Uniswap V2 keeps of an input: 3 of 1,000.
const V2_KEEPS: u64 = 997;

impl Market {
    /// A new round of the feed, dated by the newest block, and the same price for Compound.
    pub(crate) async fn oracle_calls(&self, eth_usd: u64) -> Result<Vec<IMulticall3::Call3>> {
        let Deployment { feeds, compound, .. } = &self.deployment;
        let feed = next_round(&self.node, feeds.eth_usd, eth_usd).await?;
        let price = ether_price(eth_usd);
        let oracle = ICompoundOracle::setUnderlyingPriceCall { cToken: compound.c_ether, price };
        Ok(vec![feed, through(compound.oracle, &oracle)])
    }

    /// A swap of as much as it takes to reach the price, or none if it is there.
    pub(crate) async fn v3_call(&self, eth_usd: u64) -> Result<Option<IMulticall3::Call3>> {
        let Deployment { tokens, uniswap, .. } = &self.deployment;
        let target = sqrt_price(tokens, eth_usd)?;
        let pool = self.node.read(uniswap.v3_pool, IUniswapV3Pool::slot0Call {}).await?;
        if pool.sqrtPriceX96 == target {
            return Ok(None);
        }
        let way = v3_way([tokens.weth, tokens.usdc], pool.sqrtPriceX96, target);
        let most = purse(tokens, way.0)?;
        Ok(Some(v3_swap(uniswap, way, uniswap.v3_fee, most, target)))
    }

    /// A swap of exactly what it takes to reach the price, or none if it is there.
    pub(crate) async fn v2_call(&self, eth_usd: u64) -> Result<Option<IMulticall3::Call3>> {
        let Deployment { tokens, uniswap, .. } = &self.deployment;
        let pair = self.node.read(uniswap.v2_pair, IUniswapV2Pair::getReservesCall {}).await?;
        let (r0, r1) = (U256::from(pair.reserve0), U256::from(pair.reserve1));
        let (ether, usd) = if tokens.weth < tokens.usdc { (r0, r1) } else { (r1, r0) };
        // Parts of the price as a fraction, dollars over ether.
        let (over, under) = (U256::from(eth_usd), U256::from(WEI_PRICE_PER_USDC));
        let (sold, bought, amount) = match v2_input(ether, usd, under, over)? {
            // Too little to buy a base unit with, which the pool refuses: the price is there.
            Some(ether_in) if dollars(ether_in, eth_usd)? < U256::from(2) => return Ok(None),
            Some(ether_in) => (tokens.weth, tokens.usdc, ether_in),
            None => match v2_input(usd, ether, over, under)? {
                Some(usd_in) => (tokens.usdc, tokens.weth, usd_in),
                None => return Ok(None),
            },
        };
        let (into, out_of) = if sold == tokens.weth { (ether, usd) } else { (usd, ether) };
        if v2_output(into, out_of, amount)?.is_zero() {
            // A dust of ether buys no dollar at all, and the router refuses that.
            return Ok(None);
        }
        Ok(Some(v2_swap(uniswap.v2_router, (sold, bought), amount)))
    }
}

/// One step of a transaction that Multicall3 makes.
pub(crate) fn through<C: SolCall>(target: Address, call: &C) -> IMulticall3::Call3 {
    IMulticall3::Call3 { target, allowFailure: false, callData: Bytes::from(call.abi_encode()) }
}

/// A new round of a feed, dated by the newest block.
pub(crate) async fn next_round(
    node: &Node,
    feed: Address,
    answer: u64,
) -> Result<IMulticall3::Call3> {
    let last = node.read(feed, IFeed::latestRoundDataCall {}).await?;
    let round = last.roundId.checked_add(U80::from(1)).ok_or_eyre("too many rounds")?;
    let now = U256::from(node.head().await?.timestamp);
    let call = IFeed::setRoundDataCall {
        roundId: round,
        answer: I256::try_from(answer)?,
        startedAt: now,
        updatedAt: now,
        answeredInRound: round,
    };
    Ok(through(feed, &call))
}

/// What is sold and what is bought in a V3 pool of two tokens to bring the root of its price from one
/// value to another.
pub(crate) fn v3_way([one, other]: [Address; 2], from: U160, to: U160) -> (Address, Address) {
    let (token0, token1) = (one.min(other), one.max(other));
    if to < from { (token0, token1) } else { (token1, token0) }
}

/// A swap in a V3 pool, of at most so much, that stops at a root of its price.
pub(crate) fn v3_swap(
    uniswap: &Uniswap,
    (sold, bought): (Address, Address),
    fee: u32,
    most: U256,
    target: U160,
) -> IMulticall3::Call3 {
    let params = IUniswapV3Router::ExactInputSingleParams {
        tokenIn: sold,
        tokenOut: bought,
        fee: U24::from(fee),
        recipient: MULTICALL3_ADDRESS,
        deadline: U256::MAX,
        amountIn: most,
        amountOutMinimum: U256::ZERO,
        sqrtPriceLimitX96: target,
    };
    through(uniswap.v3_router, &IUniswapV3Router::exactInputSingleCall { params })
}

/// A swap of exactly so much in the V2 pool of two tokens.
pub(crate) fn v2_swap(
    router: Address,
    (sold, bought): (Address, Address),
    amount: U256,
) -> IMulticall3::Call3 {
    let swap = IUniswapV2Router::swapExactTokensForTokensCall {
        amountIn: amount,
        amountOutMin: U256::ZERO,
        path: vec![sold, bought],
        to: MULTICALL3_ADDRESS,
        deadline: U256::MAX,
    };
    through(router, &swap)
}

/// A price of 8 decimals in the scale of Compound's oracle for ether: 18 decimals.
pub(crate) fn ether_price(eth_usd: u64) -> U256 {
    U256::from(eth_usd).saturating_mul(U256::from(10_000_000_000_u64))
}

/// What `wei` are worth, in base units of the dollar token, rounded down.
pub(crate) fn dollars(wei: U256, eth_usd: u64) -> Result<U256> {
    let value = wei.checked_mul(U256::from(eth_usd)).ok_or_eyre("amount too large")?;
    Ok(value.checked_div(U256::from(WEI_PRICE_PER_USDC)).unwrap_or_default())
}

/// The root of the pool's price, token 1 per token 0 in base units, as a fixed point with 96 bits.
pub(crate) fn sqrt_price(tokens: &Tokens, eth_usd: u64) -> Result<U160> {
    let (price, scale) = (U256::from(eth_usd), U256::from(WEI_PRICE_PER_USDC));
    if tokens.weth < tokens.usdc { root_price(price, scale) } else { root_price(scale, price) }
}

/// The root of a fraction, as a fixed point with 96 bits, cut off.
pub(crate) fn root_price(over: U256, under: U256) -> Result<U160> {
    let shifted = U512::from(over).checked_shl(192).ok_or_eyre("no such price")?;
    let root = shifted.checked_div(U512::from(under)).ok_or_eyre("no such price")?.root(2);
    U160::checked_from_limbs_slice(root.as_limbs()).ok_or_eyre("no such price")
}

/// How much of token A a V2 pool with these reserves must take so that `a · over_b = b · over_a`
/// holds after it, i.e. its reserves are in the proportion `over_a : over_b`. `None` if it has
/// enough of A already.
///
/// With `k` of 1,000 parts of the input kept by the pool's formula, and `x` and `y` the reserves,
/// an input `n` leaves `x + n` and `1000·x·y / (1000·x + k·n)`; setting their quotient to the wanted
/// proportion `R` gives `k·n² + (1000 + k)·x·n + 1000·(x² − R·x·y) = 0`.
pub(crate) fn v2_input(x: U256, y: U256, over_a: U256, over_b: U256) -> Result<Option<U256>> {
    let thousand = U256::from(1_000);
    let kept = U256::from(V2_KEEPS);
    let wanted = || {
        let target = x.checked_mul(y)?.checked_mul(over_a)?.checked_div(over_b)?;
        let Some(missing) = target.checked_sub(x.checked_mul(x)?) else { return Some(None) };
        let linear = thousand.checked_add(kept)?.checked_mul(x)?;
        let four = U256::from(4_000).checked_mul(kept)?.checked_mul(missing)?;
        let root = linear.checked_mul(linear)?.checked_add(four)?.root(2);
        let input = root.checked_sub(linear)?.checked_div(kept.checked_mul(U256::from(2))?)?;
        Some((!input.is_zero()).then_some(input))
    };
    wanted().ok_or_eyre("reserves too large")
}

/// What a V2 pool with reserves `x` and `y` gives of the second for so much of the first, rounded
/// down as the pool does.
pub(crate) fn v2_output(x: U256, y: U256, input: U256) -> Result<U256> {
    let output = || {
        let taken = input.checked_mul(U256::from(V2_KEEPS))?;
        let above = taken.checked_mul(y)?;
        above.checked_div(x.checked_mul(U256::from(1_000))?.checked_add(taken)?)
    };
    output().ok_or_eyre("reserves too large")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{MAX_PRICE, USD};

    fn tokens(weth_first: bool) -> Tokens {
        let (low, high) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let (weth, usdc) = if weth_first { (low, high) } else { (high, low) };
        Tokens { weth, usdc }
    }

    #[test]
    fn roots_of_both_orders_are_inverse() {
        for price in [USD, 2_000 * USD, MAX_PRICE] {
            let up = U256::from(sqrt_price(&tokens(true), price).unwrap());
            let down = U256::from(sqrt_price(&tokens(false), price).unwrap());
            // Their product is 2^192 but for rounding, which is one in a thousand million here.
            let product = up * (down >> 64_usize);
            let off = product.abs_diff(U256::from(1) << 128_usize);
            assert!(off < U256::from(1) << 98_usize, "{price}: off by {off}");
        }
    }

    #[test]
    fn ether_is_worth_its_price() {
        let ten = U256::from(10_u64.pow(19));
        assert_eq!(dollars(ten, 1_750 * USD).unwrap(), U256::from(17_500_000_000_u64));
    }

    /// The pool's own formula, applied to the solved input, must give the wanted proportion.
    #[test]
    fn the_input_reaches_the_proportion() {
        let (x, y) =
            (U256::from(20_000) * U256::from(10_u64.pow(18)), U256::from(40_u64 * 10_u64.pow(12)));
        let scale = U256::from(WEI_PRICE_PER_USDC);
        for price in [1_990 * USD, 1_500 * USD, 100 * USD] {
            let input = v2_input(x, y, scale, U256::from(price)).unwrap().unwrap();
            let left = y - v2_output(x, y, input).unwrap();
            let reached = left * scale / (x + input);
            let off = reached.abs_diff(U256::from(price));
            assert!(off * U256::from(1_000_000) < U256::from(price), "{price}: {reached}");
        }
    }

    #[test]
    fn the_other_side_is_asked_when_there_is_enough() {
        let (x, y) =
            (U256::from(20_000) * U256::from(10_u64.pow(18)), U256::from(40_u64 * 10_u64.pow(12)));
        let scale = U256::from(WEI_PRICE_PER_USDC);
        assert_eq!(v2_input(x, y, scale, U256::from(2_100 * USD)).unwrap(), None);
        assert!(v2_input(y, x, U256::from(2_100 * USD), scale).unwrap().is_some());
    }
}
