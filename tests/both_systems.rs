//! One product on both systems: recorded facts of a Linux and of a Windows get the same findings wherever they are checked, and
//! the program itself learns, watches, mails to a server and keeps what it could not mail, on whichever it was built for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "mail/fake.rs"]
#[allow(dead_code, reason = "it can do more than is asked of it here")]
mod fake;
mod support;

use expect_test::{Expect, expect};
use fake::{Act, Fake};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Running, alone, quoted, wait_for, watchdog};
use tempfile::TempDir;

/// Settings, a policy and a state folder.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Runs the program with the settings; its exit code and all that it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let config = self.path("watchdog.toml").display().to_string();
        let output = watchdog(&[args, &["--config", &config]].concat());
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }

    fn settings(&self, mail: &str) {
        let state = quoted(&self.path("state"));
        self.write("watchdog.toml", &format!("state-dir = \"{state}\"\n[mail]\n{mail}"));
    }
}

/// A process among the facts.
fn process(pid: u32, exe: &str, user: &str, unit: &str) -> Value {
    serde_json::json!({ "pid": pid, "start": 1, "since": "2026-03-01T10:00:00Z", "parent": 1, "exe": { "path": exe },
        "name": "x", "args": ["x"], "uid": 1000, "user": user, "unit": unit })
}

/// What is found in these facts with this policy, a line each.
fn found(
    processes: &[Value],
    signers: &[(&str, &str)],
    listeners: &[Value],
    policy: &str,
    expected: &Expect,
) {
    let place = Place::new();
    let packages: serde_json::Map<String, Value> = signers
        .iter()
        .map(|(path, name)| ((*path).to_owned(), serde_json::json!({ "name": name, "state": "unmodified" })))
        .collect();
    let facts = serde_json::json!({ "schema": 1, "host": "web1", "boot-id": "b", "taken": "2026-03-01T12:00:00Z",
        "processes": { "facts": { "processes": processes, "packages": packages, "sees-all": true } },
        "listeners": { "facts": { "listeners": listeners, "ephemeral": [49152, 65535], "sees-all": true } } });
    // The same place in the policy, whatever the folder is called.
    let folder = place.path("").display().to_string();
    let facts = place.write("facts.json", &facts.to_string());
    let policy = place.write("policy.toml", &format!("schema = 1\n{policy}"));
    let output = watchdog(&["check", "--json", "--policy", &policy, "--facts", &facts]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = String::new();
    for line in said.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        lines += &format!("{} {}: {}\n", text("severity"), text("code"), text("title"));
        let nearest = finding["nearest"]["why-not"].as_array().cloned().unwrap_or_default();
        for why in nearest {
            lines += &format!("  - {}\n", why.as_str().unwrap_or_default());
        }
        let suggest = text("suggest").replace(&folder, "FOLDER/");
        lines += &suggest.lines().map(|line| format!("    {line}\n")).collect::<String>();
    }
    expected.assert_eq(&lines);
}

fn socket(address: &str, port: u16, owner: &Value) -> Value {
    serde_json::json!({ "protocol": "tcp", "address": address, "port": port, "user": owner["user"], "inode": port,
        "owners": [owner] })
}

const SYSTEM: &str = r"NT AUTHORITY\SYSTEM";

