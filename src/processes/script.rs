//! Which script an interpreter runs.
