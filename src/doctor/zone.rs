//! In which zone the hours of the policy are meant.

use super::{Case, Check};
use crate::host::Host;
use crate::system::advice;
use crate::watch::login;
use jiff::tz::TimeZone;

/// The zone of this host, with its name if it has one: the one by which the watch of logins counts hours.
pub fn of(host: &Host) -> (Option<String>, TimeZone) {
    let (name, zone) = login::time_zone(host);
    (name.map(|name| name.to_string()), zone)
}

pub fn time_zone(case: &Case) -> Vec<Check> {
    const NAME: &str = "time-zone";
    let check = if let Some(zone) = of(case.host).0 {
        Check::ok(NAME, format!("hours in the policy are those of {zone}, unless it names another zone"))
    } else {
        let says = "the host's time zone has no name, so hours in the policy are taken as UTC unless it names a zone";
        Check::warning(NAME, says).remedy(advice::TIME_ZONE)
    };
    vec![check]
}
