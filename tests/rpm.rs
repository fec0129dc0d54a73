//! Files of rpm packages, by a real rpm: built here, and installed into a root of its own.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use host_watchdog::host::Host;
use host_watchdog::rpm::{self, Digest};
use host_watchdog::transaction::{Phase, Tracker};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::left_out;

const SPEC: &str = "\
Name: watched
Version: VERSION
Release: 1
Summary: a test
License: MIT
BuildArch: noarch
%description
A test.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/bin
echo GREETING > %{buildroot}/usr/bin/watched
echo before > %{buildroot}/bin/merged
chmod 755 %{buildroot}/usr/bin/watched %{buildroot}/bin/merged
%files
/usr/bin/watched
/bin/merged
";

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Has rpm do this with a version of the package, in this root folder.
fn rpm_with(folder: &Path, what: &str, version: u8, greeting: &str) {
    let build = tempfile::tempdir().unwrap();
    let spec = build.path().join("watched.spec");
    fs::write(&spec, SPEC.replace("VERSION", &version.to_string()).replace("GREETING", greeting)).unwrap();
    let define = |name: &str, folder: &str| format!("{name} {}", build.path().join(folder).display());
    let (top, rpms) = (define("_topdir", "top"), define("_rpmdir", "rpms"));
    run("rpmbuild", &["-bb", "--quiet", "--define", &top, "--define", &rpms, spec.to_str().unwrap()]);
    let package = build.path().join(format!("rpms/noarch/watched-{version}-1.noarch.rpm"));
    let database = ["--root", folder.to_str().unwrap(), "--dbpath", "/var/lib/rpm"];
    run("rpm", &[&database[..], &["--nodeps", what, package.to_str().unwrap()]].concat());
}

/// A root folder in which the package is installed, and the host that it is. Nothing where there is no rpm.
fn installed() -> Option<(tempfile::TempDir, Host)> {
    let has = |program: &str| Path::new("/usr/bin").join(program).exists();
    if left_out("root, rpm and rpmbuild", support::is_root() && has("rpm") && has("rpmbuild")) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    run("rpm", &["--root", folder.path().to_str().unwrap(), "--dbpath", "/var/lib/rpm", "--initdb"]);
    rpm_with(folder.path(), "-i", 1, "hello");
    let host = Host::at(folder.path());
    Some((folder, host))
}

#[test]
fn a_transaction_of_rpm_is_told_with_what_it_changed_and_asking_is_none() {
    let Some((root, host)) = installed() else { return };
    // It counts as at work for some seconds after it has written.
    let later = |seconds: i64| host.now() + jiff::SignedDuration::from_secs(seconds);
    let mut tracker = Tracker::default();
    assert_eq!(tracker.look(&host, later(60)), None);
    assert_eq!(tracker.look(&host, later(120)), None, "asking what is installed is no transaction");
    rpm_with(root.path(), "-U", 2, "good day");
    let phase = |tracker: &mut Tracker, seconds| tracker.look(&host, later(seconds)).map(|now| now.phase);
    assert_eq!(phase(&mut tracker, 0), Some(Phase::UnderWay));
    let ended = tracker.look(&host, later(60)).expect("it has ended");
    assert!(matches!(ended.phase, Phase::Ended(_)), "{:?}", ended.phase);
    let changes: Vec<String> = ended.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["watched 1-1 → 2-1"]);
    assert_eq!(tracker.look(&host, later(120)), Some(ended), "it is told for a while");
    run(
        "rpm",
        &["--root", root.path().to_str().unwrap(), "--dbpath", "/var/lib/rpm", "--nodeps", "-e", "watched"],
    );
    assert_eq!(phase(&mut tracker, 0), Some(Phase::UnderWay));
    let removed = tracker.look(&host, later(60)).expect("it has ended");
    let changes: Vec<String> = removed.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["watched 2-1 (removed)"]);
}

#[test]
fn files_belong_to_the_rpm_that_brought_them_with_the_digest_it_has() {
    let Some((root, host)) = installed() else { return };
    let before = rpm::stamp(&host);
    assert!(before.is_some());
    let paths = ["/usr/bin/watched", "/usr/bin/merged", "/usr/bin/local", "/usr/bin/odd\n"];
    let paths: BTreeSet<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
    let owners = rpm::owners(&host, &paths).unwrap();
    assert_eq!(owners.len(), 1, "{owners:?}");
    let owned = &owners[&b"/usr/bin/watched"[..]];
    assert_eq!(owned.package, "watched");
    assert_eq!(owned.digest, Some(Digest::Sha256(Sha256::digest("hello\n").to_vec())));
    // The package calls it by a folder that has become a link since.
    fs::rename(root.path().join("bin/merged"), root.path().join("usr/bin/merged")).unwrap();
    fs::remove_dir(root.path().join("bin")).unwrap();
    std::os::unix::fs::symlink("usr/bin", root.path().join("bin")).unwrap();
    let owners = rpm::owners(&host, &paths).unwrap();
    assert_eq!(owners.len(), 2, "{owners:?}");
    assert_eq!(
        owners[&b"/usr/bin/merged"[..]].digest,
        Some(Digest::Sha256(Sha256::digest("before\n").to_vec()))
    );
    assert!(!rpm::is_at_work(&host));
    assert_eq!(rpm::stamp(&host), before, "asking changes nothing");
}

#[test]
fn a_host_without_rpm_is_not_asked() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path());
    assert_eq!(rpm::stamp(&host), None);
    assert!(rpm::owners(&host, &[b"/usr/bin/sh".to_vec()].into()).unwrap().is_empty());
}

#[test]
fn a_database_that_cannot_be_read_is_an_error_and_never_an_answer() {
    if left_out("root and rpm", support::is_root() && Path::new("/usr/bin/rpm").exists()) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var/lib/rpm")).unwrap();
    fs::write(root.path().join("var/lib/rpm/rpmdb.sqlite"), "no database").unwrap();
    let host = Host::at(root.path());
    assert!(rpm::owners(&host, &[b"/usr/bin/sh".to_vec()].into()).is_err());
}
