//! The update watch against a real apt: two archives made here, one of them for security, and a host whose packages
//! are older. Nothing of the machine's own apt is touched, and nothing is fetched but from a folder.

// A real apt; what the agent of Windows says is tested beside src/watch/update/agent.rs.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use host_watchdog::coverage::Gap;
use host_watchdog::finding::Finding;
use host_watchdog::host::Host;
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::watch::update::{Rules, UpdateFacts, UpdateWatch};
use host_watchdog::watch::{Facts, Look, Memory, Seen, Watch};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::left_out;

const STATUS: &str = "/var/lib/dpkg/status";

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A host in a folder, with its archives beside it.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        for folder in
            ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg"]
        {
            fs::create_dir_all(stage.root().join(folder)).unwrap();
        }
        fs::create_dir_all(stage.root().join("var/cache/apt/archives/partial")).unwrap();
        stage
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    /// What is installed: name, version, and whether it is to be installed or held.
    fn installed(&self, packages: &[(&str, &str, &str)]) {
        let paragraph = |(name, version, want): &(&str, &str, &str)| {
            format!(
                "Package: {name}\nStatus: {want} ok installed\nArchitecture: all\nVersion: {version}\nMaintainer: T <t@example.org>\nDescription: x\n\n"
            )
        };
        let text: String = packages.iter().map(paragraph).collect();
        fs::write(self.root().join("var/lib/dpkg/status"), text).unwrap();
    }

    /// An archive with these packages. Made by the tools that real archives are made with.
    fn archive(&self, name: &str, label: &str, suite: &str, packages: &[(&str, &str)]) {
        let archive = self.folder.path().join(name);
        fs::create_dir_all(&archive).unwrap();
        for (package, version) in packages {
            let build = self.folder.path().join("build");
            fs::create_dir_all(build.join("DEBIAN")).unwrap();
            let control = format!(
                "Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: x\n"
            );
            fs::write(build.join("DEBIAN/control"), control).unwrap();
            let deb = archive.join(format!("{package}_{version}_all.deb"));
            run(Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&build).arg(deb));
        }
        let suite_folder = archive.join("dists").join(suite);
        let arch = String::from_utf8(run(Command::new("dpkg").arg("--print-architecture"))).unwrap();
        let index = suite_folder.join(format!("main/binary-{}", arch.trim()));
        fs::create_dir_all(&index).unwrap();
        let make = |folder: &Path, args: &[&str]| {
            run(Command::new("apt-ftparchive").args(args).arg(".").current_dir(folder))
        };
        fs::write(index.join("Packages"), make(&archive, &["packages"])).unwrap();
        let fields = [
            ("Origin", "Debian"),
            ("Label", label),
            ("Suite", suite),
            ("Components", "main"),
            ("Architectures", arch.trim()),
        ];
        let options = fields.map(|(field, value)| format!("APT::FTPArchive::Release::{field}={value}"));
        let mut args: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        args.push("release");
        let release = String::from_utf8(make(&suite_folder, &args)).unwrap();
        fs::write(suite_folder.join("Release"), self.of_one_moment(&release)).unwrap();
    }

    /// The archives are made one after the other, on a busy machine in more than a second; what waits for longest is told first.
    fn of_one_moment(&self, release: &str) -> String {
        let is_date = |line: &&str| line.starts_with("Date: ");
        let own = release.lines().find(is_date).unwrap();
        let first = self.folder.path().join("date");
        if !first.exists() {
            fs::write(&first, own).unwrap();
        }
        release.replace(own, &fs::read_to_string(&first).unwrap())
    }

    fn sources(&self, archives: &[&str]) {
        let line = |name: &&str| {
            let suite = if *name == "security" { "stable-security" } else { "stable" };
            format!("deb [trusted=yes] file:{} {suite} main\n", self.folder.path().join(name).display())
        };
        let text: String = archives.iter().map(line).collect();
        fs::write(self.root().join("etc/apt/sources.list"), text).unwrap();
    }

    /// What an administrator does, for this host only.
    fn apt_get_update(&self) {
        let root = self.root();
        let options = [
            format!("Dir={}/", root.display()),
            format!("Dir::State::status={}{STATUS}", root.display()),
            "APT::Sandbox::User=root".to_owned(),
            "APT::Update::Post-Invoke-Success=".to_owned(),
        ];
        let options = options.iter().flat_map(|option| ["-o", option]);
        run(Command::new("apt-get").args(options).arg("update"));
        self.lists_are_of_one_moment();
    }

    /// Their archives were made one after the other, on a busy machine in more than a second; what waits for longest is told first.
    fn lists_are_of_one_moment(&self) {
        let entries = std::fs::read_dir(self.root().join("var/lib/apt/lists")).unwrap().flatten();
        let lists: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        let made = |path: &std::path::PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
        let first = lists.iter().map(made).min().unwrap();
        for list in &lists {
            std::fs::File::open(list).unwrap().set_modified(first).unwrap();
        }
    }

    fn look(&self, memory: &mut Memory, now: Timestamp) -> (Seen<UpdateFacts>, Vec<Gap>) {
        let host = Host::at(self.root()).at_moment(now);
        let (processes, rules, mut gaps) = (Processes::default(), Rules::default(), Vec::new());
        let mut look =
            Look { host: &host, processes: &processes, rules: &rules, now, memory, gaps: &mut gaps };
        let seen = UpdateWatch::default().collect(&mut look);
        (seen, gaps)
    }

    fn facts(&self, memory: &mut Memory, now: Timestamp) -> UpdateFacts {
        let (seen, gaps) = self.look(memory, now);
        assert_eq!(gaps, []);
        let Seen::Facts(facts) = seen else { panic!("{seen:?}") };
        facts
    }
}

