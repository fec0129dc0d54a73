//! The sources of logins on Linux: whether they are there, and whether they outlive a reboot.

use super::{Case, Check};
use jiff::{SignedDuration, Timestamp};

/// The logs that hold what sshd says, on Debian and on the others.
const AUTH: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];

/// A log that nobody has written to for so long is left over.
const STALE: SignedDuration = SignedDuration::from_hours(24);

const PERSISTENT: &str = "/var/log/journal";
const VOLATILE: &str = "/run/log/journal";

/// What a journal's folder is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journal {
    Persistent,
    Volatile,
    None,
}

fn read_journal(case: &Case) -> Journal {
    let has_files = |folder: &str| {
        let machines = std::fs::read_dir(case.host.path(folder)).into_iter().flatten().flatten();
        let mut files = machines.flat_map(|m| std::fs::read_dir(m.path()).into_iter().flatten().flatten());
        files.any(|file| file.path().extension().is_some_and(|extension| extension == "journal"))
    };
    if has_files(PERSISTENT) {
        Journal::Persistent
    } else if has_files(VOLATILE) {
        Journal::Volatile
    } else {
        Journal::None
    }
}

fn written(case: &Case, path: &str) -> Option<Timestamp> {
    let metadata = std::fs::metadata(case.host.path(path)).ok()?;
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

pub fn auth_log(case: &Case) -> Vec<Check> {
    const NAME: &str = "auth-log";
    let newest = AUTH.iter().filter_map(|path| Some((*path, written(case, path)?))).max_by_key(|(_, at)| *at);
    let journal = read_journal(case);
    let check = match (newest, journal) {
        (Some((path, at)), journal)
            if journal == Journal::None || case.host.now().duration_since(at) < STALE =>
        {
            Check::ok(NAME, format!("logins are read from {path}"))
        }
        (_, Journal::Persistent | Journal::Volatile) => {
            Check::ok(NAME, "logins are read from the journal; there is no log file in use")
        }
        (_, Journal::None) => {
            let says =
                "there is neither a log of logins nor a journal, so SSH logins and failures are not seen";
            Check::fault(NAME, says).remedy("apt install rsyslog")
        }
    };
    vec![check]
}

pub fn journal(case: &Case) -> Vec<Check> {
    const NAME: &str = "journal";
    let check = match read_journal(case) {
        Journal::Persistent => Check::ok(NAME, "the journal outlives a reboot"),
        Journal::Volatile => {
            let says = "the journal is lost at each reboot, and with it what was not yet read";
            Check::warning(NAME, says).remedy(format!(
                "mkdir -p {PERSISTENT} && systemctl restart systemd-journald && journalctl --flush"
            ))
        }
        Journal::None => Check::note(NAME, "there is no journal"),
    };
    let program = ["/usr/bin/journalctl", "/bin/journalctl"].iter().any(|path| case.host.path(path).exists());
    if check.verdict != super::Verdict::Note && !program {
        let says = "there is a journal, but not the program that reads it: journalctl";
        return vec![Check::fault(NAME, says).remedy("apt install systemd")];
    }
    vec![check]
}

pub fn login_records(case: &Case) -> Vec<Check> {
    const NAME: &str = "login-records";
    let there = |path: &str| case.host.path(path).exists();
    let check = if there("/var/lib/wtmpdb/wtmp.db") {
        Check::ok(NAME, "logins are recorded in wtmpdb")
    } else if there("/var/log/wtmp") {
        let failed =
            if there("/var/log/btmp") { "wtmp, failed ones in btmp" } else { "wtmp; there is no btmp" };
        Check::ok(NAME, format!("logins are recorded in {failed}"))
    } else {
        // Since Debian 13 nothing writes wtmp.
        let has_wtmpdb = there("/usr/lib/systemd/system/wtmpdb-update-boot.service");
        let remedy = if has_wtmpdb {
            "apt install libpam-wtmpdb"
        } else {
            "touch /var/log/wtmp, or on Debian 13: apt install wtmpdb libpam-wtmpdb"
        };
        let says = "there is no record of logins (wtmp or wtmpdb): logins at the console are not seen, and a log that keeps silent is not noticed";
        Check::warning(NAME, says).remedy(remedy)
    };
    vec![check]
}
