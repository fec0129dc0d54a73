//! Several files as one policy: what is united, what is included, and where what is wrong is shown.

use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The executables that a policy allows, and where each is allowed; or what is wrong, without the folder's name.
fn load(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let folder = folder(files);
    // As it is said on Linux: without the folder's name, and with its slashes.
    let short = |text: String| text.replace('\\', "/").replace(&format!("{}/", slashes(folder.path())), "");
    let policy =
        Policy::load(&folder.path().join("policy.toml")).map_err(|error| short(error.to_string()))?;
    let rules = policy.process.process.iter();
    Ok(rules.map(|placed| short(format!("{} {}", placed.rule.exe.as_str(), placed.origin))).collect())
}

fn slashes(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

fn process(exe: &str) -> String {
    format!("[[process]]\nexe = \"{exe}\"\n")
}

#[test]
fn files_are_united() {
    let main = format!("schema = 1\ninclude = [\"roles/web.toml\"]\n\n{}", process("/main"));
    let web = format!("schema = 1\ninclude = [\"../base.toml\"]\n{}", process("/web"));
    let base = format!("schema = 1\n{}", process("/base"));
    let part = |exe: &str| format!("schema = 1\n{}", process(exe));
    let found = load(&[
        ("policy.toml", &main),
        ("roles/web.toml", &web),
        ("base.toml", &base),
        ("policy.d/b.toml", &part("/b")),
        ("policy.d/a.toml", &part("/a")),
        ("policy.d/note.txt", "not a policy"),
        ("policy.d/a.toml.bak", "not a policy"),
    ]);
    assert_eq!(
        found.unwrap(),
        [
            "/main policy.toml:4",
            "/web roles/web.toml:3",
            "/base roles/../base.toml:2",
            "/a policy.d/a.toml:2",
            "/b policy.d/b.toml:2"
        ]
    );
}

#[test]
fn files_that_include_each_other_are_read_once() {
    let one = format!("schema = 1\ninclude = [\"two.toml\", \"policy.toml\"]\n{}", process("/one"));
    let two = format!("schema = 1\ninclude = [\"./policy.toml\", \"nginx\", \"nginx\"]\n{}", process("/two"));
    let found = load(&[
        ("policy.toml", &one),
        ("two.toml", &two),
        ("policy.d/x.toml", "schema = 1\ninclude = [\"nginx\", \"../two.toml\"]"),
    ]);
    let found = found.unwrap();
    let different: std::collections::BTreeSet<&String> = found.iter().collect();
    assert_eq!(different.len(), found.len(), "{found:?}");
    assert_eq!(&found[..2], ["/one policy.toml:3", "/two two.toml:3"]);
    assert!(found[2].starts_with("/usr/sbin/nginx policies/nginx.toml:"), "{found:?}");
}

#[test]
fn what_is_wrong_in_another_file_is_shown_there() {
    let found = load(&[
        ("policy.toml", "schema = 1\ninclude = [\"two.toml\"]"),
        ("two.toml", "schema = 1\n[[process]]\nexe = \"/x\"\nuzers = []"),
    ]);
    expect![[r#"
        two.toml:4:1: unknown field `uzers`, expected one of …
          |
        4 | uzers = []
          | ^^^^^"#]]
    .assert_eq(&without_keys(&found.unwrap_err()));
    let found = load(&[("policy.toml", "schema = 1"), ("policy.d/x.toml", "schema = 1\n[update]")]);
    expect![[r#"
        policy.d/x.toml:2:2: unknown field `update`, expected one of …
          |
        2 | [update]
          |  ^^^^^^"#]]
    .assert_eq(&without_keys(&found.unwrap_err()));
    let found = load(&[
        ("policy.toml", "schema = 1\ninclude = [\"two.toml\", \"gone.toml\"]"),
        ("two.toml", "schema = 1"),
    ]);
    expect![[r#"
        policy.toml:2:24: there is no file gone.toml
          |
        2 | include = ["two.toml", "gone.toml"]
          |                        ^^^^^^^^^^^"#]]
    .assert_eq(&without_keys(&found.unwrap_err()));
    let gone = std::io::Error::from_raw_os_error(2);
    assert_eq!(load(&[]).unwrap_err(), format!("cannot read policy.toml: {gone}"));
    let bytes = folder(&[]);
    fs::write(bytes.path().join("policy.toml"), b"schema = 1\n# \xff").unwrap();
    let error = Policy::load(&bytes.path().join("policy.toml")).unwrap_err().to_string();
    assert!(error.ends_with("policy.toml: stream did not contain valid UTF-8"), "{error}");
}

#[test]
fn a_table_for_the_whole_host_may_stand_only_once() {
    let table = "schema = 1\n\n[updates]\nmax-age = \"3d\"\n";
    let found = load(&[("policy.toml", table), ("policy.d/own.toml", table)]);
    expect![[r#"
        policy.d/own.toml:3:1: this table stands already in policy.toml:3, and only one can hold
          |
        3 | [updates]
          | ^^^^^^^^^"#]]
    .assert_eq(&without_keys(&found.unwrap_err()));
    error(
        "schema = 1\n[updates]\n[updates]",
        &expect![[r#"
        policy.toml:3:2: duplicate key
          |
        3 | [updates]
          |  ^^^^^^^
    "#]],
    );
}

#[test]
fn the_digest_tells_one_policy_from_another() {
    let digest = |text: &str| Policy::from_text("policy.toml", text).unwrap().digest;
    assert_eq!(digest("schema = 1"), digest("schema = 1"));
    assert_ne!(digest("schema = 1"), digest("schema = 1 "));
    assert_ne!(digest("schema = 1"), digest("schema = 1\ninclude = [\"nginx\"]"));
    assert_eq!(digest("schema = 1").len(), 64);
}

proptest::proptest! {
    #[test]
    fn any_text_is_taken(text: String, start in 0_usize..50, length in 0_usize..50) {
        let _ = Policy::from_text("policy.toml", &text);
        let _ = Policy::from_text("policy.toml", &format!("schema = 1\n[updates]\nmax-age = \"{text}\""));
        let error = PolicyError::at("f", &text, start..start + length, &text).to_string();
        proptest::prop_assert!(!error.contains(|c: char| c.is_control() && c != '\n'));
    }
}

#[test]
fn what_observing_has_not_written_yet_is_as_good_as_empty_and_nothing_else_is() {
    let main = |include: &str| format!("schema = 1\ninclude = [\"{include}\"]\n{}", process("/main"));
    let observed = "/nowhere/observed.toml";
    assert_eq!(load(&[("policy.toml", &main(observed))]).unwrap(), ["/main policy.toml:3"]);
    let text = format!("schema = 1\n{}", process("/learned"));
    let found = load(&[("policy.toml", &main("observed.toml")), ("observed.toml", &text)]);
    assert_eq!(found.unwrap(), ["/main policy.toml:3", "/learned observed.toml:2"]);
    for (include, text) in
        [("observd.toml", ""), ("observed.toml/x.toml", ""), ("observed.toml", "schema = 2")]
    {
        let broken = load(&[("policy.toml", &main(include)), ("observed.toml", text)]);
        assert!(broken.is_err(), "{include}");
    }
}

#[test]
fn a_policy_of_windows_is_read_everywhere_and_its_slashes_are_as_good_as_others() {
    let found = load(&[
        ("policy.toml", "schema = 1\ninclude = ['roles\\web.toml', 'C:\\State\\observed.toml']"),
        ("roles/web.toml", "schema = 1\n[[process]]\nexe = 'C:\\Windows\\x.exe'\n"),
    ]);
    assert_eq!(found.unwrap(), [r"C:/Windows/x.exe roles/web.toml:2"]);
}

#[test]
fn a_path_with_backslashes_in_double_quotes_is_told_what_to_do() {
    error(
        "schema = 1\n[[process]]\nexe = \"C:\\Windows\\x.exe\"",
        &expect![[r#"
            policy.toml:3:11: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`; a path with backslashes stands in single quotes: 'C:\Folder'
              |
            3 | exe = "C:\Windows\x.exe"
              |           ^
        "#]],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_named_as_what_it_is_and_not_waited_for() {
    let folder = folder(&[("policy.toml", "schema = 1\ninclude = [\"x.toml\"]")]);
    let (policy, x) = (folder.path().join("policy.toml"), folder.path().join("x.toml"));
    let error = || {
        let error = Policy::load(&policy).unwrap_err().to_string();
        let _ = fs::remove_file(&x).or_else(|_| fs::remove_dir(&x));
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    std::os::unix::fs::symlink("gone\n.toml", &x).unwrap();
    assert_eq!(error(), "cannot read x.toml: it is a link to gone\\x0a.toml, which is not there");
    rustix::fs::mknodat(rustix::fs::CWD, &x, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(error(), "cannot read x.toml: it is a pipe, a socket or a device, not a file");
    fs::create_dir(&x).unwrap();
    assert_eq!(error(), "cannot read x.toml: it is a folder, not a file");
    fs::write(&x, b"schema = 1 # \xff").unwrap();
    assert_eq!(error(), "cannot read x.toml: stream did not contain valid UTF-8");
}
