//! Paths with `..` in them. The kernel follows a link first and goes up from where that leads, so a name that was shortened as text can
//! be that of another file; and who may change the folders on the way can change where it leads, after it was followed.

use rustix::fs::{AtFlags, FileType, Stat};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const WRITABLE_BY_ALL: u32 = 0o002;
const WRITABLE_BY_GROUP: u32 = 0o020;

/// No longer path is opened by the kernel, and nobody honest goes up so often in one: each time costs two looks.
const LONGEST: usize = 4096;
const UPS: usize = 64;

/// Who may put something else in the place of what lies in a folder, besides root.
#[derive(PartialEq, Eq)]
struct Holder {
    user: u32,
    group: Option<u32>,
}

impl Holder {
    fn of(folder: &Stat) -> Self {
        let has_group = folder.st_mode & WRITABLE_BY_GROUP != 0;
        Self { user: folder.st_uid, group: has_group.then_some(folder.st_gid) }
    }

    fn is_root(&self) -> bool {
        *self == Self { user: 0, group: None }
    }

    /// True if whoever this is may do the same in a folder of `other`.
    fn holds(&self, other: &Self) -> bool {
        self.user == other.user && (self.group.is_none() || self.group == other.group)
    }
}

/// The file at `path` by a name without dots; `None` if that could be the name of a file of somebody else than those who can change
/// where the path leads. `look` tells what lies somewhere.
pub fn without_dots(path: &[u8], look: &dyn Fn(&Path, AtFlags) -> Option<Stat>) -> Option<Vec<u8>> {
    if path.len() > LONGEST {
        return None;
    }
    let mut ups = 0;
    let joined = |parts: &[&[u8]]| [&b"/"[..], &parts.join(&b'/')].concat();
    let mut parts: Vec<&[u8]> = Vec::new();
    // Who could have changed the way so far, and how deep what is theirs lies.
    let mut changed: Option<(Holder, usize)> = None;
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                ups += 1;
                if ups > UPS {
                    return None;
                }
                let left = joined(&parts);
                if parts.pop().is_none() {
                    continue;
                }
                let stat = |path: &[u8], flags| look(Path::new(std::ffi::OsStr::from_bytes(path)), flags);
                let is_folder = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                stat(&left, AtFlags::SYMLINK_NOFOLLOW).filter(is_folder)?;
                let folder = stat(&joined(&parts), AtFlags::empty())?;
                let holder = Holder::of(&folder);
                if let Some((before, depth)) = &changed
                    && parts.len() < *depth
                    && !before.holds(&holder)
                {
                    return None;
                }
                if folder.st_mode & WRITABLE_BY_ALL != 0 {
                    return None;
                }
                if !holder.is_root() {
                    changed = Some((holder, parts.len()));
                }
            }
            part => parts.push(part),
        }
    }
    Some(joined(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    /// What comes of a path below a folder of root, in which `alice` holds one of her own.
    fn named(path: &str) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["usr/bin", "usr/share/doc", "home/alice/app/bin", "home/alice/d/e/f", "tmp/x"] {
            create_dir_all(at(folder)).unwrap();
        }
        symlink("/usr/share", at("home/alice/l")).unwrap();
        symlink("usr/bin", at("bin")).unwrap();
        for folder in ["", "usr", "usr/bin", "usr/share", "usr/share/doc", "home"] {
            set_permissions(at(folder), PermissionsExt::from_mode(0o755)).unwrap();
        }
        for folder in ["home/alice", "home/alice/app", "home/alice/app/bin", "home/alice/d", "home/alice/d/e"]
        {
            set_permissions(at(folder), PermissionsExt::from_mode(0o755)).unwrap();
            chown(at(folder), Some(1000), Some(1000)).unwrap();
        }
        set_permissions(at("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        let look = |path: &Path, flags| {
            let path = root.path().join(path.strip_prefix("/").unwrap());
            rustix::fs::statat(rustix::fs::CWD, path, flags).ok()
        };
        without_dots(path.as_bytes(), &look).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn a_path_with_dots_is_named_only_if_nobody_can_make_it_lead_to_a_file_of_their_own() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for (path, expected) in [
            ("/home/alice//./x.sh", Some("/home/alice/x.sh")),
            ("/usr/share/../bin/ldd", Some("/usr/bin/ldd")),
            ("/../usr/bin/ldd", Some("/usr/bin/ldd")),
            ("/home/alice/app/bin/../lib/x.py", Some("/home/alice/app/lib/x.py")),
            ("/home/alice/app/bin/../../x.py", Some("/home/alice/x.py")),
            // Below a folder of hers she may have put a link for a moment.
            ("/home/alice/app/bin/../../../../usr/bin/ldd", None),
            ("/home/alice/app/../../../usr/bin/ldd", None),
            ("/home/alice/../../usr/bin/ldd", Some("/usr/bin/ldd")),
            ("/home/alice/l/../bin/ldd", None),
            ("/home/alice/l/doc/../../../usr/bin/ldd", None),
            ("/bin/../x", None),
            ("/tmp/x/../y", None),
            ("/none/../usr/bin/ldd", None),
            (&format!("/usr{}/bin/ldd", "/share/..".repeat(64)), Some("/usr/bin/ldd")),
            (&format!("/usr{}/bin/ldd", "/share/..".repeat(65)), None),
            (&format!("/usr/{}/../bin/ldd", "x/".repeat(2048)), None),
        ] {
            assert_eq!(named(path).as_deref(), expected, "{path}");
        }
    }
}
