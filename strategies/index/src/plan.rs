//! From a methodologist's weights to the units that a manager's operator signs.
//!
//! Reading order: [`input`] (the files) → [`state`] (the index at a block) → [`units`] (weights and
//! prices into units) → [`work`](mod@work) (what has to be traded) → [`show`] and [`html`]
//! (for people).

pub mod html;
pub mod input;
pub mod market;
pub mod prices;
pub mod show;
pub mod state;
pub mod units;
pub mod work;

use alloy::{
    hex,
    primitives::{Address, Bytes, U256},
    sol_types::SolCall as _,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{contracts::IExtension::startRebalanceWithUnitsCall, plan::work::Work};

/// A plan with everything that it was made from.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The chain, by its name in the configuration.
    pub chain: String,
    /// Its id.
    pub chain_id: u64,
    /// The block that everything was read at.
    pub block: u64,
    /// Its hash.
    pub block_hash: String,
    /// Its time, seconds since 1970.
    pub block_timestamp: u64,
    /// What the index's token calls itself.
    pub symbol: String,
    /// The index's token.
    pub set_token: Address,
    /// The module that trades.
    pub module: Address,
    /// The extensions in front of the module that the index's manager lists: one of them is called.
    pub extensions: Vec<Address>,
    /// Who operates the manager, and so signs; `None` if the manager does not say.
    pub operator: Option<Address>,
    /// Supply in whole tokens.
    pub supply: String,
    /// What is left out for the cost of trading, percent.
    pub haircut: String,
    /// Where the weights came from.
    pub weights: Source,
    /// Where the prices came from.
    pub prices: Source,
    /// What follows.
    #[serde(flatten)]
    pub work: Work,
    /// What starts it.
    pub call: StartCall,
}

/// A file that a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// As it was named.
    pub file: String,
    /// Of its bytes, so that what was planned can be told from what was published.
    pub sha256: String,
}

impl Source {
    /// Of a file's bytes.
    pub fn of(file: &str, bytes: &[u8]) -> Self {
        Self { file: file.to_owned(), sha256: hex::encode(Sha256::digest(bytes)) }
    }
}

/// The call of the manager's extension that starts the rebalance.
#[derive(Debug, Serialize)]
pub struct StartCall {
    /// All components that the index holds, and the new ones.
    pub components: Vec<Address>,
    /// The unit of each; 0 removes it.
    pub target_units: Vec<String>,
    /// The multiplier that the units belong to.
    pub position_multiplier: String,
    /// Calldata.
    pub data: Bytes,
}

impl StartCall {
    /// Of a plan's rows: no component twice, none missing, as the rows themselves are.
    pub fn of(work: &Work) -> Self {
        let components: Vec<Address> = work.rows.iter().map(|row| row.address).collect();
        let units: Vec<U256> = work.rows.iter().map(|row| row.target_unit).collect();
        let call = startRebalanceWithUnitsCall {
            components: components.clone(),
            targetUnits: units.clone(),
            positionMultiplier: work.position_multiplier,
        };
        Self {
            components,
            target_units: units.iter().map(U256::to_string).collect(),
            position_multiplier: work.position_multiplier.to_string(),
            data: call.abi_encode().into(),
        }
    }
}
