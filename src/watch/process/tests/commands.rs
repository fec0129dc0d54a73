//! Rules for commands: what packages brought may run where they say, and nothing else.

use super::*;

const SESSION: &str = r#"
    [[command]]
    units = ["user-1000.slice"]
    users = ["alice"]
    text  = true
"#;
const GENERATOR: &str = "/usr/lib/systemd/system-generators/postfix-instance-generator";
const CRON: &str = "[[command]]\nunits = [\"cron.service\"]";

/// One that runs in a unit.
fn within(unit: &str, exe: &str, user: &str, script: Option<&str>) -> Process {
    let mut process = process(10, exe, user);
    (process.unit, process.script) = (Some(unit.into()), script.map(Text::from));
    process
}

fn packaged(process: Process) -> ProcessFacts {
    let mut facts = facts(vec![process]);
    for (path, name, state) in [
        ("/usr/bin/ls", "coreutils", State::Unmodified),
        ("/usr/bin/nc.openbsd", "netcat-openbsd", State::Unmodified),
        ("/usr/bin/lldb-14", "lldb-14", State::Unmodified),
        ("/usr/bin/dash", "dash", State::Unmodified),
        ("/usr/bin/mawk", "mawk", State::Unmodified),
        ("/usr/bin/perl", "perl-base", State::Unmodified),
        ("/usr/bin/python3.11", "python3.11-minimal", State::Unmodified),
        ("/usr/bin/swapped", "coreutils", State::Modified),
        ("/usr/bin/unverified", "coreutils", State::Unknown),
        ("/usr/bin/lsb_release", "lsb-release", State::Unmodified),
        ("/etc/cron.daily/man-db", "man-db", State::Unmodified),
        ("/etc/cron.daily/edited", "man-db", State::Modified),
        ("/usr/lib/dovecot/auth", "dovecot-core", State::Unmodified),
        (GENERATOR, "postfix", State::Unmodified),
    ] {
        facts.packages.insert(path.into(), Package { name: name.into(), state });
    }
    facts
}

/// Why it is not allowed; nothing if it is.
fn refused(policy: &str, unit: &str, exe: &str, user: &str, script: Option<&str>) -> Option<String> {
    let found = findings(&packaged(within(unit, exe, user, script)), policy);
    assert!(found.len() < 2);
    found
        .into_iter()
        .next()
        .map(|found| found.nearest.map_or_else(|| "no rule is near".to_owned(), |near| near.why_not))
}

#[test]
fn what_packages_brought_may_be_started_in_a_session_and_nothing_else() {
    let session = |exe: &str, script: Option<&str>| refused(SESSION, "user-1000.slice", exe, "alice", script);
    for (exe, script) in [
        ("/usr/bin/ls", None),
        ("/usr/bin/dash", None),
        ("/usr/bin/dash", Some("-c ls | wc")),
        ("/usr/bin/dash", Some("/etc/cron.daily/man-db")),
        ("/usr/bin/python3.11", Some("/usr/bin/lsb_release")),
        ("/usr/bin/mawk", Some("/x/ {print}")),
    ] {
        assert_eq!(session(exe, script), None, "{exe} {script:?}");
    }
    for (exe, script, why) in [
        ("/home/alice/x", None, "the file lies where packages put none"),
        ("/usr/local/bin/x", None, "the file lies where packages put none"),
        ("/usr/bin/x", None, "the file belongs to no package"),
        ("/usr/bin/swapped", None, "the file is not as coreutils brought it"),
        ("/usr/bin/unverified", None, "whether the file is as coreutils brought it could not be verified"),
        (
            "/usr/bin/nc.openbsd",
            None,
            "nc.openbsd can carry a shell to elsewhere: it needs a [[process]] of its own",
        ),
        (
            "/usr/bin/lldb-14",
            None,
            "lldb-14 can carry a shell to elsewhere: it needs a [[process]] of its own",
        ),
        ("/usr/bin/dash", Some("/home/alice/x.sh"), "the script belongs to no package"),
        ("/usr/bin/dash", Some("/etc/cron.daily/edited"), "the script is not as man-db brought it"),
        ("/usr/bin/dash", Some("(standard input)"), "no package vouches for the script"),
        ("/usr/bin/perl", Some("-e use Socket"), "no package vouches for the script"),
        ("/usr/bin/python3.11", Some("-c import pty"), "no package vouches for the script"),
        ("/usr/bin/python3.11", Some("-m http.server"), "no package vouches for the script"),
        ("/usr/bin/mawk", Some("(unclear) -l x… sha256:00"), "no package vouches for the script"),
    ] {
        assert_eq!(session(exe, script).as_deref(), Some(why), "{exe} {script:?}");
    }
    assert_eq!(
        refused(SESSION, "user-1000.slice", "/usr/bin/ls", "root", None).as_deref(),
        Some("user root is not one of alice")
    );
    assert_eq!(
        refused(SESSION, "nginx.service", "/usr/bin/ls", "alice", None).as_deref(),
        Some("no rule is near")
    );
}

