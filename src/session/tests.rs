//! Sessions as a whole, on a world made by hand.

mod bench;
mod closing;
mod credentials;
mod login;
mod renewal;
mod sayable;
mod server;
