//! Whole runs on a world made by hand.

mod breaker;
mod case;
mod cleanup;
mod flow;
mod lists;
mod once;
mod ping;
mod polling;
mod repetition;
mod sayable;
mod sign_in;