#[test]
fn text_for_a_shell_must_be_known_where_nobody_types() {
    let cron = |exe: &str, script: Option<&str>| refused(CRON, "cron.service", exe, "root", script);
    assert_eq!(cron("/usr/bin/dash", Some("/etc/cron.daily/man-db")), None);
    assert_eq!(cron("/usr/bin/dash", Some("-c id")).as_deref(), Some("no package vouches for the script"));
    let known =
        format!("{CRON}\n[[process]]\nexe = \"/usr/bin/dash\"\nscript = \"-c id\"\npackage = \"dash\"");
    assert_eq!(refused(&known, "cron.service", "/usr/bin/dash", "root", Some("-c id")), None);
}

#[test]
fn a_service_may_be_allowed_the_programs_of_its_own_package() {
    let policy = "[[command]]\nunits = [\"dovecot.service\"]\npackages = [\"dovecot-*\"]";
    assert_eq!(refused(policy, "dovecot.service", "/usr/lib/dovecot/auth", "root", None), None);
    assert_eq!(
        refused(policy, "dovecot.service", "/usr/bin/dash", "root", None).as_deref(),
        Some("what runs belongs to dash, which it does not name")
    );
    // Whose script it is counts, not whose interpreter.
    let scripts = "[[command]]\nunits = [\"x.service\"]\npackages = [\"lsb-release\"]";
    let script = Some("/usr/bin/lsb_release");
    assert_eq!(refused(scripts, "x.service", "/usr/bin/python3.11", "root", script), None);
    assert!(refused(scripts, "x.service", "/usr/bin/python3.11", "root", None).is_some());
}

#[test]
fn what_packages_have_for_a_reload_of_systemd_is_allowed_beside_it_and_nowhere_else() {
    let base = |unit: &str, exe: &str, user: &str, script: Option<&str>| {
        refused("include = [\"debian-base\"]", unit, exe, user, script).is_none()
    };
    assert!(base("init.scope", "/usr/bin/dash", "root", Some(GENERATOR)));
    assert!(base("init.scope", "/usr/bin/ls", "root", None));
    for (unit, user, script) in [
        ("nginx.service", "root", GENERATOR),
        ("init.scope", "www-data", GENERATOR),
        ("init.scope", "root", "-c id"),
        ("init.scope", "root", "/home/alice/x.sh"),
    ] {
        assert!(!base(unit, "/usr/bin/dash", user, Some(script)), "{unit} {user} {script}");
    }
}

#[test]
fn what_is_deleted_or_in_memory_or_in_a_container_is_no_command() {
    for (exe, container, why) in [
        (Executable::Deleted("/usr/bin/ls".into()), false, "it allows no deleted or replaced file"),
        (Executable::Memory("ls".into()), false, "it is for files of packages, and this is none"),
        (
            Executable::Path("/usr/bin/ls".into()),
            true,
            "the file that runs is not the host's file of that path",
        ),
    ] {
        let mut process = within("cron.service", "/usr/bin/ls", "root", None);
        (process.exe, process.container) = (exe, container);
        let found = findings(&packaged(process), CRON);
        assert_eq!(found[0].nearest.as_ref().unwrap().why_not, why);
    }
}

#[test]
fn a_rule_for_no_unit_or_for_all_is_an_error() {
    for units in ["[]", "[\"*\"]", "[\"cron.service\", \"**\"]"] {
        let policy = format!("schema = 1\n[[command]]\nunits = {units}");
        assert!(Policy::from_text("p", &policy).is_err(), "{units}");
    }
    assert!(Policy::from_text("p", "schema = 1\n[[command]]\nusers = [\"root\"]").is_err());
}

