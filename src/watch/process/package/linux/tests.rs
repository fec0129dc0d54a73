use super::*;
use std::fs;

/// MD5 of "hello".
const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

fn of(packages: &mut Packages, host: &Host, exes: &[&str]) -> Vec<String> {
    let exes = exes.iter().map(|exe| Text::from(*exe)).collect();
    let found = packages.of(host, &exes);
    found.iter().map(|(path, p)| format!("{path} {} {:?}", p.name, p.state)).collect()
}

#[test]
fn a_file_that_is_replaced_is_seen_to_be_modified_and_after_its_upgrade_not() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
    fs::create_dir_all(root.path().join("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    put("var/lib/dpkg/status", "");
    put("var/lib/dpkg/info/app:amd64.list", "/usr/bin/app\n/usr/bin/odd\\name\n");
    put("var/lib/dpkg/info/app:amd64.md5sums", &format!("{HELLO}  usr/bin/app\n"));
    put("usr/bin/app", "hello");
    put("usr/bin/local", "hello");
    let host = Host::at(root.path());
    let mut packages = Packages::default();
    let exes = ["/usr/bin/app", "/usr/bin/local", "/usr/bin/odd\\name"];
    assert_eq!(
        of(&mut packages, &host, &exes),
        ["/usr/bin/app app Unmodified", "/usr/bin/odd\\name app Unknown"]
    );
    put("usr/bin/app", "h4cked!");
    assert_eq!(of(&mut packages, &host, &exes[..1]), ["/usr/bin/app app Modified"]);
    let digest = "e1ed6b3d73d94ec6e6cb9e8b8d3fbe16";
    put("var/lib/dpkg/info/app:amd64.md5sums", &format!("{digest}  usr/bin/app\n"));
    put("var/lib/dpkg/status", "changed");
    put("usr/bin/app", "hello");
    assert_eq!(of(&mut packages, &host, &exes[..1]), ["/usr/bin/app app Modified"], "old digests were kept");
    put("var/lib/dpkg/info/new.list", "/usr/bin/local\n");
    put("var/lib/dpkg/info/new.md5sums", &format!("{HELLO}  usr/bin/local\n"));
    assert_eq!(of(&mut packages, &host, &exes[1..2]), ["/usr/bin/local new Unmodified"]);
}

#[test]
fn of_several_owners_the_one_whose_file_it_is_counts() {
    let owner = |stem: &str| Owner { stem: stem.into(), recorded: b"/usr/bin/x".to_vec() };
    let owners = [owner("a"), owner("b:amd64"), owner("c")];
    let state = |owner: &Owner| match owner.name() {
        "a" => State::Unknown,
        "b" => State::Unmodified,
        _ => State::Modified,
    };
    let found = best(&owners, state).unwrap();
    assert_eq!((&*found.name, found.state), ("b", State::Unmodified));
}

#[test]
fn lists_that_cannot_be_read_for_once_change_nothing_and_are_a_fault() {
    let root = tempfile::tempdir().unwrap();
    let path = |path: &str| root.path().join(path);
    fs::create_dir_all(path("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(path("usr/bin")).unwrap();
    for name in ["app", "new"] {
        fs::write(path(&format!("usr/bin/{name}")), "hello").unwrap();
        fs::write(path(&format!("var/lib/dpkg/info/{name}.list")), format!("/usr/bin/{name}\n")).unwrap();
        fs::write(path(&format!("var/lib/dpkg/info/{name}.md5sums")), format!("{HELLO}  usr/bin/{name}\n"))
            .unwrap();
    }
    let host = Host::at(root.path());
    // A folder that is none is as good as one that the disk does not give.
    let breaks = || {
        fs::rename(path("var/lib/dpkg/info"), path("away")).unwrap();
        fs::write(path("var/lib/dpkg/info"), "").unwrap();
    };
    let mends = || {
        fs::remove_file(path("var/lib/dpkg/info")).unwrap();
        fs::rename(path("away"), path("var/lib/dpkg/info")).unwrap();
    };
    let mut packages = Packages::default();
    breaks();
    assert!(of(&mut packages, &host, &["/usr/bin/app"]).is_empty());
    assert!(packages.dpkg_fault().is_some() && packages.is_blind());
    mends();
    let app = "/usr/bin/app app Unmodified";
    assert_eq!(of(&mut packages, &host, &["/usr/bin/app"]), [app]);
    assert_eq!(packages.dpkg_fault(), None);
    breaks();
    assert_eq!(of(&mut packages, &host, &["/usr/bin/app", "/usr/bin/new"]), [app]);
    assert!(packages.dpkg_fault().is_some() && !packages.is_blind());
    mends();
    let both = [app, "/usr/bin/new new Unmodified"];
    assert_eq!(of(&mut packages, &host, &["/usr/bin/app", "/usr/bin/new"]), both);
    assert_eq!(packages.dpkg_fault(), None);
}

#[test]
fn without_a_package_manager_there_are_no_packages() {
    let root = tempfile::tempdir().unwrap();
    assert!(of(&mut Packages::default(), &Host::at(root.path()), &["/bin/sh"]).is_empty());
}
