//! Reading where a process comes from, but for its ancestors: evidence for a person.

use super::read_at;
use crate::host::{Host, Users};
use crate::processes::origin::Origin;
use crate::processes::{Process, parse};
use crate::text::Text;
use rustix::fs::{Mode, OFlags, readlinkat};
use std::os::fd::OwnedFd;

/// The innermost group, from `cgroup`.
pub(super) fn group_of(groups: &[u8]) -> Option<Text> {
    parse::innermost_group(groups).map(|name| Text::cut(name, 128))
}

/// The user who logged in.
pub(super) fn login(folder: &OwnedFd, buffer: &mut Vec<u8>, users: &Users) -> Option<Text> {
    read_at(folder, c"loginuid", buffer, 32).ok()?;
    let uid = std::str::from_utf8(buffer).ok()?.trim().parse::<u32>().ok()?;
    (uid != u32::MAX).then(|| users.name(uid))
}

/// The number of its login session. Its control group tells, which is read anyway; of what runs in no group of a session but was
/// started by somebody who had logged in, the kernel's audit does, whose numbers logind takes over.
pub(super) fn session(
    folder: &OwnedFd,
    groups: Option<Text>,
    login: Option<&Text>,
    buffer: &mut Vec<u8>,
) -> Option<Text> {
    if groups.is_some() || login.is_none() {
        return groups;
    }
    read_at(folder, c"sessionid", buffer, 32).ok()?;
    let number = std::str::from_utf8(buffer).ok()?.trim().parse::<u32>().ok()?;
    (number != u32::MAX).then(|| Text::new(number.to_string()))
}

/// The session that `cgroup` names.
pub(super) fn session_of(groups: &[u8]) -> Option<Text> {
    parse::parse_cgroup_session(groups).map(|session| Text::cut(session, 64))
}

/// The folder in which it works.
pub(super) fn working_folder(folder: &OwnedFd) -> Option<Text> {
    readlinkat(folder, c"cwd", Vec::new()).ok().map(|folder| Text::cut(folder.as_bytes(), 512))
}

/// Where a process comes from, but for its ancestors.
pub fn origin(host: &Host, process: &Process) -> Origin {
    let folder = host.path(format!("/proc/{}", process.pid));
    let Ok(folder) =
        rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    else {
        return Origin::default();
    };
    let mut buffer = Vec::new();
    let login = login(&folder, &mut buffer, &host.users());
    let has_groups = read_at(&folder, c"cgroup", &mut buffer, 4096).is_ok();
    let (group, session_group) =
        if has_groups { (group_of(&buffer), session_of(&buffer)) } else { (None, None) };
    let session = session(&folder, session_group, login.as_ref(), &mut buffer);
    let working = working_folder(&folder);
    // The number may be another's by now.
    let stat = read_at(&folder, c"stat", &mut buffer, 4096).ok().and_then(|()| parse::parse_stat(&buffer));
    let Some(stat) = stat.filter(|stat| stat.start == process.start) else { return Origin::default() };
    let terminal = parse::terminal(stat.terminal).map(Text::new);
    Origin { login, session, group, terminal, folder: working, ..Origin::default() }
}
