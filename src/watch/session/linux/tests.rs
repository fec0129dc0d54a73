use super::super::ToldBy;
use super::super::environment::{Variables, parse_environment};
use super::super::look::look_at;
use super::*;
use crate::processes::Processes;
use crate::watch::Look;
use crate::watch::login::ssh::process;
use crate::watch::session::SessionWatch;
use crate::watch::{Memory, Watch};
use proptest::prelude::*;
use std::fs;
use std::sync::Arc;

#[test]
fn of_an_environment_only_the_asked_variable_and_the_connection_are_taken() {
    let environment = b"HOME=/root\0KEYHOLDER=al\x1bice\0KEYHOLDER=bob\0SSH_CONNECTION=10.8.0.2 50000 10.8.0.1 22\0SSH_TTY=/dev/pts/0\0PASSWORD=x";
    let found = parse_environment(environment, "KEYHOLDER");
    assert_eq!(found.value.unwrap(), "al\\x1bice");
    assert_eq!(found.connection.unwrap(), "10.8.0.2 50000 10.8.0.1 22");
    assert_eq!(found.terminal.unwrap(), "pts/0");
    assert_eq!(
        parse_environment(b"XKEYHOLDER=a\0KEYHOLDERX=b\0KEYHOLDER", "KEYHOLDER"),
        Variables::default()
    );
}

#[test]
fn a_session_that_shows_a_giant_environment_is_one_without_a_keyholder() {
    let fixture = Fixture::new(b"A=b\0", "");
    let environment = fs::File::options().write(true).open(fixture.folder.path().join("proc/13/environ"));
    environment.unwrap().set_len(300 << 20).unwrap();
    let found = read_environment(&Host::at(fixture.folder.path()), &fixture.leader, "KEYHOLDER");
    assert!(matches!(found, Environment::Read(found) if found == Variables::default()));
}

