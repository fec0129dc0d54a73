//! What sshd and login say in the system log.
//!
//! The names of users who failed are written by whoever tried, and so is the name inside a certificate; they may
//! hold ` from 1.2.3.4 port 22 ssh2`. So what the program itself wrote is looked for from the end of the message,
//! and where two readings are possible the source is `unclear`, never the attackers' choice.

use super::source::{UNCLEAR, of_bytes};
use super::stamp::{cut, cut_last, number};
use crate::text::Text;

/// A user name is never longer; what is longer was made to be.
const LONGEST_NAME: usize = 128;

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Somebody came in.
    Accepted(Accepted),
    /// One of several proofs that are asked for was good; the key, if it was one.
    Partial(Option<Text>),
    /// Somebody was let in at the machine itself.
    Console(Text),
    /// A proof was not good.
    Failed(Try),
    /// PAM says that a proof was not good; `Failed keyboard-interactive` may or may not follow for the same.
    PamFailed(Try),
    /// A connection ended before anybody was let in.
    Ended(Try),
    /// A connection was ended because nobody was let in for too long.
    TimedOut,
}

/// A successful login over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The account.
    pub user: Text,
    /// The address.
    pub from: Text,
    /// How.
    pub method: Text,
    /// The key's fingerprint, of publickey.
    pub key: Option<Text>,
}

/// An attempt to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The name that was tried.
    pub user: Text,
    /// The address, or `unclear`.
    pub from: Text,
    /// How, if the message says.
    pub method: Option<Text>,
    /// Whether there is such an account.
    pub account: Account,
}

/// Whether a name that was tried is an account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// It is.
    Known,
    /// It is not, or the account may not log in.
    Unknown,
}

/// True if the messages of this program are worth parsing.
#[must_use]
pub fn speaks_of_logins(program: &[u8]) -> bool {
    matches!(program, b"sshd" | b"sshd-session" | b"sshd-auth" | b"login")
}

/// What a message of `program` tells of logins, if anything.
#[must_use]
pub fn parse_message(program: &[u8], message: &[u8]) -> Option<Message> {
    if program == b"login" {
        let rest = message.strip_prefix(b"pam_unix(login:session): session opened for user ")?;
        let (user, _) = cut(rest, b" by ").unwrap_or((rest, b""));
        let user = cut(user, b"(uid=").map_or(user, |(user, _)| user);
        return Some(Message::Console(Text::cut(user, LONGEST_NAME)));
    }
    let message = message.strip_suffix(b" [preauth]").unwrap_or(message);
    if let Some(rest) = message.strip_prefix(b"Accepted ") {
        return accepted(rest);
    }
    if let Some(rest) = message.strip_prefix(b"Partial ") {
        let key = cut(rest, b" ssh2: ").and_then(|(_, details)| fingerprint(details));
        return Some(Message::Partial(key));
    }
    if let Some(rest) = message.strip_prefix(b"Failed ") {
        let (method, rest) = cut(rest, b" for ")?;
        let method = plain_method(method)?;
        return Some(Message::Failed(attempt(rest, Some(method))));
    }
    if let Some(rest) = message.strip_prefix(b"error: PAM: ") {
        // Up to the first " for " it is PAM's own text.
        let (_, rest) = cut(rest, b" for ")?;
        let (name, account) = named(rest);
        let (user, from) = cut_last(name, b" from ")?;
        let method = Some(Text::from("keyboard-interactive"));
        let (user, from) = (Text::cut(user, LONGEST_NAME), of_bytes(from));
        return Some(Message::PamFailed(Try { user, from, method, account }));
    }
    if message.starts_with(b"Timeout before authentication for ")
        || message.starts_with(b"fatal: Timeout before authentication for ")
    {
        return Some(Message::TimedOut);
    }
    if let Some(rest) = message.strip_prefix(b"error: maximum authentication attempts exceeded for ") {
        return Some(Message::Ended(attempt(rest, None)));
    }
    ended(message)
}

fn accepted(rest: &[u8]) -> Option<Message> {
    // The account exists, so its name is not of an attacker's making, but a certificate's may be: the first
    // reading is the right one.
    let (method, rest) = cut(rest, b" for ")?;
    let method = plain_method(method)?;
    let readings = || memchr::memmem::find_iter(rest, b" from ");
    let (user, from, details) = readings().find_map(|at| {
        let (from, details) = peer(rest.get(at + 6..)?)?;
        Some((rest.get(..at)?, from, details))
    })?;
    let (user, from) = (Text::cut(user, LONGEST_NAME), of_bytes(from));
    Some(Message::Accepted(Accepted { user, from, method, key: fingerprint(details) }))
}

