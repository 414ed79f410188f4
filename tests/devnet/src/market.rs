//! The market: one price everywhere, moved at once.
//!
//! A strategy computes with the Chainlink feed, Compound with its own oracle, and the trade happens
//! in a pool. If they moved in different blocks, a keeper that looks in between would see trades
//! fail on slippage. So one transaction moves all four, through Multicall3, which therefore holds
//! the market's purse: this works in every mining mode, and no keeper's nonce is involved.

use alloy::{
    primitives::{
        Address, Bytes, I256, U256, U512,
        aliases::{U24, U80, U160},
        utils::parse_ether,
    },
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result, bail, ensure};

use crate::{
    Deployment, Node, Product, Tokens, Uniswap, V2_EXCHANGE, V3_EXCHANGE,
    accounts::{MARKET, OPERATOR},
    batch::Batch,
    contracts::{
        ICompoundOracle, IFeed, IStrategy, IToken, IUniswapV2Pair, IUniswapV2Router,
        IUniswapV3Pool, IUniswapV3Router,
    },
};

/// The purse: a million ether and a hundred thousand million dollars, far more than a move from
/// two thousand dollars to a hundred and back takes.
const PURSE_WETH: &str = "1000000";
const PURSE_USDC: u64 = 100_000_000_000_000_000;
/// A dollar, as a price: prices have 8 decimals, so $1,750 is `1_750 * USD`.
pub const USD: u64 = 100_000_000;
/// Keeps every intermediate product of the price formulas within 256 bits: a million dollars.
pub(crate) const MAX_PRICE: u64 = 1_000_000 * USD;
/// Wei times a price of 8 decimals, in dollars of 6 decimals.
const WEI_PRICE_PER_USDC: u128 = 100_000_000_000_000_000_000;
/// What Uniswap V2 keeps of an input: 3 of 1,000.
const V2_KEEPS: u64 = 997;

/// What a strategy says is due on an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// `rebalance`.
    Rebalance,
    /// `iterateRebalance`.
    Iterate,
    /// `ripcord`.
    Ripcord,
}

/// Moves prices and reads strategies.
#[derive(Debug, Clone)]
pub struct Market {
    node: Node,
    deployment: Deployment,
}

impl Market {
    /// The market of a deployment, on the node that has it.
    #[must_use]
    pub fn new(node: Node, deployment: Deployment) -> Self {
        Self { node, deployment }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The price of the Chainlink feed, in US dollars per ether with 8 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn price(&self) -> Result<u64> {
        let answer = self.node.read(self.deployment.feeds.eth_usd, IFeed::latestAnswerCall {});
        Ok(answer.await?.try_into()?)
    }

    /// Moves feed, Compound oracle and both pools to a price (US dollars per ether, 8 decimals) in
    /// one block and waits for it; returns the block's number. With manual mining it mines that
    /// block, otherwise it leaves that to the node.
    ///
    /// # Errors
    ///
    /// If the price is zero or above a million dollars, or a pool was traded in the same moment so
    /// that its move fails.
    pub async fn set_price(&self, eth_usd: u64) -> Result<u64> {
        ensure!((1..=MAX_PRICE).contains(&eth_usd), "no price between 0 and a million dollars");
        let mut calls = self.oracle_calls(eth_usd).await?;
        calls.extend(self.v3_call(eth_usd).await?);
        calls.extend(self.v2_call(eth_usd).await?);
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// Moves the feed alone (US dollars per ether, 8 decimals): what a keeper meets when pools have
    /// not followed.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn set_feed_only(&self, eth_usd: u64) -> Result<u64> {
        let calls = self.oracle_calls(eth_usd).await?;
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// Moves the pools of these exchanges alone (US dollars per ether, 8 decimals): trades there meet
    /// more or less slippage than the feed lets a strategy expect.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price), and if an exchange is unknown.
    pub async fn set_pools_only(&self, exchanges: &[&str], eth_usd: u64) -> Result<u64> {
        ensure!((1..=MAX_PRICE).contains(&eth_usd), "no price between 0 and a million dollars");
        let mut calls = Vec::new();
        for exchange in exchanges {
            calls.extend(match *exchange {
                V3_EXCHANGE => self.v3_call(eth_usd).await?,
                V2_EXCHANGE => self.v2_call(eth_usd).await?,
                other => bail!("no exchange is called {other}"),
            });
        }
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// The product's current leverage ratio, 18 decimals.
    ///
    /// # Errors
    ///
    /// If the strategy refuses to say.
    pub async fn leverage_ratio(&self, product: &Product) -> Result<U256> {
        self.node.read(product.strategy, IStrategy::getCurrentLeverageRatioCall {}).await
    }

    /// What the strategy says is due, per exchange in its order.
    ///
    /// # Errors
    ///
    /// If the strategy refuses to say, or says something unknown.
    pub async fn should_rebalance(&self, product: &Product) -> Result<Vec<(String, Action)>> {
        let call = IStrategy::shouldRebalanceCall {};
        let answer = self.node.read(product.strategy, call).await?;
        let actions = answer.names.into_iter().zip(answer.actions).map(|(name, action)| {
            let action = match action {
                0 => Action::None,
                1 => Action::Rebalance,
                2 => Action::Iterate,
                3 => Action::Ripcord,
                other => bail!("{name} has the unknown action {other}"),
            };
            Ok((name, action))
        });
        actions.collect()
    }

    /// The ratio that an unfinished rebalance is heading for, 18 decimals; 0 if there is none.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn twap_leverage_ratio(&self, product: &Product) -> Result<U256> {
        self.node.read(product.strategy, IStrategy::twapLeverageRatioCall {}).await
    }

    /// When the strategy last traded on any exchange, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn last_trade(&self, product: &Product) -> Result<u64> {
        let at = self.node.read(product.strategy, IStrategy::globalLastTradeTimestampCall {});
        Ok(at.await?.try_into()?)
    }

    /// Puts callers on the product's allow list or takes them off.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn set_caller_status(
        &self,
        product: &Product,
        callers: &[Address],
        allowed: bool,
    ) -> Result<()> {
        let statuses = vec![allowed; callers.len()];
        let call = IStrategy::updateCallerStatusCall { callers: callers.to_vec(), statuses };
        self.operate(product, call).await
    }

