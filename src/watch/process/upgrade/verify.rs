//! Verifying the programs of packages that were just installed or upgraded, whether they run or not.
#![cfg(target_os = "linux")]

use crate::dpkg::{self, DIVERSIONS, Digests, Diversion, INFO};
use crate::host::Host;
use crate::rpm;
use crate::text::Text;
use crate::transaction::{Change, Database};
use crate::watch::process::State;
use crate::watch::process::package::Packages;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What came of verifying one package.
#[derive(Debug, Default)]
pub struct Verified {
    /// Its programs that are not as it brought them, by their real paths.
    pub modified: Vec<Text>,
    /// How many bytes were read at most.
    pub bytes: u64,
}

/// Compares the programs and libraries of a package with the digests it brought.
///
/// # Errors
/// Why rpm could not be asked.
pub fn verify(host: &Host, change: &Change, packages: &mut Packages) -> io::Result<Verified> {
    match Database::of(host) {
        Some(Database::Rpm) => verify_rpm(host, change, packages),
        _ => Ok(verify_dpkg(host, change, &mut packages.digests)),
    }
}

fn verify_rpm(host: &Host, change: &Change, packages: &mut Packages) -> io::Result<Verified> {
    let mut verified = Verified::default();
    for (path, owned) in rpm::files(host, &change.name, &change.arch)? {
        let file = host.path(dpkg::system_path(path.clone()));
        let Ok(metadata) = std::fs::metadata(&file) else { continue };
        if !metadata.is_file() || !is_program(&path, metadata.mode()) {
            continue;
        }
        verified.bytes += metadata.len();
        if packages.verify_rpm(host, &path, &owned) == State::Modified {
            verified.modified.extend(real(host, &file));
        }
    }
    Ok(verified)
}

fn verify_dpkg(host: &Host, change: &Change, digests: &mut Digests) -> Verified {
    let mut verified = Verified::default();
    let sums = change.stems().into_iter().find_map(|stem| host.read(format!("{INFO}/{stem}.md5sums")).ok());
    let diversions = dpkg::parse_diversions(&host.read(DIVERSIONS).unwrap_or_default());
    for (path, expected) in dpkg::parse_md5sums(&sums.unwrap_or_default()) {
        let path = place(&[b"/", path].concat(), change, &diversions);
        let file = host.path(dpkg::system_path(path.clone()));
        let Ok(metadata) = std::fs::metadata(&file) else { continue };
        if !metadata.is_file() || !is_program(&path, metadata.mode()) {
            continue;
        }
        verified.bytes += metadata.len();
        // One that is gone or was replaced meanwhile is another transaction's.
        if digests.of(host, &path).is_ok_and(|digest| *digest != expected) {
            verified.modified.extend(real(host, &file));
        }
    }
    verified
}

/// Where the package's file lies, if another package has put its own in the place.
fn place(path: &[u8], change: &Change, diversions: &[Diversion]) -> Vec<u8> {
    let is_others =
        |diversion: &&Diversion| diversion.from == path && diversion.package != Some(change.name.to_bytes());
    diversions.iter().find(is_others).map_or_else(|| path.to_vec(), |diversion| diversion.to.clone())
}

/// What can be run, and what programs load.
fn is_program(path: &[u8], mode: u32) -> bool {
    mode & 0o111 != 0 || path.ends_with(b".so") || memchr::memmem::find(path, b".so.").is_some()
}

/// The path by which processes are known that run it.
fn real(host: &Host, file: &Path) -> Option<Text> {
    let real = file.canonicalize().ok()?;
    let root = host.path("/").canonicalize().ok()?;
    let below = real.strip_prefix(root).ok()?;
    Some(Text::new([b"/", below.as_os_str().as_encoded_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// MD5 of "hello".
    const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

    #[test]
    fn programs_and_libraries_of_a_package_are_verified_where_they_lie() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str, mode: u32| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let files = [
            "bin/app",
            "usr/bin/fine",
            "usr/bin/diverted",
            "usr/lib/libx.so.1",
            "usr/share/doc/x",
            "usr/bin/gone",
        ];
        let sums: String = files.iter().map(|file| format!("{HELLO}  {file}\n")).collect();
        put("var/lib/dpkg/info/app:amd64.md5sums", &sums, 0o644);
        put("var/lib/dpkg/diversions", "/usr/bin/diverted\n/usr/bin/diverted.real\nother\n", 0o644);
        put("usr/bin/app", "evil!", 0o755);
        put("usr/bin/fine", "hello", 0o755);
        put("usr/bin/diverted", "the other's", 0o755);
        put("usr/bin/diverted.real", "hello", 0o755);
        put("usr/lib/libx.so.1", "evil!", 0o644);
        put("usr/share/doc/x", "what it says is nobody's danger", 0o644);
        std::os::unix::fs::symlink("usr/bin", root.path().join("bin")).unwrap();
        let change = Change { name: "app".into(), arch: "amd64".into(), from: None, to: Some("1".into()) };
        let verified = verify_dpkg(&Host::at(root.path()), &change, &mut Digests::default());
        assert_eq!(verified.modified, ["/usr/bin/app", "/usr/lib/libx.so.1"]);
        let other = Change { name: "none".into(), ..change };
        assert_eq!(verify_dpkg(&Host::at(root.path()), &other, &mut Digests::default()).bytes, 0);
    }
}
