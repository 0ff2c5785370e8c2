//! `runner` runs YAML playbooks against authenticated HTTP APIs.
pub mod model;
pub mod simulate;
