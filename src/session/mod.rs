//! Signed in, and staying so: one session for each provider of a run.
