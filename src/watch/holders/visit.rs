//! What else is looked for on the way through open files.

/// What else is wanted of the files that are walked.
pub trait Visit {
    /// These processes are walked too, though they are not new.
    fn also(&self) -> &[u32] {
        &[]
    }

    /// A descriptor of a process, and how its link begins.
    fn file(&mut self, folder: &str, pid: u32, fd: u32, link: &[u8]);
}

/// Nothing else is wanted.
pub struct Nothing;

impl Visit for Nothing {
    fn file(&mut self, _folder: &str, _pid: u32, _fd: u32, _link: &[u8]) {}
}
