//! The ready-made policies say what is true: every rule has a reason, and every file it names is really in the
//! package it names, in Debian 12 or 13. What is not installed here is looked at in the package itself.

#![cfg_attr(windows, allow(dead_code, reason = "what asks the archives of Debian is for Linux"))]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "shipped_policies/packages.rs"]
mod packages;
mod support;
#[path = "shipped_policies/windows.rs"]
mod windows;

use host_watchdog::policy::{Policy, shipped};
use host_watchdog::rule::Pattern;
use host_watchdog::watch::listener::{KERNEL, Ports};
use host_watchdog::watch::process;
use host_watchdog::watch::process::ProcessRule;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(target_os = "linux")]
use support::left_out;

/// The suites of Debian 12 and 13.
const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// Which package brings each script that a rule allows an interpreter to run.
const SCRIPTS: &[(&str, &str)] = &[
    ("/etc/cron.daily/apt-compat", "apt"),
    ("/etc/cron.daily/dpkg", "dpkg"),
    ("/etc/cron.daily/exim4-base", "exim4-base"),
    ("/etc/cron.daily/logrotate", "logrotate"),
    ("/etc/cron.daily/man-db", "man-db"),
    ("/etc/cron.daily/popularity-contest", "popularity-contest"),
    ("/etc/cron.weekly/man-db", "man-db"),
    ("/etc/init.d/nginx", "nginx-common"),
    ("/etc/mysql/debian-start", "mariadb-server"),
    ("/etc/update-motd.d/10-uname", "base-files"),
    ("/sbin/dhclient-script", "isc-dhcp-client"),
    ("/sbin/e2scrub_all", "e2fsprogs"),
    ("/usr/bin/apt-key", "apt"),
    ("/usr/bin/deb-systemd-helper", "init-system-helpers"),
    ("/usr/bin/deb-systemd-invoke", "init-system-helpers"),
    ("/usr/bin/savelog", "debianutils"),
    ("/usr/bin/unattended-upgrade", "unattended-upgrades"),
    ("/usr/lib/apt/apt.systemd.daily", "apt"),
    ("/usr/lib/dhcpcd/dhcpcd-run-hooks", "dhcpcd-base"),
    ("/usr/lib/rsyslog/rsyslog-rotate", "rsyslog"),
    ("/usr/lib/postfix/configure-instance.sh", "postfix"),
    ("/usr/lib/postfix/sbin/post-install", "postfix"),
    ("/usr/lib/postfix/sbin/postfix-script", "postfix"),
    ("/usr/lib/postfix/sbin/postmulti-script", "postfix"),
    ("/usr/libexec/host-watchdog/learn", "host-watchdog"),
    ("/usr/libexec/dpkg/dpkg-db-backup", "dpkg"),
    ("/usr/sbin/apachectl", "apache2"),
    ("/usr/sbin/dpkg-preconfigure", "debconf"),
    ("/usr/sbin/invoke-rc.d", "init-system-helpers"),
    ("/usr/sbin/popularity-contest", "popularity-contest"),
    ("/usr/sbin/update-exim4.conf", "exim4-config"),
    ("/usr/share/debconf/frontend", "debconf"),
    ("/usr/share/popularity-contest/popcon-upload", "popularity-contest"),
    ("/usr/share/unattended-upgrades/unattended-upgrade-shutdown", "unattended-upgrades"),
];

/// Which package's file holds each command that a rule allows a shell to be given as text.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("cd / && run-parts --report /etc/cron.hourly", "cron-daemon-common", "/etc/crontab"),
    ("cron.daily; }", "cron-daemon-common", "/etc/crontab"),
    ("cron.weekly; }", "cron-daemon-common", "/etc/crontab"),
    ("cron.monthly; }", "cron-daemon-common", "/etc/crontab"),
    ("e2scrub_all_cron", "e2fsprogs", "/etc/cron.d/e2scrub_all"),
    ("e2scrub_all -A -r", "e2fsprogs", "/etc/cron.d/e2scrub_all"),
    ("/usr/sbin/dma -q", "dma", "/etc/cron.d/dma"),
    ("invoke-rc.d nginx rotate >/dev/null 2>&1", "nginx-common", "/etc/logrotate.d/nginx"),
    ("/etc/cron.daily/popularity-contest --crond", "popularity-contest", POSTINST),
    ("/usr/lib/rsyslog/rsyslog-rotate", "rsyslog", "/etc/logrotate.d/rsyslog"),
    ("/etc/update-motd.d > /run/motd.dynamic.new", "libpam-modules", MOTD),
    (PACKERS[0], "tar", TAR),
    (PACKERS[1], "tar", TAR),
    (PACKERS[2], "tar", TAR),
    (PACKERS[3], "tar", TAR),
    (PACKERS[4], "tar", TAR),
    (PACKERS[5], "tar", TAR),
    (PACKERS[6], "tar", TAR),
    (PACKERS[7], "tar", TAR),
];

