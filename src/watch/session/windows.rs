//! What the processes of a Windows host have for their environment, and who is logged in at its desktops.

use super::environment::parse_environment_block;
use super::look::Environment;
use super::{Because, Desktop, SessionFacts, tree};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Listing, Process};
use crate::text::Text;
use crate::watch::login::ssh::Connection;
use crate::watch::login::{CONSOLE, Names, of_windows};
use crate::win32;
use crate::win32::environment;
use jiff::Timestamp;

/// How accounts are compared.
pub(super) const NAMES: Names = Names::Windows;
/// What helps where an environment may not be read.
pub(super) const CURE: &str = "run as SYSTEM, or as an administrator with the right to debug programs";

/// From 1601 to 1970, in units of 100 nanoseconds.
const EPOCH: i128 = 116_444_736_000_000_000;

/// The SSH connections among the processes.
pub(super) fn connections(listing: &Listing) -> Vec<Connection<'_>> {
    tree::connections(listing, &win32::host::name())
}

/// What a process has for its environment. It is the living one: a shell that sets a variable changes it.
pub(super) fn read_environment(_host: &Host, process: &Process, variable: &str) -> Environment {
    let (created, environment) = environment::of_process(process.pid);
    // Another process may have got its number meanwhile.
    let created = created.and_then(|created| moment(i128::from(created)));
    let is_other = |created: Timestamp| created.duration_since(process.since).abs().as_secs() > 1;
    if created.is_some_and(is_other) {
        return Environment::Gone;
    }
    match environment {
        environment::Environment::Read(bytes) => Environment::Read(parse_environment_block(&bytes, variable)),
        environment::Environment::Forbidden => Environment::Hidden(Because::Unreadable),
        environment::Environment::Of32Bits => Environment::Hidden(Because::Of32Bits),
        environment::Environment::Gone => Environment::Gone,
    }
}

/// Notes the desktops that somebody is logged in at.
pub(super) fn desktops(facts: &mut SessionFacts, gaps: &mut Vec<Gap>) {
    let computer = win32::host::name();
    let seen = |found: win32::session::Desktop| Desktop {
        session: found.id,
        account: of_windows(&found.domain, &found.user, &computer),
        from: found.from.map_or(Text::from(CONSOLE), |from| Text::new(from.to_canonical().to_string())),
        since: Some(i128::from(found.since)).filter(|since| *since > 0).and_then(moment),
        disconnected: found.disconnected,
    };
    match win32::session::desktops() {
        Ok(found) => facts.desktops = found.into_iter().map(seen).collect(),
        Err(error) => {
            let why = format!("Windows does not tell who is logged in at its desktops: {error}");
            gaps.push(Gap { gap: "desktops".to_owned(), seen: 0, of: 1, why });
        }
    }
}

fn moment(windows: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond((windows - EPOCH) * 100).ok()
}
