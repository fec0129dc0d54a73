//! What is checked on Linux.

use super::{Checks, clock, disk, host, logs, mail, outbox, rights, service, web, zone};

/// The checks in the order they are printed.
pub(super) const TABLE: &[(&str, Checks)] = &[
    ("settings", service::settings),
    ("policy", service::policy),
    ("service", service::running),
    ("observing", service::observing),
    ("mailer", service::mailed_by),
    ("capabilities", rights::capabilities),
    ("proc", rights::proc_mount),
    ("watches", service::watches),
    ("coverage", service::coverage),
    ("auth-log", logs::auth_log),
    ("journal", logs::journal),
    ("login-records", logs::login_records),
    ("web-logs", web::web_logs),
    ("events", host::events),
    ("clock", clock::clock),
    ("time-zone", zone::time_zone),
    ("package-lists", host::package_lists),
    ("disk", disk::disk),
    ("outbox", outbox::outbox),
    ("root-mail", mail::root_mail),
];