/// `[invalid user ]NAME from ADDRESS port N ssh2[: KEY]`
fn attempt(rest: &[u8], method: Option<Text>) -> Try {
    let (rest, account) = named(rest);
    let readings: Vec<(&[u8], &[u8], &[u8])> = memchr::memmem::find_iter(rest, b" from ")
        .filter_map(|at| {
            let (from, details) = peer(rest.get(at + 6..)?)?;
            Some((rest.get(..at)?, from, details))
        })
        .collect();
    // What follows the peer is nothing, or a plain key, or a certificate that holds a name of its owner's choice.
    let chosen = match (account, readings.as_slice()) {
        (_, [only]) => Some(only),
        (Account::Known, [first, ..]) => Some(first),
        (Account::Unknown, [.., last]) => (last.2.is_empty() || plain_key(last.2)).then_some(last),
        (_, []) => None,
    };
    let (user, from) = match chosen {
        Some((user, from, _)) => (Text::cut(user, LONGEST_NAME), of_bytes(from)),
        None => (Text::cut(rest, LONGEST_NAME), Text::from(UNCLEAR)),
    };
    Try { user, from, method, account }
}

/// `Connection closed by authenticating user NAME ADDRESS port N` and its like.
fn ended(message: &[u8]) -> Option<Message> {
    const WAYS: [&[u8]; 4] =
        [b"Connection closed by ", b"Connection reset by ", b"Disconnected from ", b"Disconnecting "];
    let rest = WAYS.iter().find_map(|way| message.strip_prefix(*way))?;
    let (rest, account) = match rest.strip_prefix(b"authenticating user ") {
        Some(rest) => (rest, Account::Known),
        None => (rest.strip_prefix(b"invalid user ")?, Account::Unknown),
    };
    let whole = rest.strip_suffix(b": Too many authentication failures").unwrap_or(rest);
    let read = || {
        let (before, port) = cut_last(whole, b" port ")?;
        number(port).filter(|_| !port.is_empty())?;
        let (user, from) = cut_last(before, b" ")?;
        Some((Text::cut(user, LONGEST_NAME), of_bytes(from)))
    };
    let (user, from) = read().unwrap_or_else(|| (Text::cut(rest, LONGEST_NAME), Text::from(UNCLEAR)));
    Some(Message::Ended(Try { user, from, method: None, account }))
}

fn named(rest: &[u8]) -> (&[u8], Account) {
    let prefixes: [&[u8]; 2] = [b"invalid user ", b"illegal user "];
    let name = prefixes.iter().find_map(|prefix| rest.strip_prefix(*prefix));
    name.map_or((rest, Account::Known), |name| (name, Account::Unknown))
}

/// `ADDRESS port N ssh2`, and what follows after a colon.
fn peer(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (address, rest) = cut(rest, b" ")?;
    let (port, rest) = cut(rest.strip_prefix(b"port ")?, b" ")?;
    number(port).filter(|_| !port.is_empty())?;
    let rest = rest.strip_prefix(b"ssh2")?;
    let details = if rest.is_empty() { rest } else { rest.strip_prefix(b": ")? };
    Some((address, details))
}

/// `keyboard-interactive/pam` is `keyboard-interactive`; what is no word is not a method.
fn plain_method(written: &[u8]) -> Option<Text> {
    let method = written.split(|b| *b == b'/').next()?;
    let word = method.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    (word && !method.is_empty() && method.len() <= 40).then(|| Text::new(method))
}

/// True if this is `TYPE SHA256:…` and nothing more.
fn plain_key(details: &[u8]) -> bool {
    let mut words = details.split(|b| *b == b' ');
    words.next().is_some() && words.next().is_some_and(is_fingerprint) && words.next().is_none()
}

fn fingerprint(details: &[u8]) -> Option<Text> {
    let word = details.split(|b| *b == b' ').nth(1)?;
    is_fingerprint(word).then(|| Text::new(word))
}

fn is_fingerprint(word: &[u8]) -> bool {
    let hash = word.strip_prefix(b"SHA256:").or_else(|| word.strip_prefix(b"MD5:"));
    hash.is_some_and(|hash| {
        hash.len() <= 64 && hash.iter().all(|b| b.is_ascii_alphanumeric() || b"+/:=".contains(b))
    })
}

#[cfg(test)]
#[path = "sshd/tests.rs"]
mod tests;