fn check(facts: &UpdateFacts, policy: &str, now: Timestamp) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    UpdateWatch::check(&Facts { facts, rules: &policy.update, now }, &mut Memory::default())
}

fn titles(facts: &UpdateFacts, policy: &str, now: Timestamp) -> Vec<String> {
    check(facts, policy, now).into_iter().map(|finding| finding.title).collect()
}

fn tools_are_missing() -> bool {
    let is_there = |tool: &str| Path::new("/usr/bin").join(tool).exists();
    left_out(
        "apt-get, apt-ftparchive and dpkg-deb",
        ["apt-get", "apt-ftparchive", "dpkg-deb"].into_iter().all(is_there),
    )
}

fn now() -> Timestamp {
    Host::this().now()
}

/// Two archives, and a host with one package that has a security update, one held with one, one that has an ordinary
/// update, one whose security update hides below a later ordinary one, and one that has none.
fn stage() -> Stage {
    let stage = Stage::new();
    let security = [("vuln", "1.0-1+deb12u1"), ("held", "2"), ("hidden", "1.1")];
    stage.archive("security", "Debian-Security", "stable-security", &security);
    stage.archive(
        "main",
        "Debian",
        "stable",
        &[("plain", "3.1"), ("same", "1"), ("vuln", "1.0-1"), ("hidden", "1.2")],
    );
    stage.sources(&["security", "main"]);
    stage.installed(&[
        ("vuln", "1.0-1", "install"),
        ("held", "1", "hold"),
        ("hidden", "1.0", "install"),
        ("plain", "3.0", "install"),
        ("same", "1", "install"),
        ("elsewhere", "1", "install"),
    ]);
    stage
}

fn shown(facts: &UpdateFacts) -> Vec<String> {
    let show = |update: &host_watchdog::watch::update::Pending| {
        let security = if update.security { " security" } else { "" };
        let held = if update.held { " held" } else { "" };
        format!("{} {} -> {}{security}{held}", update.package, update.installed, update.candidate)
    };
    facts.pending.iter().map(show).collect()
}

#[test]
fn a_pending_security_update_is_seen_and_waits_from_when_its_list_was_made() {
    if tools_are_missing() {
        return;
    }
    let stage = stage();
    stage.apt_get_update();
    let mut memory = Memory::default();
    let start = now();
    let facts = stage.facts(&mut memory, start);
    assert_eq!(facts.installed, 6);
    assert_eq!(
        shown(&facts),
        [
            "held 1 -> 2 security held",
            "hidden 1.0 -> 1.2 security",
            "plain 3.0 -> 3.1",
            "vuln 1.0-1 -> 1.0-1+deb12u1 security"
        ]
    );
    let policy = "[updates]\nsecurity-max-age = \"3d\"\nmax-age = \"30d\"\nlists-max-age = \"7d\"";
    assert_eq!(titles(&facts, policy, start), Vec::<String>::new());
    let after = start + SignedDuration::from_hours(24 * 4 + 1);
    let facts = stage.facts(&mut memory, after);
    let found = check(&facts, policy, after);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].title, "3 security updates wait, the oldest for 4 days: held, hidden, vuln");
    // Nobody remembers anything, and it is known all the same: the list was made four days ago.
    let without_memory = stage.facts(&mut Memory::default(), after);
    assert_eq!(check(&without_memory, policy, after), found);
    let much_later = start + SignedDuration::from_hours(24 * 40);
    let facts = stage.facts(&mut memory, much_later);
    assert_eq!(
        titles(&facts, policy, much_later),
        [
            "3 security updates wait, the oldest for 40 days: held, hidden, vuln",
            "1 update waits for 40 days: plain",
            "the package lists are 40 days old (Debian stable): newer updates are not known"
        ]
    );
    // What is learned from it allows it.
    let learned = UpdateWatch::learn(&facts, "test", much_later);
    assert_eq!(check(&facts, &learned, much_later), []);
}