/// What tar has a shell start, whoever packs something.
const PACKERS: [&str; 8] = ["gzip", "bzip2", "xz", "zstd", "lzma", "lzip", "lzop", "compress"];
const TAR: &str = "/bin/tar";

/// The library that has the message of the day collected.
const MOTD: &str = "/lib/x86_64-linux-gnu/security/pam_motd.so";

/// The ready-made policies of Windows; all others are of Debian.
const WINDOWS: &[&str] = &["iis", "rdp", "windows-server"];

/// Our own program on Windows, which whoever builds it signs, or nobody: its folder vouches for it.
const OURS_ON_WINDOWS: &str = r"C:\Program Files\Host Watchdog\watchdog.exe";

/// Who signs what Windows is made of.
const SIGNERS: &[&str] = &["Microsoft Windows", "Microsoft Windows Publisher", "Microsoft Corporation"];

/// Of these some parts serve the one who has logged on, and others services; or a user whom systemd makes for that time.
const FOR_BOTH: &[&str] =
    &["/usr/bin/watchdog", r"C:\Windows\System32\svchost.exe", r"C:\Windows\System32\taskhostw.exe"];

/// A file of a package that is not installed but run, to make others.
const POSTINST: &str = "/postinst";

/// Of these it is anybody's business to run them: they serve whoever logged in or writes a mail.
const FOR_ANY_USER: &[&str] = &[
    r"C:\Windows\SystemApps\Microsoft.Windows.Search_*\SearchApp.exe",
    r"C:\Windows\SystemApps\Microsoft.Windows.StartMenuExperienceHost_*\StartMenuExperienceHost.exe",
    r"C:\Windows\SystemApps\MicrosoftWindows.Client.CBS_*\SearchHost.exe",
    r"C:\Windows\SystemApps\MicrosoftWindows.Client.CBS_*\TextInputHost.exe",
    r"C:\Windows\SystemApps\ShellExperienceHost_*\ShellExperienceHost.exe",
    r"C:\Windows\SysWOW64\inetsrv\w3wp.exe",
    r"C:\Windows\System32\AtBroker.exe",
    r"C:\Windows\System32\RdpSa.exe",
    r"C:\Windows\System32\RuntimeBroker.exe",
    r"C:\Windows\System32\SecurityHealthSystray.exe",
    r"C:\Windows\System32\ServerManager.exe",
    r"C:\Windows\System32\TSTheme.exe",
    r"C:\Windows\System32\ctfmon.exe",
    r"C:\Windows\System32\dwm.exe",
    r"C:\Windows\System32\fontdrvhost.exe",
    r"C:\Windows\System32\inetsrv\w3wp.exe",
    r"C:\Windows\System32\rdpclip.exe",
    r"C:\Windows\System32\sihost.exe",
    r"C:\Windows\System32\smartscreen.exe",
    r"C:\Windows\System32\userinit.exe",
    r"C:\Windows\explorer.exe",
    "/usr/bin/dbus-daemon",
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/openssh/sshd-session",
    "/usr/lib/postfix/sbin/local",
    "/usr/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-executor",
    "/usr/libexec/opensmtpd/lockspool",
    "/usr/libexec/opensmtpd/mail.local",
    "/usr/libexec/opensmtpd/mail.maildir",
    "/usr/libexec/opensmtpd/mail.mboxfile",
    "/usr/sbin/dma",
    "/usr/sbin/exim4",
    "/usr/sbin/postdrop",
    "/usr/sbin/sendmail",
    "/usr/sbin/smtpctl",
    "/usr/sbin/sshd",
];

