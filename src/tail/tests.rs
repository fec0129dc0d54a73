mod back;

use super::*;
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// A folder with one log in it, and a reader that remembers.
struct Bed {
    folder: tempfile::TempDir,
    followed: Followed,
    now: i64,
    lost: Vec<Lost>,
    too_long: u64,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, followed: Followed::default(), now: 1_800_000_000, lost: Vec::new(), too_long: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy_and_cut(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.cut(from);
    }

    fn cut(&self, name: &str) {
        fs::OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// What is new, as lines joined by a blank. The memory goes through JSON, as in the service.
    fn read(&mut self) -> String {
        let before: Followed = serde_json::from_value(serde_json::to_value(&self.followed).unwrap()).unwrap();
        let resumed = resume(&self.path("log"), &before, self.now).unwrap();
        self.lost.extend(resumed.lost.clone());
        let (mut steps, known) = resumed.into_steps();
        let mut lines = Vec::new();
        let mut buffer = Vec::new();
        for step in &mut steps {
            let each = |line: &[u8], _| lines.push(String::from_utf8_lossy(line).into_owned());
            self.too_long += read_lines(step, self.now, &mut buffer, each).unwrap().too_long;
        }
        self.followed = settle(steps, known, self.now);
        lines.join(" ")
    }
}

#[test]
fn a_log_that_grows_is_read_on_and_a_line_without_end_waits() {
    let mut bed = Bed::new();
    assert_eq!(bed.read(), "");
    bed.write("log", "a\nb\nhal");
    assert_eq!(bed.read(), "a b");
    assert_eq!(bed.read(), "");
    bed.write("log", "f\nc\n");
    assert_eq!(bed.read(), "half c");
    assert_eq!(bed.lost, []);
}

#[test]
fn a_renamed_log_is_read_to_its_end_also_when_the_server_writes_on() {
    let mut bed = Bed::new();
    bed.write("log", "a\n");
    assert_eq!(bed.read(), "a");
    bed.write("log", "b\n");
    bed.rename("log", "log.1");
    assert_eq!(bed.read(), "b");
    bed.write("log.1", "c\n");
    bed.write("log", "d\n");
    assert_eq!(bed.read(), "c d");
    bed.write("log.1", "e\n");
    bed.write("log", "f\n");
    assert_eq!(bed.read(), "e f");
    bed.now += QUIET + 1;
    bed.write("log", "g\n");
    assert_eq!(bed.read(), "g");
    assert_eq!(bed.followed.places.len(), 1);
    assert_eq!((bed.read(), bed.lost.len()), (String::new(), 0));
}

#[test]
fn several_rotations_between_two_looks_lose_nothing() {
    let mut bed = Bed::new();
    bed.write("log.1", "old\n");
    bed.write("log", "a\n");
    let begun = begin(&bed.path("log"), i64::MAX, u64::MAX, bed.now, &|_| None).unwrap();
    bed.followed = settle(begun.steps, begun.known, bed.now);
    bed.read();
    bed.rename("log.1", "log.2");
    bed.write("log", "b\n");
    bed.rename("log", "log.1");
    bed.write("log", "c\n");
    bed.rename("log.2", "log.3");
    bed.rename("log.1", "log.2");
    bed.rename("log", "log.1");
    bed.write("log", "d\n");
    let age = |name: &str, seconds: u64| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + seconds);
        fs::File::open(bed.path(name)).unwrap().set_modified(time).unwrap();
    };
    age("log.2", 1);
    age("log.1", 2);
    age("log", 3);
    assert_eq!(bed.read(), "b c d");
    assert_eq!((bed.read(), bed.lost.len()), (String::new(), 0));
}

#[test]
fn a_log_that_is_copied_and_cut_short_is_read_on_in_the_copy() {
    let mut bed = Bed::new();
    bed.write("log", "a\nb\n");
    assert_eq!(bed.read(), "a b");
    bed.write("log", "c\n");
    bed.copy_and_cut("log", "log.1");
    bed.write("log", "d\ne\nf\ng\n");
    assert_eq!(bed.read(), "c d e f g");
    assert_eq!((bed.read(), bed.lost.len()), (String::new(), 0));
}

