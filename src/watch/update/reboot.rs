//! Whether the host must be rebooted for an update to take effect.

use super::Reboot;
use super::release::modified;
use crate::dpkg::{INFO, Installed, compare_versions};
use crate::host::Host;
use crate::text::Text;
use jiff::Timestamp;
use std::path::Path;

/// Made by packages that need a reboot; gone after it.
const REQUIRED: &str = "/run/reboot-required";
/// Their names.
const PACKAGES: &str = "/run/reboot-required.pkgs";

/// The kernel that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `6.1.0-38-amd64`.
    pub release: Text,
    /// The version of its package, if the kernel says it: `6.1.147-1`.
    pub version: Option<Text>,
}

/// Parses `/proc/version`.
#[must_use]
pub fn parse_running(version: &[u8]) -> Option<Running> {
    let rest = version.strip_prefix(b"Linux version ")?;
    let release = rest.split(u8::is_ascii_whitespace).next().filter(|release| !release.is_empty())?;
    // Debian's ends like `#1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1 (2025-08-02)`.
    let after = memchr::memmem::rfind(rest, b" Debian ").and_then(|at| rest.get(at + 8..));
    let version = after.and_then(|after| after.split(u8::is_ascii_whitespace).next());
    let version = version.filter(|v| v.first().is_some_and(u8::is_ascii_digit));
    Some(Running { release: Text::cut(release, 100), version: version.map(|v| Text::cut(v, 100)) })
}

/// Parses the list of packages that need a reboot: one each line, often several times.
#[must_use]
pub fn parse_reboot_packages(list: &[u8]) -> Vec<Text> {
    let lines = list.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut packages: Vec<Text> = lines.take(1000).map(|line| Text::cut(line, 200)).collect();
    packages.sort();
    packages.dedup();
    packages
}

/// The newest installed kernel of the same flavour, if it is newer than the running one. Of a kernel that is not from
/// a package, nothing can be said.
#[must_use]
pub fn kernel_newer_than<'a>(running: &Running, installed: &'a [Installed]) -> Option<&'a Installed> {
    let (own_version, own_flavour) = split_release(&running.release)?;
    let own = installed.iter().find(|p| release_of(p) == Some(&*running.release))?;
    let kernels = installed.iter().filter_map(|package| {
        let (version, flavour) = split_release(release_of(package)?)?;
        (flavour == own_flavour).then_some((version, package))
    });
    let newest = kernels.max_by(|a, b| compare_versions(a.0.as_bytes(), b.0.as_bytes()))?;
    if compare_versions(newest.0.as_bytes(), own_version.as_bytes()).is_gt() {
        return Some(newest.1);
    }
    let replaced = |v: &Text| compare_versions(own.version.as_bytes(), v.as_bytes()).is_gt();
    running.version.as_ref().is_some_and(replaced).then_some(own)
}

fn release_of(package: &Installed) -> Option<&str> {
    package
        .name
        .strip_prefix("linux-image-")
        .filter(|release| release.starts_with(|c: char| c.is_ascii_digit()))
}

/// `6.1.0-38-cloud-amd64` is version `6.1.0-38`, flavour `cloud-amd64`.
fn split_release(release: &str) -> Option<(&str, &str)> {
    let letter = |at: &usize| release.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphabetic);
    let at = release.match_indices('-').map(|(at, _)| at).find(letter)?;
    Some((release.get(..at)?, release.get(at + 1..)?))
}

/// Whether a reboot is needed, as far as the files tell.
pub fn read_reboot(host: &Host, installed: &[Installed], now: Timestamp) -> Option<Reboot> {
    if host.path(REQUIRED).exists() {
        let since = modified(host, Path::new(REQUIRED)).unwrap_or(now).min(now);
        let packages = parse_reboot_packages(&host.read(PACKAGES).unwrap_or_default());
        return Some(Reboot { since, packages, running: None });
    }
    let running = parse_running(&host.read("/proc/version").ok()?)?;
    let newer = kernel_newer_than(&running, installed)?;
    let stems = [newer.name.to_string(), format!("{}:{}", newer.name, newer.arch)];
    let since = stems.iter().find_map(|stem| modified(host, &Path::new(INFO).join(format!("{stem}.list"))));
    Some(Reboot {
        since: since.unwrap_or(now).min(now),
        packages: vec![newer.name.clone()],
        running: Some(running.version.unwrap_or(running.release)),
    })
}