fn policies() -> Vec<(&'static str, Policy)> {
    let parse = |(name, text): &(&'static str, &'static str)| {
        (*name, Policy::from_text(name, text).unwrap_or_else(|error| panic!("{error}")))
    };
    shipped().iter().map(parse).collect()
}

/// The rules for processes of Debian's packages.
fn process_rules() -> Vec<ProcessRule> {
    let debian = policies().into_iter().filter(|(name, _)| !WINDOWS.contains(name));
    debian
        .flat_map(|(_, policy)| policy.process.process)
        .map(|placed| placed.rule)
        .filter(|rule| rule.exe.as_str() != OURS_ON_WINDOWS)
        .collect()
}

/// The service, and the part of it that asks for updates, are allowed where the installer puts them; nothing else of that name is.
#[test]
fn the_watchdogs_own_service_on_windows_is_no_finding_and_an_imitation_is() {
    let policy = Policy::from_text("policy.toml", "schema = 1\ninclude = [\"host-watchdog\"]").unwrap();
    let found = |exe: &str, user: &str, unit: Option<&str>| {
        let process = serde_json::json!({ "pid": 9, "start": 1, "since": "2026-03-01T10:00:00Z", "parent": 1,
            "exe": { "path": exe }, "name": "x", "uid": 18, "user": user, "unit": unit });
        let facts = serde_json::json!({ "processes": [process], "packages": {}, "sees-all": true });
        let facts: process::ProcessFacts = serde_json::from_value(facts).unwrap();
        process::without_allowed(&facts, &policy.process, "2026-03-01T12:00:00Z".parse().unwrap())
            .processes
            .len()
    };
    for user in [r"NT AUTHORITY\SYSTEM", r"NT AUTHORITY\LOCAL SERVICE", r"NT SERVICE\host-watchdog"] {
        assert_eq!(found(OURS_ON_WINDOWS, user, Some("host-watchdog")), 0, "{user}");
        assert_eq!(found(OURS_ON_WINDOWS, user, None), 0, "{user}");
    }
    for (exe, user) in [
        (OURS_ON_WINDOWS, r"WEB1\alice"),
        (r"C:\Users\Public\Host Watchdog\watchdog.exe", r"NT AUTHORITY\SYSTEM"),
        (r"C:\Program Files\Host Watchdog\evil.exe", r"NT AUTHORITY\SYSTEM"),
    ] {
        assert_eq!(found(exe, user, Some("host-watchdog")), 1, "{exe} {user}");
    }
}

#[test]
fn the_program_brings_every_policy_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, shipped().iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for role in [
        "debian-base",
        "openssh",
        "nginx",
        "apache",
        "postfix",
        "mariadb",
        "exim4",
        "opensmtpd",
        "dma",
        "host-watchdog",
        "windows-server",
        "iis",
        "rdp",
    ] {
        assert!(files.contains(&role.to_owned()), "{role}");
    }
}

#[test]
fn all_of_them_can_be_included_together() {
    let names: Vec<&str> = shipped().iter().map(|(name, _)| *name).collect();
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\ninclude = {names:?}")).unwrap();
    assert!(policy.process.process.len() > 100 && policy.listener.listener.len() > 10);
    // What holds for the whole host is the administrator's to say.
    assert_eq!(policy.login, host_watchdog::watch::login::Rules::default());
    assert_eq!(policy.session, host_watchdog::watch::session::Rules::default());
    assert_eq!(policy.update, host_watchdog::watch::update::Rules::default());
    assert_eq!(policy.resource, host_watchdog::watch::resource::Rules::default());
    assert_eq!(policy.request, host_watchdog::watch::request::Rules::default());
}

