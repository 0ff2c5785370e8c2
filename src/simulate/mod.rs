//! The providers as servers on loopback, written from their published facts.
