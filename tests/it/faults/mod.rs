//! What a run must survive: one test for each line of `docs/survival.md`, over real sockets, files, clocks and signals.
//! Written from what the program promises, not from how it is made.

mod api;
mod clocks;
mod host;
mod network;
mod protocol;
mod server;
mod state;
mod table;
