//! The one integration test binary.
mod simulators;
