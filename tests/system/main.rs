//! The package as people use it: installed with apt on a real Debian that was booted with systemd, and what arrives in
//! root's mailbox. `tests/system/bed` makes that Debian; where it cannot, the tests say that they were left out.

// Boots a Debian.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs, and wait by the real clock")]

#[path = "../support/mod.rs"]
mod support;

/// A figure for the log of the tests, of those that pass too: what is printed as usual is shown only for those that fail.
macro_rules! note {
    ($($word:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($word)*);
    }};
}

mod host;
mod package;

/// What needs a booted Debian. The tests take minutes and do little but wait: scripts/test-booted runs more of them at a time
/// than the machine has processors, and `scripts/test-booted` knows them by this name.
mod booted {
    mod alarms;
    mod install;
    mod mail_routes;
    mod parity;
    mod quiet;
    mod supervision;
    mod telemetry;
    mod upgrades;
}
