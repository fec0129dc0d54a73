//! Reading back as far as a time reaches.

use super::*;

fn stamp(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.split(' ').next()?.parse().ok()
}

fn lines_from(bed: &Bed, since: i64) -> (Vec<i64>, Begun) {
    let mut begun = begin(&bed.path("log"), since, u64::MAX, bed.now, &stamp).unwrap();
    let mut times = Vec::new();
    for step in &mut begun.steps {
        read_lines(step, bed.now, &mut Vec::new(), |line, _| times.extend(stamp(line))).unwrap();
    }
    (times, begun)
}

#[test]
fn reading_back_goes_just_as_far_as_the_time_reaches() {
    let bed = Bed::new();
    let lines: Vec<String> = (0..200_000).map(|second| format!("{second} {}\n", "x".repeat(50))).collect();
    bed.write("log", &lines.concat());
    let (times, begun) = lines_from(&bed, 190_000);
    assert_eq!(times, (times[0]..200_000).collect::<Vec<i64>>());
    assert!(times[0] <= 190_000 && times[0] > 185_000, "{}", times[0]);
    assert!(begun.bytes < 400_000, "{}", begun.bytes);
    assert_eq!((begun.last, begun.short), (Some(199_999), None));
}

#[test]
fn reading_back_goes_on_in_rotated_files_but_not_past_the_time() {
    let bed = Bed::new();
    for (name, from, modified) in
        [("log.3", 0, 1), ("log.2", 10_000, 2), ("log.1", 20_000, 3), ("log", 30_000, 4)]
    {
        let lines: Vec<String> = (from..from + 10_000).map(|second| format!("{second}\n")).collect();
        bed.write(name, &lines.concat());
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(modified);
        fs::File::open(bed.path(name)).unwrap().set_modified(time).unwrap();
    }
    let (times, begun) = lines_from(&bed, 15_000);
    assert_eq!(times, (times[0]..40_000).collect::<Vec<i64>>());
    assert!(times[0] <= 15_000, "{}", times[0]);
    assert_eq!((begun.steps.len(), begun.known.len(), begun.short), (3, 1, None));
}

#[test]
fn reading_back_says_when_older_lines_are_compressed() {
    let bed = Bed::new();
    bed.write("log", "1700000100\n");
    bed.write("log.1.gz", "1234");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_050);
    fs::File::open(bed.path("log.1.gz")).unwrap().set_modified(time).unwrap();
    assert_eq!(
        lines_from(&bed, 1_700_000_000).1.short.as_deref(),
        Some("older lines are compressed already, in log.1.gz")
    );
    assert_eq!(lines_from(&bed, 1_700_000_060).1.short, None);
}

#[test]
fn terabytes_without_lines_cost_little() {
    let bed = Bed::new();
    bed.write("log", "5\n");
    fs::OpenOptions::new().write(true).open(bed.path("log")).unwrap().set_len(1 << 40).unwrap();
    bed.write("log", "\n100000\n100001\n");
    let (times, begun) = lines_from(&bed, 100_000);
    assert_eq!(times, [100_000, 100_001]);
    assert!(begun.bytes < 64 << 20, "{}", begun.bytes);
    assert!(begun.short.unwrap().starts_with("no line shows its time"));
}
