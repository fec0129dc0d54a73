//! What an event means for logins.
//!
//! Names of those who failed, and what a client calls itself, are attackers' text: a source is an address that Windows
//! saw, the console, or `unclear`, and never a name that the client sent.

use super::Event;
use super::unite::{Kind, Sighting};
use super::words::{Logon, failure, left_out, logon};
use crate::text::Text;
use crate::watch::login::account::{is_same_host, of_windows, of_windows_whole};
use crate::watch::login::sshd::{Account, Message, Try, parse_message};
use crate::watch::login::{CONSOLE, Change, ChangeKind, Login, UNCLEAR, address};
use jiff::Timestamp;

/// The channel of SSH.
pub const OPENSSH: &str = "OpenSSH/Operational";

/// What an event tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Somebody came in, as this channel tells it.
    Login(Box<Sighting>),
    /// Somebody failed to, and why; by sshd, which tells of it too, or not.
    Failed(Try, Option<Text>, BySshd),
    /// The logon of this number has the rights of an administrator.
    Rights(u64),
    /// The logon of this number ended.
    Ended(u64, Timestamp),
    /// An account gave the name and password of another: who, whose, when.
    Asked(Text, Text, Timestamp),
    /// Something happened to an account, a group or a log.
    Change(Box<Change>),
    /// What sshd says.
    Ssh(Message),
    /// A logon that is nobody's: why.
    LeftOut(&'static str),
    /// Nothing that is of interest here.
    Nothing,
}

/// Whether a logon was asked for by sshd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BySshd {
    /// It was.
    Yes,
    /// It was not.
    No,
}

/// What `event` tells.
#[must_use]
pub fn tell(event: &Event) -> Told {
    match (event.provider.as_str(), event.id) {
        ("Microsoft-Windows-Security-Auditing", id) => security(event, id),
        ("Microsoft-Windows-Eventlog", 1102 | 104) => {
            let log = event.get("Channel");
            let log = if log.is_empty() { event.channel.as_str() } else { log };
            Told::Change(Box::new(change(
                event,
                ChangeKind::AuditLogCleared,
                Text::cut(log.as_bytes(), 256),
                None,
            )))
        }
        ("Microsoft-Windows-TerminalServices-RemoteConnectionManager", 1149) => connection(event),
        ("Microsoft-Windows-TerminalServices-LocalSessionManager", 21 | 25) => session(event),
        ("OpenSSH", 4) => ssh(event),
        _ => Told::Nothing,
    }
}

fn security(event: &Event, id: u32) -> Told {
    let subject_id = || number(event.get("SubjectLogonId"));
    match id {
        4624 => came_in(event),
        4625 => failed(event),
        4634 | 4647 => Told::Ended(number(event.get("TargetLogonId")), event.at),
        4648 => asked(event),
        4672 => Told::Rights(subject_id()),
        4720 => of_account(event, ChangeKind::AccountCreated),
        4726 => of_account(event, ChangeKind::AccountDeleted),
        4740 => of_account(event, ChangeKind::AccountLocked),
        4728 | 4732 | 4756 => of_group(event),
        _ => Told::Nothing,
    }
}

fn came_in(event: &Event) -> Told {
    let (name, domain) = (event.get("TargetUserName"), event.get("TargetDomainName"));
    let kind_of_logon = logon(event.get("LogonType"));
    if let Logon::LeftOut(why) = kind_of_logon {
        return Told::LeftOut(why);
    }
    if let Some(why) = left_out(event.get("TargetUserSid")) {
        return Told::LeftOut(why);
    }
    // A computer of the domain logs in over the network, and its account is the domain's. An account of the host
    // itself with such a name was made to be overlooked, and so was one that sits at a desktop.
    if name.ends_with('$')
        && matches!(kind_of_logon, Logon::Network("network"))
        && !is_same_host(domain, &event.computer)
        && !matches!(domain, "" | "-")
    {
        return Told::LeftOut("computer");
    }
    let remote = remote(event);
    let (kind, method, from) = match kind_of_logon {
        Logon::Desktop("rdp") => (Kind::Desktop, "rdp", remote.unwrap_or(Text::from(UNCLEAR))),
        // Whoever comes back to a desktop over the network unlocks it.
        Logon::Desktop(_) if remote.is_some() => (Kind::Desktop, "rdp", remote.unwrap_or_default()),
        Logon::Desktop("console") if event.get("LogonProcessName").trim() == "seclogo" => {
            (Kind::Other, "runas", Text::from(CONSOLE))
        }
        Logon::Desktop(word) => (Kind::Desktop, word, Text::from(CONSOLE)),
        Logon::RunAs | Logon::LeftOut(_) => (Kind::Other, "runas", Text::from(CONSOLE)),
        Logon::Network(word) => {
            let kind = if is_sshd(event.get("ProcessName")) { Kind::Ssh } else { Kind::Network };
            (kind, word, seen_address(event).unwrap_or(Text::from(UNCLEAR)))
        }
    };
    let subject = of_windows(event.get("SubjectDomainName"), event.get("SubjectUserName"), &event.computer);
    let login = Login {
        user: of_windows(domain, name, &event.computer),
        from,
        method: Text::from(method),
        at: event.at,
        pid: None,
        asked_by: is_person(event.get("SubjectUserSid")).then_some(subject),
        client: client(event.get("WorkstationName"), &event.computer),
        told_by: told_by(event),
        ..Login::default()
    };
    let (id, linked) = (number(event.get("TargetLogonId")), number(event.get("TargetLinkedLogonId")));
    Told::Login(Box::new(Sighting { login, kind, id, linked }))
}

