//! What is odd about a program's file, as Linux has it.

use super::Oddity;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const SET_ID: u32 = 0o6000;

/// Numbers of file systems that live in memory: tmpfs and ramfs.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Set-user-id, who may put another in its place, and whether it is gone with the next boot.
pub fn oddities(path: &Path, metadata: &Metadata) -> Vec<Oddity> {
    let mut oddities = Vec::new();
    if metadata.mode() & SET_ID != 0 {
        oddities.push(Oddity::SetId);
    }
    if rustix::fs::statfs(path).is_ok_and(|system| IN_MEMORY.contains(&system.f_type)) {
        oddities.push(Oddity::Temporary);
    }
    if path.ancestors().any(is_others) {
        oddities.push(Oddity::Others);
    }
    oddities
}

/// True if it belongs to somebody else than root, or another group may write it. What is not to be seen is nobody's.
fn is_others(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.uid() != 0 || metadata.gid() != 0 && metadata.mode() & 0o020 != 0)
}
