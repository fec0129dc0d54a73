use super::*;
use crate::pass::{self, Memories};
use expect_test::expect;
use serde_json::json;

mod windows;

const EVERY: &[&str] = &["dpkg", "systemd", "apt", "coreutils", "dash", "bash", "perl-base", "util-linux"];

fn installed(more: &[&str]) -> BTreeSet<String> {
    EVERY.iter().chain(more).map(|name| (*name).to_owned()).collect()
}

fn process(pid: u32, exe: &str, user: &str, unit: &str) -> serde_json::Value {
    json!({ "pid": pid, "start": 1, "since": "2026-03-01T10:00:00Z", "parent": 1, "exe": { "path": exe },
        "name": "x", "args": ["x"], "uid": 1, "user": user, "unit": unit, "container": false })
}

fn socket(port: u16, owner: &serde_json::Value) -> serde_json::Value {
    json!({ "protocol": "tcp", "address": "0.0.0.0", "port": port, "user": "root", "inode": port, "owners": [owner] })
}

/// What runs on a host, with the packages of executables that have one: (path, package, state).
fn snapshot(
    processes: &[serde_json::Value],
    packages: &[(&str, &str, &str)],
    listeners: &[serde_json::Value],
) -> Snapshot {
    let packages: serde_json::Map<String, serde_json::Value> = packages
        .iter()
        .map(|(path, name, state)| ((*path).to_owned(), json!({ "name": name, "state": state })))
        .collect();
    serde_json::from_value(json!({
        "schema": 1, "host": "web1", "boot-id": "b", "taken": "2026-03-01T12:00:00Z",
        "processes": { "facts": { "processes": processes, "packages": packages, "sees-all": true } },
        "listeners": { "facts": { "listeners": listeners, "ephemeral": [32768, 60999], "sees-all": true } },
    }))
    .unwrap()
}

fn web_server() -> Snapshot {
    let sshd = process(20, "/usr/sbin/sshd", "root", "ssh.service");
    let app = process(30, "/opt/app", "alice", "app.service");
    let unmodified = "unmodified";
    snapshot(
        &[process(1, "/usr/lib/systemd/systemd", "root", "init.scope"), sshd.clone(), app.clone()],
        &[
            ("/usr/lib/systemd/systemd", "systemd", unmodified),
            ("/usr/sbin/sshd", "openssh-server", unmodified),
        ],
        &[socket(22, &sshd), socket(2222, &sshd), socket(8080, &app)],
    )
}

fn learned(snapshot: &Snapshot, how: &How) -> String {
    let text = policy(&pass::watches(), snapshot, how).unwrap();
    // Whatever is left out, right after learning nothing differs.
    let rules = Policy::from_text("learned", &text).unwrap();
    let findings = pass::check_all(&pass::watches(), snapshot, &rules, &mut Memories::default());
    assert_eq!(findings, []);
    text.split_once("schema = 1\n").unwrap().1.to_owned()
}

#[test]
fn what_fits_is_named_in_a_comment_and_all_is_learned() {
    let how = How { installed: installed(&["openssh-server"]), ..How::default() };
    let text = learned(&web_server(), &how);
    assert!(
        text.starts_with(
            "# To allow what these packages run by themselves, now and then too:\n# include = [\"debian-base\", \"openssh\"]\n"
        ),
        "{text}"
    );
    assert_eq!(text.matches("[[process]]").count(), 3, "{text}");
    assert_eq!(text.matches("[[listener]]").count(), 3, "{text}");
}

