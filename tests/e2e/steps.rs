//! Blocks made by the test one at a time, each only after the keeper has dealt with the last: what
//! it does then depends on nothing but the blocks.

use ballast_test_support::KeeperProcess;
use eyre::Result;

use crate::harness::{DEADLINE, http_base};

/// Counts one product's decisions, of which there is one for each block.
pub(crate) struct Steps {
    client: reqwest::Client,
    base: String,
    product: String,
    decided: u64,
}

impl Steps {
    /// Waits for the first decision of `product`, at the block that the keeper started at.
    pub(crate) async fn of(keeper: &KeeperProcess, product: &str) -> Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let (client, base) = (reqwest::Client::new(), http_base(keeper).await?);
        let mut steps = Self { client, base, product: product.to_owned(), decided: 0 };
        steps.follow(keeper, 1).await?;
        Ok(steps)
    }

    /// Waits until the keeper has decided about, and acted on, so many further blocks.
    pub(crate) async fn follow(&mut self, keeper: &KeeperProcess, blocks: u64) -> Result<()> {
        let expected = self.decided + blocks;
        let dealt_with = async || -> Result<()> {
            let decided = self.decisions().await?;
            eyre::ensure!(decided >= expected, "{decided} decisions of {expected}");
            Ok(())
        };
        let waited = ballast_test_support::wait_until("a decision", DEADLINE, dealt_with).await;
        waited.map_err(|error| keeper.failure(&error.to_string()))?;
        self.decided = expected;
        Ok(())
    }

    /// Of all kinds, by the keeper's own metrics.
    async fn decisions(&self) -> Result<u64> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let ours = format!("product=\"{}\"", self.product);
        let counts = text
            .lines()
            .filter(|line| line.starts_with("ballast_decisions_total{") && line.contains(&ours))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }
}