#[test]
fn a_name_full_of_parentheses_does_not_hide_state_and_start() {
    let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
    let stat = format!("77 (a) Z 0 (b) S {rest}\n");
    assert_eq!(parse_stat(stat.as_bytes()), Some((b'S', 4242)));
    assert_eq!(parse_stat(b"77 (bash) S 1 2"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_an_environment_and_a_stat_or_not(bytes: Vec<u8>) {
        let _ = parse_environment(&bytes, "KEYHOLDER");
        let _ = parse_stat(&bytes);
    }
}

const SSHD: &str = "/usr/sbin/sshd";

/// A host with one process that leads a session of alice, and a log.
struct Fixture {
    folder: tempfile::TempDir,
    leader: Process,
    memory: Memory,
    processes: Processes,
}

impl Fixture {
    fn new(environment: &[u8], log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("proc/13")).unwrap();
        fs::create_dir_all(folder.path().join("var/log")).unwrap();
        fs::write(folder.path().join("proc/13/environ"), environment).unwrap();
        let rest = ["0"; 18].join(" ");
        fs::write(folder.path().join("proc/13/stat"), format!("13 (bash) S {rest} 130 0\n")).unwrap();
        fs::write(folder.path().join("var/log/auth.log"), log).unwrap();
        Self {
            folder,
            leader: process(13, 12, "/usr/bin/bash", "-bash", (1000, "alice")),
            memory: Memory::default(),
            processes: Processes::default(),
        }
    }

    fn look(&mut self) -> (SessionFacts, Vec<Gap>) {
        let host = Host::at(self.folder.path()).at_moment("2026-11-22T10:01:00Z".parse().unwrap());
        let (alice, root) = ((1000, "alice"), (0, "root"));
        let processes = vec![
            process(11, 10, SSHD, "sshd: alice [priv]", root),
            process(12, 11, SSHD, "sshd: alice@pts/0", alice),
            self.leader.clone(),
            process(20, 10, SSHD, "sshd: bob [priv]", root),
            process(21, 20, SSHD, "sshd: bob", (1001, "bob")),
            process(30, 10, SSHD, "sshd: bob [priv]", root),
            process(31, 30, SSHD, "sshd: bob@notty", (1001, "bob")),
            process(32, 31, SSHD, "sshd: bob@internal-sftp", (1001, "bob")),
        ];
        let listing = crate::processes::Listing::new(host.now(), processes);
        let mut gaps = Vec::new();
        let rules = crate::policy::Policy::from_text(
            "policy.toml",
            "schema = 1\n[[keyholder]]\nname = \"alice\"\nkeys = [\"SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs\"]\n",
        );
        let mut look = Look {
            host: &host,
            processes: &self.processes,
            rules: &rules.unwrap().session,
            now: host.now(),
            memory: &mut self.memory,
            gaps: &mut gaps,
        };
        let facts = look_at(&mut look, &listing);
        (facts, gaps)
    }
}

const ENVIRONMENT: &[u8] =
    b"KEYHOLDER=alice\0SSH_CONNECTION=10.8.0.2 50000 10.8.0.1 22\0SSH_TTY=/dev/pts/0\0";
const LINE: &str = "Nov 22 10:00:00 web1 sshd[11]: Accepted publickey for alice from 10.8.0.3 port 1 ssh2: ED25519 SHA256:abc\n";

#[test]
fn the_log_is_believed_before_the_environment() {
    let (facts, _) = Fixture::new(ENVIRONMENT, LINE).look();
    let told = &facts.sessions[0];
    assert_eq!((told.from.as_deref(), told.port, told.told_by), (Some("10.8.0.3"), None, Some(ToldBy::Log)));
    assert_eq!((told.key.as_deref(), told.method.as_deref()), (Some("SHA256:abc"), Some("publickey")));
    let (facts, gaps) = Fixture::new(ENVIRONMENT, "").look();
    let own = &facts.sessions[0];
    assert_eq!(
        (own.from.as_deref(), own.port, own.told_by),
        (Some("10.8.0.2"), Some(50_000), Some(ToldBy::Environment))
    );
    assert_eq!((own.terminal.as_deref(), own.value.as_deref()), (Some("pts/0"), Some("alice")));
    assert!(gaps.iter().any(|gap| gap.gap == "session-key" && gap.seen == 0 && gap.of == 1));
}

#[test]
fn what_the_log_told_is_kept_while_the_session_lasts() {
    let mut host = Fixture::new(ENVIRONMENT, LINE);
    host.look();
    fs::write(host.folder.path().join("var/log/auth.log"), "").unwrap();
    assert_eq!(host.look().0.sessions[0].key.as_deref(), Some("SHA256:abc"));
    host.memory = Memory::default();
    assert_eq!(host.look().0.sessions[0].key, None);
}

#[test]
fn a_service_waits_for_its_second_look_before_it_says_that_a_connection_is_idle() {
    let mut host = Fixture::new(ENVIRONMENT, LINE);
    host.processes.listen(&Arc::new(Host::at(host.folder.path())), || {}).unwrap();
    let because =
        |facts: SessionFacts| -> Vec<Because> { facts.hidden.iter().map(|hidden| hidden.because).collect() };
    assert_eq!(because(host.look().0), [Because::InternalSftp]);
    assert_eq!(because(host.look().0), [Because::NoProcess, Because::InternalSftp]);
}

#[test]
fn a_line_of_another_login_with_the_same_number_is_not_believed() {
    let old = LINE.replace("Nov 22 10:00:00", "Nov 21 10:00:00");
    assert_eq!(Fixture::new(ENVIRONMENT, &old).look().0.sessions[0].key, None);
}

#[test]
fn sftp_and_connections_without_a_process_are_not_observable_and_never_missing() {
    let (facts, gaps) = Fixture::new(ENVIRONMENT, LINE).look();
    let because: Vec<(u32, Because)> =
        facts.hidden.iter().map(|hidden| (hidden.pid, hidden.because)).collect();
    assert_eq!(because, [(21, Because::NoProcess), (32, Because::InternalSftp)]);
    let gap = gaps.iter().find(|gap| gap.gap == "session-not-observable").unwrap();
    assert_eq!((gap.seen, gap.of), (1, 3));
    assert_eq!(SessionWatch::summary(&facts), "3 SSH sessions");
}

#[test]
fn a_connection_that_was_idle_for_a_moment_is_no_gap_and_one_that_stays_so_is() {
    let mut host = Fixture::new(ENVIRONMENT, LINE);
    let idle = |facts: SessionFacts| -> Vec<u32> {
        let idle = facts.hidden.iter().filter(|hidden| hidden.because == Because::NoProcess);
        idle.map(|hidden| hidden.pid).collect()
    };
    host.look();
    assert_eq!(idle(host.look().0), [21]);
    // The last program of alice's has just ended.
    host.leader.parent = 1;
    assert_eq!(idle(host.look().0), [21]);
    assert_eq!(idle(host.look().0), [12, 21]);
    // Another begins, and ends.
    host.leader.parent = 12;
    assert_eq!(idle(host.look().0), [21]);
    host.leader.parent = 1;
    assert_eq!(idle(host.look().0), [21]);
}

#[test]
fn a_leader_that_has_ended_or_is_another_process_now_is_left_out() {
    let mut ended = Fixture::new(b"", LINE);
    let stat = ended.folder.path().join("proc/13/stat");
    let zombie = fs::read_to_string(&stat).unwrap().replace(") S", ") Z");
    fs::write(&stat, zombie).unwrap();
    assert_eq!(ended.look().0.sessions, []);
    let mut other = Fixture::new(ENVIRONMENT, LINE);
    other.leader.start += 1;
    assert_eq!(other.look().0.sessions, []);
    let mut gone = Fixture::new(ENVIRONMENT, LINE);
    fs::remove_dir_all(gone.folder.path().join("proc/13")).unwrap();
    assert_eq!(gone.look().0.sessions, []);
}

#[test]
fn an_environment_that_was_emptied_lacks_the_variable() {
    let (facts, _) = Fixture::new(b"", LINE).look();
    assert_eq!(
        (facts.sessions[0].value.clone(), facts.sessions[0].terminal.as_deref()),
        (None, Some("pts/0"))
    );
}

#[test]
fn a_leader_whose_first_thread_has_ended_shows_its_environment_by_another() {
    let mut host = Fixture::new(b"", "");
    let proc = host.folder.path().join("proc/13");
    // Dead, with two threads; the other one sleeps.
    let stat = |state: &str| format!("13 (bash) {state} {} 2 0 130 0\n", ["0"; 16].join(" "));
    fs::write(proc.join("stat"), stat("Z")).unwrap();
    for (task, state, environment) in [("13", "Z", ""), ("14", "S", "KEYHOLDER=alice\0")] {
        fs::create_dir_all(proc.join("task").join(task)).unwrap();
        fs::write(proc.join("task").join(task).join("stat"), stat(state)).unwrap();
        fs::write(proc.join("task").join(task).join("environ"), environment).unwrap();
    }
    let (facts, _) = host.look();
    let values: Vec<_> = facts.sessions.iter().map(|session| session.value.as_deref()).collect();
    assert_eq!(values, [Some("alice")]);
}
