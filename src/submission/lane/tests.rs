mod bench;
mod private;
mod random;
mod scenarios;
mod sim;
mod trouble;
mod upkeep;