#[test]
fn a_copy_that_is_still_being_made_is_not_read_twice() {
    let mut bed = Bed::new();
    bed.write("log", "a\nb\n");
    assert_eq!(bed.read(), "a b");
    fs::copy(bed.path("log"), bed.path("log.1")).unwrap();
    bed.write("log", "c\n");
    assert_eq!(bed.read(), "c");
    bed.cut("log");
    assert_eq!(bed.read(), "");
    bed.write("log", "d\n");
    assert_eq!((bed.read(), bed.lost.len()), ("d".to_owned(), 0));
}

#[test]
fn a_rotated_log_that_was_empty_is_followed_when_the_server_writes_on() {
    let mut bed = Bed::new();
    bed.write("log", "a\n");
    assert_eq!(bed.read(), "a");
    bed.rename("log", "log.2");
    bed.write("log.1", "");
    bed.write("log", "b\n");
    assert_eq!(bed.read(), "b");
    bed.write("log.1", "c\n");
    assert_eq!(bed.read(), "c");
}

#[test]
fn what_is_written_while_it_is_read_waits_for_the_next_time() {
    let mut bed = Bed::new();
    bed.write("log", "a\n");
    let (mut steps, known) = resume(&bed.path("log"), &bed.followed, bed.now).unwrap().into_steps();
    bed.write("log", "b\n");
    let mut lines = Vec::new();
    read_lines(&mut steps[0], bed.now, &mut Vec::new(), |line, at| lines.push((line.to_vec(), at))).unwrap();
    assert_eq!(lines, [(b"a".to_vec(), 0)]);
    bed.followed = settle(steps, known, bed.now);
    assert_eq!(bed.read(), "b");
}

#[test]
fn logs_that_begin_alike_are_told_apart() {
    let mut bed = Bed::new();
    let same = "the same line in the same second\n".repeat(30);
    bed.write("log", &same);
    assert_eq!(bed.read().matches("same line").count(), 30);
    bed.rename("log", "log.2");
    bed.write("log.1", &same);
    bed.write("log", &same);
    assert_eq!(bed.read().matches("same line").count(), 60);
    assert_eq!((bed.read(), bed.lost.len()), (String::new(), 0));
}

#[test]
fn a_log_that_was_empty_is_found_again_after_rotation_by_copy() {
    let mut bed = Bed::new();
    bed.write("log", "");
    assert_eq!(bed.read(), "");
    bed.write("log", "a\n");
    bed.copy_and_cut("log", "log.1");
    bed.write("log", "b\n");
    assert_eq!(bed.read(), "a b");
}

#[test]
fn a_log_that_is_cut_short_with_nothing_kept_says_so() {
    let mut bed = Bed::new();
    bed.write("log", "a\nb\n");
    bed.read();
    bed.cut("log");
    bed.write("log", "c\n");
    assert_eq!(bed.read(), "c");
    assert_eq!(
        bed.lost,
        [Lost {
            bytes: None,
            why:
                "it was cut short or removed, and no rotated form of it is there, after it was read to byte 4"
                    .to_owned()
        }]
    );
}

#[test]
fn a_new_log_in_a_used_inode_that_grew_past_the_old_place_is_told_apart() {
    let mut bed = Bed::new();
    bed.write("log", "a1\na2\n");
    bed.read();
    bed.cut("log");
    bed.write("log", "b1\nb2\nb3\nb4\n");
    assert_eq!((bed.read().as_str(), bed.lost.len()), ("b1 b2 b3 b4", 1));
}

#[test]
fn a_compressed_rotated_log_shows_by_its_noted_length_whether_lines_are_lost() {
    for (noted, lost) in [(4u32, 0), (10, 1)] {
        let mut bed = Bed::new();
        bed.write("log", "a\nb\n");
        bed.read();
        fs::remove_file(bed.path("log")).unwrap();
        let mut packed = b"not really compressed".to_vec();
        packed.extend(noted.to_le_bytes());
        fs::write(bed.path("log.1.gz"), packed).unwrap();
        bed.write("log", "c\n");
        assert_eq!((bed.read().as_str(), bed.lost.len()), ("c", lost));
        assert!(bed.lost.iter().all(|lost| lost.bytes == Some(6)), "{:?}", bed.lost);
    }
}

