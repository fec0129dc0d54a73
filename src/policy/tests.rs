#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

mod files;

use super::*;
use expect_test::{Expect, expect};
use std::fs;

/// What is said of a policy with this text in `policy.toml`.
fn error(text: &str, expected: &Expect) {
    let error = Policy::from_text("policy.toml", text).map(|_| "no error").unwrap_err();
    expected.assert_eq(&format!("{}\n", without_keys(&error.to_string())));
}

/// An error without the list of the keys there are, so that a new key changes no test.
fn without_keys(error: &str) -> String {
    let short = |line: &str| match line.split_once(", expected one of") {
        Some((before, _)) => format!("{before}, expected one of …"),
        None => line.to_owned(),
    };
    error.lines().map(short).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_key_is_shown_at_every_level() {
    for (text, expected) in [
        (
            "schema = 1\ninclud = []",
            expect![[r#"
                policy.toml:2:1: unknown field `includ`, expected one of …
                  |
                2 | includ = []
                  | ^^^^^^
            "#]],
        ),
        (
            "schema = 1\n[[proces]]\nexe = \"/x\"",
            expect![[r#"
                policy.toml:2:3: unknown field `proces`, expected one of …
                  |
                2 | [[proces]]
                  |   ^^^^^^
            "#]],
        ),
        (
            "schema = 1\n\n[[process]]\nexe = \"/x\"\nuser = [\"root\"]",
            expect![[r#"
                policy.toml:5:1: unknown field `user`, expected one of …
                  |
                5 | user = ["root"]
                  | ^^^^
            "#]],
        ),
        (
            "schema = 1\n[updates]\nmax_age = \"3d\"",
            expect![[r#"
                policy.toml:3:1: unknown field `max_age`, expected one of …
                  |
                3 | max_age = "3d"
                  | ^^^^^^^
            "#]],
        ),
        (
            "schema = 1\n[resources]\ncpu = { max = \"90%\", fro = \"10m\" }",
            expect![[r#"
            policy.toml:3:22: unknown field `fro`, expected `max` or `for`
              |
            3 | cpu = { max = "90%", fro = "10m" }
              |                      ^^^
        "#]],
        ),
        (
            "schema = 1\n[[requests]]\nlog = \"/l\"\n[requests.limit]\nper = \"client\"\nmax = 1\nwithin = \"1h\"",
            expect![[r#"
                policy.toml:7:1: unknown field `within`, expected one of …
                  |
                7 | within = "1h"
                  | ^^^^^^
            "#]],
        ),
        (
            "schema = 1\nprocess = [{ exe = \"/x\" }, { exe = \"/y\", wy = \"z\" }]",
            expect![[r#"
                policy.toml:2:42: unknown field `wy`, expected one of …
                  |
                2 | process = [{ exe = "/x" }, { exe = "/y", wy = "z" }]
                  |                                          ^^
            "#]],
        ),
    ] {
        error(text, &expected);
    }
}

#[test]
fn a_wrong_value_is_shown_at_every_level() {
    for (text, expected) in [
        (
            "schema = 2",
            expect![[r#"
            policy.toml:1:10: schema 2 is not known to this version, which reads schema 1
              |
            1 | schema = 2
              |          ^
        "#]],
        ),
        (
            "schema = \"1\"",
            expect![[r#"
            policy.toml:1:10: invalid type: string "1", expected u64
              |
            1 | schema = "1"
              |          ^^^
        "#]],
        ),
        (
            "schema = 1\ninclude = [\"nginks\"]",
            expect![[r#"
                policy.toml:2:12: there is no ready-made policy "nginks"; there are: apache, debian-base, dma, exim4, host-watchdog, iis, mariadb, nginx, opensmtpd, openssh, postfix, rdp, windows-server (a file is named with its ending, "nginks.toml")
                  |
                2 | include = ["nginks"]
                  |            ^^^^^^^^
            "#]],
        ),
        (
            "schema = 1\ninclude = [7]",
            expect![[r#"
            policy.toml:2:12: invalid type: integer `7`, expected a string
              |
            2 | include = [7]
              |            ^
        "#]],
        ),
        (
            "schema = 1\n[updates]\nmax-age = \"3 days\"",
            expect![[r#"
            policy.toml:3:11: "3 days" is not a length of time: write a whole number and s, m, h, d or w, like "10m"
              |
            3 | max-age = "3 days"
              |           ^^^^^^^^
        "#]],
        ),
        (
            "schema = 1\n[resources]\ncpu = { max = \"900%\", for = \"10m\" }",
            expect![[r#"
            policy.toml:3:15: "900%" is not a share: write a number from 0 to 100 and %, like "90%"
              |
            3 | cpu = { max = "900%", for = "10m" }
              |               ^^^^^^
        "#]],
        ),
        (
            "schema = 1\n[[process]]\nexe = \"/x\"\ncount = \"4..2\"",
            expect![[r#"
            policy.toml:4:9: "4..2" is not an amount: write "1..", "..3", "2..4" or "2"
              |
            4 | count = "4..2"
              |         ^^^^^^
        "#]],
        ),
        (
            "schema = 1\n[[process]]\nexe = \"/x\"\nexpires = \"2026-02-30\"",
            expect![[r#"
                policy.toml:4:11: "2026-02-30" is not a date like 2026-12-31
                  |
                4 | expires = "2026-02-30"
                  |           ^^^^^^^^^^^^
            "#]],
        ),
        (
            "schema = 1\n[[process]]\nwhy = \"no exe\"",
            expect![[r#"
            policy.toml:2:1: missing field `exe`
              |
            2 | [[process]]
              | ^^^^^^^^^^^
        "#]],
        ),
        (
            "[[process]]\nexe = \"/x\"",
            expect![[r#"
            policy.toml:1:1: missing field `schema`
              |
            1 | [[process]]
              | ^
        "#]],
        ),
        (
            "schema = 1\nschema = 1",
            expect![[r#"
            policy.toml:2:1: duplicate key
              |
            2 | schema = 1
              | ^^^^^^
        "#]],
        ),
        (
            "schema = 1\n[[process]\nexe = 1",
            expect![[r#"
            policy.toml:2:11: unclosed array table, expected `]`
              |
            2 | [[process]
              |           ^
        "#]],
        ),
        (
            "schema = 1\n[updates]\nwhy = \"a\u{1b}[2Jb\"",
            expect![[r#"
            policy.toml:3:9: invalid basic string, expected non-double-quote visible characters, `\`
              |
            3 | why = "a\x1b[2Jb"
              |         ^
        "#]],
        ),
    ] {
        error(text, &expected);
    }
}
