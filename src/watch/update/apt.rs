//! Which updates wait: apt's own answer, from an upgrade that it only simulates.
//!
//! A simulated upgrade costs seconds of processor time, so it is run only when something it depends on has changed,
//! at the lowest priority. It locks nothing and fetches nothing.

use crate::dpkg::{self, Stamp};
use crate::host::Host;
use crate::program;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// On a small and busy host a simulated upgrade takes long.
const DEADLINE: Duration = Duration::from_mins(5);
/// A simulated upgrade of a whole distribution is a megabyte.
const MOST: usize = 32 * 1024 * 1024;
/// A name, version or origin longer than this is not one.
const LONGEST: usize = 200;

/// An update that apt would install.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Update {
    /// The package, with `:arch` where apt writes it so.
    pub name: Text,
    /// The architecture of the new version.
    pub arch: Text,
    /// The version that is installed.
    pub installed: Text,
    /// The version that would be.
    pub candidate: Text,
    /// The archives that have it, as apt names them: `Debian-Security:12/stable-security`.
    pub origins: Vec<Text>,
    /// True if a security archive has it, or a lower version that is not installed either.
    pub security: bool,
}

impl Update {
    /// The package's name, without the architecture.
    #[must_use]
    pub fn package(&self) -> &str {
        self.name.split_once(':').map_or(&*self.name, |(name, _)| name)
    }
}

/// What a simulated upgrade says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// The updates, sorted. A package that would be new is none.
    pub updates: Vec<Update>,
    /// Packages whose update is given out in phases and is not this host's turn.
    pub phased: Vec<Text>,
    /// Packages whose update does not fit to the others.
    pub kept_back: Vec<Text>,
}

/// Parses what `apt-get -s dist-upgrade` prints. Lines that are not known are passed over.
#[must_use]
pub fn parse_simulation(printed: &[u8]) -> Simulation {
    let mut simulation = Simulation::default();
    let mut nobody = Vec::new();
    let mut section = &mut nobody;
    for line in printed.split(|b| *b == b'\n') {
        if line.starts_with(b"  ") {
            let names = line.split(|b| *b == b' ').filter(|name| !name.is_empty());
            section.extend(names.map(|name| Text::cut(name, LONGEST)));
            continue;
        }
        section = match line {
            b"The following packages have been kept back:" => &mut simulation.kept_back,
            b"The following upgrades have been deferred due to phasing:" => &mut simulation.phased,
            _ => &mut nobody,
        };
        simulation.updates.extend(line.strip_prefix(b"Inst ").and_then(parse_update));
    }
    simulation.updates.sort();
    simulation.phased.sort();
    simulation.kept_back.sort();
    simulation
}

/// `NAME [INSTALLED] (CANDIDATE ORIGIN, ORIGIN [ARCH]) …`; a package that would be new has no `[INSTALLED]`.
fn parse_update(line: &[u8]) -> Option<Update> {
    let (name, rest) = split_once(line, b" [")?;
    let (installed, rest) = split_once(rest, b"] (")?;
    let (offer, _) = split_once(rest, b"])")?;
    let (offer, arch) = offer.split_at_checked(memchr::memmem::rfind(offer, b" [")?)?;
    let (candidate, origins) = split_once(offer, b" ").unwrap_or((offer, b""));
    if name.contains(&b' ') {
        return None;
    }
    let text = |bytes: &[u8]| Text::cut(bytes, LONGEST);
    let origins = origins.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|origin| !origin.is_empty());
    let origins: Vec<Text> = origins.map(text).collect();
    Some(Update {
        name: text(name),
        arch: text(arch.strip_prefix(b" [")?),
        installed: text(installed),
        candidate: text(candidate),
        security: origins.iter().any(|origin| is_security(origin)),
        origins,
    })
}

fn split_once<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, after) = bytes.split_at_checked(memchr::memmem::find(bytes, at)?)?;
    Some((before, after.get(at.len()..)?))
}

/// True of an archive for security updates, by the label or suite it gives itself.
fn is_security(origin: &str) -> bool {
    let (label, suite) = origin.split_once(':').unwrap_or(("", origin));
    label == "Debian-Security" || suite.ends_with("-security")
}

