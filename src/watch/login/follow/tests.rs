use super::*;
use std::io::Write;

/// Lines of the form `SECONDS text`.
fn time(bytes: &[u8]) -> Option<Timestamp> {
    let line = bytes.split(|b| *b == b'\n').find(|line| !line.is_empty())?;
    let number = line.split(|b| *b == b' ').next()?;
    Timestamp::from_second(std::str::from_utf8(number).ok()?.parse().ok()?).ok()
}

struct Fixture {
    folder: tempfile::TempDir,
    host: Host,
    place: Option<Place>,
    since: i64,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path());
        Self { folder, host, place: None, since: 0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, text: &str) {
        let file = fs::OpenOptions::new().create(true).append(true).open(self.file("log"));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).unwrap();
    }

    /// The next pass: what it read, and what it says was lost.
    fn pass(&mut self) -> (String, Option<String>) {
        let mut read = Vec::new();
        let since = Timestamp::from_second(self.since).unwrap();
        let followed =
            follow(&self.host, "/log", self.place.as_ref(), since, &Lines(time), &mut |bytes, _| {
                read.extend_from_slice(bytes);
            });
        let followed = followed.unwrap();
        // What is remembered goes through the store.
        let stored = serde_json::to_string(&followed.place).unwrap();
        self.place = Some(serde_json::from_str(&stored).unwrap());
        (String::from_utf8(read).unwrap(), followed.lost)
    }

    fn reads(&mut self, text: &str) {
        assert_eq!(self.pass(), (text.to_owned(), None));
    }
}

#[test]
fn each_line_is_read_once_and_a_partial_one_waits() {
    let mut log = Fixture::new();
    log.append("1 a\n2 b");
    log.reads("1 a\n");
    log.reads("");
    log.append("b\n3 c\n");
    log.reads("2 bb\n3 c\n");
    log.reads("");
}

#[test]
fn rotation_by_renaming_loses_and_doubles_nothing() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.reads("1 a\n");
    log.append("2 b\n");
    log.rename("log", "log.1");
    log.append("3 c\n");
    log.reads("2 b\n3 c\n");
    log.append("4 d\n");
    log.reads("4 d\n");
}

#[test]
fn a_log_that_is_not_there_yet_after_rotation_is_waited_for() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.reads("1 a\n");
    log.append("2 b\n");
    log.rename("log", "log.1");
    log.reads("2 b\n");
    log.reads("");
    log.append("3 c\n");
    log.reads("3 c\n");
    assert_eq!(written(&log.host, "/other"), None);
    let none = follow(&log.host, "/other", None, Timestamp::UNIX_EPOCH, &Lines(time), &mut |_, _| ());
    assert_eq!(none.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_copy_that_somebody_made_is_not_read_again() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    fs::copy(log.file("log"), log.file("log.copy")).unwrap();
    log.reads("1 a\n");
    log.reads("");
}

#[test]
fn several_rotations_between_two_passes_are_followed() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.reads("1 a\n");
    log.append("2 b\n");
    log.rename("log", "log-20261101");
    std::thread::sleep(std::time::Duration::from_millis(30));
    log.append("3 c\n");
    log.rename("log", "log-20261108");
    log.append("4 d\n");
    log.reads("2 b\n3 c\n4 d\n");
}

#[test]
fn rotation_by_copying_and_truncating_loses_and_doubles_nothing() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.reads("1 a\n");
    log.append("2 b\n");
    fs::copy(log.file("log"), log.file("log.1")).unwrap();
    fs::write(log.file("log"), "").unwrap();
    log.append("3 c, longer than all before\n");
    log.reads("2 b\n3 c, longer than all before\n");
}

#[test]
fn a_log_that_was_cut_is_told_and_read_from_its_new_beginning() {
    let mut log = Fixture::new();
    log.append("1 a\n2 b\n");
    log.reads("1 a\n2 b\n");
    fs::write(log.file("log"), "3 c\n").unwrap();
    let (read, lost) = log.pass();
    assert_eq!(read, "3 c\n");
    assert!(lost.unwrap().contains("was replaced or cut"));
    log.reads("");
}

#[test]
fn a_log_from_which_lines_were_removed_is_told_though_it_is_as_long_as_before() {
    let mut log = Fixture::new();
    log.append("1 evil\n2 b\n");
    log.reads("1 evil\n2 b\n");
    fs::write(log.file("log"), "2 b\n3 a\n4 b\n5 c\n").unwrap();
    assert!(log.pass().1.is_some());
}

#[test]
fn a_log_whose_rest_was_packed_away_is_told() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.reads("1 a\n");
    log.rename("log", "log.1.gz");
    log.append("3 c\n");
    let (read, lost) = log.pass();
    assert!(read == "3 c\n" && lost.is_some());
}

#[test]
fn with_nothing_remembered_just_the_asked_time_is_read_over_rotated_files() {
    let mut log = Fixture::new();
    for second in 0..60_000 {
        if second == 30_000 {
            log.rename("log", "log.1");
        }
        if second % 1000 == 0 {
            let lines: String = (second..second + 1000).map(|n| format!("{n} some text\n")).collect();
            log.append(&lines);
        }
    }
    log.since = 59_000;
    let (read, _) = log.pass();
    assert!(read.len() <= BLOCK && read.starts_with(|c: char| c.is_ascii_digit()));
    assert!(time(read.as_bytes()).unwrap().as_second() < 59_000 && read.ends_with("59999 some text\n"));
    log.place = None;
    log.since = 29_000;
    // The renamed file was last written long ago in terms of its own lines, but just now in terms of the disk.
    let (read, _) = log.pass();
    let first = time(read.as_bytes()).unwrap().as_second();
    assert!(first < 29_000 && read.lines().count() == usize::try_from(60_000 - first).unwrap());
}

#[test]
fn an_old_log_of_many_megabytes_costs_little() {
    let log = Fixture::new();
    log.append("1 begin\n");
    let file = fs::OpenOptions::new().write(true).open(log.file("log")).unwrap();
    file.set_len(3 << 30).unwrap();
    log.append("\n70 x\n71 y\n");
    let mut read = 0;
    let since = Timestamp::from_second(70).unwrap();
    let followed = follow(&log.host, "/log", None, since, &Lines(time), &mut |bytes, _| read += bytes.len());
    let followed = followed.unwrap();
    assert!(read as u64 <= MOST && followed.shortened);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
    let mut log = Fixture::new();
    log.append("1 a\n");
    log.append(&"x".repeat(LONGEST + 5));
    log.reads("1 a\n");
    log.append("3 forged\n4 b\n");
    log.reads("4 b\n");
    let mut log = Fixture::new();
    log.append(&format!("1 {}\n2 b\n", "x".repeat(LONGEST / 2)));
    assert!(log.pass().0.ends_with("x\n2 b\n"));
}

#[test]
fn records_are_read_whole() {
    let log = Fixture::new();
    log.append("aaaabbbbcc");
    let mut read = Vec::new();
    let grain = Records(4, |_: &[u8]| None);
    let zero = Timestamp::UNIX_EPOCH;
    let place =
        follow(&log.host, "/log", None, zero, &grain, &mut |b, _| read.extend_from_slice(b)).unwrap().place;
    log.append("ccd");
    follow(&log.host, "/log", Some(&place), zero, &grain, &mut |b, _| read.extend_from_slice(b)).unwrap();
    assert_eq!(read, b"aaaabbbbcccc");
}
