//! The values of `[[requests]]`, each with what is wrong about a wrong one.

use super::{Against, Limit, Per, Spike};
use crate::rule::{Pattern, Span, is_windows_path};
use crate::watch::request::dated;
use crate::watch::request::line::is_known_method;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The path of a log; `*` stands for anything within its last part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogPath(Pattern);

impl LogPath {
    /// The log with just this shown path.
    #[must_use]
    pub fn literal(path: &str) -> Self {
        if dated::is_log(split(path).1) { Self(Pattern::from(path)) } else { Self(Pattern::literal(path)) }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if the log with this shown path is meant.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        self.0.matches_path(path)
    }

    /// The folder it lies in, without a `*`, in its shown form; that of a whole drive or system ends in its separator.
    #[must_use]
    pub fn folder(&self) -> &str {
        split(self.as_str()).0
    }
}

/// What separates the parts of a path; on Windows a slash does too.
pub fn separator(path: &str) -> char {
    if is_windows_path(path) { '\\' } else { '/' }
}

fn separators(path: &str) -> &'static [char] {
    if is_windows_path(path) { &['\\', '/'] } else { &['/'] }
}

/// The folder of a path, and the name in it.
pub fn split(path: &str) -> (&str, &str) {
    let Some(at) = path.rfind(separators(path)) else { return ("/", path) };
    let is_whole = at == 0 || path.get(..at).is_some_and(|folder| folder.ends_with(':'));
    let folder = path.get(..at + usize::from(is_whole)).unwrap_or_default();
    (folder, path.get(at + 1..).unwrap_or_default())
}

impl TryFrom<String> for LogPath {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        if !written.starts_with('/') && !is_windows_path(&written) {
            return Err(format!(
                "{written:?} is not the whole path of a log: it begins with / or, on Windows, like 'C:\\'"
            ));
        }
        let separator = separator(&written);
        let (folder, name) = split(&written);
        if name.is_empty() {
            return Err(format!("{written:?} names a folder, not a log"));
        }
        if folder.contains('*') {
            return Err(format!("{written:?}: * may only stand behind the last {separator}"));
        }
        if written.split(separators(&written)).any(|part| part == ".." || part == ".") {
            return Err(format!("{written:?}: write the path without . and .."));
        }
        if let Some(whole) = dated::cut_short(name) {
            return Err(format!("{written:?} names some files of one log: write {whole:?} for all of them"));
        }
        Ok(Self(Pattern::from(written.as_str())))
    }
}

impl From<LogPath> for String {
    fn from(path: LogPath) -> Self {
        path.as_str().to_owned()
    }
}

/// A method, or with `*` several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(Pattern);

impl Method {
    /// Just this method, in its shown form. Where that would be refused a `*` stands for its end: for one that
    /// was cut, or looks like a misspelt one.
    #[must_use]
    pub fn literal(method: &str) -> Self {
        let literal = Pattern::literal(method);
        Self::try_from(literal.as_str().to_owned()).unwrap_or_else(|_| {
            let whole = literal.as_str();
            let kept = whole.rfind("… (").and_then(|at| whole.get(..at)).unwrap_or(whole);
            Self(Pattern::from(format!("{kept}*").as_str()))
        })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if the method with this shown form is meant.
    #[must_use]
    pub fn fits(&self, method: &str) -> bool {
        self.0.matches(method)
    }
}

impl TryFrom<String> for Method {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let capitals = written.to_ascii_uppercase();
        if written != capitals && is_known_method(capitals.as_bytes()) {
            return Err(format!("methods are written in capitals: {capitals:?}"));
        }
        if written.is_empty() || written.contains(' ') {
            return Err(format!("{written:?} is not a method: write one like \"GET\""));
        }
        Ok(Self(Pattern::from(written.as_str())))
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_str().to_owned()
    }
}

/// The time of a limit: whole minutes, at most 31 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct Within(u32);

impl Within {
    /// One hour.
    pub const HOUR: Self = Self(60);

    /// Its length in minutes.
    #[must_use]
    pub fn minutes(self) -> u32 {
        self.0
    }
}

