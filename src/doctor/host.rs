//! What the host offers: events of processes, fresh package lists.

use super::{Case, Check};
use crate::policy::Policy;
use crate::processes::events::Starts;
use crate::rule::Span;
use crate::text::Text;
use crate::watch::update;
use jiff::SignedDuration;

/// Package lists older than this are stale where the policy does not say otherwise.
const FRESH: SignedDuration = SignedDuration::from_hours(3 * 24);

/// True if the kernel has the process connector, from `/proc/net/connector`.
#[must_use]
pub fn parse_connector(connector: &[u8]) -> bool {
    let names =
        connector.split(|b| *b == b'\n').filter_map(|line| line.split(u8::is_ascii_whitespace).next());
    names.into_iter().any(|name| name == b"cn_proc")
}

/// Whether what starts and ends between two looks is seen.
pub(super) fn events(case: &Case) -> Vec<Check> {
    const NAME: &str = "events";
    if let Some(starts) = case.stored.known().and_then(|known| known.view.starts.as_ref()) {
        let says = starts.in_words();
        return vec![match starts {
            Starts::Told(counts) if counts.lost == 0 => Check::ok(NAME, says),
            Starts::Told(_) => Check::warning(NAME, says),
            // In a container, or on an old kernel, that is how it is.
            Starts::Untold(why) if why.contains("CAP_NET_ADMIN") => Check::note(NAME, says).remedy(
                "to have it told: systemctl enable --now host-watchdog-events.socket && systemctl restart host-watchdog",
            ),
            Starts::Untold(_) => Check::note(NAME, says),
        }];
    }
    let offered = match case.host.read("/proc/net/connector") {
        Ok(connector) if parse_connector(&connector) => "the kernel offers to tell it (process connector)",
        _ => "the kernel does not offer to tell it here (no process connector, as in most containers)",
    };
    vec![Check::note(
        NAME,
        format!("no service has said yet whether it sees what starts between two looks; {offered}"),
    )]
}

/// Whether the package lists are fresh.
pub(super) fn package_lists(case: &Case) -> Vec<Check> {
    const NAME: &str = "package-lists";
    const UPDATE: &str = "apt-get update";
    const DAILY: &str = "to have it done daily: systemctl enable --now apt-daily.timer";
    if !case.host.path(crate::dpkg::STATUS).exists() {
        return vec![Check::note(NAME, "this host has no packages of dpkg, so no updates are watched")];
    }
    let now = case.host.now();
    let releases = match update::read_releases(case.host) {
        Ok(releases) => releases,
        Err(error) => {
            return vec![Check::unknown(NAME, format!("the package lists cannot be read: {error}"))];
        }
    };
    let sources = update::read_sources(case.host);
    let missing: Vec<Text> =
        update::never_fetched(case.host, &sources).into_iter().map(|source| source.name.clone()).collect();
    let policy = case.setup.ok().and_then(|setup| Policy::load(&setup.policy).ok()).unwrap_or_default();
    let limit = policy.update.updates.and_then(|placed| placed.rule.lists_max_age);
    let limit = limit.map_or(FRESH, Span::signed);
    let mut checks = Vec::new();
    if !missing.is_empty() {
        let says = format!("never fetched, so no update of theirs is seen: {}", missing.join(", "));
        checks.push(Check::warning(NAME, says).remedy(UPDATE));
    }
    let check = match update::lists(case.host, &releases, now).iter().map(|list| list.good).min() {
        None if missing.is_empty() => Check::warning(NAME, "apt has no archives, so no updates are seen")
            .remedy("write them into /etc/apt/sources.list.d/"),
        None => return checks,
        Some(good) if now.duration_since(good) > limit => {
            let days = now.duration_since(good).as_hours() / 24;
            let says = format!("the package lists are {days} days old: newer security updates are not seen");
            Check::warning(NAME, says).remedy(UPDATE).remedy(DAILY)
        }
        Some(good) => {
            let day = good.strftime("%Y-%m-%d");
            Check::ok(NAME, format!("the package lists are fresh, up to date as of {day}"))
        }
    };
    checks.push(check);
    checks
}