#[test]
fn apt_is_asked_again_only_when_something_changed() {
    if tools_are_missing() {
        return;
    }
    let stage = stage();
    stage.apt_get_update();
    let mut memory = Memory::default();
    let start = now();
    let hours = |hours| start + SignedDuration::from_hours(hours);
    let first = stage.facts(&mut memory, start);
    assert_eq!(first.computed, Some(start));
    assert_eq!(stage.facts(&mut memory, hours(1)).computed, Some(start));
    // Something is installed.
    stage.installed(&[("vuln", "1.0-1+deb12u1", "install"), ("plain", "3.0", "install")]);
    let second = stage.facts(&mut memory, hours(2));
    assert_eq!((second.computed, shown(&second)), (Some(hours(2)), vec!["plain 3.0 -> 3.1".to_owned()]));
    // The lists are renewed: what waited still waits since then.
    stage.archive("main", "Debian", "stable", &[("plain", "3.2")]);
    stage.apt_get_update();
    let third = stage.facts(&mut memory, hours(3));
    assert_eq!((third.computed, shown(&third)), (Some(hours(3)), vec!["plain 3.0 -> 3.2".to_owned()]));
    assert_eq!(third.pending[0].since, second.pending[0].since);
    // apt breaks: its last answer stands, and it is said that nothing newer is known.
    fs::write(stage.root().join("etc/apt/sources.list"), "deb nonsense\n").unwrap();
    let (seen, gaps) = stage.look(&mut memory, hours(4));
    assert_eq!(seen.facts().map(|facts| facts.computed), Some(Some(hours(3))));
    assert_eq!((gaps.len(), &*gaps[0].gap), (1, "pending-updates"));
    assert!(
        gaps[0].why.contains("Malformed entry 1") && gaps[0].why.contains("what is known is from"),
        "{gaps:?}"
    );
    stage.sources(&["main"]);
    assert_eq!(stage.facts(&mut memory, hours(5)).computed, Some(hours(5)));
}

#[test]
fn lists_that_were_never_fetched_are_not_taken_for_no_updates() {
    if tools_are_missing() {
        return;
    }
    let stage = stage();
    let (seen, gaps) = stage.look(&mut Memory::default(), now());
    let facts = seen.facts().unwrap();
    assert_eq!((facts.pending.len(), facts.lists.len(), facts.missing_lists.len()), (0, 0, 2));
    assert_eq!((gaps.len(), &*gaps[0].gap, gaps[0].seen, gaps[0].of), (1, "package-lists", 0, 2));
    assert_eq!(
        titles(facts, "[updates]\nlists-max-age = \"7d\"", now()),
        ["the package lists were never fetched: nobody knows which updates there are"]
    );
    let learned = UpdateWatch::learn(facts, "test", now());
    assert_eq!(check(facts, &learned, now()), []);
    // One of two was fetched.
    stage.sources(&["main"]);
    stage.apt_get_update();
    stage.sources(&["main", "security"]);
    let (_, gaps) = stage.look(&mut Memory::default(), now());
    assert_eq!((gaps.len(), gaps[0].seen, gaps[0].of), (1, 1, 2), "{gaps:?}");
    assert!(gaps[0].why.contains("/security stable-security"), "{gaps:?}");
}

#[test]
fn a_reboot_waits_from_when_it_was_first_seen_to_be_needed() {
    if tools_are_missing() {
        return;
    }
    let stage = stage();
    stage.apt_get_update();
    fs::create_dir_all(stage.root().join("run")).unwrap();
    let required = stage.root().join("run/reboot-required");
    fs::write(&required, "*** System restart required ***\n").unwrap();
    fs::write(stage.root().join("run/reboot-required.pkgs"), "linux-base\nlibc6\nlinux-base\n").unwrap();
    let mut memory = Memory::default();
    let start = now();
    let first = stage.facts(&mut memory, start).reboot.unwrap();
    let names: Vec<&str> = first.packages.iter().map(|name| &**name).collect();
    assert_eq!(names, ["libc6", "linux-base"]);
    // Another package asks for it later: it has still been needed since the first.
    let later = start + SignedDuration::from_hours(24 * 20);
    fs::File::options().append(true).open(&required).unwrap().set_modified(later.into()).unwrap();
    let facts = stage.facts(&mut memory, later);
    assert_eq!(facts.reboot.as_ref().unwrap().since, first.since);
    let found = titles(&facts, "[updates]\nreboot-max-age = \"14d\"", later);
    assert_eq!(found, ["a reboot has been needed for 20 days: libc6, linux-base"]);
    fs::remove_file(required).unwrap();
    assert_eq!(stage.facts(&mut memory, later).reboot, None);
}

#[test]
fn a_host_without_dpkg_has_no_data_and_not_no_updates() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var/lib/rpm")).unwrap();
    let stage = Stage { folder: root };
    fs::create_dir_all(stage.root().join("usr/lib/sysimage/rpm")).unwrap();
    let (seen, _) = stage.look(&mut Memory::default(), now());
    let why = "this host has rpm packages; only those of dpkg and apt can be watched so far";
    assert_eq!(seen, Seen::NoData(why.to_owned()));
}
