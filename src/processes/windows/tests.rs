use super::*;

fn listing() -> Vec<Arc<Process>> {
    Reader::default().read(&Host::this()).unwrap().processes
}

fn seen(pid: u32) -> Arc<Process> {
    let find = || listing().into_iter().find(|process| process.pid == pid);
    find().unwrap_or_else(|| panic!("process {pid} is not seen"))
}

#[test]
fn this_process_is_seen_with_its_file_and_its_arguments() {
    let own = seen(std::process::id());
    let exe = std::env::current_exe().unwrap();
    let Executable::Path(path) = &own.exe else { panic!("{:?}", own.exe) };
    assert!(crate::rule::Pattern::literal(path).matches_path(&Text::from(exe.to_str().unwrap())), "{path}");
    assert!(own.start > 0 && own.since > "2020-01-01T00:00:00Z".parse().unwrap(), "{own:?}");
    assert_ne!(own.user, UNKNOWN_USER);
    assert!(!own.args.is_empty());
    assert!(!own.container);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about a process that it starts itself")]
fn a_child_is_seen_with_its_parent_and_what_it_runs() {
    let shell = win32::folder::windows().join(r"system32\cmd.exe");
    let mut child = std::process::Command::new(&shell)
        .args(["/c", "pause"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let process = seen(child.id());
    let script = process.script.clone();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(process.parent, std::process::id());
    let Executable::Path(path) = &process.exe else { panic!("{:?}", process.exe) };
    assert!(crate::rule::Pattern::from(r"*:\windows\system32\cmd.exe").matches_path(path), "{path}");
    assert_eq!(script.unwrap(), "/c pause");
}

#[test]
fn what_did_not_change_is_not_read_again() {
    let mut reader = Reader::default();
    let find = |all: Vec<Arc<Process>>| all.into_iter().find(|one| one.pid == std::process::id()).unwrap();
    let first = find(reader.read(&Host::this()).unwrap().processes);
    let again = find(reader.read(&Host::this()).unwrap().processes);
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn a_parent_that_is_younger_than_its_child_is_none() {
    let listed = |pid, parent, start| Listed { pid, parent, start, name: "x".into() };
    let starts = HashMap::from([(10, 100), (20, 300), (30, 200)]);
    assert_eq!(parent(&listed(30, 10, 200), &starts), 10);
    assert_eq!(parent(&listed(30, 20, 200), &starts), 0, "the number was given to another");
    assert_eq!(parent(&listed(30, 40, 200), &starts), 0, "it has ended");
    assert_eq!(parent(&listed(30, 30, 200), &starts), 0);
}

#[test]
fn a_name_alone_makes_no_process_one_of_the_kernel() {
    let pass = Pass { drives: Vec::new(), windows: r"C:\Windows".into(), services: BTreeMap::new() };
    // There is no such process, so nothing says what it runs.
    let one = Listed { pid: 0x7fff_fff0, parent: SYSTEM, start: 1, name: "Registry".into() };
    let exe = Reader::default().executable(&pass, &one, None);
    assert!(matches!(exe, Executable::Unreadable(_)), "{exe:?}");
}

#[test]
fn services_of_one_process_are_named_together() {
    let running =
        vec![(7, "mpssvc".into()), (0, "stopped".into()), (7, "BFE".into()), (9, "Dnscache".into())];
    assert_eq!(
        services(running),
        BTreeMap::from([(7, Text::from("BFE+mpssvc")), (9, Text::from("Dnscache"))])
    );
}

#[test]
fn a_start_is_a_moment() {
    assert_eq!(moment(116_444_736_000_000_000), Timestamp::UNIX_EPOCH);
    assert_eq!(moment(134_000_000_005_000_000).to_string(), "2025-08-18T14:13:20.5Z");
    let _ = moment(u64::MAX);
}
