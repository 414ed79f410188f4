//! Prices and pools.

use alloy::{
    eips::BlockId,
    primitives::{Address, U256},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
};
use eyre::{OptionExt as _, Result, ensure};

use super::IndexMarket;
use crate::{
    IndexComponent, Market, Place,
    accounts::ARBITRAGEUR,
    contracts::{IToken, IUniswapV2Pair, IUniswapV3Pool},
    deploy::index::{ETHER_DECIMALS, pools::Price},
    market::{MAX_PRICE, USD, next_round, v2_input, v2_output, v2_swap, v3_swap, v3_way},
};

/// A whole, in hundredths.
const WHOLE: u64 = 100;
/// Decimals of the dollar token.
const USDC_DECIMALS: u8 = 6;

impl IndexMarket {
    /// Brings every pool back to what the feeds say, as arbitrage does when time passes, and gives each
    /// feed a round of now; returns the block. With manual mining it mines that block. What waits for
    /// that block already comes before it, and is reckoned with.
    ///
    /// # Errors
    ///
    /// If a pool was traded in the same moment so that its move fails.
    pub async fn arbitrage(&self) -> Result<u64> {
        self.arbitrage_but(&[]).await
    }

    /// The same, with the pools of these left where they are.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn arbitrage_but(&self, symbols: &[&str]) -> Result<u64> {
        self.settle(&[], symbols).await
    }

    /// Gives components other prices, in US dollars with 8 decimals, on their feeds and in their pools;
    /// all else is as with [`arbitrage`](Self::arbitrage).
    ///
    /// # Errors
    ///
    /// As there, and if a symbol is unknown or a price out of range.
    pub async fn set_prices(&self, prices: &[(&str, u64)]) -> Result<u64> {
        for (symbol, usd) in prices {
            self.component(symbol)?;
            ensure!((1..=MAX_PRICE).contains(usd), "no price between 0 and a million dollars");
        }
        self.settle(prices, &[]).await
    }

    async fn settle(&self, prices: &[(&str, u64)], but: &[&str]) -> Result<u64> {
        let market = Market::new(self.node.clone(), self.deployment.clone());
        let eth_usd = market.price().await?;
        let mut calls = market.oracle_calls(eth_usd).await?;
        calls.extend(self.move_dollars(eth_usd).await?);
        for component in &self.index.components {
            let given = prices.iter().find(|(symbol, _)| *symbol == component.symbol);
            let usd = match given {
                Some((_, usd)) => *usd,
                None => self.price(component).await?,
            };
            calls.push(self.round(component, usd).await?);
            if !but.contains(&component.symbol.as_str()) {
                calls.extend(self.move_pool(component, usd, eth_usd).await?);
            }
        }
        self.send(calls).await
    }

    /// Gives a component's feed another price (US dollars, 8 decimals) and leaves its pool where it is.
    ///
    /// # Errors
    ///
    /// If the symbol is unknown or the transaction fails.
    pub async fn set_feed_only(&self, symbol: &str, usd: u64) -> Result<u64> {
        let component = self.component(symbol)?;
        self.send(vec![self.round(component, usd).await?]).await
    }

    /// What a whole component is worth by its own pool, in US dollars with 8 decimals, cut off; the other
    /// token of the pool at what its feed says. In the block that would be made next.
    ///
    /// # Errors
    ///
    /// If the symbol is unknown or the node does not answer.
    pub async fn pool_price(&self, symbol: &str) -> Result<u64> {
        let component = self.component(symbol)?;
        let (token, weth) = (component.token, self.deployment.tokens.weth);
        let (others, tokens, other) = match component.place {
            Place::Pool { pool, .. } => {
                let slot0 = self.slot0(pool).await?;
                // Half the fixed point's bits are enough: 2^48 stands for one.
                let (root, one) =
                    (U256::from(slot0.sqrtPriceX96) >> 48_usize, U256::from(1) << 48_usize);
                if token < weth { (root, one, weth) } else { (one, root, weth) }
            }
            Place::Pair { pair, other, .. } => {
                let (tokens, others) = self.reserves(pair, token, other).await?;
                (others, tokens, other)
            }
        };
        let squares = |x: U256| {
            if matches!(component.place, Place::Pool { .. }) { x.saturating_mul(x) } else { x }
        };
        let (usd, decimals) = if other == weth {
            let market = Market::new(self.node.clone(), self.deployment.clone());
            (market.price().await?, ETHER_DECIMALS)
        } else {
            (USD, USDC_DECIMALS)
        };
        let ten = |exponent: u8| U256::from(10).saturating_pow(U256::from(exponent));
        let over = squares(others)
            .checked_mul(U256::from(usd))
            .and_then(|x| x.checked_mul(ten(component.decimals)));
        let under = squares(tokens).checked_mul(ten(decimals));
        let price = over.zip(under).and_then(|(over, under)| over.checked_div(under));
        Ok(price.ok_or_eyre("no such price")?.try_into()?)
    }

    async fn slot0(&self, pool: Address) -> Result<IUniswapV3Pool::slot0Return> {
        self.node.read_at(pool, IUniswapV3Pool::slot0Call {}, BlockId::pending()).await
    }

    /// Of a pair: how much it has of the first token, and of the second.
    async fn reserves(
        &self,
        pair: Address,
        first: Address,
        second: Address,
    ) -> Result<(U256, U256)> {
        let call = IUniswapV2Pair::getReservesCall {};
        let reserves = self.node.read_at(pair, call, BlockId::pending()).await?;
        let (low, high) = (U256::from(reserves.reserve0), U256::from(reserves.reserve1));
        Ok(if first < second { (low, high) } else { (high, low) })
    }

    /// Takes a component's pool away from its price: to so many hundredths of what the feed says. An
    /// outsider does, with a swap as large as it takes; [`arbitrage`](Self::arbitrage) undoes it.
    ///
    /// # Errors
    ///
    /// If the symbol is unknown, or the transaction fails.
    pub async fn manipulate(&self, symbol: &str, hundredths: u64) -> Result<u64> {
        let component = self.component(symbol)?;
        let price = self.price(component).await?;
        let wanted = price.checked_mul(hundredths).and_then(|p| p.checked_div(WHOLE));
        let wanted = wanted.ok_or_eyre("no such price")?;
        let market = Market::new(self.node.clone(), self.deployment.clone());
        let call = self.move_pool(component, wanted, market.price().await?).await?;
        self.send(vec![call.ok_or_eyre("the pool is there")?]).await
    }

    /// Behind everything that waits, as it offers the least that the next block takes; so the base fee must
    /// not be set by hand.
    async fn send(&self, calls: Vec<IMulticall3::Call3>) -> Result<u64> {
        let most = self.node.next_base_fee().await?.saturating_add(1);
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact_for(most, ARBITRAGEUR, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// A new round of a component's feed, dated by the newest block.
    async fn round(&self, component: &IndexComponent, usd: u64) -> Result<IMulticall3::Call3> {
        next_round(&self.node, component.feed, usd).await
    }

    /// A swap of as much as it takes to bring a component's pool to a price, or none if it is there.
    async fn move_pool(
        &self,
        component: &IndexComponent,
        usd: u64,
        eth_usd: u64,
    ) -> Result<Option<IMulticall3::Call3>> {
        let weth = self.deployment.tokens.weth;
        let in_ether = Price::of(usd, component.decimals, eth_usd, ETHER_DECIMALS);
        match component.place {
            Place::Pool { pool, fee } => self.move_v3(component.token, pool, fee, in_ether).await,
            Place::Pair { router, pair, other } => {
                let in_dollars = Price::of(usd, component.decimals, USD, USDC_DECIMALS);
                let price = if other == weth { in_ether } else { in_dollars };
                self.move_v2(component.token, other, (router, pair), price).await
            }
        }
    }

    /// The pair through which some components are traded: that of dollars and ether.
    async fn move_dollars(&self, eth_usd: u64) -> Result<Option<IMulticall3::Call3>> {
        let (tokens, uniswap) = (&self.deployment.tokens, &self.deployment.uniswap);
        let exchange = (uniswap.v2_router, uniswap.v2_pair);
        let price = Price::of(USD, USDC_DECIMALS, eth_usd, ETHER_DECIMALS);
        self.move_v2(tokens.usdc, tokens.weth, exchange, price).await
    }

    async fn move_v3(
        &self,
        token: Address,
        pool: Address,
        fee: u32,
        price: Price,
    ) -> Result<Option<IMulticall3::Call3>> {
        let weth = self.deployment.tokens.weth;
        let target = price.root(token, weth)?;
        let slot0 = self.slot0(pool).await?;
        if slot0.sqrtPriceX96 == target {
            return Ok(None);
        }
        let way = v3_way([token, weth], slot0.sqrtPriceX96, target);
        let owner = MULTICALL3_ADDRESS;
        let purse = self.node.read(way.0, IToken::balanceOfCall { owner }).await?;
        Ok(Some(v3_swap(&self.deployment.uniswap, way, fee, purse, target)))
    }

    async fn move_v2(
        &self,
        token: Address,
        other: Address,
        (router, pair): (Address, Address),
        price: Price,
    ) -> Result<Option<IMulticall3::Call3>> {
        let (tokens, others) = self.reserves(pair, token, other).await?;
        let Price { others: over, tokens: under } = price;
        let sides = [
            (token, tokens, other, others, under, over),
            (other, others, token, tokens, over, under),
        ];
        for (sold, into, bought, out_of, over_a, over_b) in sides {
            let Some(amount) = v2_input(into, out_of, over_a, over_b)? else { continue };
            // Too little to buy a base unit with, which the pool refuses: the price is there.
            if v2_output(into, out_of, amount)?.is_zero() {
                return Ok(None);
            }
            return Ok(Some(v2_swap(router, (sold, bought), amount)));
        }
        Ok(None)
    }
}
