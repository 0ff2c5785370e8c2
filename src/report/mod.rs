//! Renders events and the report folded from them: terminal, progress, JSON.
