//! Whether there is room for what must be remembered and mailed.

use super::{Case, Check};
use crate::system::advice;
use std::io;

/// With less room than this the service will soon lose its memory.
const FEW: u64 = 100 * 1024 * 1024;
/// With less than this it cannot work.
const NONE: u64 = 5 * 1024 * 1024;

/// Whether there is room for what must be remembered and mailed.
pub(super) fn disk(case: &Case) -> Vec<Check> {
    const NAME: &str = "disk";
    let Ok(setup) = case.setup else { return Vec::new() };
    let folder = setup.state_dir.display();
    let room = match (case.room)(&setup.state_dir) {
        Ok(room) => room,
        // That there is no state yet has been said.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            return vec![Check::unknown(NAME, format!("the room for {folder} cannot be measured: {error}"))];
        }
    };
    let mb = room.free / 1024 / 1024;
    let find = advice::what_fills(&setup.state_dir);
    let check = if room.read_only {
        let says = format!(
            "{folder} is on a file system that may only be read: nothing can be remembered or mailed"
        );
        Check::fault(NAME, says).remedy(advice::SEE_READ_ONLY)
    } else if room.free < NONE || room.files.is_some_and(|files| files < 100) {
        let says = format!(
            "the file system of {folder} is full ({mb} MB free): nothing can be remembered or mailed"
        );
        Check::fault(NAME, says).remedy(find)
    } else if room.free < FEW || room.files.is_some_and(|files| files < 10_000) {
        Check::warning(NAME, format!("the file system of {folder} is nearly full ({mb} MB free)"))
            .remedy(find)
    } else {
        Check::ok(NAME, format!("{folder} has {mb} MB free"))
    };
    vec![check]
}
