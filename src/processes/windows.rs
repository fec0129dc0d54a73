//! Reading the processes of a Windows host.

use super::Process;
use crate::host::Host;
use std::io;
use std::sync::Arc;

/// Reads processes, and remembers them from pass to pass.
#[derive(Default)]
pub struct Reader;

impl Reader {
    /// The processes of this moment, and how many more there are that could not be read.
    pub fn read(&mut self, _host: &Host) -> io::Result<(Vec<Arc<Process>>, u64)> {
        Ok((Vec::new(), 0))
    }
}
