//! Reading a process that has just started, and may end any moment.

use super::super::Process;
use super::super::origin::Origin;
use super::super::parse;
use super::super::script;
use super::super::task::Program;
use super::folder::{owner, read_arguments, read_at, unit_of};
use super::origin::{group_of, login, session, session_of, working_folder};
use super::{Moment, Reader, Started};
use crate::text::Text;
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use std::sync::Arc;

impl Reader {
    /// One process that has just started, and where it comes from, if it can still be read; nothing of it is remembered here.
    /// What is gone first when it ends is read first.
    pub fn read_one(&mut self, moment: &mut Moment, pid: u32) -> Option<(Arc<Process>, Origin)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(moment.proc, pid.to_string(), flags, Mode::empty()).ok()?;
        let Ok(Some(program)) = Program::of(&folder) else {
            // A thread of the kernel, or one that has lived for long: there is time.
            let attempt = self.attempt(moment, &folder, pid, 0).ok();
            self.known.remove(&pid);
            self.restless.clear();
            let process = attempt.filter(|attempt| attempt.is_whole)?.process?;
            return Some((process, Origin::default()));
        };
        let raw = read_arguments(&folder);
        let file = program.file(&folder).ok();
        let working = working_folder(&folder);
        let uid = owner(&folder).ok()?;
        // All that follows can be read of one that has ended, until its parent takes note of that. Then nothing can: so this
        // was the user, and not root, to whom the folders of those fall that are gone.
        read_at(&folder, c"stat", &mut self.buffer, 4096).ok()?;
        let stat = parse::parse_stat(&self.buffer)?;
        read_at(&folder, c"cgroup", &mut self.buffer, 8192).ok()?;
        let unit = unit_of(&self.buffer);
        let (group, session_group) = (group_of(&self.buffer), session_of(&self.buffer));
        moment.renew_users();
        let login = login(&folder, &mut self.buffer, &moment.users);
        let session = session(&folder, session_group, login.as_ref(), &mut self.buffer);
        let terminal = parse::terminal(stat.terminal).map(Text::new);
        let origin = Origin { login, session, group, terminal, folder: working, ..Origin::default() };
        let found = Ok(program);
        let process =
            Self::fresh(moment, &folder, Started { pid, uid, stat: &stat, found: &found, file, raw, unit });
        match readlinkat(&folder, c"exe", Vec::new()) {
            // If it runs something else by now, that is told of next. Its arguments come a moment after its program.
            Ok(link) if found.as_ref().is_ok_and(|program| link.as_bytes() != program.link) => return None,
            Ok(_) if process.script.as_deref() == Some(script::NO_ARGUMENTS) => return None,
            Ok(_) => {}
            // It has ended, and of some of this it cannot be told whether that was before or after.
            Err(_) => {
                let is_whole = |script: &Text| script.starts_with(['/', '-']) && !process.container;
                let is_sure = process.script.as_ref().map_or(!process.container || file.is_some(), is_whole);
                // Where groups are of the first version, one that ends is in none any more.
                let has_group = process.unit.is_some() || origin.group.is_some();
                if !is_sure || !has_group {
                    return None;
                }
            }
        }
        Some((Arc::new(process), origin))
    }
}
