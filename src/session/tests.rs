//! Sessions as a whole, on a world made by hand.

mod bench;
mod closing;
mod credential_lock;
mod credentials;
mod intent;
mod ledger;
mod login;
mod refusals;
mod renewal;
mod sayable;
mod server;
