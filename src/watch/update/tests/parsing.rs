#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

use super::super::release::lists;
use super::super::sources::never_fetched;
use super::super::*;
use super::{at, now};
use crate::dpkg::Installed;
use crate::host::Host;
use expect_test::expect;
use proptest::prelude::*;
use std::fmt::Write as _;

#[test]
fn a_simulated_upgrade_says_what_waits() {
    let printed = b"Reading package lists...
The following packages have been kept back:
  linux-image-amd64
  docker-ce libfoo2
The following upgrades have been deferred due to phasing:
  snapd
The following NEW packages will be installed:
  brand-new
The following packages will be upgraded:
  openssl
3 upgraded, 1 newly installed, 0 to remove and 2 not upgraded.
Inst openssl [3.0.15-1] (3.0.17-1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst libperl5.36 [5.36.0-7+deb12u2] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64]) [perl:amd64 ]
Inst libc6:i386 [2.36] (2.37 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [i386]) []
Inst own-tool [1] (2 localhost [all])
Inst nosuite [1] (2 Debian-Security:stable-security [all])
Inst brand-new (1.0 Debian:12.15/oldstable [amd64])
Inst broken [1
Inst two words [1] (2 X [all])
Remv old-thing [1.0]
Conf openssl (3.0.17-1 Debian:12.15/oldstable [amd64])
";
    let simulation = parse_simulation(printed);
    let mut shown = String::new();
    for update in &simulation.updates {
        let Update { name, arch, installed, candidate, origins, security } = update;
        let _ = writeln!(shown, "{name} {arch} {installed} {candidate} {origins:?} {security}");
    }
    let _ = writeln!(shown, "kept back {:?}, phased {:?}", simulation.kept_back, simulation.phased);
    expect![[r#"
        libc6:i386 i386 2.36 2.37 ["Ubuntu:22.04/jammy-updates", "Ubuntu:22.04/jammy-security"] true
        libperl5.36 amd64 5.36.0-7+deb12u2 5.36.0-7+deb12u4 ["Debian-Security:12/oldstable-security"] true
        nosuite all 1 2 ["Debian-Security:stable-security"] true
        openssl amd64 3.0.15-1 3.0.17-1 ["Debian:12.15/oldstable", "Debian-Security:12/oldstable-security"] true
        own-tool all 1 2 ["localhost"] false
        kept back ["docker-ce", "libfoo2", "linux-image-amd64"], phased ["snapd"]
    "#]].assert_eq(&shown);
}

#[test]
fn a_security_update_below_a_later_one_is_seen() {
    let printed = b"openssl:
  Installed: 1.0
  Candidate: 1.2
  Version table:
     1.2 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/main amd64 Packages
     1.1 500
        500 http://security.ubuntu.com/ubuntu jammy-security/main amd64 Packages
 *** 1.0 500
        500 http://archive.ubuntu.com/ubuntu jammy/main amd64 Packages
        100 /var/lib/dpkg/status
bash:
  Installed: 5.1
  Candidate: 5.2
  Version table:
     5.2 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/main amd64 Packages
 *** 5.1 500
        500 http://security.ubuntu.com/ubuntu jammy-security/main amd64 Packages
        100 /var/lib/dpkg/status
     5.0 500
        500 http://security.ubuntu.com/ubuntu jammy-security/main amd64 Packages
";
    let found: Vec<String> = parse_version_tables(printed).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["openssl"]);
}

const RELEASE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
Date: Fri, 20 Nov 2026 00:12:41 UTC
Valid-Until: Fri, 27 Nov 2026 00:12:41 +0000
MD5Sum:
 88d9a063b78abc607f6ef743619bc22d              846 Packages
";

#[test]
fn a_release_file_says_whose_and_how_old_it_is() {
    let release = parse_release(RELEASE);
    assert_eq!(release.date, Some(at("2026-11-20T00:12:41Z")));
    assert_eq!(release.valid_until, Some(at("2026-11-27T00:12:41Z")));
    assert_eq!(release.name("file"), "Debian-Security bookworm-security");
    assert!(release.is_origin("Debian-Security:12/oldstable-security"));
    for other in ["Debian-Security:12/oldstable", "Debian:12/oldstable-security", "oldstable-security", ""] {
        assert!(!release.is_origin(other), "{other}");
    }
    let flat = parse_release(b"Suite: stable-security\nLabel: Debian-Security\nDate: yesterday");
    assert!(flat.is_origin("Debian-Security:stable-security") && flat.date.is_none());
    assert_eq!(parse_release(b"").name("file"), "file");
}

#[test]
fn a_list_is_as_fresh_as_the_newest_sign_of_a_success_unless_it_ran_out() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    let release = |name: &str, date: &str, until: Option<&str>| {
        let label = name.into();
        let valid_until = until.map(at);
        (name.into(), Release { label, date: Some(at(date)), valid_until, ..Release::default() })
    };
    let releases = [
        release("main", "2026-07-11T00:00:00Z", None),
        release("security", "2026-11-20T00:00:00Z", Some("2026-11-27T00:00:00Z")),
        release("forgotten", "2026-10-01T00:00:00Z", Some("2026-10-08T00:00:00Z")),
        release("future", "2026-11-23T00:00:00Z", None),
    ];
    let shown = |releases: &[_]| -> Vec<String> {
        lists(&host, releases, now()).iter().map(|l| format!("{} {} {}", l.name, l.made, l.good)).collect()
    };
    assert_eq!(
        shown(&releases[..3]),
        [
            "forgotten 2026-10-01T00:00:00Z 2026-10-01T00:00:00Z",
            "main 2026-07-11T00:00:00Z 2026-11-20T00:00:00Z",
            "security 2026-11-20T00:00:00Z 2026-11-20T00:00:00Z"
        ]
    );
    assert_eq!(shown(&releases[3..]), ["future 2026-11-22T05:00:00Z 2026-11-22T05:00:00Z"]);
    let stamp = root.path().join("var/lib/apt/periodic/update-success-stamp");
    std::fs::create_dir_all(stamp.parent().unwrap()).unwrap();
    let file = std::fs::File::create(stamp).unwrap();
    file.set_modified(at("2026-11-21T00:00:00Z").into()).unwrap();
    assert_eq!(shown(&releases[..1]), ["main 2026-07-11T00:00:00Z 2026-11-21T00:00:00Z"]);
}