/// Parses what `apt-cache policy NAME…` prints: the packages of which a security archive has a version above the
/// installed one, whatever the highest version is.
#[must_use]
pub fn parse_version_tables(printed: &[u8]) -> BTreeSet<Text> {
    let mut found = BTreeSet::new();
    let (mut package, mut above) = (None, false);
    for line in printed.split(|b| *b == b'\n') {
        if line.first().is_some_and(|b| *b != b' ') {
            package = line.strip_suffix(b":").map(|name| Text::cut(name, LONGEST));
            above = false;
        } else if line.starts_with(b"  Version table:") {
            above = true;
        } else if line.starts_with(b" *** ") {
            above = false;
        } else if above && line.starts_with(b"        ") {
            let words: Vec<&[u8]> = line.split(|b| *b == b' ').filter(|word| !word.is_empty()).collect();
            let suite = words.get(2).and_then(|suite| suite.split(|b| *b == b'/').next()).unwrap_or_default();
            if suite.ends_with(b"-security") {
                found.extend(package.clone());
            }
        }
    }
    found
}

/// What apt's answer depends on, in short: the installed packages, the package lists, and apt's settings. Two equal
/// keys mean the same answer.
#[must_use]
pub fn key(host: &Host) -> String {
    let mut digest = Sha256::new();
    let mut add = |path: &Path| {
        let stamp = std::fs::metadata(path).ok().map(|metadata| Stamp::new(&metadata));
        digest.update(format!("{} {stamp:?}\n", path.display()));
    };
    for file in [dpkg::STATUS, "/etc/apt/sources.list", "/etc/apt/preferences", "/etc/apt/apt.conf"] {
        add(&host.path(file));
    }
    for folder in
        ["/var/lib/apt/lists", "/etc/apt/sources.list.d", "/etc/apt/preferences.d", "/etc/apt/apt.conf.d"]
    {
        let entries = std::fs::read_dir(host.path(folder)).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        // The lock and the folder of half fetched files change at every attempt and say nothing.
        files.retain(|file| !file.ends_with("lock") && !file.is_dir());
        files.sort();
        for file in &files {
            add(file);
        }
    }
    digest.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Asks apt which updates wait on `host`.
///
/// # Errors
/// In words, why apt gave no answer.
pub fn simulate(host: &Host) -> Result<Simulation, String> {
    let printed = run(host, "apt-get", &["-s", "--ignore-hold", "dist-upgrade"])?;
    let mut simulation = parse_simulation(&printed);
    // A security update may hide below a later ordinary one.
    let ordinary = simulation.updates.iter().filter(|update| !update.security);
    let names: Vec<String> = ordinary.map(|update| update.name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_package_name(name)).collect();
    if !names.is_empty() {
        let hidden = parse_version_tables(&run(host, "apt-cache", &[&["policy"], &*names].concat())?);
        for update in &mut simulation.updates {
            update.security |= hidden.contains(&update.name);
        }
    }
    Ok(simulation)
}

/// Anything else might be taken for an option.
fn is_package_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c))
}

fn run(host: &Host, tool: &str, args: &[&str]) -> Result<Vec<u8>, String> {
    let root = host.path("/");
    let mut options = vec![
        "Debug::NoLocking=1".to_owned(),
        "APT::Get::Show-User-Simulation-Note=0".to_owned(),
        "APT::Color=0".to_owned(),
    ];
    if root != Path::new("/") {
        options.push(format!("Dir={}/", root.display()));
        options.push(format!("Dir::State::status={}", host.path(dpkg::STATUS).display()));
    }
    let mut all = vec!["-n", "19", tool];
    all.extend(options.iter().flat_map(|option| ["-o", option]));
    all.extend(args);
    let output = program::run("nice", &all, DEADLINE, MOST).map_err(|error| format!("{tool}: {error}"))?;
    if output.cut {
        return Err(format!("{tool} printed more than {MOST} bytes"));
    }
    if !output.status.success() {
        let complaint = output.stderr.split(|b| *b == b'\n').find(|line| !line.starts_with(b"W:"));
        let complaint = Text::cut(complaint.unwrap_or_default(), 300);
        return Err(format!("{tool} failed ({}): {complaint}", output.status));
    }
    Ok(output.stdout)
}