#[test]
fn every_rule_has_a_reason_and_a_bound() {
    for (name, policy) in policies() {
        for placed in &policy.process.process {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.as_ref().is_some_and(|why| !why.is_empty()), "{origin}");
            assert_eq!(rule.by.as_deref(), Some("host-watchdog"), "{origin}");
            let is_ours = name == "host-watchdog" && rule.exe.as_str() == OURS_ON_WINDOWS;
            assert_eq!(rule.package.is_none(), is_ours, "{origin}");
            let packs = rule.script.as_ref().and_then(|script| script.as_str().strip_prefix("-c "));
            let any_user = FOR_ANY_USER.contains(&rule.exe.as_str())
                || packs.is_some_and(|command| PACKERS.contains(&command));
            let is_right = rule.users.is_empty() == any_user || FOR_BOTH.contains(&rule.exe.as_str());
            assert!(is_right, "{origin}: {}", rule.exe.as_str());
            assert!(!rule.deleted && !rule.container && rule.expires.is_none(), "{origin}");
        }
        for placed in &policy.process.command {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.is_some() && rule.by.as_deref() == Some("host-watchdog"), "{origin}");
            assert!(!rule.text && rule.expires.is_none(), "{origin}");
            assert!(rule.units.iter().all(|unit| unit.as_literal().is_some()), "{origin}");
        }
        for placed in &policy.listener.listener {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.as_ref().is_some_and(|why| !why.is_empty()), "{origin}");
            assert_eq!(rule.by.as_deref(), Some("host-watchdog"), "{origin}");
            assert!(!rule.users.is_empty(), "{origin}");
            let exe = rule.exe.as_ref().unwrap_or_else(|| panic!("{origin} names no executable"));
            if exe.as_str() == KERNEL {
                // The kernel of Windows listens itself, for shared folders and for the web.
                let is_its_own = rule.users == [r"NT AUTHORITY\SYSTEM"];
                assert!(WINDOWS.contains(&name) && is_its_own && rule.port != Ports::Ephemeral, "{origin}");
                continue;
            }
            // systemd runs everywhere, and listens for units that have a socket.
            let base =
                policies().into_iter().filter(|(name, _)| *name == "debian-base").map(|(_, base)| base);
            let systemd = base.filter(|_| exe.as_str() == "/usr/lib/systemd/systemd");
            let may_run = |policy: &Policy| policy.process.process.iter().any(|p| p.rule.exe == *exe);
            assert!(systemd.chain([policy.clone()]).any(|p| may_run(&p)), "{name}: {}", exe.as_str());
        }
    }
}

#[test]
fn what_may_hide_or_listen_in_is_bound_to_a_program_and_has_a_reason() {
    let mut seen = 0;
    for (_, policy) in policies() {
        for placed in &policy.deception.deception {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.is_some() && rule.by.as_deref() == Some("host-watchdog"), "{origin}");
            assert!(rule.exe.is_some() && rule.kind.may_be_learned() && !rule.container, "{origin}");
            seen += 1;
        }
        for placed in &policy.deception.module {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.is_some() && rule.by.as_deref() == Some("host-watchdog"), "{origin}");
            assert!(rule.taint.is_empty() && !rule.unmarked, "{origin}");
            seen += 1;
        }
        for placed in &policy.deception.bpf {
            let (rule, origin) = (&placed.rule, &placed.origin);
            assert!(rule.why.is_some() && rule.by.as_deref() == Some("host-watchdog"), "{origin}");
            let is_held = rule.exe.is_some() && !rule.types.is_empty();
            assert_eq!(is_held, rule.pinned.is_empty(), "{origin}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// No rule lets an interpreter run just anything.
#[test]
fn an_interpreter_is_allowed_only_with_a_named_script() {
    let interpreters = ["sh", "dash", "bash", "perl", "python", "ruby", "php", "node", "awk", "busybox"];
    for rule in process_rules() {
        let exe = rule.exe.as_str();
        let base = exe.rsplit('/').next().unwrap();
        let interprets = interpreters.iter().any(|name| {
            base.strip_prefix(name).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
        });
        assert_eq!(interprets, rule.script.is_some(), "{exe}");
        let Some(script) = rule.script else { continue };
        let script = script.as_str();
        if let Some(folder) = script.split('*').next().filter(|_| script.contains('*')) {
            assert_eq!(folder, "/var/lib/dpkg/info/", "only dpkg's own folder may have a star");
        } else {
            let known = match script.strip_prefix("-c ") {
                Some(command) => COMMANDS.iter().any(|(end, _, _)| command.ends_with(end)),
                None => SCRIPTS.iter().any(|(path, _)| *path == script),
            };
            assert!(known, "nobody knows which package {script} is from");
        }
    }
}
