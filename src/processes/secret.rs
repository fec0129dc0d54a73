//! Secrets in command lines.
