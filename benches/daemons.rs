//! What watching costs beside other daemons that watch the same host in the same minutes: monit and samhain, where they
//! are installed, with configurations of their own in a temporary folder.
//!
//! Each looks once a minute, and none of them at the same things. Ours has all its watches on but the hourly one of updates.
//! monit is asked for what it is best at: processes it knows by their pid files, a tenth of those there are, and that
//! somebody answers on ten ports.
//! samhain compares all processes and all ports with those at its start; its paths are built in, so its folders are laid
//! over the host's in a mount namespace of its own, which takes root. osquery and Wazuh are not in Debian: left out.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Daemon, Running, command, helper, installed};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many processes sleep and sockets listen, and for how many minutes the daemons are measured.
const SIZES: [(usize, usize); 2] = [(200, 10), (2_000, 1_000)];
const MINUTES: u32 = 3;

/// To ask apt for updates takes some seconds an hour, and would be in the minutes that are measured or not.
const SETTINGS: &str = "[schedule]\nupdate = \"0 0 1 1 *\"\n[mail]\nvia = \"folder\"\n";

fn main() {
    if !common::wanted() {
        return;
    }
    let used = helper("used");
    println!(
        "processor time of each daemon in parts of ours over {MINUTES} minutes, and its resident memory in MB"
    );
    println!(
        "{:>9}  {:>9}  {:>22}  {:>8}  {:>9}  {:>8}",
        "processes", "listeners", "daemon", "time", "ms/minute", "resident"
    );
    for (processes, listeners) in SIZES {
        let sleepers = Running::start("sleepers", processes);
        let listening = Running::start("listeners", listeners);
        let folder = tempfile::tempdir().unwrap();
        let mails = folder.path().join("mails");
        let settings = format!("{SETTINGS}[mail.folder]\npath = \"{}\"\n", mails.display());
        std::fs::write(folder.path().join("watchdog.toml"), settings).unwrap();
        common::learn_into(folder.path());
        let mut daemons = vec![("watchdog", common::service(folder.path()))];
        daemons.extend(monit(folder.path(), &sleepers, &listening).map(|monit| ("monit", monit)));
        daemons.extend(samhain(folder.path()).map(|samhain| ("samhain", samhain)));
        // Beginning is not what is compared; two looks, as the second is the first that remembers.
        let (_, service) = daemons.first_mut().unwrap();
        common::wait_for_looks(service, folder.path(), 2);
        std::thread::sleep(Duration::from_secs(30));
        let before: Vec<Duration> = daemons.iter().map(|(_, daemon)| of_daemon(&used, daemon)).collect();
        std::thread::sleep(Duration::from_mins(1) * MINUTES);
        let after = daemons.iter().map(|(_, daemon)| of_daemon(&used, daemon));
        let spent: Vec<Duration> =
            after.zip(before).map(|(after, before)| after.saturating_sub(before)).collect();
        let ours = spent.first().copied().unwrap();
        for ((name, daemon), spent) in daemons.iter().zip(spent) {
            let part = common::ratio(spent, ours);
            let minute = spent.as_secs_f64() * 1e3 / f64::from(MINUTES);
            let resident = resident(daemon);
            println!(
                "{processes:>9}  {listeners:>9}  {name:>22}  {part:>8.1}  {minute:>9.0}  {resident:>8.1}"
            );
        }
    }
    let _ = std::fs::remove_file(used);
}

/// The processor time that a daemon has used until now, with what it has started and seen end.
fn of_daemon(used: &Path, daemon: &Daemon) -> Duration {
    let said = command(used).arg(daemon.0.id().to_string()).output().unwrap();
    assert!(said.status.success(), "a daemon has ended");
    Duration::from_nanos(String::from_utf8(said.stdout).unwrap().trim().parse().unwrap())
}

/// Its resident memory in megabytes.
fn resident(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn monit(folder: &Path, sleepers: &Running, listening: &Running) -> Option<Daemon> {
    let monit = installed("monit")?;
    let at = |name: &str| folder.join(name).display().to_string();
    let mut settings = format!(
        "set daemon 60\nset pidfile {}\nset idfile {}\nset statefile {}\nset logfile {}\n",
        at("monit.pid"),
        at("monit.id"),
        at("monit.state"),
        at("monit.log")
    );
    let all = sleepers.children();
    for pid in all.iter().take(all.len() / 10) {
        let file = at(&format!("{pid}.pid"));
        std::fs::write(&file, format!("{pid}\n")).unwrap();
        let _ = writeln!(settings, "check process sleeper{pid} with pidfile {file}");
    }
    for port in listening.ports().iter().take(10) {
        let _ = writeln!(
            settings,
            "check host port{port} with address 127.0.0.1\n  if failed port {port} then alert"
        );
    }
    let file = folder.join("monitrc");
    std::fs::write(&file, settings).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    Some(Daemon::start(command(monit).arg("-I").arg("-c").arg(file)))
}

fn samhain(folder: &Path) -> Option<Daemon> {
    let samhain = installed("samhain")?;
    if !rustix::process::geteuid().is_root() {
        println!("samhain needs root and a mount namespace of its own: left out");
        return None;
    }
    let folder = folder.join("samhain");
    for name in ["etc", "lib", "log", "run"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let files = "[ReadOnly]\nfile=/etc/hostname\n[Misc]\nDaemon=no\nSetFilecheckTime=86400\nSetLoopTime=60\n\
        [Log]\nPrintSeverity=none\nLogSeverity=none\nMailSeverity=none\nSyslogSeverity=none\nExportSeverity=none\n";
    let settings = format!(
        "{files}[ProcessCheck]\nProcessCheckActive=yes\nProcessCheckInterval=60\n\
         [PortCheck]\nPortCheckActive=yes\nPortCheckInterval=60\n"
    );
    // Its database is of files alone; without this it tries all ports for that too, which takes minutes.
    let only_files =
        format!("{files}[ProcessCheck]\nProcessCheckActive=no\n[PortCheck]\nPortCheckActive=no\n");
    std::fs::write(folder.join("etc/samhainrc"), only_files).unwrap();
    std::fs::write(folder.join("samhainrc"), settings).unwrap();
    let script = "mount --bind \"$1/etc\" /etc/samhain && mount --bind \"$1/lib\" /var/lib/samhain &&
        mount --bind \"$1/log\" /var/log/samhain && mount -t tmpfs tmpfs /run &&
        \"$2\" -t init && cp \"$1/samhainrc\" /etc/samhain && exec \"$2\" -t check --foreground --forever";
    let mut own = command("unshare");
    own.args(["--mount", "sh", "-c", script, "sh"]).arg(&folder).arg(samhain);
    let daemon = Daemon::start(&mut own);
    let comm = format!("/proc/{}/comm", daemon.0.id());
    let begun = Instant::now();
    while std::fs::read_to_string(&comm).unwrap().trim() != "samhain" {
        assert!(begun.elapsed() < Duration::from_mins(5), "samhain does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(daemon)
}
