//! Where a process comes from, for a person to read: who started it, who was logged in, from where and in which folder. It is
//! evidence, and never what a process is known by.

use super::{Executable, Listing, Process, script, system};
use crate::host::Host;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// Linux allows six megabytes of arguments and environment, however large a stack may be.
const ENVIRONMENT: u64 = 6 * 1024 * 1024;

/// So many ancestors are told of.
pub const ANCESTORS: usize = 16;

/// Where a process comes from, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Origin {
    /// Who started it, the nearest first, up to the first process of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// The user who logged in, whatever users came after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Text>,
    /// The number of the session in which it runs, as logind or else the audit of the kernel counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Text>,
    /// The address from which the SSH session above it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// The terminal, like `pts/0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Text>,
    /// The folder in which it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<Text>,
    /// The innermost control group, which names a container or a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Text>,
}

/// One who started others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its number.
    pub pid: u32,
    /// The path of what it runs; the name it gives itself, if that is not seen.
    pub what: Text,
    /// Its user.
    pub user: Text,
    /// True if it had ended when this was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// True if it did what it was told at a terminal, or by whoever has its input, and ran no script.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub typed: bool,
}

/// Programs that install packages, and those that only ask them to. dnf and yum of older hosts are scripts, which an ancestor does
/// not tell.
const INSTALLERS: &[&str] = &[
    "/usr/bin/dpkg",
    "/usr/bin/apt",
    "/usr/bin/apt-get",
    "/usr/bin/aptitude-curses",
    "/usr/libexec/packagekitd",
    "/usr/sbin/synaptic",
    "/usr/bin/rpm",
    "/usr/bin/dnf5",
    "/usr/bin/dnf5daemon-server",
    "/usr/bin/microdnf",
    "/usr/bin/zypper",
];

impl Ancestor {
    /// True if it is a program of root's that installs packages: what it starts is told apart from the same programs started by
    /// anybody else.
    #[must_use]
    pub fn installs(&self) -> bool {
        self.user.as_str() == "root" && INSTALLERS.contains(&self.what.as_str())
    }
}

/// Where a process that runs comes from.
#[must_use]
pub fn read(host: &Host, process: &Process, listing: &Listing) -> Arc<Origin> {
    let parents = std::iter::successors(listing.get(process.parent), |parent| listing.get(parent.parent));
    let ancestor = |process: &Process| {
        let (what, user) = (called(process), process.user.clone());
        Ancestor { pid: process.pid, what, user, ended: false, typed: is_typed(process) }
    };
    let ancestors: Vec<Ancestor> = parents.take(ANCESTORS).map(ancestor).collect();
    let from = source(host, process.pid, &ancestors);
    Arc::new(Origin { ancestors, from, ..system::origin(host, process) })
}

/// What it runs, in a word.
#[must_use]
pub fn called(process: &Process) -> Text {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => path.clone(),
        Executable::Memory(_) | Executable::Kernel | Executable::Unreadable(_) => process.name.clone(),
    }
}

/// True for a shell, or another interpreter, that runs no script: it does what it is told at its terminal.
#[must_use]
pub fn is_typed(process: &Process) -> bool {
    let is_interpreter = |path: &Text| script::is_interpreter(path.as_str());
    process.script.is_none()
        && matches!(&process.exe, Executable::Path(path) | Executable::Deleted(path) if is_interpreter(path))
}

/// What the process of this folder of `/proc` was started with. Any process may show any of its memory as that, and all of it, so no
/// more is read than the kernel lets one be started with.
///
/// # Errors
/// If it has ended, or may not be asked by us.
pub fn read_environment(host: &Host, folder: &str) -> io::Result<Vec<u8>> {
    host.read_start(format!("{folder}/environ"), ENVIRONMENT)
}

/// The address from which the SSH session comes in which this process runs, as sshd told the first process of that session.
#[must_use]
pub fn source(host: &Host, pid: u32, ancestors: &[Ancestor]) -> Option<Text> {
    let is_sshd = |ancestor: &Ancestor| {
        let name = ancestor.what.as_str().rsplit('/').next().unwrap_or_default();
        matches!(name, "sshd" | "sshd-session")
    };
    let at = ancestors.iter().position(is_sshd)?;
    let first = at.checked_sub(1).map_or(Some(pid), |below| Some(ancestors.get(below)?.pid))?;
    let environment = read_environment(host, &format!("/proc/{first}")).ok()?;
    let value = environment.split(|b| *b == 0).find_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="))?;
    value.split(|b| *b == b' ').next().filter(|address| !address.is_empty()).map(|a| Text::cut(a, 64))
}

impl Origin {
    /// The ancestors in one line, the nearest first: `bash 912, sshd 900 (ended), systemd 1`.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let one = |ancestor: &Ancestor| {
            let path = ancestor.what.as_str();
            let name = path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).unwrap_or(path);
            // It could end one ancestor and begin another.
            let name = if name.contains([' ', ',']) { format!("\"{name}\"") } else { name.to_owned() };
            let ended = if ancestor.ended { " (ended)" } else { "" };
            format!("{name} {}{ended}", ancestor.pid)
        };
        let line: Vec<String> = self.ancestors.iter().map(one).collect();
        (!line.is_empty()).then(|| line.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_installs_packages_is_root_s_and_a_known_program() {
        let installs = |what: &str, user: &str| {
            let ancestor = serde_json::json!({ "pid": 7, "what": what, "user": user });
            serde_json::from_value::<Ancestor>(ancestor).unwrap().installs()
        };
        for program in ["dpkg", "apt-get", "rpm", "dnf5", "microdnf", "zypper"] {
            let path = format!("/usr/bin/{program}");
            assert!(installs(&path, "root") && !installs(&path, "alice"), "{path}");
        }
        assert!(!installs("/tmp/rpm", "root") && !installs("/usr/bin/bash", "root"));
    }
}