#[test]
fn a_line_of_more_than_a_mebibyte_is_one_line_passed_over() {
    let mut bed = Bed::new();
    bed.write("log", "a\n");
    bed.write("log", &"x".repeat(LONGEST));
    bed.write("log", "\nb\n");
    assert_eq!(bed.read().len(), 1 + 1 + LONGEST + 1 + 1);
    bed.write("log", &"y".repeat(3 * LONGEST));
    assert_eq!((bed.read().as_str(), bed.too_long), ("", 1));
    bed.write("log", "more of it");
    assert_eq!(bed.read(), "");
    bed.write("log", "\nc\n");
    bed.write("log", &"z".repeat(LONGEST + 1));
    bed.write("log", "\nd\n");
    assert_eq!((bed.read().as_str(), bed.too_long), ("c d", 2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_no_log() {
    let bed = Bed::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bed.path("log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        resume(&bed.path("log"), &Followed::default(), 0).unwrap_err().to_string(),
        "it is not a regular file"
    );
}

#[test]
fn names_of_rotated_logs_are_told_from_other_logs() {
    for (name, rotated) in [
        ("access.log.1", true),
        ("access.log.2.gz", true),
        ("access.log-20261122", true),
        ("access.log-20261122.zst", true),
        ("access.log.2026-11-22T04:00", true),
        ("access.log", false),
        ("access.log.gz", false),
        ("access.log.old", false),
        ("access.log2", false),
        ("other_access.log.1", false),
    ] {
        assert_eq!(is_rotation_of(b"access.log", name.as_bytes()), rotated, "{name}");
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Write(usize),
    Half,
    Look,
    Rename,
    CopyAndCut,
    CopyLookAndCut(usize),
    LateWrite,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_happens_in_whatever_order_each_line_comes_once(
        deeds in prop::collection::vec(
            prop_oneof![
                4 => (1usize..30).prop_map(Deed::Write),
                1 => Just(Deed::Half),
                4 => Just(Deed::Look),
                2 => Just(Deed::Rename),
                2 => Just(Deed::CopyAndCut),
                1 => (0usize..5).prop_map(Deed::CopyLookAndCut),
                2 => Just(Deed::LateWrite),
            ],
            1..40,
        )
    ) {
        let mut bed = Bed::new();
        let (mut written, mut read) = (0, String::new());
        let mut half = false;
        let mut rotated = 0;
        let mut line = || { written += 1; format!("line number {written}\n") };
        bed.write("log", "");
        read += &(bed.read() + " ");
        let rotate = |bed: &Bed, rotated: i32| {
            for number in (1..=rotated).rev() {
                bed.rename(&format!("log.{number}"), &format!("log.{}", number + 1));
            }
        };
        // A server writes on to a renamed file, but nobody writes to a copy.
        let mut still_written = false;
        for deed in deeds {
            match deed {
                Deed::Write(count) => {
                    if half { bed.write("log", "\n"); half = false; }
                    let text: String = (0..count).map(|_| line()).collect();
                    bed.write("log", &text);
                }
                Deed::Half if !half => { bed.write("log", line().trim_end()); half = true; }
                Deed::Rename if !half => {
                    rotate(&bed, rotated); rotated += 1; still_written = true;
                    bed.rename("log", "log.1");
                    bed.write("log", "");
                }
                Deed::CopyAndCut if !half => {
                    rotate(&bed, rotated); rotated += 1; still_written = false;
                    bed.copy_and_cut("log", "log.1");
                }
                // What is written after the copy is kept only if somebody reads it before the cut.
                Deed::CopyLookAndCut(count) if !half => {
                    rotate(&bed, rotated); rotated += 1; still_written = false;
                    let first = line();
                    bed.write("log", &first);
                    read += &(bed.read() + " ");
                    fs::copy(bed.path("log"), bed.path("log.1")).unwrap();
                    let text: String = (0..count).map(|_| line()).collect();
                    bed.write("log", &text);
                    read += &(bed.read() + " ");
                    bed.cut("log");
                }
                Deed::LateWrite if still_written => bed.write("log.1", &line()),
                Deed::Look => read += &(bed.read() + " "),
                _ => {}
            }
        }
        if half { bed.write("log", "\n"); }
        read += &bed.read();
        let mut numbers: Vec<u32> = read.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=written).collect::<Vec<u32>>());
        prop_assert_eq!(bed.lost, []);
    }
}
