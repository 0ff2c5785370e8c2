//! Shared words of every layer: no I/O, no clock.
