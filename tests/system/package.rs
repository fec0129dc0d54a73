//! The packages by themselves: each script beside this file plays one of them through and says what went wrong.

use crate::host::can_boot;
use std::process::{Command, Stdio};

fn plays_through(script: &str) {
    if !can_boot() {
        return;
    }
    let script = format!("{}/tests/system/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&script).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{said}", output.status);
    println!("{said}");
}

#[test]
fn lintian_has_nothing_to_say() {
    plays_through("package-lint");
}

#[test]
fn installed_upgraded_downgraded_removed_and_purged_it_leaves_nothing_of_its_own() {
    plays_through("package-cycle");
}

#[test]
fn apt_takes_it_from_a_signed_repository_and_refuses_what_was_tampered_with() {
    plays_through("package-repository");
}

#[test]
fn the_rpm_brings_the_same_files() {
    plays_through("package-rpm");
}
