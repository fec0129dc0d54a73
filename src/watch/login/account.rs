//! Names of accounts: how a policy writes them and how they are compared.
//!
//! On Windows an account of a domain is `DOMAIN\name`, and one of the host itself plain `name`, so that a rule for
//! `alice` never lets in an alice of some domain, and holds on every host. Letters are the same in both cases.

use crate::text::{Text, clean};
use serde::{Deserialize, Serialize};

/// How names of accounts are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// Letter by letter.
    #[default]
    Exact,
    /// As Windows does: `CORP\alice` is `corp\Alice`.
    Windows,
}

impl Names {
    /// True if letter by letter.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}

/// True if `written` in a policy means this account.
#[must_use]
pub fn is_meant(written: &str, account: &Text, names: Names) -> bool {
    match names {
        Names::Exact => *account == *written,
        Names::Windows => {
            let raw = raw(account);
            // No name of Windows holds a backslash, so one that is doubled is one that was copied from a finding. Nor does
            // one hold a control character; what else cannot be shown is written as findings show it.
            written.replace(r"\\", r"\").to_lowercase() == raw.to_lowercase()
                || *clean(&raw) != *raw && !raw.contains(char::is_control) && *account == *written
        }
    }
}

/// The account as a policy should write it.
#[must_use]
pub fn written(account: &Text, names: Names) -> String {
    match names {
        Names::Exact => account.to_string(),
        // With its backslash single, if it can be shown.
        Names::Windows => {
            Some(raw(account)).filter(|raw| *clean(raw) == **raw).unwrap_or(account.to_string())
        }
    }
}

fn raw(account: &Text) -> String {
    String::from_utf8_lossy(&account.to_bytes()).into_owned()
}

/// An account as the events of Windows name it, in the words of a fact. `computer` is the host's own name.
#[must_use]
pub fn of_windows(domain: &str, name: &str, computer: &str) -> Text {
    let (domain, name) = (domain.trim(), name.trim());
    // sshd writes it in small letters, Windows itself in capitals.
    let small = !domain.contains(char::is_uppercase);
    let domain = if small { domain.to_uppercase() } else { domain.to_owned() };
    let is_own = matches!(domain.as_str(), "" | "-" | ".") || is_same_host(&domain, computer);
    if is_own {
        Text::cut(name.as_bytes(), 256)
    } else {
        Text::cut(format!("{domain}\\{name}").as_bytes(), 256)
    }
}

/// The same of a name that may hold its domain.
#[must_use]
pub fn of_windows_whole(name: &str, computer: &str) -> Text {
    let (domain, name) = name.split_once('\\').unwrap_or(("", name));
    // sshd doubles a backslash.
    of_windows(domain, name.trim_start_matches('\\'), computer)
}

/// True if a name without dots means the host of this name: the first 15 letters of the first part of it.
#[must_use]
pub fn is_same_host(short: &str, computer: &str) -> bool {
    let label = computer.split('.').next().unwrap_or_default();
    let own: String = label.chars().take(15).collect();
    !own.is_empty() && (short.eq_ignore_ascii_case(&own) || short.eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_account_of_a_domain_is_never_meant_by_a_plain_name() {
        for (written, account, is) in [
            (r"CORP\alice", r"CORP\alice", true),
            (r"corp\Alice", r"CORP\alice", true),
            (r"CORP\\alice", r"CORP\alice", true),
            ("alice", r"CORP\alice", false),
            ("ALICE", "alice", true),
            ("Élise", "éLISE", true),
            (r"OTHER\alice", r"CORP\alice", false),
            (r"CORP\nancy", "CORP\nancy", false),
        ] {
            assert_eq!(is_meant(written, &Text::new(account), Names::Windows), is, "{written} {account}");
        }
        assert!(!is_meant("ALICE", &Text::from("alice"), Names::Exact));
    }

    #[test]
    fn an_account_of_the_host_itself_has_no_domain() {
        for (domain, name, computer, shown) in [
            ("WEB1", "alice", "WEB1", "alice"),
            ("web1", "alice", "web1.corp.example", "alice"),
            ("A-VERY-LONG-NAM", "alice", "a-very-long-name-of-a-host", "alice"),
            ("CORP", "alice", "WEB1", r"CORP\alice"),
            ("-", "alice@corp.example", "WEB1", "alice@corp.example"),
            ("", "x", "", "x"),
        ] {
            assert_eq!(of_windows(domain, name, computer), shown);
        }
        assert_eq!(of_windows_whole(r"corp\\alice", "WEB1"), r"CORP\alice");
        assert_eq!(of_windows_whole(r"web1\alice", "WEB1"), "alice");
    }

    proptest! {
        #[test]
        fn what_is_written_into_a_policy_means_that_account(name in "[^\\\\\\p{Cc}]*", domain in "[A-Z]{0,8}") {
            for names in [Names::Exact, Names::Windows] {
                let account = of_windows(&domain, &name, "WEB1");
                prop_assert!(is_meant(&written(&account, names), &account, names));
            }
        }
    }
}
