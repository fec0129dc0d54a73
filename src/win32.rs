//! What Windows must be asked in its own language: each file wraps the calls of one kind so that nothing outside of this
//! module is unsafe.

#![allow(unsafe_code, reason = "the one place where Windows itself is called; each block says why it may")]

pub mod account;
pub mod accounts;
pub mod alive;
pub mod audit;
pub mod drive;
pub mod environment;
mod error;
pub mod event_log;
pub mod event_report;
pub mod file;
pub mod folder;
mod handle;
pub mod host;
pub mod job;
pub mod listener;
pub mod log_size;
pub mod memory;
pub mod own_folder;
mod owner;
pub mod privilege;
pub mod process;
pub mod process_list;
pub mod ram;
pub mod registry;
pub mod registry_key;
pub mod security;
pub mod service;
pub mod service_main;
pub mod service_state;
pub mod session;
pub mod sid;
mod text;
pub mod trust;
pub mod update_agent;
pub mod usage;
pub mod volume;
