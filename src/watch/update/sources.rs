//! The archives a host is set up to fetch package lists from, so that a list that was never fetched is missed: what
//! nobody asked cannot say that there are updates.

use super::release::LISTS;
use crate::host::Host;
use crate::text::Text;
use std::collections::BTreeSet;
use std::fmt::Write;

/// One archive and suite that packages come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// For a person: host, path and suite, without user and password.
    pub name: Text,
    /// What the names of its lists begin with.
    pub prefix: String,
}

/// Lines or fields longer than this are nobody's sources.
const LONGEST: usize = 4096;

impl Source {
    fn new(uri: &str, suite: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        // A disc in a drive has no freshness, and a variable has no name yet.
        if scheme == "cdrom" || suite.contains("$(") || suite.is_empty() || uri.len() + suite.len() > LONGEST
        {
            return None;
        }
        let place = rest.trim_start_matches("//").trim_end_matches('/');
        let place = match place.split_once('/') {
            Some((host, path)) => format!("{}/{path}", without_user(host)),
            None => without_user(place).to_owned(),
        };
        // A suite that ends in a slash is a folder of its own.
        let below = if suite.ends_with('/') {
            suite.trim_start_matches('/').to_owned()
        } else {
            format!("dists/{suite}/")
        };
        let name = Text::new(format!("{place} {suite}"));
        Some(Self { name, prefix: file_name(&format!("{place}/{below}")) })
    }
}

fn without_user(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// A place as apt makes a file name of it.
fn file_name(place: &str) -> String {
    let mut name = String::with_capacity(place.len());
    for c in place.chars() {
        match c {
            '/' => name.push('_'),
            c if "\\|{}[]<>\"^~_=!@#$%&*".contains(c) || !c.is_ascii_graphic() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(name, "%{byte:02x}");
                }
            }
            c => name.push(c),
        }
    }
    name
}

/// Parses a `sources.list`: lines like `deb [options] URI SUITE COMPONENT…`. Lines that are not so are passed over.
#[must_use]
pub fn parse_sources_list(file: &[u8]) -> Vec<Source> {
    let parse = |line: &str| {
        let line = line.split('#').next()?.trim().strip_prefix("deb")?;
        let line = line.strip_prefix([' ', '\t'])?.trim_start();
        let line = match line.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => line,
        };
        let mut words = line.split_whitespace();
        Source::new(words.next()?, words.next()?)
    };
    String::from_utf8_lossy(file).lines().filter_map(parse).collect()
}

/// Parses a file of `.sources` form: paragraphs with `Types`, `URIs` and `Suites`. What is not so is passed over.
#[must_use]
pub fn parse_sources(file: &[u8]) -> Vec<Source> {
    let text = String::from_utf8_lossy(file);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).flat_map(parse_paragraph).collect()
}

fn parse_paragraph(lines: &[&str]) -> Vec<Source> {
    let words = |name: &str| -> Vec<&str> {
        let is_field = |line: &&str| {
            line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
                && !line.starts_with(' ')
        };
        let Some(at) = lines.iter().position(is_field) else { return Vec::new() };
        let first = lines.get(at).and_then(|line| line.split_once(':')).map(|(_, value)| value);
        let more = lines.get(at + 1..).unwrap_or_default().iter().copied();
        let more = more.take_while(|line| line.starts_with([' ', '\t']));
        first.into_iter().chain(more).flat_map(str::split_whitespace).collect()
    };
    let off =
        |value: &str| ["no", "false", "without", "off", "disable"].contains(&value.to_lowercase().as_str());
    if !words("Types").contains(&"deb") || words("Enabled").first().is_some_and(|value| off(value)) {
        return Vec::new();
    }
    let suites = words("Suites");
    let of = |uri: &str| suites.iter().filter_map(|suite| Source::new(uri, suite)).collect::<Vec<_>>();
    words("URIs").into_iter().take(LONGEST).flat_map(of).collect()
}

/// All sources of the host, sorted.
#[must_use]
pub fn read_sources(host: &Host) -> Vec<Source> {
    let mut sources: BTreeSet<Source> = BTreeSet::new();
    sources.extend(parse_sources_list(&host.read("/etc/apt/sources.list").unwrap_or_default()));
    let entries = std::fs::read_dir(host.path("/etc/apt/sources.list.d")).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let read = || host.read(format!("/etc/apt/sources.list.d/{name}")).unwrap_or_default();
        // apt takes just these endings, in lower case.
        match name.rsplit_once('.') {
            Some((_, "list")) => sources.extend(parse_sources_list(&read())),
            Some((_, "sources")) => sources.extend(parse_sources(&read())),
            _ => {}
        }
    }
    sources.into_iter().collect()
}

/// The sources of which no list lies on the host.
#[must_use]
pub fn never_fetched<'a>(host: &Host, sources: &'a [Source]) -> Vec<&'a Source> {
    let entries = std::fs::read_dir(host.path(LISTS)).into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let missing = |source: &&Source| !names.iter().any(|name| name.starts_with(&source.prefix));
    sources.iter().filter(missing).collect()
}