#[test]
fn facts_of_a_windows_get_the_same_findings_everywhere() {
    let lsass = process(700, r"C:\Windows\system32\lsass.exe", SYSTEM, "SamSs");
    let shell = process(4242, r"C:\Users\Public\svchost.exe", r"IIS APPPOOL\shop", "");
    let service = process(900, r"C:\Windows\System32\svchost.exe", SYSTEM, "Schedule");
    found(
        &[lsass.clone(), shell.clone(), service.clone()],
        &[
            (r"C:\Windows\system32\lsass.exe", "Microsoft Windows Publisher"),
            (r"C:\Windows\System32\svchost.exe", "Microsoft Windows"),
        ],
        &[socket("0.0.0.0", 49664, &lsass), socket("0.0.0.0", 4444, &shell)],
        "include = [\"windows-server\"]\n[[process]]\nexe = 'c:\\inetpub\\agent.exe'\ncount = \"1..\"\n",
        &expect![[r#"
            urgent unknown-process: unknown process C:\Users\Public\svchost.exe run by IIS APPPOOL\shop
                [[process]]
                exe   = 'C:\Users\Public\svchost.exe'
                users = ['IIS APPPOOL\shop']
                why   = "…"
            urgent missing-process: c:\inetpub\agent.exe does not run
                # instead of the rule at FOLDER/policy.toml:3
                [[process]]
                exe = 'c:\inetpub\agent.exe'
            urgent new-listener: tcp port 4444 on every address is opened by C:\Users\Public\svchost.exe run by IIS APPPOOL\shop
                [[listener]]
                protocol = "tcp"
                bind     = "any"
                port     = 4444
                exe      = 'C:\Users\Public\svchost.exe'
                why      = "…"
        "#]],
    );
}

#[test]
fn facts_of_a_linux_get_the_same_findings_everywhere() {
    let sshd = process(700, "/usr/sbin/sshd", "root", "ssh.service");
    let evil = process(4242, "/tmp/sshd", "www-data", "nginx.service");
    found(
        &[sshd.clone(), evil.clone()],
        &[("/usr/sbin/sshd", "openssh-server")],
        &[socket("0.0.0.0", 22, &sshd), socket("0.0.0.0", 4444, &evil)],
        "include = [\"openssh\"]\n[[process]]\nexe = \"/usr/sbin/cron\"\ncount = \"1..\"\n",
        &expect![[r#"
            urgent unknown-process: unknown process /tmp/sshd run by www-data
                [[process]]
                exe   = "/tmp/sshd"
                users = ["www-data"]
                why   = "…"
            urgent missing-process: /usr/sbin/cron does not run
                # instead of the rule at FOLDER/policy.toml:3
                [[process]]
                exe = "/usr/sbin/cron"
            urgent new-listener: tcp port 4444 on every address is opened by /tmp/sshd run by www-data
                [[listener]]
                protocol = "tcp"
                bind     = "any"
                port     = 4444
                exe      = "/tmp/sshd"
                why      = "…"
        "#]],
    );
}

/// A policy that nothing can satisfy: whatever is seen of this host, something differs.
const MISSING: &str = "schema = 1\n[[process]]\nexe = \"/nowhere/app\"\ncount = \"1..\"\n[[listener]]\nprotocol = \"tcp\"\n\
                       bind = \"loopback\"\nport = 1\nrequired = true\n";

#[test]
fn what_differs_is_mailed_to_a_server_once() {
    let Some(_alone) = alone("what_differs_is_mailed_to_a_server_once") else { return };
    let place = Place::new();
    let server = Fake::start(&[Act::Accept]);
    place.settings(&format!(
        "to = [\"ops@example.org\"]\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {}\n",
        server.port
    ));
    place.write("policy.toml", MISSING);
    let (code, said) = place.run(&["run", "--once"]);
    assert_eq!(code, 0, "{said}");
    let taken = server.taken();
    assert_eq!(taken.len(), 1, "{said}");
    assert_eq!(taken[0].to, ["<ops@example.org>"]);
    let mail = String::from_utf8(taken[0].bytes.clone()).unwrap();
    assert!(
        mail.contains("\r\nSubject: ") && mail.contains("\r\nAuto-Submitted: auto-generated\r\n"),
        "{mail}"
    );
    assert!(mail.split("\r\n").all(|line| !line.contains(['\n', '\r']) && line.len() <= 998), "{mail}");
    let (code, alerts) = place.run(&["alerts", "--json"]);
    assert_eq!(code, 0, "{alerts}");
    let alerts: Vec<Value> = alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!alerts.is_empty());
    assert_eq!(place.run(&["run", "--once"]).0, 0);
    assert_eq!(server.taken().len(), 1, "nothing new happened, and nothing is mailed again");
    let (code, status) = place.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((code, &status["counters"]["passes"]), (0, &Value::from(2)));
}

#[test]
fn what_no_server_takes_is_kept_and_delivered_later() {
    let Some(_alone) = alone("what_no_server_takes_is_kept_and_delivered_later") else { return };
    let place = Place::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let to =
        |port: u16| format!("to = [\"ops@example.org\"]\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\n");
    place.settings(&to(closed));
    place.write("policy.toml", MISSING);
    assert_eq!(place.run(&["run", "--once"]).0, 0);
    let (code, said) = place.run(&["deliver"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(" not accepted: ") && said.contains("1 still waiting"), "{said}");
    let server = Fake::start(&[Act::Accept]);
    place.settings(&to(server.port));
    let (code, said) = place.run(&["deliver"]);
    assert_eq!((code, server.taken().len()), (0, 1), "{said}");
    assert!(said.contains("1 accepted, 0 still waiting"), "{said}");
    let (code, said) = place.run(&["mail", "test"]);
    assert_eq!((code, server.taken().len()), (0, 2), "{said}");
    assert!(said.contains("queued as FAKE1"), "{said}");
}

#[test]
fn with_nothing_prepared_it_learns_a_valid_policy_and_mails_into_a_folder() {
    let Some(_alone) = alone("with_nothing_prepared_it_learns_a_valid_policy_and_mails_into_a_folder") else {
        return;
    };
    let place = Place::new();
    let state = place.path("s");
    let state = state.to_str().unwrap();
    let output = watchdog(&["run", "--once", "--state-dir", state]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("There was no policy yet, so one was learned"), "{said}");
    let policy = place.path("s").join("policy.toml");
    let valid = watchdog(&["validate", policy.to_str().unwrap()]);
    assert_eq!(valid.status.code(), Some(0), "{}", String::from_utf8_lossy(&valid.stderr));
    let mails = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(place.path("s").join("mails"));
        entries.map_or_else(|_| Vec::new(), |entries| entries.map(|mail| mail.unwrap().path()).collect())
    };
    let before = mails().len();
    std::fs::write(&policy, MISSING).unwrap();
    assert!(watchdog(&["run", "--once", "--state-dir", state]).status.success());
    assert_eq!(mails().len(), before + 1, "{:?}", mails());
    for mail in mails() {
        assert!(std::fs::read_to_string(mail).unwrap().contains("\r\nMessage-ID: <"));
    }
}

#[test]
fn two_watchdogs_never_share_a_state_folder_and_a_killed_one_leaves_it_free() {
    let Some(_alone) = alone("two_watchdogs_never_share_a_state_folder_and_a_killed_one_leaves_it_free")
    else {
        return;
    };
    let place = Place::new();
    place.settings(&format!("via = \"folder\"\nfolder.path = \"{}\"\n", quoted(&place.path("mails"))));
    place.write("policy.toml", MISSING);
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(["run", "--config"]).arg(place.path("watchdog.toml"));
        Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    };
    let mails = || std::fs::read_dir(place.path("mails")).map_or(0, Iterator::count);
    let service = start();
    wait_for("the first mail", || mails() > 0);
    let (code, said) = place.run(&["run", "--once"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("in use by another watchdog"), "{said}");
    // Killed: what it told is not told again, and nobody else is kept out.
    drop(service);
    let before = mails();
    let (code, said) = place.run(&["run", "--once"]);
    assert_eq!((code, mails()), (0, before), "{said}");
}

/// What a doctor says is of use only in the words of the system that it looks at.
#[test]
fn the_doctor_speaks_of_this_system_only_and_has_a_remedy_for_each_fault() {
    let Some(_alone) = alone("the_doctor_speaks_of_this_system_only_and_has_a_remedy_for_each_fault") else {
        return;
    };
    let place = Place::new();
    place.settings(&format!("via = \"folder\"\nfolder.path = \"{}\"\n", quoted(&place.path("mails"))));
    place.write("policy.toml", "schema = 1\n");
    let (code, said) = place.run(&["doctor", "--json", "--no-mail"]);
    assert_eq!(code, 1, "nobody watches here: {said}");
    let of_linux = ["hidepid", "/proc", "systemctl", "CAP_", "apt-get", "sudo", "journal"];
    let of_windows = ["auditpol", "sc.exe", "PowerShell", "event log", "msiexec", "-Service"];
    let others = if cfg!(windows) { &of_linux[..] } else { &of_windows[..] };
    let mut checks = Vec::new();
    for line in said.lines() {
        let check: Value = serde_json::from_str(line).unwrap();
        assert!(others.iter().all(|word| !line.contains(word)), "words of another system: {line}");
        if check["verdict"] == "fault" {
            assert!(check["remedy"].as_array().is_some_and(|all| !all.is_empty()), "{line}");
        }
        checks.push(check["check"].as_str().unwrap().to_owned());
    }
    assert!(checks.iter().any(|check| check == "time-zone"), "{checks:?}");
    let own = if cfg!(windows) { "logon-audit" } else { "proc" };
    assert!(checks.iter().any(|check| check == own), "{checks:?}");
}
