//! Whole runs on a world made by hand.

mod case;
mod cleanup;
mod flow;
mod lists;
mod once;
mod polling;
mod repetition;
mod sign_in;
