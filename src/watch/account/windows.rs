//! Reading the accounts and groups of a Windows host.

use super::{Account, AccountFacts, GROUPS, Group, Member, Rules};
use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::{Look, Seen};
use crate::win32::accounts;
use jiff::{SignedDuration, Timestamp};
use std::ffi::{OsStr, OsString};

/// More accounts than a host of its own has. A domain controller has those of the whole domain.
const MOST: usize = 10_000;

/// Looks at them.
pub fn collect(look: &mut Look<Rules>) -> Seen<AccountFacts> {
    let accounts = match read_accounts(look.now, look.gaps) {
        Ok(accounts) => accounts,
        Err(error) => return Seen::Failed(format!("cannot list the accounts: {error}")),
    };
    let groups = read_groups(look.gaps);
    Seen::Facts(AccountFacts { accounts, groups })
}

fn text(raw: &OsStr) -> Text {
    Text::cut(raw.as_encoded_bytes(), 512)
}

fn read_accounts(now: Timestamp, gaps: &mut Vec<Gap>) -> std::io::Result<Vec<Account>> {
    let (names, more) = accounts::user_names(MOST)?;
    let all = names.len() as u64;
    let mut found = Vec::new();
    let mut unread: Option<(u64, String)> = None;
    for name in names {
        match accounts::user(&name) {
            Ok(Some(user)) => found.push(account(&user, now)),
            Ok(None) => {}
            Err(error) => {
                let (count, _) = unread.take().unwrap_or_default();
                unread = Some((count + 1, format!("{}: {error}", text(&name))));
            }
        }
    }
    if let Some((count, why)) = unread {
        gaps.push(Gap { gap: "account-details".to_owned(), seen: all - count, of: all, why });
    }
    if more {
        let why = format!("only the first {MOST} accounts are looked at");
        gaps.push(Gap { gap: "account-list".to_owned(), seen: all, of: all + 1, why });
    }
    found.sort_by(|a, b| (&a.name, &a.sid).cmp(&(&b.name, &b.sid)));
    Ok(found)
}

fn account(user: &accounts::User, now: Timestamp) -> Account {
    let full_name = text(&user.full_name);
    let age = SignedDuration::from_secs(i64::from(user.password_age));
    // An account that never had a password has an age that makes no sense.
    let set = now.checked_sub(age).ok().filter(|_| user.password_age > 0);
    Account {
        name: text(&user.name),
        sid: text(&user.sid),
        full_name: (!full_name.is_empty()).then_some(full_name),
        enabled: user.enabled,
        password_required: user.password_required,
        password_expires: user.password_expires,
        password_set: set.and_then(|set| Timestamp::from_second(set.as_second() / 60 * 60).ok()),
        last_login: (user.last_login > 0)
            .then(|| Timestamp::from_second(i64::from(user.last_login)).ok())
            .flatten(),
    }
}

fn read_groups(gaps: &mut Vec<Gap>) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut unread: Option<(u64, String)> = None;
    for (sid, english) in GROUPS {
        match read_group(sid, english) {
            Ok(group) => groups.extend(group),
            Err(error) => {
                let (count, _) = unread.take().unwrap_or_default();
                unread = Some((count + 1, format!("{english}: {error}")));
            }
        }
    }
    if let Some((count, why)) = unread {
        let all = GROUPS.len() as u64;
        gaps.push(Gap { gap: "group-members".to_owned(), seen: all - count, of: all, why });
    }
    groups
}

/// A group by its number; none if this host has no such group.
fn read_group(sid: &str, english: &str) -> std::io::Result<Option<Group>> {
    let Some((_, name)) = accounts::name_of(sid)? else { return Ok(None) };
    let Some(members) = accounts::members(&name)? else { return Ok(None) };
    let mut members: Vec<Member> = members.iter().map(member).collect();
    members.sort_by(|a, b| (&a.name, &a.sid).cmp(&(&b.name, &b.sid)));
    Ok(Some(Group { group: english.into(), sid: sid.into(), name: text(&name), members }))
}

fn member(member: &accounts::Member) -> Member {
    let is_known = |name: &OsString| !name.is_empty() && !name.as_encoded_bytes().ends_with(b"\\");
    let name = if is_known(&member.name) { text(&member.name) } else { text(&member.sid) };
    Member { name, sid: text(&member.sid), kind: kind(member.kind).into() }
}

fn kind(number: i32) -> &'static str {
    match number {
        1 => "user",
        2 => "group",
        4 => "alias",
        5 => "well-known group",
        6 => "deleted account",
        9 => "computer",
        _ => "unknown",
    }
}
