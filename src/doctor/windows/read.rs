//! What Windows is asked.

use super::super::{Case, Check, Checks, disk, outbox, service, web, zone};
use super::{OURS, Service, Start, Sync, parse_status};
use crate::system;
use crate::win32::{audit, log_size, service_state};

/// The checks in the order they are printed.
pub const TABLE: &[(&str, Checks)] = &[
    ("settings", service::settings),
    ("policy", service::policy),
    ("installed", installed),
    ("service", service::running),
    ("observing", service::observing),
    ("mailer", service::mailed_by),
    ("rights", rights),
    ("watches", service::watches),
    ("coverage", service::coverage),
    ("event-log", event_logs),
    ("logon-audit", logon_audit),
    ("web-logs", web::web_logs),
    ("clock", clock),
    ("time-zone", zone::time_zone),
    ("updates", updates),
    ("disk", disk::disk),
    ("outbox", outbox::outbox),
];

fn read_service(name: &str) -> Service {
    let found = service_state::of(name).map_err(|error| error.to_string())?;
    Ok(found.map(|service| {
        let start = match service.start {
            service_state::Start::Automatic | service_state::Start::Delayed => Start::Automatic,
            service_state::Start::Manual => Start::Manual,
            service_state::Start::Disabled => Start::Disabled,
        };
        (start, service.runs)
    }))
}

fn installed(_case: &Case) -> Vec<Check> {
    vec![super::installed(&read_service(OURS))]
}

fn rights(_case: &Case) -> Vec<Check> {
    vec![super::rights(system::is_administrator())]
}

fn event_logs(_case: &Case) -> Vec<Check> {
    let read = |log: &str| super::event_log(log, log_size::records(log).map_err(|error| error.to_string()));
    ["Security", "System"].map(read).into()
}

fn logon_audit(_case: &Case) -> Vec<Check> {
    vec![super::logon_audit(audit::of_logins().map_err(|error| error.to_string()))]
}

fn clock(case: &Case) -> Vec<Check> {
    let answer = (case.ask)("w32tm.exe", &["/query", "/status"]);
    let sync = match answer {
        Ok(output) if output.status.success() => parse_status(&output.stdout),
        _ => Sync::NobodyKnows,
    };
    vec![super::clock(&read_service("w32time"), sync)]
}

fn updates(_case: &Case) -> Vec<Check> {
    vec![super::updates(&read_service("wuauserv"))]
}
