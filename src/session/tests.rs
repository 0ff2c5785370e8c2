//! Sessions as a whole, on a world made by hand.

mod bench;
mod renewal;
mod sayable;
