//! What the package brings, as far as it can be tested without installing it; `tests/system/package-cycle` does the rest.

// The packages of Linux; the installer of Windows: tests/windows/life.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use host_watchdog::policy::Policy;
use host_watchdog::settings::parse_settings;

const SETTINGS: &str = include_str!("../packaging/watchdog.toml");

#[test]
fn the_settings_of_the_package_are_valid_and_observe_for_a_week() {
    parse_settings("watchdog.toml", SETTINGS).unwrap();
    assert_eq!(SETTINGS.lines().filter(|line| *line == "observe = \"7d\"").count(), 1);
    // The package's scripts look for it above all tables.
    let above = SETTINGS.split("\n[").next().unwrap();
    assert!(above.contains("\nobserve = "));
}

#[test]
fn each_example_in_the_settings_of_the_package_is_valid() {
    let is_example = |line: &str| {
        line.starts_with('[') || line.split_once('=').is_some_and(|(key, _)| !key.trim().contains(' '))
    };
    let examples: Vec<&str> = SETTINGS
        .lines()
        .filter(|line| !line.starts_with("to ") && !line.starts_with("via "))
        .map(|line| line.strip_prefix("# ").filter(|text| is_example(text)).unwrap_or(line))
        .collect();
    let examples = examples.join("\n");
    for key in ["to  = [\"root\", ", "[mail.smtp]\nhost ", "[schedule]\nprocess", "[alerts]\nremind"] {
        assert!(examples.contains(key), "{examples}");
    }
    parse_settings("watchdog.toml", &examples).unwrap();
}

#[test]
fn the_first_entry_of_the_changelog_is_of_this_version() {
    let changelog = include_str!("../packaging/debian/changelog");
    let first = changelog.lines().next().unwrap();
    assert!(first.starts_with(&format!("host-watchdog ({}-", env!("CARGO_PKG_VERSION"))), "{first}");
}

#[test]
fn the_policies_that_are_shipped_are_the_ones_in_the_program() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = format!("schema = 1\ninclude = [{name:?}]\n");
        assert!(Policy::from_text("policy.toml", &text).is_ok(), "{name} is not in the program");
    }
}
