//! The simulators against the published facts: one short test for each, called without `runner`'s own client.

mod caller;
mod control;
mod echome;
mod emnify;
mod simpleiot;
mod soracom;