impl TryFrom<Span> for Within {
    type Error = String;
    fn try_from(span: Span) -> Result<Self, String> {
        let seconds = span.as_secs();
        if seconds < 60 || !seconds.is_multiple_of(60) || seconds > 31 * 86_400 {
            return Err(format!(
                "\"{span}\" cannot be counted: requests are counted by whole minutes, up to 31 days"
            ));
        }
        Ok(Self(u32::try_from(seconds / 60).unwrap_or(u32::MAX)))
    }
}

impl From<Within> for Span {
    fn from(within: Within) -> Self {
        Self::minutes(u64::from(within.0))
    }
}

impl std::fmt::Display for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Span::from(*self).fmt(f)
    }
}

/// How many times more than usual: a number above 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Factor(f64);

impl Factor {
    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Factor {
    type Error = String;
    fn try_from(written: f64) -> Result<Self, String> {
        if written > 1.0 && written <= 1e9 {
            Ok(Self(written))
        } else {
            Err(format!("{written} is not a factor: write a number above 1, like 5.0"))
        }
    }
}

impl From<Factor> for f64 {
    fn from(factor: Factor) -> Self {
        factor.0
    }
}

/// Who is meant: a network or address, or a name, in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub enum Name {
    /// Addresses.
    Net(IpNet),
    /// A host name, or a user.
    Text(Pattern),
}

impl Name {
    /// Just this client or user, in its shown form; `None` if a policy cannot name it.
    #[must_use]
    pub fn literal(per: Per, who: &str) -> Option<Self> {
        Self::parse(per, Pattern::literal(who).as_str()).ok().filter(|name| name.fits(who))
    }

    /// True if `who`, in its shown form, is meant.
    #[must_use]
    pub fn fits(&self, who: &str) -> bool {
        match self {
            Self::Net(net) => who.parse::<IpAddr>().is_ok_and(|address| net.contains(&address)),
            Self::Text(name) => name.matches(who),
        }
    }

    fn parse(per: Per, written: &str) -> Result<Self, String> {
        match per {
            Per::All => Err("`only` and `except` go with per = \"client\" or per = \"user\"".to_owned()),
            Per::User => Ok(Self::Text(Pattern::from(written))),
            Per::Client => {
                let net = written.parse::<IpNet>().ok();
                let net = net.or_else(|| written.parse::<IpAddr>().ok().map(IpNet::from));
                // Whatever could be a mistyped address is none of the names that servers write for clients.
                let mistyped = |b: u8| b.is_ascii_hexdigit() || b".:".contains(&b);
                match net {
                    Some(net) => Ok(Self::Net(net.trunc())),
                    None if written.contains('/') || written.bytes().all(mistyped) => Err(format!(
                        "{written:?} is no client: write an address, a network like \"10.0.0.0/8\", or a host name"
                    )),
                    None => Ok(Self::Text(Pattern::from(written))),
                }
            }
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        match name {
            Name::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            Name::Net(net) => net.to_string(),
            Name::Text(name) => name.as_str().to_owned(),
        }
    }
}

fn parse_names(per: Per, written: &[String]) -> Result<Vec<Name>, String> {
    written.iter().map(|name| Name::parse(per, name)).collect()
}

/// A limit as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenLimit {
    per: Per,
    max: u64,
    r#in: Within,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

impl TryFrom<WrittenLimit> for Limit {
    type Error = String;
    fn try_from(written: WrittenLimit) -> Result<Self, String> {
        let WrittenLimit { per, max, r#in, only, except } = written;
        let (only, except) = (parse_names(per, &only)?, parse_names(per, &except)?);
        Ok(Self { per, max, r#in, only, except })
    }
}

/// A spike as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrittenSpike {
    per: Per,
    factor: Factor,
    against: Against,
    min: u64,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

impl TryFrom<WrittenSpike> for Spike {
    type Error = String;
    fn try_from(written: WrittenSpike) -> Result<Self, String> {
        let WrittenSpike { per, factor, against, min, only, except } = written;
        let (only, except) = (parse_names(per, &only)?, parse_names(per, &except)?);
        Ok(Self { per, factor, against, min, only, except })
    }
}
