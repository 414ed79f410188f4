//! A started rebalance traded to its end by the keeper, on the published module, adapters and pools:
//! eight components and a new one, of 6, 8 and 18 decimals, on V2 directly and through dollars, on
//! Sushiswap and on V3 with three fees, in deep pools and thin ones.
//!
//! The test makes the blocks. One that holds a trade brings the pools back to their prices behind it;
//! where the keeper waits, the chain's clock goes on past every cool-off.

mod anew;
mod bent;
mod books;
mod dear;
mod disturbed;
mod settings;
mod settled;
mod stage;
mod told;
mod unknown;
mod whole;
mod withdrawn;
