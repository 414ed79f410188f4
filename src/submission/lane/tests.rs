mod bench;
mod random;
mod scenarios;
mod sim;
mod trouble;
mod upkeep;