fn failed(event: &Event) -> Told {
    let kind_of_logon = logon(event.get("LogonType"));
    let method = match kind_of_logon {
        // A service or a task with an old password is no attack, and it still is a failure.
        Logon::Desktop(word) | Logon::Network(word) | Logon::LeftOut(word) => word,
        Logon::RunAs => "runas",
    };
    let (method, from) = match (kind_of_logon, remote(event)) {
        (Logon::Desktop(_), Some(from)) => ("rdp", from),
        (Logon::Network(_), _) => (method, seen_address(event).unwrap_or(Text::from(UNCLEAR))),
        (Logon::Desktop("rdp"), None) => (method, Text::from(UNCLEAR)),
        _ => (method, Text::from(CONSOLE)),
    };
    let (reason, may_not) = failure(event.get("Status"), event.get("SubStatus"));
    let attempt = Try {
        user: of_windows(event.get("TargetDomainName"), event.get("TargetUserName"), &event.computer),
        from,
        method: Some(Text::from(method)),
        account: if may_not { Account::Unknown } else { Account::Known },
    };
    let by = if is_sshd(event.get("ProcessName")) { BySshd::Yes } else { BySshd::No };
    Told::Failed(attempt, reason.map(Text::from), by)
}

/// Credentials that somebody on this host gave: for this host, or towards another one.
fn asked(event: &Event) -> Told {
    if !is_person(event.get("SubjectUserSid")) {
        return Told::Nothing;
    }
    let server = event.get("TargetServerName").trim();
    if !server.eq_ignore_ascii_case("localhost") && !is_same_host(server, &event.computer) {
        return Told::LeftOut("credentials-for-other-hosts");
    }
    let account = |domain, name| of_windows(event.get(domain), event.get(name), &event.computer);
    let subject = account("SubjectDomainName", "SubjectUserName");
    Told::Asked(subject, account("TargetDomainName", "TargetUserName"), event.at)
}

fn of_account(event: &Event, kind: ChangeKind) -> Told {
    let sid = event.get("TargetSid");
    let domain = event.get("TargetDomainName");
    // Of an account that is locked, the domain is the computer that sent the wrong passwords.
    let (domain, client) = match kind {
        ChangeKind::AccountLocked => ("", client(domain, "")),
        _ => (domain, None),
    };
    let what = of_windows(domain, event.get("TargetUserName"), &event.computer);
    let mut change = Change { client, ..change(event, kind, what, Some(sid)) };
    if kind == ChangeKind::AccountLocked {
        // It is the host that locks, and no person.
        change.actor = None;
    }
    Told::Change(Box::new(change))
}

fn of_group(event: &Event) -> Told {
    let group_sid = event.get("TargetSid").trim();
    // Into these every new account is put: Users, and Domain Users, which is None without a domain.
    if group_sid == "S-1-5-32-545" || group_sid.starts_with("S-1-5-21-") && group_sid.ends_with("-513") {
        return Told::LeftOut("added-to-users");
    }
    let (member, sid) = (event.get("MemberName").trim(), event.get("MemberSid").trim());
    let what = if matches!(member, "" | "-") { sid } else { member };
    let group = of_windows(event.get("TargetDomainName"), event.get("TargetUserName"), &event.computer);
    // Groups that come with Windows have a domain of their own, in the language of the host.
    let group = if group_sid.starts_with("S-1-5-32-") {
        Text::cut(event.get("TargetUserName").as_bytes(), 256)
    } else {
        group
    };
    Told::Change(Box::new(Change {
        group: Some(group),
        group_sid: (!group_sid.is_empty()).then(|| Text::cut(group_sid.as_bytes(), 256)),
        ..change(event, ChangeKind::GroupChanged, Text::cut(what.as_bytes(), 512), Some(sid))
    }))
}

