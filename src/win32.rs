//! What Windows must be asked in its own language: each file wraps the calls of one kind so that nothing outside of this
//! module is unsafe.

#![allow(unsafe_code, reason = "the one place where Windows itself is called; each block says why it may")]

pub mod file;
pub mod folder;
pub mod host;
pub mod process;
pub mod security;
mod text;
