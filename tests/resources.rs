//! Real disks, memory and processors of this machine.
// Mounts disks, and reads /proc; what a Windows tells is tested beside src/watch/resource/windows.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start the programs they need")]

mod support;

use host_watchdog::finding::{Code, Finding, Severity};
use host_watchdog::host::Host;
use host_watchdog::pass;
use host_watchdog::policy::Policy;
use host_watchdog::watch::resource::ResourceFacts;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::eyes::{Eyes, policy};
use support::player::Player;
use support::{Running, is_root, left_out};

fn check(eyes: &mut Eyes, rules: &str) -> (ResourceFacts, Vec<Finding>) {
    let policy = policy(rules);
    let snapshot = eyes.look(&policy);
    let found = pass::check_all(&eyes.watches, &snapshot, &policy, &mut eyes.memory);
    (snapshot.resources.unwrap().facts().unwrap().clone(), found)
}

/// A small file system in memory, unmounted at the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// Nothing, if this may be skipped here.
    fn new(options: &str) -> Option<Self> {
        if left_out("root, to mount a disk", is_root()) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("a disk").tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "small"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success());
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(self.0.path()).status();
    }
}

fn of<'a>(found: &'a [Finding], code: Code, mount: &Path) -> Vec<&'a Finding> {
    let mount = mount.to_str().unwrap();
    found.iter().filter(|finding| finding.code == code && finding.subject.starts_with(mount)).collect()
}

#[test]
fn a_disk_that_fills_up_is_reported_by_space_and_by_inodes() {
    let Some(small) = Mounted::new("size=1m,nr_inodes=50") else { return };
    let path = small.path().to_owned();
    let mut eyes = Eyes::of("resource");
    let policy = format!("[[disk]]\nmount = \"{}\"\nmax = \"85%\"\ninodes = \"85%\"\n", path.display());
    assert_eq!(of(&check(&mut eyes, &policy).1, Code::FullDisk, &path), Vec::<&Finding>::new());

    std::fs::write(path.join("big"), vec![1; 1000 * 1024]).unwrap();
    let (facts, found) = check(&mut eyes, &policy);
    let full = of(&found, Code::FullDisk, &path);
    assert_eq!(full.len(), 1);
    assert_eq!(full[0].title, format!("disk {} is 97% full, 24.0 KiB left", path.display()));
    assert_eq!((full[0].severity, full[0].evidence["kind"].as_str()), (Severity::Urgent, Some("tmpfs")));
    let disk = facts.disks.iter().find(|disk| *disk.mount == *path.to_str().unwrap()).unwrap();
    assert_eq!(disk.space.unwrap().total, 1024 * 1024);
    std::fs::remove_file(path.join("big")).unwrap();

    (0..46).for_each(|number| std::fs::write(path.join(number.to_string()), "").unwrap());
    let found = check(&mut eyes, &policy).1;
    let full = of(&found, Code::FullDisk, &path);
    assert_eq!((full.len(), full[0].subject.as_str()), (1, format!("{} inodes", path.display()).as_str()));
    // The rule it suggests allows it.
    let allowed = check(&mut eyes, &format!("{policy}{}", full[0].suggest.as_ref().unwrap())).1;
    assert_eq!(of(&allowed, Code::FullDisk, &path), Vec::<&Finding>::new());

    drop(small);
    let found = check(&mut eyes, &policy).1;
    assert_eq!(
        of(&found, Code::MissingDisk, &path)[0].title,
        format!("no disk is mounted at {}", path.display())
    );
}