fn change(event: &Event, kind: ChangeKind, what: Text, sid: Option<&str>) -> Change {
    let actor = event.get("SubjectUserName");
    Change {
        kind,
        at: event.at,
        what,
        sid: sid.filter(|sid| sid.starts_with("S-1-")).map(|sid| Text::cut(sid.as_bytes(), 256)),
        group: None,
        group_sid: None,
        actor: (!matches!(actor, "" | "-"))
            .then(|| of_windows(event.get("SubjectDomainName"), actor, &event.computer)),
        client: None,
        told_by: told_by(event),
    }
}

/// That the network level authentication of RDP went well. Without it Windows writes the same of whoever connects,
/// so this alone is no login.
fn connection(event: &Event) -> Told {
    let (name, from) = (event.get("Param1"), event.get("Param3"));
    let Some(from) = address(from).filter(|_| !name.is_empty()) else { return Told::Nothing };
    desktop(
        event,
        of_windows(event.get("Param2"), name, &event.computer),
        Some(from.to_string()),
        Kind::Connection,
    )
}

/// That a desktop was opened, or taken up again.
fn session(event: &Event) -> Told {
    // What is no address is the word for "local" in the language of the host.
    let from = address(event.get("Address")).map(|from| from.to_string());
    let Told::Login(mut sighting) =
        desktop(event, of_windows_whole(event.get("User"), &event.computer), from, Kind::Session)
    else {
        return Told::Nothing;
    };
    if left_out_by_name(event.get("User")) {
        return Told::LeftOut("window-manager");
    }
    let number = event.get("SessionID").trim();
    if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() {
        sighting.login.terminal = Some(Text::new(format!("session {number}")));
    }
    Told::Login(sighting)
}

/// Accounts of the window manager, of which this channel gives no identifier.
fn left_out_by_name(user: &str) -> bool {
    let (domain, name) = user.split_once('\\').unwrap_or(("", user));
    let numbered = |start: &str| {
        name.strip_prefix(start).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    domain.eq_ignore_ascii_case("Window Manager") && numbered("DWM-")
        || domain.eq_ignore_ascii_case("Font Driver Host") && numbered("UMFD-")
}

fn desktop(event: &Event, user: Text, from: Option<String>, kind: Kind) -> Told {
    let method = Text::from(if from.is_some() { "rdp" } else { CONSOLE });
    let from = from.map_or(Text::from(CONSOLE), Text::new);
    let login = Login { user, from, method, at: event.at, told_by: told_by(event), ..Login::default() };
    Told::Login(Box::new(Sighting { login, kind, id: 0, linked: 0 }))
}

fn ssh(event: &Event) -> Told {
    let process = event.get("process");
    let program = process.strip_suffix(".exe").unwrap_or(process);
    let Some(mut message) = parse_message(program.as_bytes(), event.get("payload").as_bytes()) else {
        return Told::Nothing;
    };
    let named = |user: &mut Text| {
        let raw = String::from_utf8_lossy(&user.to_bytes()).into_owned();
        *user = of_windows_whole(&raw, &event.computer);
    };
    match &mut message {
        Message::Accepted(accepted) => named(&mut accepted.user),
        Message::Failed(attempt) | Message::PamFailed(attempt) | Message::Ended(attempt) => {
            named(&mut attempt.user);
        }
        Message::Console(_) | Message::Partial(_) | Message::TimedOut => {}
    }
    Told::Ssh(message)
}

/// The address that Windows saw, if it is not this host's own.
fn remote(event: &Event) -> Option<Text> {
    let from = address(event.get("IpAddress").trim())?;
    (!from.is_loopback() && !from.is_unspecified()).then(|| Text::new(from.to_string()))
}

fn seen_address(event: &Event) -> Option<Text> {
    address(event.get("IpAddress").trim()).map(|from| Text::new(from.to_string()))
}

/// What the client calls itself, if it is not this host.
fn client(name: &str, computer: &str) -> Option<Text> {
    let name = name.trim();
    (!matches!(name, "" | "-") && !is_same_host(name, computer)).then(|| Text::cut(name.as_bytes(), 256))
}

fn is_person(sid: &str) -> bool {
    sid.starts_with("S-1-5-21-") || sid.starts_with("S-1-12-1-")
}

fn is_sshd(path: &str) -> bool {
    let name = path.rsplit('\\').next().unwrap_or_default().to_ascii_lowercase();
    matches!(name.as_str(), "sshd.exe" | "sshd-session.exe" | "sshd-auth.exe")
}

fn number(text: &str) -> u64 {
    let text = text.trim();
    let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    hex.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16)).unwrap_or(0)
}

fn told_by(event: &Event) -> Text {
    Text::cut(event.channel.as_bytes(), 256)
}
