//! Upgrades by a real apt and dpkg, with passes of the watchdog meanwhile. In a world of its own: dpkg's database, `/opt`,
//! where the packages of the test put their files, and apt's folders are mounted over, and the machine's stay as they were.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Running, left_out, wait_for, watchdog, world};
use tempfile::TempDir;

/// A transaction has ended when so long nothing changed.
const QUIET: Duration = Duration::from_secs(12);

/// What apt says.
const APT_LOG: &str = "/run/apt.log";

fn sh(script: &str) -> String {
    let output = Command::new("/bin/sh").args(["-ec", script]).output().expect("sh runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn succeeds(mut apt: Running) {
    let status = apt.0.wait().unwrap();
    assert!(status.success(), "{}", std::fs::read_to_string(APT_LOG).unwrap());
}

fn no_dpkg() -> bool {
    let programs = ["/usr/bin/dpkg-deb", "/usr/bin/apt-get", "/usr/sbin/start-stop-daemon"];
    let are_there = programs
        .iter()
        .all(|program| Path::new(program).exists() || Path::new(&program.replace("/usr", "")).exists());
    left_out("apt and dpkg", are_there)
}

/// A host whose packages are the test's to change.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        // Of the machine's packages those that are needed, so that apt has little to work out.
        sh("mkdir /run/dpkg; cp -a /var/lib/dpkg/. /run/dpkg; mount --bind /run/dpkg /var/lib/dpkg
            awk 'BEGIN { RS = \"\"; ORS = \"\\n\\n\" } /^Package: (apt|dpkg|dash|bash|coreutils|perl-base|tar|sed|grep)\\n/' /run/dpkg/status |
                grep -Ev '^(Pre-Depends|Depends|Recommends|Breaks|Conflicts|Replaces):' >/run/status
            mv /run/status /run/dpkg/status
            mount -t tmpfs -o mode=755 tmpfs /opt
            for folder in /etc/apt /var/lib/apt /var/cache/apt; do mount -t tmpfs -o mode=755 tmpfs $folder; done
            mkdir -p /etc/apt/apt.conf.d /etc/apt/preferences.d /var/lib/apt/lists/partial /var/cache/apt/archives/partial");
        Self { folder: TempDir::new().unwrap() }
    }

    /// Builds a package whose program lies in `/opt/hw`. If `starts`, its maintainer script starts it anew.
    fn build(&self, name: &str, version: u32, starts: bool) {
        let build = self.folder.path().join("build");
        let program = format!("opt/hw/{name}");
        let start = if starts {
            format!(
                "start-stop-daemon --stop --oknodo --quiet --pidfile /run/{name}.pid; rm -f /run/{name}.pid
                 start-stop-daemon --start --background --make-pidfile --pidfile /run/{name}.pid --exec /{program} -- 600"
            )
        } else {
            String::new()
        };
        sh(&format!(
            "rm -rf {build}; mkdir -p {build}/DEBIAN {build}/opt/hw; cd {build}
             cp /usr/bin/sleep {program}; echo {version} >>{program}; md5sum {program} >DEBIAN/md5sums
             printf 'Package: {name}\\nVersion: {version}.0-1\\nArchitecture: all\\nMaintainer: T <t@example.org>\\nDescription: x\\n' >DEBIAN/control
             printf '%s\\n' '#!/bin/sh' 'set -e' 'sleep 0.02' >DEBIAN/postinst; cat >>DEBIAN/postinst <<'END'\n{start}\nEND
             chmod 755 DEBIAN/postinst; mkdir -p {archive}
             dpkg-deb -Znone --root-owner-group -b . {archive}/{name}_{version}.deb",
            build = build.display(),
            archive = self.archive(version).display(),
        ));
    }

    fn archive(&self, version: u32) -> PathBuf {
        self.folder.path().join(format!("v{version}"))
    }

    /// What a person does.
    fn apt_get_install(&self, version: u32) -> Running {
        let mut archives: Vec<PathBuf> =
            std::fs::read_dir(self.archive(version)).unwrap().map(|entry| entry.unwrap().path()).collect();
        archives.sort();
        let mut command = Command::new("/usr/bin/apt-get");
        command.args(["-y", "-q", "install"]).args(archives).env("DEBIAN_FRONTEND", "noninteractive");
        let log = std::fs::File::create(APT_LOG).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Running::start(&mut command)
    }

    /// Packages that are there from before.
    fn install(&self, version: u32) {
        succeeds(self.apt_get_install(version));
        std::thread::sleep(QUIET);
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// One pass of the service.
    fn pass(&self) {
        let output = watchdog(&["run", "--once", "--state-dir", self.state().to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn mails(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.state().join("mails")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The alerts that are open, without those of updates and of disks that fill: severity, code and title.
    fn alerts(&self) -> Vec<String> {
        let output = watchdog(&["alerts", "--json", "--state-dir", self.state().to_str().unwrap()]);
        let said = String::from_utf8(output.stdout).unwrap();
        let mut alerts: Vec<String> = said
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|alert| {
                let finding = &alert["finding"];
                format!(
                    "{} {}: {}",
                    finding["severity"].as_str().unwrap(),
                    finding["code"].as_str().unwrap(),
                    finding["title"].as_str().unwrap()
                )
            })
            .collect();
        alerts.sort();
        alerts
    }

    /// Passes until apt has ended and it has been quiet; how many there were meanwhile.
    fn pass_while(&self, mut apt: Running) -> u32 {
        let mut passes = 0;
        while apt.0.try_wait().unwrap().is_none() {
            self.pass();
            passes += 1;
        }
        succeeds(apt);
        std::thread::sleep(QUIET);
        self.pass();
        self.pass();
        passes
    }
}

#[test]
fn an_upgrade_of_a_hundred_packages_is_one_line_and_nothing_else() {
    if no_dpkg() || !world::is_entered("an_upgrade_of_a_hundred_packages_is_one_line_and_nothing_else") {
        return;
    }
    let stage = Stage::new();
    for number in 0..100 {
        // Four daemons, of which two are started anew by their upgrades and two go on running.
        stage.build(&format!("hw-{number:02}"), 1, number < 4);
        stage.build(&format!("hw-{number:02}"), 2, number < 2);
    }
    stage.install(1);
    stage.pass();
    stage.pass();
    assert_eq!(stage.alerts(), [""; 0]);

    let passes = stage.pass_while(stage.apt_get_install(2));
    assert!(passes >= 3, "only {passes} passes saw the upgrade");
    assert_eq!(
        stage.alerts(),
        [
            "notice needs-restart: /opt/hw/hw-02 runs on as it was before hw-02 was upgraded, and needs a restart",
            "notice needs-restart: /opt/hw/hw-03 runs on as it was before hw-03 was upgraded, and needs a restart",
            "notice packages-changed: what changed is explained by hw-00 1.0-1 → 2.0-1, hw-01 1.0-1 → 2.0-1, hw-02 1.0-1 → 2.0-1, … (100 packages)",
        ]
    );
    assert_eq!(stage.mails().len(), 1, "{:?}", stage.mails());
}

#[test]
fn a_program_swapped_during_an_upgrade_is_one_urgent_finding() {
    if no_dpkg() || !world::is_entered("a_program_swapped_during_an_upgrade_is_one_urgent_finding") {
        return;
    }
    let stage = Stage::new();
    for number in 0..100 {
        stage.build(&format!("hw-{number:02}"), 1, number < 2);
        stage.build(&format!("hw-{number:02}"), 2, number < 2);
    }
    stage.install(1);
    stage.pass();
    assert_eq!(stage.alerts(), [""; 0]);
    let apt = stage.apt_get_install(2);
    wait_for("hw-00 to be configured", || {
        sh("dpkg-query -W -f '${Version} ${db:Status-Status}' hw-00") == "2.0-1 installed"
    });
    sh("cp /opt/hw/hw-00 /opt/hw/evil; echo evil >>/opt/hw/evil; mv /opt/hw/evil /opt/hw/hw-00");
    let evil = Running::start(Command::new("/opt/hw/hw-00").arg("601"));
    stage.pass_while(apt);
    let urgent: Vec<String> =
        stage.alerts().into_iter().filter(|alert| alert.starts_with("urgent")).collect();
    assert_eq!(
        urgent,
        [
            "urgent modified-file: /opt/hw/hw-00 is not as hw-00 brought it, which was just installed or upgraded, and it runs"
        ]
    );
    let others: Vec<String> =
        stage.alerts().into_iter().filter(|alert| !alert.starts_with("urgent")).collect();
    assert_eq!(others.len(), 1, "{others:?}");
    drop(evil);
}

#[test]
fn what_a_new_package_starts_is_told_once_with_the_package_that_brought_it() {
    if no_dpkg()
        || !world::is_entered("what_a_new_package_starts_is_told_once_with_the_package_that_brought_it")
    {
        return;
    }
    let stage = Stage::new();
    std::thread::sleep(QUIET);
    stage.pass();
    stage.build("hw-new", 1, true);
    stage.pass_while(stage.apt_get_install(1));
    assert_eq!(
        stage.alerts(),
        [
            "notice packages-changed: what changed is explained by hw-new 1.0-1 (new) (1 package)",
            "urgent unknown-process: unknown process /opt/hw/hw-new run by root, installed just now by hw-new 1.0-1",
        ]
    );
    assert_eq!(stage.mails().len(), 1, "{:?}", stage.mails());
}

#[test]
fn a_program_put_in_a_packages_place_and_taken_away_again_does_not_pass_for_an_old_one() {
    if no_dpkg()
        || !world::is_entered(
            "a_program_put_in_a_packages_place_and_taken_away_again_does_not_pass_for_an_old_one",
        )
    {
        return;
    }
    let stage = Stage::new();
    stage.build("hw-old", 1, true);
    stage.install(1);
    stage.pass();
    assert_eq!(stage.alerts(), [""; 0]);
    sh("cd /opt/hw; cp hw-old good; cp hw-old evil; echo evil >>evil; mv evil hw-old");
    let evil = Running::start(Command::new("/opt/hw/hw-old").arg("601"));
    let link = format!("/proc/{}/exe", evil.pid());
    wait_for("it to start", || {
        std::fs::read_link(&link).is_ok_and(|link| link == Path::new("/opt/hw/hw-old"))
    });
    sh("mv /opt/hw/good /opt/hw/hw-old");
    stage.pass();
    assert_eq!(
        stage.alerts(),
        [
            "notice needs-restart: /opt/hw/hw-old runs on as it was before hw-old was upgraded, and needs a restart",
            "urgent unknown-process: unknown process /opt/hw/hw-old (a deleted or replaced file) run by root",
        ]
    );
}
