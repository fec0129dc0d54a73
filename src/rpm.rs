//! The packages of rpm, asked of rpm itself: its database is never opened from here, as closing an `SQLite` file would drop the
//! locks of whoever has it open. Asked for the given paths only, with a deadline; what it says is as good as the database,
//! which is root's.

use crate::dpkg::{Installed, Stamp};
use crate::host::Host;
use crate::program;
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// Where the database lies: the second on newer hosts.
const FOLDERS: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];

/// What a database is called, in the forms there have been; the second is what `SQLite` adds to the first.
const DATABASES: [&str; 4] = ["rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages"];

const RPM: &str = "/usr/bin/rpm";

/// One line for each file of the packages that own what was asked for.
const FORMAT: &str = "[%{=NAME}\\t%{=FILEDIGESTALGO}\\t%{FILEDIGESTS}\\t%{FILENAMES}\\n]";

/// One line for each package. One without an architecture is a key that others are signed with.
const INSTALLED: &str = "%{NAME} %{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n";

/// So many files are asked for at once: a line of arguments is bounded.
const AT_ONCE: usize = 100;

/// rpm waits for whoever writes the database, and no longer than this.
const DEADLINE: Duration = Duration::from_secs(20);

/// The list of files of a package is seldom larger than a few megabytes.
const MOST: usize = 64 * 1024 * 1024;

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The package's name.
    pub package: Text,
    /// What the file must be; none, if the database does not say or says it in a way that is not known here.
    pub digest: Option<Digest>,
}

/// The digest of a file as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// MD5, of old packages.
    Md5(Vec<u8>),
    /// SHA-256.
    Sha256(Vec<u8>),
}

/// The folder of the database; none on a host without rpm, or where nothing was installed with it.
fn folder(host: &Host) -> Option<&'static str> {
    let is_there =
        |folder: &&str| DATABASES.iter().any(|name| Stamp::of(host, format!("{folder}/{name}")).is_some());
    FOLDERS.into_iter().find(is_there)
}

/// The state of the database, to be compared. Another one after each transaction; whoever only
/// asks touches the files too, in other ways.
#[must_use]
pub fn stamp(host: &Host) -> Option<[Option<Stamp>; 4]> {
    let folder = folder(host)?;
    Some(DATABASES.map(|name| Stamp::of(host, format!("{folder}/{name}")).map(Stamp::written)))
}

/// What is installed, by name and architecture, sorted.
///
/// # Errors
/// Why rpm could not be asked.
pub fn installed(host: &Host) -> io::Result<Vec<Installed>> {
    ask(host, &["-qa", "--qf", INSTALLED]).map(|listing| parse_installed(&listing))
}

/// The files that a package brought, with their digests.
///
/// # Errors
/// Why rpm could not be asked.
pub fn files(host: &Host, package: &Text, arch: &Text) -> io::Result<BTreeMap<Vec<u8>, Owned>> {
    ask(host, &["-q", "--qf", FORMAT, "--", &format!("{package}.{arch}")])
        .map(|listing| parse_owned(&listing))
}

/// What rpm says. Its exit status counts what it does not know.
fn ask(host: &Host, question: &[&str]) -> io::Result<Vec<u8>> {
    let folder = folder(host).ok_or(io::ErrorKind::NotFound)?;
    let root = host.path("/");
    let root = root.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    let args = [&["--root", root, "--dbpath", folder], question].concat();
    let output = program::run(RPM, &args, DEADLINE, MOST)?;
    if output.cut {
        return Err(io::Error::other("it said more than can be read"));
    }
    if let Some(fault) = fault(&output.stderr) {
        return Err(io::Error::other(fault.to_string()));
    }
    Ok(output.stdout)
}

/// The packages that own `paths`, absolute and free of links. What belongs to none is left out.
///
/// # Errors
/// Why rpm could not be asked.
pub fn owners(host: &Host, paths: &BTreeSet<Vec<u8>>) -> io::Result<BTreeMap<Vec<u8>, Owned>> {
    let mut owned = BTreeMap::new();
    if folder(host).is_none() {
        return Ok(owned);
    }
    // Only text can be handed over, and rpm reads no line break as such.
    let named = |path: &&Vec<u8>| std::str::from_utf8(path).is_ok_and(|path| !path.contains(['\n', '\t']));
    let wanted: Vec<&Vec<u8>> = paths.iter().filter(named).collect();
    for some in wanted.chunks(AT_ONCE) {
        let mut args = vec!["-qf", "--qf", FORMAT, "--"];
        args.extend(some.iter().filter_map(|path| std::str::from_utf8(path).ok()));
        let found = parse_owned(&ask(host, &args)?);
        for path in some {
            let entry = names(host, path).iter().find_map(|name| found.get(name));
            owned.extend(entry.map(|entry| ((*path).clone(), entry.clone())));
        }
    }
    Ok(owned)
}

