//! `runner` runs YAML playbooks against authenticated HTTP APIs.
pub mod model;
pub mod source;
pub mod template;
pub mod document;

pub mod simulate;
