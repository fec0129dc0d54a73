//! SSH connections as processes: which process of sshd carries one, and what runs in it.
//!
//! sshd says in its title what each of its processes is for. `sshd: alice [priv]` is the monitor, whose number
//! stands in the log; its child `sshd: alice@pts/0` carries the sessions and runs as the account. For root one
//! process is both. What is no sshd and has a carrier for its parent leads a session.

use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use std::collections::HashMap;

/// A connection in which somebody is.
#[derive(Debug)]
pub struct Connection<'a> {
    /// The account.
    pub account: Text,
    /// The process that carries it.
    pub carrier: &'a Process,
    /// The process whose number the log names.
    pub monitor: &'a Process,
    /// The terminal, if there is just one.
    pub terminal: Option<Text>,
    /// What leads a session in it: a shell or a command.
    pub leaders: Vec<&'a Process>,
    /// Processes that serve files and keep the environment of sshd.
    pub internal_sftp: Vec<&'a Process>,
}

/// The connections among the processes, by rising number.
#[must_use]
pub fn connections(listing: &Listing) -> Vec<Connection<'_>> {
    let sshds: HashMap<u32, &Process> =
        listing.processes.iter().filter(|process| is_sshd(process)).map(|p| (p.pid, p.as_ref())).collect();
    let carries = |process: &Process| {
        title(process).is_some_and(|title| !title.contains(" [") && !title.starts_with('['))
    };
    let parent = |process: &Process| sshds.get(&process.parent).copied();
    let is_carrier = |process: &&Process| carries(process) && !parent(process).is_some_and(carries);
    let mut found: Vec<Connection<'_>> = sshds
        .values()
        .copied()
        .filter(is_carrier)
        .map(|carrier| {
            let title = title(carrier).unwrap_or_default();
            let (account, terminal) = split_title(&title);
            let monitor =
                parent(carrier).filter(|parent| self::title(parent).is_some_and(|t| t.ends_with("[priv]")));
            Connection {
                account: Text::cut(account.as_bytes(), 128),
                carrier,
                monitor: monitor.unwrap_or(carrier),
                terminal: terminal
                    .filter(|t| !["notty", "internal-sftp"].contains(t) && !t.contains(','))
                    .map(Text::from),
                leaders: Vec::new(),
                internal_sftp: Vec::new(),
            }
        })
        .collect();
    found.sort_by_key(|connection| connection.carrier.pid);
    let index: HashMap<u32, usize> = found.iter().enumerate().map(|(at, c)| (c.carrier.pid, at)).collect();
    for process in &listing.processes {
        let Some(connection) = index.get(&process.parent).and_then(|at| found.get_mut(*at)) else { continue };
        if !is_sshd(process) {
            connection.leaders.push(process);
        } else if title(process).is_some_and(|title| title.ends_with("@internal-sftp")) {
            connection.internal_sftp.push(process);
        }
    }
    found
}

/// True if the process runs sshd. If we may not see what it runs, its name has to do.
fn is_sshd(process: &Process) -> bool {
    let ours = |name: &str| matches!(name, "sshd" | "sshd-session");
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => {
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            ours(path.rsplit('/').next().unwrap_or_default())
        }
        Executable::Unreadable(_) => ours(&process.name),
        Executable::Memory(_) | Executable::Kernel => false,
    }
}

/// What follows `sshd: ` in the title that sshd gives itself.
fn title(process: &Process) -> Option<String> {
    let args: Vec<&str> = process.args.iter().map(Text::as_str).collect();
    let whole = args.join(" ");
    let title = whole.strip_prefix("sshd: ").or_else(|| whole.strip_prefix("sshd-session: "))?;
    Some(title.trim_end().to_owned())
}

/// Account and terminal of `alice@pts/0`; an account may hold an `@` of its own.
fn split_title(title: &str) -> (&str, Option<&str>) {
    match title.rsplit_once('@') {
        Some((account, terminal))
            if ["pts/", "tty", "notty", "internal-sftp"].iter().any(|start| terminal.starts_with(start)) =>
        {
            (account, Some(terminal))
        }
        _ => (title, None),
    }
}