    /// Sets the largest chunks of an exchange, in wei of collateral: of a rebalance and of a ripcord,
    /// where 0 switches the ripcord off.
    ///
    /// # Errors
    ///
    /// If the product does not trade there, or the transaction fails.
    pub async fn set_exchange_sizes(
        &self,
        product: &Product,
        exchange: &str,
        rebalance: U256,
        ripcord: U256,
    ) -> Result<()> {
        let call = IStrategy::getExchangeSettingsCall { name: exchange.to_owned() };
        let mut settings = self.node.read(product.strategy, call).await?;
        settings.twapMaxTradeSize = rebalance;
        settings.incentivizedTwapMaxTradeSize = ripcord;
        let exchange = exchange.to_owned();
        let call = IStrategy::updateEnabledExchangeCall { exchangeName: exchange, settings };
        self.operate(product, call).await
    }

    /// Any call of the product's strategy by its operator.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn operate<C: SolCall>(&self, product: &Product, call: C) -> Result<()> {
        self.node.transact(OPERATOR, product.strategy, call).await?;
        Ok(())
    }

    /// A new round of the feed, dated by the newest block, and the same price for Compound.
    pub(crate) async fn oracle_calls(&self, eth_usd: u64) -> Result<Vec<IMulticall3::Call3>> {
        let Deployment { feeds, compound, .. } = &self.deployment;
        let last = self.node.read(feeds.eth_usd, IFeed::latestRoundDataCall {}).await?;
        let round = last.roundId.checked_add(U80::from(1)).ok_or_eyre("too many rounds")?;
        let now = U256::from(self.node.head().await?.timestamp);
        let feed = IFeed::setRoundDataCall {
            roundId: round,
            answer: I256::try_from(eth_usd)?,
            startedAt: now,
            updatedAt: now,
            answeredInRound: round,
        };
        let price = ether_price(eth_usd);
        let oracle = ICompoundOracle::setUnderlyingPriceCall { cToken: compound.c_ether, price };
        Ok(vec![through(feeds.eth_usd, &feed), through(compound.oracle, &oracle)])
    }

    /// A swap of as much as it takes to reach the price, or none if it is there.
    pub(crate) async fn v3_call(&self, eth_usd: u64) -> Result<Option<IMulticall3::Call3>> {
        let Deployment { tokens, uniswap, .. } = &self.deployment;
        let target = sqrt_price(tokens, eth_usd)?;
        let pool = self.node.read(uniswap.v3_pool, IUniswapV3Pool::slot0Call {}).await?;
        if pool.sqrtPriceX96 == target {
            return Ok(None);
        }
        let (token0, token1) = (tokens.weth.min(tokens.usdc), tokens.weth.max(tokens.usdc));
        let down = target < pool.sqrtPriceX96;
        let (sold, bought) = if down { (token0, token1) } else { (token1, token0) };
        let params = IUniswapV3Router::ExactInputSingleParams {
            tokenIn: sold,
            tokenOut: bought,
            fee: U24::from(uniswap.v3_fee),
            recipient: MULTICALL3_ADDRESS,
            deadline: U256::MAX,
            amountIn: purse(tokens, sold)?,
            amountOutMinimum: U256::ZERO,
            sqrtPriceLimitX96: target,
        };
        let swap = IUniswapV3Router::exactInputSingleCall { params };
        Ok(Some(through(uniswap.v3_router, &swap)))
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
        let swap = IUniswapV2Router::swapExactTokensForTokensCall {
            amountIn: amount,
            amountOutMin: U256::ZERO,
            path: vec![sold, bought],
            to: MULTICALL3_ADDRESS,
            deadline: U256::MAX,
        };
        Ok(Some(through(uniswap.v2_router, &swap)))
    }
}

/// Fills the market's purse, and lets both routers take from it.
pub(crate) async fn endow(batch: &mut Batch<'_>, tokens: &Tokens, uniswap: &Uniswap) -> Result<()> {
    let mut calls = Vec::new();
    for token in [tokens.weth, tokens.usdc] {
        let amount = purse(tokens, token)?;
        batch.call(token, IToken::transferCall { to: MULTICALL3_ADDRESS, amount }).await?;
        for spender in [uniswap.v2_router, uniswap.v3_router] {
            calls.push(through(token, &IToken::approveCall { spender, amount: U256::MAX }));
        }
    }
    batch.call(MULTICALL3_ADDRESS, IMulticall3::aggregate3Call { calls }).await
}

fn purse(tokens: &Tokens, token: Address) -> Result<U256> {
    Ok(if token == tokens.weth { parse_ether(PURSE_WETH)? } else { U256::from(PURSE_USDC) })
}

/// One step of a transaction that Multicall3 makes.
pub(crate) fn through<C: SolCall>(target: Address, call: &C) -> IMulticall3::Call3 {
    IMulticall3::Call3 { target, allowFailure: false, callData: Bytes::from(call.abi_encode()) }
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
