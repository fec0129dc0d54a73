//! SSH connections as processes of OpenSSH for Windows, which says nothing of itself in titles.
//!
//! The service starts an sshd for each connection (the monitor, whose number stands in the log), and that one starts two
//! more: before the login one under an account of its own, and after it one under the account that came in, which carries
//! the sessions. What is no sshd and has the carrier for its parent leads a session, but for the hosts of its terminal.

use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use crate::watch::login::ssh::Connection;
use crate::watch::login::{Names, is_meant};
use std::collections::HashMap;

/// The end of the security identifiers of the system and its two services.
const OF_THE_SYSTEM: [u32; 3] = [18, 19, 20];

/// The connections among the processes, by rising number. `computer` is the host's own name.
#[must_use]
pub fn connections<'a>(listing: &'a Listing, computer: &str) -> Vec<Connection<'a>> {
    let sshds: HashMap<u32, &Process> = listing
        .processes
        .iter()
        .filter(|process| is_sshd(process))
        .map(|process| (process.pid, process.as_ref()))
        .collect();
    // A number that is given anew may make a stranger of a parent: who came later started nobody who came before.
    let parent = |process: &Process| sshds.get(&process.parent).copied().filter(|p| p.since <= process.since);
    let children = |of: &Process| -> Vec<&Process> {
        let is_child = |process: &&Process| {
            process.parent == of.pid && process.since >= of.since && process.pid != of.pid
        };
        listing.processes.iter().map(AsRef::as_ref).filter(is_child).collect()
    };
    let mut found: Vec<Connection<'_>> = sshds
        .values()
        .copied()
        .filter(|carrier| is_a_persons(carrier) && parent(carrier).is_some_and(|p| !is_a_persons(p)))
        .map(|carrier| {
            let mut leaders = Vec::new();
            for child in children(carrier).into_iter().filter(|child| !is_sshd(child)) {
                if hosts_a_terminal(child) {
                    // An older one starts the shell itself; beside a newer one sshd does.
                    leaders.extend(children(child).into_iter().filter(|child| !hosts_a_terminal(child)));
                } else {
                    leaders.push(child);
                }
            }
            leaders.sort_by_key(|leader| leader.pid);
            Connection {
                account: account(&carrier.user, computer),
                carrier,
                monitor: parent(carrier).unwrap_or(carrier),
                terminal: None,
                leaders,
                internal_sftp: Vec::new(),
            }
        })
        .collect();
    found.sort_by_key(|connection| connection.carrier.pid);
    found
}

/// The account as logins name it.
fn account(user: &Text, computer: &str) -> Text {
    let raw = String::from_utf8_lossy(&user.to_bytes()).into_owned();
    crate::watch::login::of_windows_whole(&raw, computer)
}

/// True if it runs under the account of somebody who may log in.
fn is_a_persons(process: &Process) -> bool {
    let own = |domain: &str| {
        let user = String::from_utf8_lossy(&process.user.to_bytes()).into_owned();
        let of = user.split_once('\\').map(|(domain, _)| Text::new(domain));
        of.is_some_and(|of| is_meant(domain, &of, Names::Windows))
    };
    // The account of an sshd before the login is one of a kind that no person can have.
    !OF_THE_SYSTEM.contains(&process.uid) && !own("VIRTUAL USERS") && !own("NT SERVICE")
}

fn is_sshd(process: &Process) -> bool {
    matches!(program(process).as_str(), "sshd.exe" | "sshd-session.exe" | "sshd-auth.exe")
}

fn hosts_a_terminal(process: &Process) -> bool {
    matches!(program(process).as_str(), "conhost.exe" | "ssh-shellhost.exe" | "openconsole.exe")
}

/// The name of the file it runs; its own name if we may not see that.
fn program(process: &Process) -> String {
    let path = match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => path,
        Executable::Unreadable(_) => &process.name,
        Executable::Memory(_) | Executable::Kernel => return String::new(),
    };
    path.rsplit('\\').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::login::ssh::process;

    const SYSTEM: (u32, &str) = (18, r"NT AUTHORITY\SYSTEM");
    const ALICE: (u32, &str) = (1001, r"WEB1\alice");
    const BOB: (u32, &str) = (1105, r"CORP\bob");

    fn at(pid: u32, parent: u32, program: &str, user: (u32, &str)) -> Process {
        let exe = Text::new(format!(r"C:\Windows\System32\OpenSSH\{program}"));
        let mut made = process(pid, parent, program, program, user);
        (made.exe, made.user) = (Executable::Path(exe), Text::new(user.1));
        made
    }

    fn shown(processes: Vec<Process>) -> Vec<String> {
        let listing = Listing::new("2026-11-22T12:00:00Z".parse().unwrap(), processes);
        let pids = |list: &[&Process]| list.iter().map(|p| p.pid).collect::<Vec<u32>>();
        let show = |c: &Connection| {
            format!(
                "{} monitor {} carrier {} leaders {:?}",
                c.account,
                c.monitor.pid,
                c.carrier.pid,
                pids(&c.leaders)
            )
        };
        connections(&listing, "WEB1").iter().map(show).collect()
    }

    #[test]
    fn a_session_is_what_the_sshd_of_its_account_started() {
        let found = shown(vec![
            at(4, 0, "services.exe", SYSTEM),
            at(10, 4, "sshd.exe", SYSTEM),
            at(11, 10, "sshd.exe", SYSTEM),
            at(12, 11, "sshd.exe", (4_000, r"VIRTUAL USERS\sshd_11")),
            at(13, 11, "sshd.exe", ALICE),
            at(14, 13, "conhost.exe", ALICE),
            at(15, 13, "powershell.exe", ALICE),
            at(16, 15, "notepad.exe", ALICE),
            at(20, 10, "SSHD-Session.exe", SYSTEM),
            at(21, 20, "sshd-auth.exe", (4_001, r"Virtual Users\sshd_20")),
            at(22, 20, "sshd-session.exe", BOB),
            at(23, 22, "sftp-server.exe", BOB),
            at(30, 10, "sshd.exe", SYSTEM),
            at(31, 30, "sshd.exe", ALICE),
            at(32, 31, "ssh-shellhost.exe", ALICE),
            at(33, 32, "cmd.exe", ALICE),
            at(40, 10, "sshd.exe", SYSTEM),
            at(41, 40, "sshd.exe", BOB),
        ]);
        assert_eq!(
            found,
            [
                "alice monitor 11 carrier 13 leaders [15]",
                r"CORP\bob monitor 20 carrier 22 leaders [23]",
                "alice monitor 30 carrier 31 leaders [33]",
                r"CORP\bob monitor 40 carrier 41 leaders []",
            ]
        );
    }

    #[test]
    fn a_parent_that_is_younger_than_its_child_is_none() {
        let mut carrier = at(13, 11, "sshd.exe", ALICE);
        carrier.since = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(shown(vec![at(11, 10, "sshd.exe", SYSTEM), carrier]), Vec::<String>::new());
    }

    #[test]
    fn an_sshd_that_somebody_runs_for_himself_carries_nobody_in() {
        let found = shown(vec![
            at(50, 4, "sshd.exe", ALICE),
            at(51, 50, "sshd.exe", ALICE),
            at(52, 51, "cmd.exe", ALICE),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