#[test]
fn a_policy_that_is_learned_allows_what_people_and_jobs_start_later_and_the_programs_of_a_service() {
    let mut planned = process(0, "/usr/bin/dash", "root");
    planned.script = Some("-c test -x /opt/x && /opt/x".into());
    let mut local = process(0, "/usr/bin/dash", "root");
    local.script = Some("/etc/cron.daily/local".into());
    let mut part = local.clone();
    part.script = Some("/etc/cron.daily/man-db".into());
    let mut facts = packaged(within("dovecot.service", "/usr/lib/dovecot/auth", "dovecot", None));
    let typing = within("user-1000.slice", "/usr/bin/ls", "alice", None);
    facts.processes.push(Arc::new(Process { pid: 11, ..typing }));
    let tool = within("dovecot.service", "/usr/bin/ls", "dovecot", None);
    facts.processes.push(Arc::new(Process { pid: 12, ..tool }));
    let sha256 = Some("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into());
    let others = file::FileFacts { sha256, oddities: [file::Oddity::Others].into(), ..Default::default() };
    facts.files.insert("/etc/cron.daily/local".into(), others);
    facts.habits = Some(Habits {
        planned: [planned, local, part].map(Arc::new).into(),
        jobs: ["cron.service".to_owned(), "e2scrub@*.service".to_owned()].into(),
        people: vec![
            Person { name: "root".into(), uid: 0, becomes_root: true },
            Person { name: "alice".into(), uid: 1000, becomes_root: false },
        ],
    });
    let learned = ProcessWatch::learn(&facts, "watchdog snapshot", NOW);
    expect![[r##"
        # Processes that may run, by executable, script and user.

        [[process]]
        exe     = "/usr/bin/dash"
        script  = "-c test -x /opt/x && /opt/x"
        package = "dash"
        users   = ["root"]
        why     = "is started at its time: by cron, a unit, logrotate or a login"
        by      = "watchdog snapshot"

        [[process]]
        exe           = "/usr/bin/dash"
        script        = "/etc/cron.daily/local"
        package       = "dash"
        script-sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
        users         = ["root"]
        why           = "is started at its time: by cron, a unit, logrotate or a login"
        by            = "watchdog snapshot"

        [[process]]
        exe     = "/usr/bin/ls"
        package = "coreutils"
        users   = ["dovecot"]
        why     = "ran when this policy was learned"
        by      = "watchdog snapshot"

        [[process]]
        exe     = "/usr/lib/dovecot/auth"
        package = "dovecot-core"
        users   = ["dovecot"]
        why     = "ran when this policy was learned"
        by      = "watchdog snapshot"

        # Where unmodified files of packages may be started at any time, for as long as they like.

        [[command]]
        units = ["user-0.slice", "user@0.service"]
        text  = true
        why   = "what root types when logged in"
        by    = "watchdog snapshot"

        [[command]]
        units = ["user-1000.slice", "user@1000.service"]
        users = ["alice"]
        text  = true
        why   = "what alice types when logged in"
        by    = "watchdog snapshot"

        [[command]]
        units = ["cron.service", "e2scrub@*.service"]
        why   = "these start, work and end"
        by    = "watchdog snapshot"

        [[command]]
        units    = ["dovecot.service"]
        packages = ["dovecot-core"]
        why      = "a service may run what its own packages brought"
        by       = "watchdog snapshot"
    "##]]
    .assert_eq(&learned);
    assert_eq!(findings(&facts, &learned), []);
    for (unit, exe, user) in [
        ("user-1000.slice", "/usr/bin/dash", "alice"),
        ("user-0.slice", "/usr/bin/ls", "nobody"),
        ("cron.service", "/usr/bin/ls", "root"),
        ("e2scrub@home.service", "/usr/bin/ls", "root"),
    ] {
        assert_eq!(refused(&learned, unit, exe, user, None), None, "{unit} {exe} {user}");
    }
    assert!(refused(&learned, "nginx.service", "/usr/bin/dash", "root", None).is_some());
    assert!(refused(&learned, "user-1000.slice", "/usr/bin/dash", "root", None).is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn the_scripts_that_each_login_runs_as_root_are_learned_and_nothing_else_of_root_there() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["run/systemd/system", "etc/update-motd.d", "usr/bin", "usr/share/news"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    fs::write(at("etc/passwd"), "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
        .unwrap();
    fs::write(at("usr/bin/dash"), "").unwrap();
    std::os::unix::fs::symlink("dash", at("usr/bin/sh")).unwrap();
    std::os::unix::fs::symlink("usr/bin", at("bin")).unwrap();
    // As unattended-upgrades has it.
    fs::write(
        at("etc/update-motd.d/92-news"),
        "#!/bin/sh\n# /usr/bin/dash\nif true; then\n    exec /usr/share/news/tell\nfi\n",
    )
    .unwrap();
    fs::write(at("usr/share/news/tell"), "#!/bin/sh\necho news\n").unwrap();
    fs::set_permissions(at("usr/share/news/tell"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut facts = packaged(process(10, "/usr/sbin/cron", "root"));
    facts.processes.clear();
    for script in ["/etc/update-motd.d/92-news", "/usr/share/news/tell"] {
        facts.packages.insert(script.into(), Package { name: "news".into(), state: State::Unmodified });
    }
    facts.habits = crate::watch::process::habit::read(&crate::host::Host::at(folder.path()));
    let learned = ProcessWatch::learn(&facts, "watchdog snapshot", NOW);
    let run = |script: Option<&str>| {
        let mut seen = packaged(within("user-1000.slice", "/usr/bin/dash", "root", script));
        seen.packages.clone_from(&facts.packages);
        findings(&seen, &learned).len()
    };
    assert_eq!(run(Some("/etc/update-motd.d/92-news")), 0, "{learned}");
    assert_eq!(run(Some("/usr/share/news/tell")), 0, "{learned}");
    assert_eq!(run(Some("/etc/cron.daily/man-db")), 1, "{learned}");
    assert_eq!((run(None), run(Some("-c id"))), (1, 1), "{learned}");
}