/// A process for tests: `exe` is a path, `title` its whole command line.
#[cfg(test)]
pub(crate) fn process(pid: u32, parent: u32, exe: &str, title: &str, user: (u32, &str)) -> Process {
    Process {
        pid,
        start: u64::from(pid) * 10,
        since: "2026-11-22T10:00:00Z".parse().unwrap(),
        parent,
        exe: Executable::Path(exe.into()),
        script: None,
        name: exe.rsplit('/').next().unwrap().into(),
        args: vec![title.into()],
        uid: user.0,
        user: user.1.into(),
        unit: None,
        container: false,
        files: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSHD: &str = "/usr/sbin/sshd";
    const ROOT: (u32, &str) = (0, "root");
    const ALICE: (u32, &str) = (1000, "alice");

    fn shown(processes: Vec<Process>) -> Vec<String> {
        let listing = Listing::new("2026-11-22T12:00:00Z".parse().unwrap(), processes);
        let pids = |list: &[&Process]| list.iter().map(|p| p.pid).collect::<Vec<u32>>();
        let found = connections(&listing);
        let show = |c: &Connection| {
            let terminal = c.terminal.as_deref().unwrap_or("-");
            format!(
                "{} {terminal} monitor {} leaders {:?} sftp {:?}",
                c.account,
                c.monitor.pid,
                pids(&c.leaders),
                pids(&c.internal_sftp)
            )
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn the_processes_of_openssh_9_2_are_understood() {
        let found = shown(vec![
            process(1, 0, "/sbin/init", "/sbin/init", ROOT),
            process(10, 1, SSHD, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", ROOT),
            process(11, 10, SSHD, "sshd: alice [priv]", ROOT),
            process(12, 11, SSHD, "sshd: alice@pts/0", ALICE),
            process(13, 12, "/usr/bin/bash", "-bash", ALICE),
            process(14, 13, "/usr/bin/vim", "vim", ALICE),
            process(20, 10, SSHD, "sshd: root@pts/1,pts/2", ROOT),
            process(21, 20, "/usr/bin/bash", "-bash", ROOT),
            process(22, 20, "/usr/bin/bash", "-bash", ROOT),
            process(30, 10, SSHD, "sshd: bob [priv]", ROOT),
            process(31, 30, SSHD, "sshd: bob [net]", (101, "sshd")),
            process(32, 30, "/usr/bin/run-parts", "run-parts /etc/update-motd.d", ROOT),
            process(40, 10, SSHD, "sshd: carol [priv]", ROOT),
            process(41, 40, SSHD, "sshd: carol@notty", (1001, "carol")),
            process(42, 41, SSHD, "sshd: carol@internal-sftp", (1001, "carol")),
            process(50, 10, SSHD, "sshd: [accepted]", ROOT),
            process(60, 10, SSHD, "sshd: dave [priv]", ROOT),
            process(61, 60, SSHD, "sshd: dave", (1002, "dave")),
        ]);
        assert_eq!(
            found,
            [
                "alice pts/0 monitor 11 leaders [13] sftp []",
                "root - monitor 20 leaders [21, 22] sftp []",
                "carol - monitor 40 leaders [] sftp [42]",
                "dave - monitor 60 leaders [] sftp []",
            ]
        );
    }

    #[test]
    fn the_processes_of_openssh_9_8_are_understood() {
        let session = "/usr/lib/openssh/sshd-session";
        let found = shown(vec![
            process(10, 1, SSHD, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", ROOT),
            process(11, 10, session, "sshd-session: alice@corp.example [priv]", ROOT),
            process(12, 11, session, "sshd-session: alice@corp.example@pts/0", ALICE),
            process(13, 12, "/usr/bin/bash", "-bash", ALICE),
        ]);
        assert_eq!(found, ["alice@corp.example pts/0 monitor 11 leaders [13] sftp []"]);
    }

    #[test]
    fn an_sshd_that_was_upgraded_or_cannot_be_read_still_carries_its_sessions() {
        let mut processes = vec![
            process(11, 10, SSHD, "sshd: alice [priv]", ROOT),
            process(12, 11, SSHD, "sshd: alice@pts/0", ALICE),
            process(13, 12, "/usr/bin/bash", "-bash", ALICE),
        ];
        processes[0].exe = Executable::Unreadable("not permitted".into());
        processes[1].exe = Executable::Deleted(SSHD.into());
        assert_eq!(shown(processes), ["alice pts/0 monitor 11 leaders [13] sftp []"]);
    }

    #[test]
    fn a_child_that_is_not_a_program_of_its_own_yet_is_no_connection() {
        let found = shown(vec![
            process(12, 11, SSHD, "sshd: alice@pts/0", ALICE),
            process(13, 12, SSHD, "sshd: alice@pts/0", ALICE),
        ]);
        assert_eq!(found, ["alice pts/0 monitor 12 leaders [] sftp []"]);
    }
}