#[test]
fn what_fits_is_included_and_only_the_rest_is_learned() {
    let how = How {
        ready_made: ReadyMade::Included,
        installed: installed(&["openssh-server", "host-watchdog"]),
        observed: Some("/var/lib/host-watchdog/observed.toml".into()),
    };
    expect![[r#"
        include = ["debian-base", "host-watchdog", "openssh", "/var/lib/host-watchdog/observed.toml"]

        # Processes that may run, by executable, script and user.

        [[process]]
        exe   = "/opt/app"
        users = ["alice"]
        why   = "ran when this policy was learned"
        by    = "watchdog snapshot 2026-03-01"

        # Sockets that may listen. With `required = true` in a rule, nothing listening there is reported too.

        [[listener]]
        protocol = "tcp"
        bind     = "any"
        port     = 2222
        exe      = "/usr/sbin/sshd"
        why      = "listened when this policy was learned"
        by       = "watchdog snapshot 2026-03-01"

        [[listener]]
        protocol = "tcp"
        bind     = "any"
        port     = 8080
        exe      = "/opt/app"
        why      = "listened when this policy was learned"
        by       = "watchdog snapshot 2026-03-01"
    "#]]
    .assert_eq(&learned(&web_server(), &how));
}

#[test]
fn a_file_that_is_not_as_its_package_brought_it_is_learned_with_a_remark_for_all_that_is_included() {
    let mut changed = web_server();
    let text = serde_json::to_string(&changed).unwrap().replacen(
        "\"openssh-server\",\"state\":\"unmodified\"",
        "\"openssh-server\",\"state\":\"modified\"",
        1,
    );
    changed = serde_json::from_str(&text).unwrap();
    let how =
        How { ready_made: ReadyMade::Included, installed: installed(&["openssh-server"]), ..How::default() };
    let text = learned(&changed, &how);
    assert!(text.contains("the file is NOT as package openssh-server brought it"), "{text}");
}

#[test]
fn a_ready_made_policy_fits_by_a_package_of_its_own() {
    let fits = |more: &[&str]| fitting(&installed(more)).join(" ");
    assert_eq!(fits(&[]), "debian-base");
    assert_eq!(fits(&["dma"]), "debian-base dma");
    assert_eq!(fits(&["exim4-daemon-heavy", "nginx"]), "debian-base exim4 nginx");
    assert_eq!(fits(&["host-watchdog", "postfix"]), "debian-base host-watchdog postfix");
    assert_eq!(fits(&["nginx-common", "opensmtpd"]), "debian-base opensmtpd");
    assert_eq!(fitting(&BTreeSet::new()), [""; 0], "a host without dpkg");
}

#[test]
fn our_own_parts_are_included_whenever_they_are_installed() {
    let how = How { installed: installed(&["host-watchdog"]), ..How::default() };
    let text = learned(&web_server(), &how);
    let head = "include = [\"host-watchdog\"]\n# To allow what these packages run by themselves, now and then too:\n\
                # include = [\"debian-base\", \"host-watchdog\"]\n";
    assert!(text.starts_with(head), "{text}");
}

/// The findings on processes with the ready-made policy of our own parts.
fn ours(processes: &[serde_json::Value], state: &str) -> Vec<String> {
    let rules = Policy::from_text("policy.toml", "schema = 1\ninclude = [\"host-watchdog\"]").unwrap();
    let snapshot = snapshot(
        processes,
        &[
            ("/usr/bin/watchdog", "host-watchdog", state),
            ("/usr/bin/journalctl", "systemd", "unmodified"),
            ("/usr/bin/dash", "dash", "unmodified"),
        ],
        &[],
    );
    let findings = pass::check_all(&pass::watches(), &snapshot, &rules, &mut Memories::default());
    findings.into_iter().map(|finding| finding.subject).collect()
}

#[test]
fn our_own_parts_are_allowed_where_the_package_put_them_and_nothing_else_is() {
    let parts = [
        process(10, "/usr/bin/watchdog", "host-watchdog", "host-watchdog.service"),
        process(11, "/usr/bin/watchdog", "host-watchdog-mail", "host-watchdog-mail.service"),
        process(12, "/usr/bin/watchdog", "host-watchdog-mail", "host-watchdog-sendmail.service"),
        process(13, "/usr/bin/watchdog", "host-watchdog", "host-watchdog-metrics@3-127.0.0.1:9469.service"),
        process(14, "/usr/bin/watchdog", "root", "session-3.scope"),
        process(15, "/usr/bin/journalctl", "host-watchdog", "host-watchdog.service"),
    ];
    assert_eq!(ours(&parts, "unmodified"), [""; 0]);
    for state in ["modified", "unknown"] {
        assert_eq!(ours(&parts, state).len(), 3, "three users run a program that is {state}");
    }
    let strangers = [
        process(20, "/tmp/watchdog", "host-watchdog-mail", "host-watchdog-mail.service"),
        process(21, "/usr/bin/dash", "host-watchdog-mail", "host-watchdog-mail.service"),
        process(22, "/usr/bin/watchdog", "alice", "session-4.scope"),
        process(23, "/usr/bin/watchdog", "host-watchdog-mail", "evil.service"),
        process(24, "/usr/bin/journalctl", "host-watchdog", "host-watchdog-mail.service"),
        process(25, "/usr/bin/journalctl", "host-watchdog-mail", "host-watchdog.service"),
    ];
    for stranger in strangers {
        assert_eq!(ours(std::slice::from_ref(&stranger), "unmodified").len(), 1, "{stranger}");
    }
}

#[test]
fn a_windows_gets_the_ready_made_policies_of_the_roles_it_is_seen_in() {
    let windows = |exe: &str, user: &str, unit: &str| process(9, exe, user, unit);
    let svchost = |unit: &str| windows(r"C:\Windows\System32\svchost.exe", r"NT AUTHORITY\SYSTEM", unit);
    let lsass = windows(r"C:\Windows\system32\lsass.exe", r"NT AUTHORITY\SYSTEM", "SamSs");
    let terminal = svchost("TermService");
    let roles = |processes: &[serde_json::Value], listeners: &[serde_json::Value]| {
        super::roles::of(&snapshot(processes, &[], listeners))
    };
    assert_eq!(roles(&[lsass.clone(), terminal.clone()], &[]), ["host-watchdog", "windows-server"]);
    let all = [lsass.clone(), svchost("W3SVC+WAS"), terminal.clone()];
    assert_eq!(roles(&all, &[socket(3389, &terminal)]), ["host-watchdog", "windows-server", "iis", "rdp"]);
    let linux = process(1, "/opt/lsass.exe", "root", "W3SVC");
    assert_eq!(roles(std::slice::from_ref(&linux), &[socket(3389, &linux)]), [""; 0]);
    let how = How { ready_made: ReadyMade::Included, ..How::default() };
    let text = learned(&snapshot(&[lsass], &[], &[]), &how);
    assert!(text.contains("include = [\"host-watchdog\", \"windows-server\"]"), "{text}");
}
