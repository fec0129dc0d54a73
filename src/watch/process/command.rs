//! Commands: the many short programs that people, timers and services start, allowed by where they run and by which packages
//! brought them, instead of one by one. `[[command]]` is its own table, as what it allows is not one program.

use super::{Package, ProcessFacts, Rules, State, compare};
use crate::finding::Nearest;
use crate::processes::script::{self, Kind};
use crate::processes::{Executable, Process};
use crate::rule::{self, Comparison, Day, Pattern, Placed, Rule, Verdict, is_windows_path};
use crate::text::Text;
use crate::transaction::is_packages_place;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Allows whatever packages brought, in these units: `[[command]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandRule {
    /// The systemd units they must run in, `user-1000.slice` for the sessions of a user.
    #[serde(deserialize_with = "units")]
    pub units: Vec<Pattern>,
    /// The packages that brought what runs: the script, if it is one. None named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Pattern>,
    /// The users they may run as; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Shells may be given text with `-c`: where a person types anyhow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub text: bool,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl Rule for CommandRule {
    fn describe(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(Pattern::as_str).take(3).collect();
        let more = if self.units.len() > units.len() { ", …" } else { "" };
        format!("command in {}{more}", units.join(", "))
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A rule for no unit can never match, and one for all would be no rule.
fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    let written = Vec::<Pattern>::deserialize(deserializer)?;
    if written.is_empty() {
        return Err(de::Error::custom("name at least one unit, like \"cron.service\""));
    }
    if written.iter().any(|unit| unit.as_str().bytes().all(|byte| byte == b'*')) {
        let message = "\"*\" is not a unit: what may run everywhere is a [[process]] of its own";
        return Err(de::Error::custom(message));
    }
    Ok(written)
}

/// Programs that carry a shell or another's traffic to elsewhere, or take over another process. No rule for commands covers
/// them: whoever needs one names it in a `[[process]]`.
const NEVER: &[&str] = &[
    "autossh",
    "beam.smp",
    "chisel",
    "corkscrew",
    "cryptcat",
    "dbclient",
    "dns2tcpc",
    "dropbear",
    "gdb",
    "gdb-multiarch",
    "gdbserver",
    "gs-netcat",
    "hping3",
    "htc",
    "hts",
    "inetutils-telnet",
    "iodine",
    "lldb",
    "lldb-server",
    "ltrace",
    "microsocks",
    "nc",
    "nc.openbsd",
    "nc.traditional",
    "ncat",
    "netcat",
    "nmap",
    "proxychains4",
    "ptunnel",
    "redir",
    "rinetd",
    "rlogin",
    "rr",
    "rsh",
    "sbd",
    "socat",
    "socat1",
    "socat2",
    "sshuttle",
    "strace",
    "stunnel",
    "stunnel4",
    "telnet",
    "telnet.netkit",
    "tmate",
    "torify",
    "torsocks",
    "ttyd",
    "udptunnel",
    "vtund",
    "websocat",
    "wstunnel",
];

/// What the rules for processes and commands say of one together.
///
/// # Errors
/// None allows it: the one that came nearest, if any.
pub fn ask(
    rules: &Rules,
    process: &Process,
    facts: &ProcessFacts,
    now: Timestamp,
) -> Result<(), Option<Nearest>> {
    let asked = rule::ask(&rules.process, now, |rule| compare::compare(rule, process, facts));
    let Verdict::Refused(nearest) = asked else { return Ok(()) };
    match allowing(&rules.command, process, facts, now) {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Refused(other) => Err(nearest.or(other)),
    }
}

/// What the rules for commands alone say of it.
pub fn allowing<'a>(
    rules: &'a [Placed<CommandRule>],
    process: &Process,
    facts: &ProcessFacts,
    now: Timestamp,
) -> Verdict<'a, CommandRule> {
    rule::ask(rules, now, |rule| compare(rule, process, facts))
}

/// How one rule for commands fits one process.
fn compare(rule: &CommandRule, process: &Process, facts: &ProcessFacts) -> Comparison {
    let mut comparison = Comparison::default();
    let unit = process.unit.as_ref();
    let fits = unit.is_some_and(|own| rule.units.iter().any(|unit| unit.matches(own)));
    comparison.condition(fits, || "it is for other units".to_owned());
    if !fits {
        // Nothing else makes a rule for another place a near one.
        return comparison;
    }
    if !rule.users.is_empty() {
        let allowed = rule.users.iter().any(|user| process.user == **user);
        comparison
            .condition(allowed, || format!("user {} is not one of {}", process.user, rule.users.join(", ")));
    }
    if let Err(why) = vouched(rule, process, facts) {
        comparison.condition(false, || why);
    }
    comparison
}

/// `lldb-14` without the number.
fn unversioned(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((before, version)) if version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            before
        }
        _ => name,
    }
}

/// Whether packages vouch for all that runs; else why not.
fn vouched(rule: &CommandRule, process: &Process, facts: &ProcessFacts) -> Result<(), String> {
    let (Executable::Path(path) | Executable::Deleted(path)) = &process.exe else {
        return Err("it is for files of packages, and this is none".to_owned());
    };
    if process.container {
        return Err("the file that runs is not the host's file of that path".to_owned());
    }
    if is_windows_path(path) {
        return Err("it is for files of packages, which Windows has not".to_owned());
    }
    if matches!(process.exe, Executable::Deleted(_)) && !facts.is_replaced(process) {
        return Err("it allows no deleted or replaced file".to_owned());
    }
    if !is_packages_place(path) {
        return Err("the file lies where packages put none".to_owned());
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if NEVER.contains(&unversioned(name)) {
        return Err(format!("{name} can carry a shell to elsewhere: it needs a [[process]] of its own"));
    }
    let package = match facts.replaced.get(&process.pid).filter(|_| facts.is_replaced(process)) {
        Some(package) => package,
        None => unmodified("the file", facts.package(process))?,
    };
    let package = match &process.script {
        None => package,
        Some(text) => match script::kind(path, text) {
            // It can do nothing itself but read, write and start others, which are judged themselves.
            Kind::Filter => package,
            Kind::ShellText if rule.text => package,
            Kind::File => unmodified("the script", facts.packages.get(text))?,
            _ => return Err("no package vouches for the script".to_owned()),
        },
    };
    let is_named = rule.packages.is_empty() || rule.packages.iter().any(|named| named.matches(package));
    if is_named { Ok(()) } else { Err(format!("what runs belongs to {package}, which it does not name")) }
}

fn unmodified<'a>(what: &str, package: Option<&'a Package>) -> Result<&'a Text, String> {
    match package {
        Some(package) if package.state == State::Unmodified => Ok(&package.name),
        Some(package) if package.state == State::Modified => {
            Err(format!("{what} is not as {} brought it", package.name))
        }
        Some(package) => {
            Err(format!("whether {what} is as {} brought it could not be verified", package.name))
        }
        None => Err(format!("{what} belongs to no package")),
    }
}
