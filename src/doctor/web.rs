//! Whether the web logs are there.

use super::{Case, Check};
use crate::policy::Policy;
use crate::text::Text;
use crate::watch::request;

/// The logs that the policy names, and those that it does not.
pub fn web_logs(case: &Case) -> Vec<Check> {
    const NAME: &str = "web-logs";
    let Some(policy) = case.setup.ok().and_then(|setup| Policy::load(&setup.policy).ok()) else {
        return Vec::new();
    };
    let named =
        request::named(case.host, policy.request.in_force(case.host.now()).map(|placed| &placed.rule));
    let mut checks = Vec::new();
    for log in &named.missing {
        let says = format!("the policy names the web log {}, and it is not there", log.as_str());
        checks.push(
            Check::warning(NAME, says).remedy("start the web server, or correct `log` in [[requests]]"),
        );
    }
    for (folder, why) in &named.unreadable {
        checks.push(Check::unknown(NAME, format!("{folder} cannot be listed: {why}")));
    }
    let unread = |log: &&Text| request::path_of(case.host, log).and_then(std::fs::File::open).is_err();
    for log in named.logs.iter().filter(unread) {
        checks.push(Check::unknown(NAME, format!("{log} cannot be opened by us; the service may")));
    }
    let found = request::discover(case.host);
    let forgotten: Vec<&str> = found.difference(&named.logs).map(|log| &**log).collect();
    if !forgotten.is_empty() {
        let says = format!("web logs that no rule names are not watched: {}", forgotten.join(", "));
        checks.push(Check::note(NAME, says));
    }
    if checks.is_empty() {
        let says = match named.logs.len() {
            0 => "there are no web logs",
            _ => "the web logs of the policy are there",
        };
        checks.push(Check::ok(NAME, says));
    }
    checks
}
