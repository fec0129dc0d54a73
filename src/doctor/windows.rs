//! What is checked on Windows: what it says of services, logs and the clock is asked for first, and then judged.

#[cfg(windows)]
mod read;
#[cfg(test)]
mod tests;

#[cfg(windows)]
pub use read::TABLE;

use super::Check;
use crate::watch::protection::LOG_LOGONS;

/// The name of our own service.
const OURS: &str = "host-watchdog";

/// When a service is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With Windows, or a little after.
    Automatic,
    /// When somebody asks for it.
    Manual,
    /// Never.
    Disabled,
}

/// What is known of a service: none if it is not installed, or why it cannot be told.
pub type Service = Result<Option<(Start, bool)>, String>;

/// Whether our service is there, comes back after a restart, and runs.
fn installed(service: &Service) -> Check {
    const NAME: &str = "installed";
    match service {
        Err(why) => Check::unknown(NAME, format!("Windows does not tell of the service {OURS}: {why}")),
        Ok(None) => {
            let says = format!("there is no service {OURS}: nobody watches unless somebody runs watchdog");
            Check::fault(NAME, says).remedy("install it: msiexec /i host-watchdog.msi")
        }
        Ok(Some((Start::Disabled, _))) => Check::fault(NAME, format!("the service {OURS} is disabled"))
            .remedy(format!("Set-Service {OURS} -StartupType Automatic; Start-Service {OURS}")),
        Ok(Some((Start::Manual, _))) => {
            let says =
                format!("the service {OURS} does not start with Windows: after a restart nobody watches");
            Check::warning(NAME, says).remedy(format!("sc.exe config {OURS} start= delayed-auto"))
        }
        Ok(Some((Start::Automatic, false))) => {
            Check::fault(NAME, format!("the service {OURS} is installed and does not run"))
                .remedy(format!("Start-Service {OURS}"))
        }
        Ok(Some((Start::Automatic, true))) => {
            Check::ok(NAME, format!("the service {OURS} runs and starts with Windows"))
        }
    }
}

/// Whether this program sees what only an administrator may see. The service has its own account.
fn rights(is_administrator: bool) -> Check {
    const NAME: &str = "rights";
    if is_administrator {
        return Check::ok(NAME, "this program runs with the rights of an administrator");
    }
    let says = "this program has no rights of an administrator: what it cannot see the service may well see";
    Check::warning(NAME, says)
        .remedy("open a PowerShell with \"Run as administrator\", then: watchdog doctor")
}

/// Whether an event log can be read: what it says of logins is seen only then.
fn event_log(log: &str, records: Result<u32, String>) -> Check {
    const NAME: &str = "event-log";
    match records {
        Ok(0) if log == "Security" => {
            let says = "the Security log is empty: logins are not recorded, or it was cleared";
            Check::warning(NAME, says).remedy(
                "see what is recorded: auditpol /get /category:\"{69979849-797A-11D9-BED3-505054503030}\"",
            )
        }
        Ok(count) => Check::ok(NAME, format!("the {log} log can be read, it holds {count} records")),
        Err(why) => Check::warning(NAME, format!("the {log} log cannot be read by this program: {why}"))
            .remedy("run this as an administrator, or add the account to the group Event Log Readers"),
    }
}

/// Whether Windows logs logins that succeed and those that fail: what it does not log is seen by nobody.
fn logon_audit(logged: Result<(bool, bool), String>) -> Check {
    const NAME: &str = "logon-audit";
    let off = |what: &str| {
        let says = format!("{what} are not logged by this Windows, so the watch of logins cannot see them");
        Check::fault(NAME, says).remedy(LOG_LOGONS).remedy(
            "if a Group Policy puts it back: Advanced Audit Policy Configuration, Logon/Logoff, Audit Logon",
        )
    };
    match logged {
        Ok((true, true)) => Check::ok(NAME, "logins that succeed and logins that fail are logged"),
        Ok((false, true)) => off("logins that succeed"),
        Ok((true, false)) => off("logins that fail"),
        Ok((false, false)) => off("logins"),
        Err(why) => Check::unknown(NAME, format!("whether logins are logged cannot be told: {why}"))
            .remedy("run this as an administrator"),
    }
}

/// What is known of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    Yes,
    No,
    NobodyKnows,
}

/// The first digit behind a colon of `w32tm /query /status` is the leap indicator, in every language; 3 means that the clock
/// follows nobody.
fn parse_status(status: &[u8]) -> Sync {
    let line = status.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    let value = line.and_then(|line| line.splitn(2, |b| *b == b':').nth(1)).map(<[u8]>::trim_ascii_start);
    match value.and_then(<[u8]>::first) {
        Some(b'0'..=b'2') => Sync::Yes,
        Some(b'3') => Sync::No,
        _ => Sync::NobodyKnows,
    }
}

/// Whether something keeps the clock right.
fn clock(service: &Service, sync: Sync) -> Check {
    const NAME: &str = "clock";
    const START: &str = "Set-Service w32time -StartupType Automatic; Start-Service w32time; w32tm /resync";
    let wrong = "hours of logins, ages of updates and times in mails may be wrong";
    match (service, sync) {
        (_, Sync::Yes) => Check::ok(NAME, "the clock is synchronised"),
        (Ok(Some((_, true))), Sync::No) => {
            Check::warning(NAME, format!("the time service runs and follows nobody: {wrong}")).remedy(
                "w32tm /config /manualpeerlist:time.windows.com /syncfromflags:manual /update; w32tm /resync",
            )
        }
        (Ok(Some((_, true))), Sync::NobodyKnows) => {
            Check::unknown(NAME, "the time service runs, and does not say whether the clock is right")
                .remedy("w32tm /query /status")
        }
        (Ok(Some((_, false)) | None), _) => {
            Check::warning(NAME, format!("the time service does not run: {wrong}")).remedy(START)
        }
        (Err(why), _) => Check::unknown(NAME, format!("Windows does not tell of the time service: {why}")),
    }
}

/// Whether updates can be looked for: their service is started when it is asked, and must not be disabled.
fn updates(service: &Service) -> Check {
    const NAME: &str = "updates";
    match service {
        Ok(Some((Start::Disabled, _))) => {
            let says = "the service of Windows Update is disabled: no update is seen, and none installed";
            Check::warning(NAME, says).remedy("Set-Service wuauserv -StartupType Manual")
        }
        Ok(None) => Check::note(NAME, "this Windows has no Windows Update: no updates are watched"),
        Ok(Some(_)) => Check::ok(NAME, "Windows Update can be asked"),
        Err(why) => Check::unknown(NAME, format!("Windows does not tell of Windows Update: {why}")),
    }
}