/// What it complains of, but that nobody owns a file.
fn fault(stderr: &[u8]) -> Option<Text> {
    let is_fault = |line: &&[u8]| line.starts_with(b"error: ") && !line.starts_with(b"error: file ");
    stderr.split(|b| *b == b'\n').find(is_fault).map(|line| Text::cut(line, 200))
}

/// A path, and the same as packages may still call it, where the folder of that name is now a link to the one it is in.
fn names(host: &Host, path: &[u8]) -> Vec<Vec<u8>> {
    let is_link = |folder: &str| {
        std::fs::symlink_metadata(host.path(folder)).is_ok_and(|metadata| metadata.is_symlink())
    };
    let mut names = vec![path.to_vec()];
    for (link, folder) in [
        ("/bin", "/usr/bin/"),
        ("/sbin", "/usr/sbin/"),
        ("/lib", "/usr/lib/"),
        ("/lib64", "/usr/lib64/"),
        ("/usr/sbin", "/usr/bin/"),
        ("/sbin", "/usr/bin/"),
    ] {
        if let Some(rest) = path.strip_prefix(folder.as_bytes()).filter(|_| is_link(link)) {
            names.push([link.as_bytes(), b"/", rest].concat());
        }
    }
    names
}

/// Parses what rpm says of the files of packages: name, kind of digest, digest, path. Lines that are none are passed over.
#[must_use]
pub fn parse_owned(listing: &[u8]) -> BTreeMap<Vec<u8>, Owned> {
    let line = |line: &[u8]| {
        let mut fields = line.splitn(4, |b| *b == b'\t');
        let (name, kind, digest, path) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let bytes = from_hex(digest);
        let digest = match (kind, bytes) {
            // What says nothing of its kind is from the time when there was but one.
            (b"1" | b"(none)" | b"0", Some(bytes)) if bytes.len() == 16 => Some(Digest::Md5(bytes)),
            (b"8", Some(bytes)) if bytes.len() == 32 => Some(Digest::Sha256(bytes)),
            _ => None,
        };
        path.starts_with(b"/").then(|| (path.to_vec(), Owned { package: Text::cut(name, 200), digest }))
    };
    listing.split(|b| *b == b'\n').filter_map(line).collect()
}

/// Parses what rpm says of what is installed: name, architecture, version. Lines that are none are passed over.
#[must_use]
pub fn parse_installed(listing: &[u8]) -> Vec<Installed> {
    let line = |line: &[u8]| {
        let mut words = line.split(|b| *b == b' ').map(|word| Text::cut(word, 200));
        let (name, arch, version) = (words.next()?, words.next()?, words.next()?);
        let is_package = !name.is_empty() && arch != "(none)" && words.next().is_none();
        is_package.then_some(Installed { name, arch, version, held: false })
    };
    let mut installed: Vec<Installed> = listing.split(|b| *b == b'\n').filter_map(line).collect();
    installed.sort();
    installed
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// True while somebody writes the database: who reads it holds a lock that others may share.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_at_work(host: &Host) -> bool {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let Some(folder) = folder(host) else { return false };
    let Ok(file) = std::fs::File::open(host.path(format!("{folder}/.rpm.lock"))) else { return false };
    matches!(fcntl_getlk(&file, &Flock::from(FlockType::ReadLock)), Ok(Some(_)))
}

/// There is no rpm.
#[cfg(windows)]
#[must_use]
pub fn is_at_work(_host: &Host) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_have_a_package_and_a_digest_of_a_kind_that_is_known() {
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        let sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let listing = format!(
            "new\t8\t{sha256}\t/usr/bin/new\nold\t(none)\t{md5}\t/bin/old\nother\t10\t{sha256}\t/x\n\
             link\t8\t\t/usr/bin/link\nhalf\t8\t/y\nfile /z is not owned by any package\n"
        );
        let found = parse_owned(listing.as_bytes());
        assert_eq!(
            found.keys().map(|path| &path[..]).collect::<Vec<_>>(),
            [&b"/bin/old"[..], b"/usr/bin/link", b"/usr/bin/new", b"/x"]
        );
        assert!(matches!(found[&b"/usr/bin/new"[..]].digest, Some(Digest::Sha256(_))));
        assert!(matches!(found[&b"/bin/old"[..]].digest, Some(Digest::Md5(_))));
        assert_eq!((&found[&b"/x"[..]].digest, &found[&b"/usr/bin/link"[..]].digest), (&None, &None));
    }

    #[test]
    fn packages_have_a_name_an_architecture_and_a_version_and_keys_are_none() {
        let listing =
            b"zlib x86_64 1.3-1\ngpg-pubkey (none) 8-9\nbash x86_64 1:5.2-3\n\nhalf x\na b c d\n x 1\n";
        let installed = parse_installed(listing);
        let lines: Vec<String> =
            installed.iter().map(|is| format!("{} {} {}", is.name, is.arch, is.version)).collect();
        assert_eq!(lines, ["bash x86_64 1:5.2-3", "zlib x86_64 1.3-1"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (parse_owned(&bytes), parse_installed(&bytes));
        }
    }
}
