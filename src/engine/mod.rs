//! Executes a plan: the one loop over steps, attempts, rows, cleanup. Emits events.
