//! What makes started processes the same thing to a policy.

use crate::processes::{Executable, Files, Process};
use crate::text::Text;

/// What makes processes the same thing to a policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    pub(super) exe: Executable,
    pub(super) script: Option<Text>,
    user: Text,
    unit: Option<Text>,
    pub(super) container: bool,
    /// Another file at the same path is another thing.
    pub(super) files: Option<Files>,
    pub(super) birth: Birth,
}

/// Who had a process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Birth {
    /// An installation of packages.
    Installation,
    /// Anything else.
    Other,
}

impl Kind {
    /// True if this process, which was of this kind when it was read, still shows so. Who it acts for and its unit may have changed, and
    /// its file may have been replaced.
    pub(super) fn shows_in(&self, process: &Process) -> bool {
        let is_replaced = matches!(
            (&self.exe, &process.exe),
            (Executable::Path(was), Executable::Deleted(is)) if was == is
        );
        (is_replaced || self.exe == process.exe)
            && (&self.script, self.container) == (&process.script, process.container)
            && self.files.map(|files| files.script) == process.files.map(|files| files.script)
    }

    /// The kind of a process that was started so.
    #[must_use]
    pub fn of(process: &Process, birth: Birth) -> Self {
        Self {
            exe: process.exe.clone(),
            script: process.script.clone(),
            user: process.user.clone(),
            unit: process.unit.clone(),
            container: process.container,
            files: process.files,
            birth,
        }
    }
}
