//! Reading dpkg's database against dpkg itself, on the machine that runs the test.

// Windows has no dpkg.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use host_watchdog::dpkg::{self, Digests, State, compare_versions};
use host_watchdog::host::Host;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use support::left_out;

fn no_dpkg() -> bool {
    left_out("dpkg", Path::new("/usr/bin/dpkg-query").exists())
}

/// Every program in the usual folders, by its real path.
fn programs() -> BTreeSet<Vec<u8>> {
    let entries = ["/usr/bin", "/usr/sbin"].iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.path().into_os_string().into_encoded_bytes()).collect()
}

#[test]
fn every_program_has_the_owner_that_dpkg_says() {
    if no_dpkg() {
        return;
    }
    let programs = programs();
    let ours = dpkg::owners(&Host::this(), &programs).unwrap();
    let both_names = programs.iter().flat_map(|path| {
        let path = String::from_utf8(path.clone()).unwrap();
        let short = path.strip_prefix("/usr").map(str::to_owned);
        [Some(path), short].into_iter().flatten()
    });
    let output = Command::new("dpkg-query").arg("-S").args(both_names).env("LC_ALL", "C").output().unwrap();
    let mut theirs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut diverted = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (names, path) = line.split_once(": ").unwrap();
        let path = path.strip_prefix("/usr").unwrap_or(path).to_owned();
        if names.starts_with("diversion by ") {
            diverted.insert(path);
            continue;
        }
        let names = names.split(", ").map(|name| name.split(':').next().unwrap().to_owned());
        theirs.entry(path).or_default().extend(names);
    }
    let mut compared = 0;
    for (path, owners) in ours {
        let path = String::from_utf8(path).unwrap();
        let short = path.strip_prefix("/usr").unwrap();
        // Of a diverted file dpkg names all that have it, wherever theirs lies now.
        if diverted.contains(short) {
            continue;
        }
        let owners: BTreeSet<String> = owners.iter().map(|owner| owner.name().to_owned()).collect();
        assert_eq!(Some(owners).filter(|owners| !owners.is_empty()), theirs.get(short).cloned(), "{path}");
        compared += 1;
    }
    assert!(compared > 100, "only {compared} programs");
}

#[test]
fn what_dpkg_installed_is_unmodified_and_the_shell_is_dashs() {
    if no_dpkg() {
        return;
    }
    let host = Host::this();
    let shell = std::fs::canonicalize("/bin/sh").unwrap().into_os_string().into_encoded_bytes();
    let paths = BTreeSet::from([b"/usr/bin/cat".to_vec(), b"/usr/bin/dpkg".to_vec(), shell.clone()]);
    let owners = dpkg::owners(&host, &paths).unwrap();
    let mut digests = Digests::default();
    let mut shown = Vec::new();
    for (path, owners) in &owners {
        let owner = owners.first().unwrap_or_else(|| panic!("{path:?} has no owner"));
        shown.push((owner.name(), dpkg::verify(&host, path, owner, &mut digests)));
    }
    shown.sort();
    assert_eq!(shown[0], ("coreutils", State::Unmodified));
    assert!(shown.iter().all(|(_, state)| *state == State::Unmodified), "{shown:?}");
}

#[test]
fn versions_are_in_dpkgs_order() {
    if no_dpkg() {
        return;
    }
    let installed = dpkg::read_installed(&Host::this()).unwrap();
    let versions: Vec<String> =
        installed.iter().step_by(11).map(|package| package.version.to_string()).collect();
    for pair in versions.windows(2) {
        let relation = match compare_versions(pair[0].as_bytes(), pair[1].as_bytes()) {
            std::cmp::Ordering::Less => "lt",
            std::cmp::Ordering::Equal => "eq",
            std::cmp::Ordering::Greater => "gt",
        };
        let agrees = Command::new("dpkg").args(["--compare-versions", &pair[0], relation, &pair[1]]).status();
        assert!(agrees.unwrap().success(), "{} {relation} {}", pair[0], pair[1]);
    }
    assert!(versions.len() > 10);
}

#[test]
fn what_is_installed_is_what_dpkg_lists() {
    if no_dpkg() {
        return;
    }
    let form = "${db:Status-Status} ${Package} ${Architecture} ${Version}\n";
    let output = Command::new("dpkg-query").args(["-W", "-f", form]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let gone = ["not-installed ", "config-files "];
    let lines = text.lines().filter(|line| !gone.iter().any(|state| line.starts_with(state)));
    let theirs: BTreeSet<&str> = lines.map(|line| line.split_once(' ').unwrap().1).collect();
    let ours = dpkg::read_installed(&Host::this()).unwrap();
    let ours: BTreeSet<String> =
        ours.iter().map(|p| format!("{} {} {}", p.name, p.arch, p.version)).collect();
    assert_eq!(ours, theirs.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_package_manager_is_at_work_while_it_holds_its_lock() {
    if left_out("python3", Path::new("/usr/bin/python3").exists()) {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let host = Host::at(folder.path());
    assert!(!dpkg::is_at_work(&host), "without a lock there is nobody to hold it");
    let state = folder.path().join("var/lib/dpkg");
    std::fs::create_dir_all(&state).unwrap();
    for name in ["lock-frontend", "lock"] {
        let lock = state.join(name);
        std::fs::write(&lock, "").unwrap();
        assert!(!dpkg::is_at_work(&host));
        // As apt and dpkg do it: a lock belongs to a process, so it has to be another one.
        let script = "import fcntl, sys\nfile = open(sys.argv[1], 'w')\nfcntl.lockf(file, fcntl.LOCK_EX)\nprint(flush=True)\ninput()";
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", script]).arg(&lock).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = support::Running::start(&mut command);
        BufReader::new(holder.0.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        assert!(dpkg::is_at_work(&host), "{name}");
        drop(holder);
        assert!(!dpkg::is_at_work(&host));
    }
}
