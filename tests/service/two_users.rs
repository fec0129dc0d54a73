//! Two users, as installed: one watches and puts its mails into the outbox, the other takes them out.

use super::{State, evil};
use crate::mail_server::MailServer;
use crate::support::{copy_program, wait_for, world};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const WATCHES: u32 = 2001;
const MAILS: u32 = 2002;

/// The folders as tmpfiles.d makes them, and a program that both can run.
struct Installed {
    state: State,
    bin: tempfile::TempDir,
}

impl Installed {
    fn new() -> Self {
        let installed = Self { state: State::new(), bin: tempfile::tempdir().unwrap() };
        let mode =
            |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        mode(installed.bin.path(), 0o755);
        copy_program(env!("CARGO_BIN_EXE_watchdog"), &installed.bin.path().join("watchdog"));
        let tmpfiles = include_str!("../../packaging/tmpfiles/host-watchdog.conf");
        for line in tmpfiles.lines().filter(|line| line.starts_with("d ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let folder = words[1].strip_prefix("/var/lib/host-watchdog").unwrap().trim_start_matches('/');
            let folder = installed.state.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let id = |name: &str| Some(if name == "host-watchdog" { WATCHES } else { MAILS });
            chown(&folder, id(words[3]), id(words[4])).unwrap();
            mode(&folder, u32::from_str_radix(words[2], 8).unwrap());
        }
        installed
    }

    fn settings(&self, text: &str) -> String {
        let path = self.bin.path().join("watchdog.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(self.bin.path().join("policy.toml"), "schema = 1\n").unwrap();
        path.display().to_string()
    }

    fn command(&self, prefix: &[&str], user: u32, options: &[&str], args: &[&str]) -> Command {
        let mut words: Vec<String> = prefix.iter().map(ToString::to_string).collect();
        words.extend(["setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={user}")]);
        words.push("--clear-groups".to_owned());
        words.extend(options.iter().map(ToString::to_string));
        words.push(self.bin.path().join("watchdog").display().to_string());
        words.extend(args.iter().map(ToString::to_string));
        words.extend(["--config".to_owned(), self.bin.path().join("watchdog.toml").display().to_string()]);
        words.extend(["--state-dir".to_owned(), self.state.path().display().to_string()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_remove("INVOCATION_ID");
        command
    }

    /// As `host-watchdog.service` runs it, for one pass.
    fn watch(&self) -> Output {
        let caps = "+sys_ptrace,+dac_read_search";
        let (inherited, ambient) = (format!("--inh-caps={caps}"), format!("--ambient-caps={caps}"));
        let bounded = format!("--bounding-set=-all,{caps}");
        let options = [&inherited, &ambient, &bounded, "--no-new-privs"];
        self.command(&[], WATCHES, &options, &["run", "--once", "--no-deliver"]).output().unwrap()
    }

    /// As `host-watchdog-mail.service` runs it.
    fn mailer(&self) -> Child {
        let mut command = self.command(&[], MAILS, &["--no-new-privs"], &["deliver", "--stay"]);
        command.stderr(Stdio::piped()).spawn().unwrap()
    }

    fn files(&self, part: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.state.path().join("outbox").join(part)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Nothing in the outbox belongs to anybody but the two, and both can read it all.
    fn assert_shared(&self) {
        for part in ["tmp", "queue", "sent", "handover"] {
            for name in self.files(part) {
                let file =
                    std::fs::metadata(self.state.path().join("outbox").join(part).join(&name)).unwrap();
                assert!([WATCHES, MAILS].contains(&file.uid()), "{part}/{name} belongs to {}", file.uid());
                assert_eq!((file.gid(), file.mode() & 0o7777), (MAILS, 0o640), "{part}/{name}");
            }
        }
    }
}

fn must(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn stop(mut child: Child) {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn one_watches_the_other_mails_and_root_in_between_leaves_nothing_behind() {
    let test = "two_users::one_watches_the_other_mails_and_root_in_between_leaves_nothing_behind";
    if !world::is_entered(test) {
        return;
    }
    let Some(server) = MailServer::start() else { return };
    let installed = Installed::new();
    installed.settings(&format!("[mail]\n[mail.local]\nport = {}\n", server.smtp_port));
    let mailer = installed.mailer();
    must(&installed.watch());
    let mails = server.wait_for(1);
    assert!(mails[0].subject().unwrap().starts_with("web1: "), "{:?}", mails[0].subject());
    wait_for("the record", || installed.files("sent").len() == 2);
    assert_eq!(installed.files("queue"), [""; 0]);
    installed.assert_shared();
    stop(mailer);
    let before = std::fs::metadata(installed.state.path().join("outbox/settings/settings.last")).unwrap();
    assert_eq!((before.uid(), before.mode() & 0o777), (MAILS, 0o600));
    // Of everything else the mailer can read nothing.
    for private in ["watchdog.db", "watchdog.db.lock", "last-good.json"] {
        let file = std::fs::metadata(installed.state.path().join(private)).unwrap();
        assert_eq!((file.uid(), file.mode() & 0o077), (WATCHES, 0), "{private}");
    }
    // Now root delivers by hand, and then the two go on.
    let folder = tempfile::tempdir().unwrap();
    let _evil = evil(folder.path());
    must(&installed.watch());
    assert_eq!(installed.files("queue").len(), 1);
    let root = || {
        let mut command = installed.command(&[], 0, &[], &["deliver"]);
        command.output().unwrap()
    };
    must(&root());
    server.wait_for(2);
    installed.assert_shared();
    must(&root());
    let test_mail = installed.command(&[], 0, &[], &["mail", "test"]).output().unwrap();
    must(&test_mail);
    server.wait_for(3);
    assert_eq!(std::fs::metadata(installed.state.path()).unwrap().uid(), WATCHES);
    let run = installed.command(&[], 0, &[], &["run", "--once"]).output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("belongs to another user"));
    installed.assert_shared();
}

#[test]
fn a_sandboxed_mailer_lays_a_mail_aside_and_the_real_sendmail_takes_it() {
    let test = "two_users::a_sandboxed_mailer_lays_a_mail_aside_and_the_real_sendmail_takes_it";
    if !world::is_entered(test) {
        return;
    }
    let Some(server) = MailServer::start() else { return };
    let installed = Installed::new();
    // Nobody listens on the port that is named; the program does its part.
    installed.settings("[mail]\nvia = \"local\"\n[mail.local]\nport = 9\n");
    let mailer = installed.mailer();
    must(&installed.watch());
    wait_for("the mail to be laid aside", || installed.files("handover").len() == 1);
    let status = installed.command(&[], 0, &[], &["status", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["outbox"]["waiting"], &status["outbox"]["handed-over"]), (&1.into(), &1.into()));
    // In the sandbox it is refused, and nothing happens to the mail.
    let sandboxed =
        installed.command(&[], MAILS, &["--no-new-privs"], &["deliver", "--handed-over"]).output().unwrap();
    assert_eq!(sandboxed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&sandboxed.stderr).contains("NoNewPrivileges"));
    let beside = server.beside();
    let prefix: Vec<&str> = std::iter::once(beside.get_program())
        .chain(beside.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let given = installed.command(&prefix, MAILS, &[], &["deliver", "--handed-over"]).output().unwrap();
    must(&given);
    assert!(String::from_utf8_lossy(&given.stdout).contains("/usr/sbin/sendmail took it"), "{given:?}");
    server.wait_for(1);
    assert_eq!((installed.files("handover"), installed.files("queue")), (vec![], vec![]));
    assert_eq!(installed.files("sent").len(), 2);
    installed.assert_shared();
    stop(mailer);
}

/// Does it as the one who mails, without any capability.
fn as_mailer(command: &str) -> Output {
    let ids = [format!("--reuid={MAILS}"), format!("--regid={MAILS}")];
    Command::new("setpriv").args(ids).args(["--clear-groups", "sh", "-c", command]).output().unwrap()
}

#[test]
fn a_taken_mailer_cannot_lay_another_folder_in_place_of_one_of_the_outbox() {
    if !world::is_entered("two_users::a_taken_mailer_cannot_lay_another_folder_in_place_of_one_of_the_outbox")
    {
        return;
    }
    let installed = Installed::new();
    installed.settings("");
    let outbox = installed.state.path().join("outbox");
    for part in ["tmp", "queue", "sent", "handover"] {
        let part = outbox.join(part);
        let moved = as_mailer(&format!("mv -T {0} {0}.away", part.display()));
        assert!(!moved.status.success(), "{moved:?}");
        let written = as_mailer(&format!("touch {0}/x && rm {0}/x", part.display()));
        must(&written);
    }
    must(&installed.watch());
    assert_eq!(installed.files("queue").len(), 1);
    assert!(installed.state.path().join("watchdog.db").is_file());
}

#[test]
fn root_never_delivers_as_root_in_the_state_folder_of_another() {
    if !world::is_entered("two_users::root_never_delivers_as_root_in_the_state_folder_of_another") {
        return;
    }
    let installed = Installed::new();
    installed.settings("");
    let outbox = installed.state.path().join("outbox");
    std::fs::rename(&outbox, installed.state.path().join("away")).unwrap();
    let refused = |args: &[&str], why: &str| {
        let output = installed.command(&["timeout", "20"], 0, &[], args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    };
    let each = [&["deliver"][..], &["deliver", "--stay"], &["deliver", "--handed-over"], &["mail", "test"]];
    for args in each {
        refused(args, "run `systemd-tmpfiles --create host-watchdog.conf`");
        assert!(!outbox.exists());
    }
    // A link to a folder of root's.
    let roots = tempfile::tempdir().unwrap();
    std::fs::create_dir(roots.path().join("settings")).unwrap();
    std::os::unix::fs::symlink(roots.path(), &outbox).unwrap();
    for args in each {
        refused(args, "is no folder of user 2001");
        assert_eq!(std::fs::read_dir(roots.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(roots.path().join("settings")).unwrap().count(), 0);
    }
}

#[test]
fn who_may_not_see_which_program_the_mailer_is_says_so() {
    if !world::is_entered("two_users::who_may_not_see_which_program_the_mailer_is_says_so") {
        return;
    }
    let installed = Installed::new();
    installed.settings("[mail]\nvia = \"smtp\"\nsmtp.host = \"127.0.0.1\"\nsmtp.port = 9\n");
    // Over the host's own, in this world alone.
    let passwd = installed.bin.path().join("passwd");
    std::fs::write(&passwd, format!("root:x:0:0::/root:/bin/sh\nm:x:{MAILS}:{MAILS}::/:/bin/false\n"))
        .unwrap();
    let mount = Command::new("mount").arg("--bind").arg(&passwd).arg("/etc/passwd").status().unwrap();
    assert!(mount.success());
    let mailer = installed.mailer();
    let check = |user: u32| {
        let doctor = ["doctor", "--json", "--no-mail"];
        let output = installed.command(&[], user, &[], &doctor).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let checks = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let mut of_mailer = checks.filter(|check| check["check"] == "mailer");
        of_mailer.next().map(|check| format!("{} {}", check["verdict"], check["says"])).unwrap_or_default()
    };
    let pid = mailer.id();
    wait_for("the mailer to be seen", || check(0).contains(&format!("sent by the mailer (process {pid})")));
    let says = check(WATCHES);
    assert!(says.starts_with("\"unknown\"") && says.contains("only root can see"), "{says}");
    stop(mailer);
}

#[test]
fn who_is_started_for_what_was_laid_aside_and_can_do_nothing_takes_a_breath() {
    if !world::is_entered(
        "two_users::who_is_started_for_what_was_laid_aside_and_can_do_nothing_takes_a_breath",
    ) {
        return;
    }
    let installed = Installed::new();
    installed.settings("");
    let handover = installed.state.path().join("outbox/handover");
    must(&as_mailer(&format!("cd {} && touch junk .x.eml && mkdir folder", handover.display())));
    let breathes = |options: &[&str]| {
        let mut command = installed.command(&[], MAILS, options, &["deliver", "--handed-over"]);
        command.env("INVOCATION_ID", "1").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(3));
        let ended = child.try_wait().unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        assert!(ended.is_none(), "{options:?}: {ended:?}");
    };
    breathes(&["--no-new-privs"]);
    assert_eq!(installed.files("handover"), [".x.eml", "folder", "junk"]);
    breathes(&[]);
    assert_eq!(
        (installed.files("handover"), installed.files("queue")),
        (vec![], vec![".x.eml".to_owned(), "folder".to_owned(), "junk".to_owned()])
    );
    // What keeps its place, because there is one of that name, is no reason to hurry either.
    must(&as_mailer(&format!("touch {}/junk", handover.display())));
    breathes(&[]);
    assert_eq!(installed.files("handover"), ["junk"]);
    std::fs::rename(&handover, installed.state.path().join("outbox/away")).unwrap();
    breathes(&[]);
    // A person is not kept waiting.
    let started = std::time::Instant::now();
    installed.command(&[], MAILS, &["--no-new-privs"], &["deliver", "--handed-over"]).output().unwrap();
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
}
