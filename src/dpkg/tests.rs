use super::*;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

const STATUS_FILE: &[u8] = b"Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9
Conffiles:
 /etc/default/nginx 0123456789abcdef0123456789abcdef
 /etc/nginx/old ffffffffffffffffffffffffffffffff obsolete
Description: web server
 Version: not this one

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: hold ok installed
Multi-Arch: same
Architecture: i386
Version: 2.36-9+deb12u10

Package: half
Status: install reinstreq half-installed
Architecture: all
Version: 1:2~rc1

nonsense

Package: versionless
Status: install ok not-installed
";

#[test]
fn the_status_file_tells_what_is_installed_and_held() {
    let shown: Vec<String> = parse_status(STATUS_FILE)
        .iter()
        .map(|p| format!("{} {} {} {}", p.name, p.arch, p.version, p.held))
        .collect();
    let expected =
        ["half all 1:2~rc1 false", "libc6 i386 2.36-9+deb12u10 true", "nginx amd64 1.22.1-9 false"];
    assert_eq!(shown, expected);
}

#[test]
fn a_conffile_has_its_digest_in_the_status_file() {
    let digest = |package: &[u8], path: &[u8]| conffile_digest(STATUS_FILE, package, path).map(|d| d[0]);
    assert_eq!(digest(b"nginx", b"/etc/default/nginx"), Some(0x01));
    assert_eq!(digest(b"nginx", b"/etc/nginx/old"), Some(0xff));
    assert_eq!(digest(b"nginx", b"/etc/default"), None);
    assert_eq!(digest(b"libc6", b"/etc/default/nginx"), None);
}

