use super::*;
use crate::host::Host;
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::SystemTime;

/// A host whose database was last written so many seconds ago, as all else in it long ago.
struct Stage {
    root: tempfile::TempDir,
    tracker: Tracker,
    now: Timestamp,
}

impl Stage {
    fn new(packages: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/lib/dpkg/info")).unwrap();
        fs::create_dir_all(root.path().join("var/lib/dpkg/updates")).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut stage = Self { root, tracker: Tracker::default(), now };
        stage.installs(packages);
        stage.passes(3600);
        stage
    }

    /// The database is written now.
    fn installs(&mut self, packages: &[(&str, &str)]) {
        let paragraph = |(name, version): &(&str, &str)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        };
        let text: String = packages.iter().map(paragraph).collect();
        let folder = self.root.path().join("var/lib/dpkg");
        fs::write(folder.join("status"), text).unwrap();
        for name in ["status", "info", "updates"] {
            self.touch(&folder.join(name));
        }
    }

    fn touch(&self, path: &Path) {
        let times = FileTimes::new().set_modified(SystemTime::from(self.now));
        File::open(path).unwrap().set_times(times).unwrap();
    }

    /// A look after so many seconds.
    fn passes(&mut self, seconds: i64) -> Option<Transaction> {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let host = Host::at(self.root.path()).at_moment(self.now);
        self.tracker.look(&host, self.now)
    }

    fn phase(&mut self, seconds: i64) -> Option<Phase> {
        self.passes(seconds).map(|transaction| transaction.phase)
    }
}

fn words(transaction: Option<Transaction>) -> Vec<String> {
    transaction.unwrap().changes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_differs_before_and_after_is_what_a_transaction_changed() {
    let mut host = Stage::new(&[("nginx", "1.22"), ("gone", "2"), ("same", "3")]);
    assert_eq!(host.passes(60), None);
    host.installs(&[("nginx", "1.23"), ("same", "3"), ("htop", "3.2")]);
    assert_eq!(host.phase(5), Some(Phase::UnderWay), "it is not quiet yet");
    let ended = host.passes(60);
    assert_eq!(words(ended.clone()), ["gone 2 (removed)", "htop 3.2 (new)", "nginx 1.22 → 1.23"]);
    assert_eq!(ended.unwrap().phase, Phase::Ended(host.now));
    let at = host.now;
    assert_eq!(host.phase(60), Some(Phase::Ended(at)), "it is remembered for a while");
    assert_eq!(host.passes(3600), None);
}

#[test]
fn a_transaction_between_two_looks_is_told_as_well() {
    let mut host = Stage::new(&[("nginx", "1.22")]);
    host.installs(&[("nginx", "1.23")]);
    assert_eq!(words(host.passes(60)), ["nginx 1.22 → 1.23"]);
}

#[test]
fn one_that_goes_on_and_on_is_not_waited_for_and_at_last_explains_nothing() {
    let mut host = Stage::new(&[("nginx", "1.22")]);
    let mut phases = Vec::new();
    for _ in 0..125 {
        host.installs(&[("nginx", "1.22")]);
        phases.push(host.phase(5).unwrap());
        host.now = host.now.checked_add(SignedDuration::from_secs(55)).unwrap();
    }
    let of = |wanted: Phase| phases.iter().filter(|phase| **phase == wanted).count();
    assert_eq!((of(Phase::UnderWay), of(Phase::Slow), of(Phase::Stuck)), (15, 105, 5));
}

#[test]
fn locking_and_unlocking_without_changing_anything_does_not_earn_new_patience() {
    let mut host = Stage::new(&[("nginx", "1.22")]);
    let mut under_way = 0;
    for _ in 0..60 {
        host.installs(&[("nginx", "1.22")]);
        under_way += u32::from(host.phase(5) == Some(Phase::UnderWay));
        assert_eq!(host.passes(55), None);
    }
    // Each costs the 55 seconds between two looks.
    assert_eq!(under_way, 17);
    // An hour of peace, and it is trusted again.
    assert_eq!(host.passes(4000), None);
    host.installs(&[("nginx", "1.22")]);
    assert_eq!(host.phase(5), Some(Phase::UnderWay));
}

#[test]
fn one_that_was_under_way_at_the_first_look_is_not_waited_for() {
    let mut host = Stage::new(&[("nginx", "1.22")]);
    host.tracker = Tracker::default();
    host.installs(&[("nginx", "1.23")]);
    assert_eq!(host.phase(5), Some(Phase::Slow));
    host.installs(&[("nginx", "1.23"), ("htop", "3.2")]);
    assert_eq!(host.passes(60), None, "what there was before is not known");
    host.installs(&[("nginx", "1.24")]);
    assert_eq!(host.phase(5), Some(Phase::UnderWay));
}

#[test]
fn a_host_without_dpkg_has_no_transactions_and_a_database_from_the_future_is_quiet() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(Tracker::default().look(&Host::at(root.path()), Timestamp::UNIX_EPOCH), None);
    let mut host = Stage::new(&[("nginx", "1.22")]);
    host.installs(&[("nginx", "1.23")]);
    host.now = host.now.checked_sub(SignedDuration::from_hours(5)).unwrap();
    assert_eq!(words(host.passes(1)), ["nginx 1.22 → 1.23"]);
}

#[test]
fn the_tracker_outlives_the_program() {
    let mut host = Stage::new(&[("nginx", "1.22")]);
    host.installs(&[("nginx", "1.23")]);
    host.passes(5);
    host.tracker = serde_json::from_str(&serde_json::to_string(&host.tracker).unwrap()).unwrap();
    assert_eq!(words(host.passes(60)), ["nginx 1.22 → 1.23"]);
}

#[test]
fn only_where_root_puts_programs_is_a_packages_place() {
    for (path, is_one) in [
        ("/usr/sbin/nginx", true),
        ("/opt/x/y", true),
        ("/bin/sh", true),
        ("/usr/local/bin/x", false),
        ("/tmp/usr/x", false),
        ("/home/x", false),
        ("usr/x", false),
    ] {
        assert_eq!(is_packages_place(path), is_one, "{path}");
    }
}
