//! The ready-made policies say what is true: every rule has a reason, and every file it names is really in the
//! package it names, in Debian 12 or 13. What is not installed here is looked at in the package itself.

#![cfg_attr(windows, allow(dead_code, reason = "what asks the archives of Debian is for Linux"))]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

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
];

/// The library that has the message of the day collected.
const MOTD: &str = "/lib/x86_64-linux-gnu/security/pam_motd.so";

/// The ready-made policies of Windows; all others are of Debian.
const WINDOWS: &[&str] = &["iis", "rdp", "windows-server"];

/// Our own program on Windows, which whoever builds it signs, or nobody: its folder vouches for it.
const OURS_ON_WINDOWS: &str = r"C:\Program Files\Host Watchdog\watchdog.exe";

/// Who signs what Windows is made of.
const SIGNERS: &[&str] = &["Microsoft Windows", "Microsoft Windows Publisher", "Microsoft Corporation"];

/// Of these some parts serve the one who has logged on, and others services.
const FOR_BOTH: &[&str] = &[r"C:\Windows\System32\svchost.exe", r"C:\Windows\System32\taskhostw.exe"];

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
            let any_user = FOR_ANY_USER.contains(&rule.exe.as_str());
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

/// What a policy of Windows allows is a program of Windows, where only Windows itself writes, and nothing that runs what it is
/// given.
#[test]
fn a_program_of_windows_is_signed_by_its_maker_and_runs_nothing_it_is_given() {
    let folders = [
        r"C:\Windows\",
        r"C:\Program Files\Windows Defender\",
        r"C:\ProgramData\Microsoft\Windows Defender\Platform\*\",
    ];
    let hosts = [
        "cmd",
        "powershell",
        "powershell_ise",
        "pwsh",
        "wscript",
        "cscript",
        "mshta",
        "rundll32",
        "regsvr32",
        "installutil",
        "msbuild",
        "bitsadmin",
        "certutil",
        "schtasks",
        "sc",
        "net",
        "net1",
        "wmic",
        "forfiles",
        "ftp",
        "ssh",
        "mmc",
    ];
    let windows = policies().into_iter().filter(|(name, _)| WINDOWS.contains(name));
    for placed in windows.flat_map(|(_, policy)| policy.process.process) {
        let (rule, origin) = (&placed.rule, &placed.origin);
        let exe = rule.exe.as_str();
        assert!(folders.iter().any(|folder| exe.starts_with(folder)), "{origin}: {exe}");
        assert!(SIGNERS.contains(&rule.package.as_deref().unwrap()), "{origin}");
        let name = exe.rsplit('\\').next().unwrap().to_ascii_lowercase();
        let stem = name.strip_suffix(".exe").unwrap_or_else(|| panic!("{origin}: {exe}"));
        assert!(!hosts.contains(&stem) && !stem.contains('*'), "{origin}: {exe}");
        // A folder may have a version in its name; what it lies in may not be anybody's.
        assert!(
            !exe.contains(r"\Temp\") && !exe.contains(r"\Users\") && rule.script.is_none(),
            "{origin}: {exe}"
        );
        if stem == "svchost" {
            assert!(rule.unit.is_some(), "{origin}: one without a service is no service host");
        }
    }
}

/// What is allowed is what the rule says: the same program elsewhere, of another signer, changed, or without its service is not.
#[test]
fn a_windows_that_runs_what_it_brings_has_nothing_to_report_and_an_imitation_has() {
    let policy =
        Policy::from_text("policy.toml", "schema = 1\ninclude = [\"windows-server\", \"iis\", \"rdp\"]")
            .unwrap();
    let system = r"NT AUTHORITY\SYSTEM";
    let found = |exe: &str, signer: &str, state: &str, user: &str, unit: Option<&str>| {
        let process = serde_json::json!({ "pid": 9, "start": 1, "since": "2026-03-01T10:00:00Z", "parent": 1,
            "exe": { "path": exe }, "name": "x", "uid": 18, "user": user, "unit": unit });
        let packages = serde_json::json!({ exe: { "name": signer, "state": state } });
        let facts = serde_json::json!({ "processes": [process], "packages": packages, "sees-all": true });
        let facts: process::ProcessFacts = serde_json::from_value(facts).unwrap();
        process::without_allowed(&facts, &policy.process, "2026-03-01T12:00:00Z".parse().unwrap())
            .processes
            .len()
    };
    let own = "Microsoft Windows";
    for (exe, signer, user, unit) in [
        (r"C:\Windows\System32\svchost.exe", "Microsoft Windows Publisher", system, Some("Schedule")),
        (r"C:\Windows\System32\svchost.exe", own, r"NT AUTHORITY\LOCAL SERVICE", Some("BFE+mpssvc")),
        (r"C:\Windows\System32\svchost.exe", own, r"WEB1\alice", Some("CDPUserSvc_3f2a1")),
        (r"C:\Windows\System32\dwm.exe", own, r"Window Manager\DWM-2", None),
        (r"C:\Windows\System32\inetsrv\w3wp.exe", own, r"IIS APPPOOL\DefaultAppPool", None),
        (
            r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.25010.11-0\MsMpEng.exe",
            "Microsoft Windows Publisher",
            system,
            Some("WinDefend"),
        ),
    ] {
        assert_eq!(found(exe, signer, "unmodified", user, unit), 0, "{exe}");
        assert_eq!(found(exe, signer, "modified", user, unit), 1, "{exe}");
        assert_eq!(found(exe, "Evil Corp", "unmodified", user, unit), 1, "{exe}");
        let elsewhere = exe.replacen(r"C:\", r"C:\Users\Public\", 1);
        assert_eq!(found(&elsewhere, signer, "unmodified", user, unit), 1, "{elsewhere}");
    }
    for (exe, user, unit) in [
        (r"C:\Windows\System32\svchost.exe", system, None),
        (r"C:\Windows\System32\svchost.exe", r"WEB1\alice", Some("Schedule")),
        (r"C:\Windows\System32\lsass.exe", r"WEB1\alice", None),
        (r"C:\Windows\System32\cmd.exe", system, None),
        (r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", r"IIS APPPOOL\DefaultAppPool", None),
    ] {
        assert_eq!(found(exe, own, "unmodified", user, unit), 1, "{exe}");
    }
}

/// A path as it is on a host with merged folders.
fn merged(path: &str) -> String {
    let first = path.split('/').nth(1).unwrap_or_default();
    if ["bin", "sbin", "lib", "lib64"].contains(&first) { format!("/usr{path}") } else { path.to_owned() }
}

/// The files of packages: of those installed, and of others once they were downloaded.
struct Archive {
    folder: tempfile::TempDir,
    site: Option<String>,
    /// By suite, the packages there are.
    names: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Archive {
    /// Reads the package lists of both suites, from the same place as this machine's own.
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets =
            output(Command::new("apt-get").args(["indextargets", "--format", "$(SITE) $(RELEASE)"]));
        let site = targets.lines().find_map(|line| {
            let (site, release) = line.split_once(' ')?;
            SUITES.contains(&release).then(|| site.to_owned())
        });
        let mut archive = Self { folder, site, names: BTreeMap::new() };
        for suite in SUITES {
            let names = archive.fetch_lists(suite).unwrap_or_default();
            archive.names.insert(suite, names);
        }
        archive
    }

    fn is_whole(&self) -> bool {
        self.names.values().all(|names| names.len() > 1000)
    }

    fn root(&self, suite: &str) -> PathBuf {
        self.folder.path().join(suite)
    }

    fn apt(&self, tool: &str, suite: &str) -> Command {
        let root = self.root(suite);
        let mut command = Command::new(tool);
        command.arg("-o").arg(format!("Dir={}/", root.display()));
        command.arg("-o").arg(format!("Dir::State::status={}/status", root.display()));
        command.args(["-o", "APT::Sandbox::User=root", "-o", "APT::Update::Post-Invoke-Success="]);
        command.args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"]);
        command
    }

    fn fetch_lists(&self, suite: &'static str) -> Option<BTreeSet<String>> {
        let root = self.root(suite);
        for folder in ["etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "debs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let line = format!("deb [signed-by={keys}] {} {suite} main\n", self.site.as_ref()?);
        fs::write(root.join("etc/apt/sources.list"), line).unwrap();
        output(self.apt("apt-get", suite).arg("update"));
        Some(output(self.apt("apt-cache", suite).arg("pkgnames")).lines().map(str::to_owned).collect())
    }

    /// Downloads packages that are not yet there, and names the package files.
    fn download(&self, suite: &str, packages: &BTreeSet<String>) {
        let there: BTreeSet<&String> = packages.intersection(&self.names[suite]).collect();
        if !there.is_empty() {
            output(
                self.apt("apt-get", suite)
                    .current_dir(self.root(suite).join("debs"))
                    .arg("download")
                    .args(there),
            );
        }
    }

    fn deb(&self, suite: &str, package: &str) -> Option<PathBuf> {
        let debs = fs::read_dir(self.root(suite).join("debs")).ok()?;
        let is_it = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{package}_")))
        };
        debs.map(|entry| entry.unwrap().path()).find(is_it)
    }

    fn files(&self, suite: &str, package: &str) -> Vec<String> {
        let Some(deb) = self.deb(suite, package) else { return Vec::new() };
        let listing = output(Command::new("dpkg-deb").arg("-c").arg(deb));
        let path = |line: &str| {
            let path = &line[line.find(" ./")? + 2..];
            Some(merged(path.split(" -> ").next()?.split(" link to ").next()?))
        };
        listing.lines().filter_map(path).collect()
    }

    fn content(&self, suite: &str, package: &str, path: &str) -> String {
        let Some(deb) = self.deb(suite, package) else { return String::new() };
        let part = if path == POSTINST { "--ctrl-tarfile" } else { "--fsys-tarfile" };
        let tar = Command::new("dpkg-deb").arg(part).arg(deb).output().unwrap().stdout;
        let file = self.folder.path().join("content.tar");
        fs::write(&file, tar).unwrap();
        output(Command::new("tar").arg("-xOf").arg(file).arg(format!(".{path}")))
    }
}

fn output(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(files: &[String], wanted: &str) -> bool {
    let pattern = Pattern::from(merged(wanted).as_str());
    files.iter().any(|file| !file.ends_with('/') && pattern.matches_path(file))
}

/// The files of our own package.
fn our_files() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let path = |asset: &toml::Value| Some(format!("/{}", asset.as_array()?.get(1)?.as_str()?));
    assets.iter().filter_map(path).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn every_file_is_in_the_package_that_its_rule_names() {
    if left_out("apt-get and dpkg-deb", Path::new("/usr/bin/apt-get").exists()) {
        return;
    }
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for rule in process_rules() {
        wanted.insert((rule.package.unwrap(), rule.exe.as_str().to_owned()));
    }
    wanted.extend(SCRIPTS.iter().map(|(script, package)| ((*package).to_owned(), (*script).to_owned())));
    // Debian does not have our own package; what it brings is written in this crate.
    let ours: BTreeSet<String> = our_files();
    assert!(ours.contains("/usr/bin/watchdog"), "{ours:?}");
    wanted.retain(|(package, file)| package != env!("CARGO_PKG_NAME") || !ours.contains(file));
    let mut installed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    wanted.retain(|(package, file)| {
        let files = installed.entry(package.clone()).or_insert_with(|| {
            output(Command::new("dpkg").args(["-L", package])).lines().map(merged).collect()
        });
        !has(files, file)
    });
    let archive = Archive::open();
    if left_out("the package lists of Debian 12 and 13", archive.is_whole()) {
        return;
    }
    let mut packages: BTreeSet<String> = wanted.iter().map(|(package, _)| package.clone()).collect();
    packages.extend(COMMANDS.iter().map(|(_, package, _)| (*package).to_owned()));
    for suite in SUITES {
        archive.download(suite, &packages);
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        wanted.retain(|(package, file)| {
            !has(files.entry(package.clone()).or_insert_with(|| archive.files(suite, package)), file)
        });
    }
    assert_eq!(wanted, BTreeSet::new(), "not in these packages, neither installed nor in {SUITES:?}");
    for rule in process_rules() {
        let Some(command) = rule.script.as_ref().and_then(|script| script.as_str().strip_prefix("-c "))
        else {
            continue;
        };
        let (_, package, file) = COMMANDS.iter().find(|(end, _, _)| command.ends_with(end)).unwrap();
        // The path of a library folder has the architecture in it.
        let command = command.replace("aarch64-linux-gnu", &format!("{}-linux-gnu", std::env::consts::ARCH));
        let command = command.replace("x86_64-linux-gnu", &format!("{}-linux-gnu", std::env::consts::ARCH));
        // What is made by a script has a variable where the file's name will be.
        let command = match *file {
            POSTINST => command.replace("/etc/cron.daily/popularity-contest", "$FILE"),
            _ => command,
        };
        let file = file.replace("x86_64", std::env::consts::ARCH);
        let holds = |suite: &str| archive.content(suite, package, &file).contains(&command);
        assert!(SUITES.into_iter().any(holds), "{package} has no {command:?} in {file}");
    }
}