#[test]
fn versions_compare_as_dpkg_compares_them() {
    for (a, order, b) in [
        ("1.0-1", Ordering::Less, "1.0-1+deb12u1"),
        ("1.0~rc1", Ordering::Less, "1.0"),
        ("1.0", Ordering::Equal, "1.00"),
        ("0:1.0", Ordering::Equal, "1.0"),
        ("2:0.1", Ordering::Greater, "1:9"),
        ("1.10", Ordering::Greater, "1.9"),
        ("1.0a", Ordering::Greater, "1.0"),
        ("1.0+b", Ordering::Greater, "1.0a"),
        ("1.0-1", Ordering::Less, "1.0-1.1"),
        ("6.1.0-9", Ordering::Less, "6.1.0-38"),
        ("1.0-0", Ordering::Equal, "1.0"),
        ("99999999999999999999999", Ordering::Greater, "9999999999999999999999"),
        ("1~~", Ordering::Less, "1~"),
    ] {
        assert_eq!(compare_versions(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
        assert_eq!(compare_versions(b.as_bytes(), a.as_bytes()), order.reverse(), "{b} {a}");
    }
}

#[test]
fn diversions_come_in_threes() {
    let parsed = parse_diversions(b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/x\n/usr/bin/x.old\n:\n/left\n");
    let shown: Vec<String> = parsed
        .iter()
        .map(|d| {
            format!(
                "{:?}",
                [Some(&d.from), Some(&d.to), d.package.as_ref()]
                    .map(|b| b.map(|b| String::from_utf8_lossy(b)))
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"[Some("/bin/sh"), Some("/bin/sh.distrib"), Some("dash")]"#,
            r#"[Some("/usr/bin/x"), Some("/usr/bin/x.old"), None]"#
        ]
    );
}

#[test]
fn only_whole_lines_are_found() {
    let wanted: HashMap<Vec<u8>, u8> = HashMap::from([(b"/bin/cat".to_vec(), 1), (b"/bin".to_vec(), 2)]);
    let found: Vec<u8> =
        lines_wanted(b"/.\n/bin\n/bin/cat2\n/x/bin/cat\n/bin/cat", &wanted).map(|(_, v)| *v).collect();
    assert_eq!(found, [2, 1]);
}

/// A host with `/bin` merged into `/usr/bin`, `/sbin` not merged, and these packages: name and files.
fn host(packages: &[(&str, &[&str])], diversions: &str) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    fs::create_dir_all(root.path().join("sbin")).unwrap();
    std::os::unix::fs::symlink("usr/bin", root.path().join("bin")).unwrap();
    put("var/lib/dpkg/status", "");
    put("var/lib/dpkg/diversions", diversions);
    for (name, files) in packages {
        put(&format!("var/lib/dpkg/info/{name}.list"), &format!("/.\n{}\n", files.join("\n")));
    }
    let host = Host::at(root.path());
    (root, host)
}

fn owners_of(host: &Host, path: &str) -> Vec<String> {
    let found = owners(host, &BTreeSet::from([path.as_bytes().to_vec()])).unwrap();
    found[path.as_bytes()]
        .iter()
        .map(|o| format!("{} {}", o.stem, String::from_utf8_lossy(&o.recorded)))
        .collect()
}

#[test]
fn an_owner_is_found_under_either_name_of_a_merged_folder() {
    let (_root, host) =
        host(&[("coreutils", &["/bin/cat", "/sbin/x"]), ("procps:amd64", &["/usr/bin/top"])], "");
    assert_eq!(owners_of(&host, "/usr/bin/cat"), ["coreutils /bin/cat"]);
    assert_eq!(owners_of(&host, "/bin/cat"), ["coreutils /bin/cat"]);
    assert_eq!(owners_of(&host, "/bin/top"), ["procps:amd64 /usr/bin/top"]);
    assert_eq!(owners_of(&host, "/usr/bin/top"), ["procps:amd64 /usr/bin/top"]);
    // /sbin is no link here: a file of the same name in /usr/sbin is somebody else's.
    assert!(owners_of(&host, "/usr/sbin/x").is_empty());
    assert!(owners_of(&host, "/usr/bin/nothing").is_empty());
}

#[test]
fn a_diverted_file_is_found_where_it_was_put() {
    let (_root, host) = host(
        &[("dash", &["/bin/sh"]), ("bash", &["/bin/sh"]), ("perf", &["/usr/bin/perf"])],
        "/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/perf\n/usr/bin/perf.real\n:\n",
    );
    assert_eq!(owners_of(&host, "/usr/bin/sh"), ["dash /bin/sh"]);
    assert_eq!(owners_of(&host, "/usr/bin/sh.distrib"), ["bash /bin/sh"]);
    assert_eq!(owners_of(&host, "/usr/bin/perf.real"), ["perf /usr/bin/perf"]);
    // What the administrator put in its place is no package's.
    assert!(owners_of(&host, "/usr/bin/perf").is_empty());
}

#[test]
fn a_host_without_dpkg_is_told_from_one_without_the_file() {
    let root = tempfile::tempdir().unwrap();
    let error = owners(&Host::at(root.path()), &BTreeSet::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// MD5 of "hello".
const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

fn put(root: &Path, path: &str, text: &str) {
    fs::write(root.join(path), text).unwrap();
}

#[test]
fn a_file_is_compared_with_what_the_package_brought() {
    let (root, host) = host(&[("coreutils", &["/bin/cat", "/bin/ls", "/bin/new", "/bin/away"])], "");
    put(root.path(), "usr/bin/cat", "hello");
    put(root.path(), "usr/bin/ls", "evil");
    put(root.path(), "usr/bin/new", "hello");
    put(
        root.path(),
        "var/lib/dpkg/info/coreutils.md5sums",
        &format!("{HELLO}  bin/cat\n{HELLO}  bin/ls\n{HELLO}  bin/away\n{HELLO} bin/new\n"),
    );
    let mut digests = Digests::default();
    let mut state = |path: &str| {
        let owner = Owner { stem: "coreutils".into(), recorded: path.replace("/usr", "").into_bytes() };
        verify(&host, path.as_bytes(), &owner, &mut digests)
    };
    assert_eq!(state("/usr/bin/cat"), State::Unmodified);
    assert_eq!(state("/usr/bin/ls"), State::Modified);
    assert_eq!(state("/usr/bin/new"), State::Unknown, "no digest on record");
    assert_eq!(state("/usr/bin/away"), State::Unknown, "no file");
    put(root.path(), "usr/bin/cat", "hellO");
    assert_eq!(state("/usr/bin/cat"), State::Modified, "remembered although it changed");
}

proptest! {
    #[test]
    fn any_bytes_are_taken(a in proptest::collection::vec(any::<u8>(), 0..300), b: Vec<u8>) {
        let _ = parse_status(&a);
        let _ = parse_diversions(&a);
        let _ = conffile_digest(&a, &b, b"/x");
        let wanted = HashMap::from([(b.clone(), 1)]);
        lines_wanted(&a, &wanted).count();
        parse_md5sums(&a).count();
        prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
        prop_assert_eq!(compare_versions(&a, &a), Ordering::Equal);
    }

    #[test]
    fn text_like_a_status_file_is_taken(
        lines in proptest::collection::vec("(Package|Status|Version|Conffiles|)(:|) ?[a-z0-9 ]{0,40}", 0..12),
    ) {
        let text = lines.join("\n");
        let _ = parse_status(text.as_bytes());
        let _ = conffile_digest(text.as_bytes(), b"a", b"/x");
    }

    #[test]
    fn versions_are_in_one_order(a in "[0-9a~+.:-]{0,6}", b in "[0-9a~+.:-]{0,6}", c in "[0-9a~+.:-]{0,6}") {
        let mut versions = [a, b, c];
        versions.sort_by(|a, b| compare_versions(a.as_bytes(), b.as_bytes()));
        prop_assert!(compare_versions(versions[0].as_bytes(), versions[2].as_bytes()).is_le());
    }
}
