//! `runner` runs YAML playbooks against authenticated HTTP APIs.
//!
//! The folders are the stations of the data: YAML text -> [`document`] (spans) -> [`plan`] (typed, every name resolved) ->
//! [`engine`] -> [`event`]s -> [`report`]s. Nothing is sent before the whole plan is checked.

pub mod calendar;
pub mod cli;
pub mod credential;
pub mod document;
pub mod engine;
pub mod event;
pub mod exchange;
pub mod journal;
pub mod model;
pub mod plan;
pub mod port;
pub mod report;
pub mod schedule;
pub mod session;
pub mod simulate;
pub mod source;
pub mod system;
pub mod template;