#[test]
fn sources_are_known_in_both_forms() {
    let one_line = b"# deb http://off.example/debian stable main
deb [arch=amd64 trusted=yes] https://user:secret@deb.debian.org:8080/debian/ bookworm main contrib # note
deb-src http://deb.debian.org/debian bookworm main
deb\tfile:/srv/own_repo ./
deb http://security.debian.org/ bookworm/updates main
deb http://flat.example/x /
deb cdrom:[Debian] bookworm main
deb http://short.example
debhttp://x y z
";
    let paragraphs = b"Types: deb deb-src
# a comment
URIs: http://deb.debian.org/debian
  http://mirror.example/debian
suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 Types: no

Enabled: no
Types: deb
URIs: http://off.example
Suites: x

Types: deb-src
URIs: http://src.example
Suites: x
";
    let mut shown = String::new();
    for source in parse_sources_list(one_line).into_iter().chain(parse_sources(paragraphs)) {
        let _ = writeln!(shown, "{} | {}", source.name, source.prefix);
    }
    expect![[r#"
        deb.debian.org:8080/debian bookworm | deb.debian.org:8080_debian_dists_bookworm_
        /srv/own_repo ./ | _srv_own%5frepo_._
        security.debian.org bookworm/updates | security.debian.org_dists_bookworm_updates_
        flat.example/x / | flat.example_x_
        deb.debian.org/debian bookworm | deb.debian.org_debian_dists_bookworm_
        deb.debian.org/debian bookworm-updates | deb.debian.org_debian_dists_bookworm-updates_
        mirror.example/debian bookworm | mirror.example_debian_dists_bookworm_
        mirror.example/debian bookworm-updates | mirror.example_debian_dists_bookworm-updates_
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_source_without_a_list_is_missed() {
    let root = tempfile::tempdir().unwrap();
    let lists = root.path().join("var/lib/apt/lists");
    std::fs::create_dir_all(&lists).unwrap();
    std::fs::write(lists.join("deb.debian.org_debian_dists_bookworm_InRelease"), "").unwrap();
    let sources = parse_sources_list(
        b"deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-updates main",
    );
    let missing: Vec<&str> =
        never_fetched(&Host::at(root.path()), &sources).iter().map(|s| &*s.name).collect();
    assert_eq!(missing, ["deb.debian.org/debian bookworm-updates"]);
}

#[test]
fn a_newer_kernel_needs_a_reboot() {
    let installed = |list: &[(&str, &str)]| -> Vec<Installed> {
        let package = |(name, version): &(&str, &str)| Installed {
            name: (*name).into(),
            arch: "amd64".into(),
            version: (*version).into(),
            held: false,
        };
        list.iter().map(package).collect()
    };
    let all = [
        ("linux-image-6.1.0-9-amd64", "6.1.27-1"),
        ("linux-image-6.1.0-38-amd64", "6.1.147-1"),
        ("linux-image-6.1.0-40-cloud-amd64", "6.1.153-1"),
        ("linux-image-6.1.0-38-amd64-dbg", "6.1.147-1"),
        ("linux-image-amd64", "6.1.147-1"),
    ];
    let newer = |version: &str, installed: &[Installed]| {
        let running = parse_running(version.as_bytes()).unwrap();
        kernel_newer_than(&running, installed).map(|package| package.name.to_string())
    };
    let debian = |release: &str, version: &str| {
        format!(
            "Linux version {release} (debian-kernel@lists.debian.org) (gcc-12) #1 SMP PREEMPT_DYNAMIC Debian {version} (2025-08-02)\n"
        )
    };
    let image = |release: &str| Some(format!("linux-image-{release}"));
    let list = installed(&all);
    assert_eq!(newer(&debian("6.1.0-9-amd64", "6.1.27-1"), &list), image("6.1.0-38-amd64"));
    assert_eq!(newer(&debian("6.1.0-38-amd64", "6.1.147-1"), &list), None);
    assert_eq!(newer(&debian("6.1.0-38-amd64", "6.1.140-1"), &list), image("6.1.0-38-amd64"));
    assert_eq!(newer("Linux version 5.15.0-91-generic (buildd@x) #101-Ubuntu SMP", &list), None);
    assert_eq!(newer("Linux version 6.18.44-own (me@here) #1", &list), None);
    let ubuntu =
        installed(&[("linux-image-5.15.0-91-generic", "1"), ("linux-image-5.15.0-101-generic", "1")]);
    let running = "Linux version 5.15.0-91-generic (buildd@x) #101-Ubuntu SMP";
    assert_eq!(newer(running, &ubuntu), image("5.15.0-101-generic"));
    assert_eq!(parse_running(b"Darwin"), None);
}

#[test]
fn packages_that_need_a_reboot_are_named_once() {
    let packages = parse_reboot_packages(b"libc6\nlinux-image-6.1.0-39-amd64\nlibc6\n\n\x1b[2J\n");
    let names: Vec<&str> = packages.iter().map(|p| &**p).collect();
    assert_eq!(names, ["\\x1b[2J", "libc6", "linux-image-6.1.0-39-amd64"]);
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_simulation(&bytes);
        let _ = parse_version_tables(&bytes);
        let _ = parse_release(&bytes).name("x");
        let _ = parse_sources_list(&bytes);
        let _ = parse_sources(&bytes);
        let _ = parse_running(&bytes);
        let _ = parse_reboot_packages(&bytes);
    }

    #[test]
    fn lines_of_about_the_right_form_are_taken(
        lines in proptest::collection::vec("(Inst|deb|Types:|URIs:|Suites:|Date:|Linux version|  Version table:| \\*\\*\\*|        500)( |)[a-z:/@é\\[\\](). ,-]{0,30}", 0..8),
    ) {
        let text = lines.join("\n");
        let _ = parse_simulation(text.as_bytes());
        let _ = parse_version_tables(text.as_bytes());
        let _ = parse_release(text.as_bytes());
        let _ = parse_sources_list(text.as_bytes());
        let _ = parse_sources(text.as_bytes());
        if let Some(running) = parse_running(text.as_bytes()) {
            let _ = kernel_newer_than(&running, &[]);
        }
    }
}