#[test]
fn a_disk_that_hangs_holds_nobody_up_and_is_a_gap() {
    // A program that mounts a file system and then never answers, as a dead server would.
    let script = r"
import ctypes, os, struct, sys, time
point = sys.argv[1]
device = os.open('/dev/fuse', os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f'fd={device},rootmode=40000,user_id=0,group_id=0,allow_other'.encode()
if libc.mount(b'hanging', point.encode(), b'fuse', 0, options) != 0:
    print('no:', os.strerror(ctypes.get_errno()), flush=True); sys.exit()
request = os.read(device, 1 << 20)
length, opcode, unique = struct.unpack_from('=IIQ', request)
answer = struct.pack('=IIIIHHIIHHI28x', 7, 31, 65536, 0, 12, 9, 4096, 1, 1, 0, 0)
os.write(device, struct.pack('=IiQ', 16 + len(answer), 0, unique) + answer)
print('ready', flush=True)
sys.stdin.read(1)
libc.umount2(point.encode(), 2)
";
    if !is_root() || !Path::new("/dev/fuse").exists() {
        println!("skipped: needs root and /dev/fuse, which not every container has");
        return;
    }
    // Unmounted also if this fails.
    let folder = Mounted(tempfile::Builder::new().prefix("hanging").tempdir().unwrap());
    let mut disk = Player::start(Player::python(script).arg(folder.path()));
    let said = disk.line();
    if said != "ready" {
        println!("skipped: cannot mount here, {said}");
        return;
    }
    let mut eyes = Eyes::of("resource");
    let policy = Policy::default();
    for _ in 0..2 {
        let started = std::time::Instant::now();
        let snapshot = eyes.look(&policy);
        assert!(started.elapsed().as_secs() < 20);
        let gap = snapshot.gaps["resource"].iter().find(|gap| gap.gap == "disk-not-asked").unwrap();
        assert!(
            gap.why.contains(&format!("{} (it does not answer)", folder.path().display())),
            "{}",
            gap.why
        );
    }
    disk.end();
}

#[test]
fn this_machine_tells_what_it_uses() {
    let mut eyes = Eyes::of("resource");
    let (facts, _) = check(&mut eyes, "");
    let memory = facts.memory.unwrap();
    assert!(facts.processors as usize >= std::thread::available_parallelism().unwrap().get());
    assert!(facts.cpu.is_some() && facts.load.is_some() && memory.total > 1 << 20 && memory.available > 0);
    let root = facts.disks.iter().find(|disk| disk.mount == "/").unwrap();

    // df counts the same, but for what changes meanwhile, and rounds up.
    let df = Command::new("df").args(["-P", "-k", "/"]).output().unwrap();
    let df = String::from_utf8(df.stdout).unwrap();
    let percent: f64 =
        df.lines().nth(1).unwrap().split_whitespace().nth(4).unwrap().trim_end_matches('%').parse().unwrap();
    assert!((percent - root.space.unwrap().used()).abs() <= 2.0, "{df} {root:?}");
}

#[test]
fn a_busy_process_and_a_big_one_are_named() {
    let busy = Running::start(Command::new("sh").args(["-c", "while :; do :; done"]));
    let mut eyes = Eyes::of("resource");
    let policy =
        "[resources]\ncpu = { max = \"0%\", for = \"0s\" }\nmemory = { max = \"0%\", for = \"0s\" }\n";
    // On a machine that others use as well it need not be among the busiest at every moment.
    let is_named = (0..50).any(|_| {
        let (facts, found) = check(&mut eyes, policy);
        let high = found.iter().find(|finding| finding.code == Code::HighMemory).unwrap();
        assert!(high.evidence["most memory"].as_array().unwrap().len() <= 3 && !facts.biggest.is_empty());
        found.iter().any(|finding| finding.code == Code::HighCpu)
            && facts.busiest.iter().any(|it| it.pid == busy.pid())
    });
    assert!(is_named);
}

#[test]
fn processor_time_is_compared_with_the_pass_before() {
    let mut eyes = Eyes::of("resource");
    check(&mut eyes, "");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let (facts, _) = check(&mut eyes, "");
    let seconds = facts.cpu.unwrap().seconds;
    assert!((0.5..10.0).contains(&seconds), "{seconds}");
}

#[test]
fn what_is_learned_from_this_machine_is_allowed_on_it() {
    let mut eyes = Eyes::of("resource");
    let snapshot = eyes.look(&Policy::default());
    let found = eyes.judge(&snapshot, &eyes.learn(&snapshot));
    // What is full is full, also here; and what could not be read is a gap.
    assert!(
        found.iter().all(|finding| finding.code == Code::CoverageGap && finding.subject == "disk-not-asked"),
        "{found:#?}"
    );
}

#[test]
fn a_host_without_these_files_is_a_failure_and_not_health() {
    let root: PathBuf = tempfile::tempdir().unwrap().keep();
    let mut eyes = Eyes::of("resource");
    eyes.host = Host::at(&root);
    let policy = Policy::default();
    let snapshot = eyes.look(&policy);
    let found = pass::check_all(&eyes.watches, &snapshot, &policy, &mut eyes.memory);
    assert_eq!(
        (found.len(), found[0].code, found[0].subject.as_str()),
        (1, Code::CoverageGap, "failed resource")
    );
    std::fs::remove_dir_all(root).unwrap();
}
