use super::super::tests::logon;
use super::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A channel that is a list.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    pub events: Vec<String>,
    /// After so many events it breaks.
    pub breaks_after: Option<usize>,
    pub asked: Rc<Cell<usize>>,
}

pub struct OfShelf {
    shelf: Shelf,
    selected: VecDeque<String>,
    given: usize,
}

impl Shelf {
    pub fn open(&self) -> OfShelf {
        OfShelf { shelf: self.clone(), selected: VecDeque::new(), given: 0 }
    }
}

fn number_in(text: &str, before: &str) -> Option<u64> {
    let (_, after) = text.split_once(before)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn record_of(xml: &str) -> u64 {
    number_in(xml, "<EventRecordID>").unwrap()
}

impl Log for OfShelf {
    type Event = String;
    fn numbers(&mut self) -> io::Result<Option<Numbers>> {
        let numbers: Vec<u64> = self.shelf.events.iter().map(|xml| record_of(xml)).collect();
        let ends = numbers.first().zip(numbers.last());
        Ok(ends.map(|(oldest, newest)| Numbers { oldest: *oldest, newest: *newest }))
    }
    fn ask(&mut self, query: &str) -> io::Result<()> {
        self.shelf.asked.set(self.shelf.asked.get() + 1);
        let after = number_in(query, "EventRecordID>").unwrap_or(0);
        let since = query.split_once("SystemTime>='").map(|(_, rest)| rest.split('\'').next().unwrap());
        let since = since.map(|since| since.parse::<Timestamp>().unwrap());
        let is_asked = |xml: &&String| {
            let id = number_in(xml, "<EventID>").unwrap();
            let ids = query.split("EventID=").skip(1);
            let is_id = ids.filter_map(|rest| number_in(&format!("={rest}"), "=")).any(|wanted| wanted == id);
            let at = xml.split_once("SystemTime='").unwrap().1.split('\'').next().unwrap();
            is_id
                && record_of(xml) > after
                && since.is_none_or(|since| at.parse::<Timestamp>().unwrap() >= since)
        };
        self.selected = self.shelf.events.iter().filter(is_asked).cloned().collect();
        Ok(())
    }
    fn skip_to(&mut self, bookmark: &str) -> io::Result<bool> {
        let record: u64 = bookmark.parse().unwrap();
        let there = self.shelf.events.iter().any(|xml| record_of(xml) == record);
        self.selected.retain(|xml| !there || record_of(xml) > record);
        Ok(there)
    }
    fn next(&mut self) -> io::Result<Option<String>> {
        if self.shelf.breaks_after.is_some_and(|most| self.given >= most) {
            return Err(io::Error::other("the log broke"));
        }
        self.given += 1;
        Ok(self.selected.pop_front())
    }
    fn xml(&mut self, event: &String) -> io::Result<Option<String>> {
        Ok(Some(event.clone()).filter(|xml| !xml.contains("too large")))
    }
    fn bookmark(&mut self, event: &String) -> io::Result<String> {
        Ok(record_of(event).to_string())
    }
}

fn event(record: u64) -> String {
    logon(record, &format!("2026-11-22T03:{:02}:{:02}Z", record / 60 % 60, record % 60), "10", &[])
}

fn shelf(records: impl IntoIterator<Item = u64>) -> Shelf {
    Shelf { events: records.into_iter().map(event).collect(), ..Shelf::default() }
}

fn look(shelf: &Shelf, place: &mut Option<Place>, most: u64) -> (Vec<u64>, Read) {
    let since = "2026-11-22T03:00:05Z".parse().unwrap();
    let mut seen = Vec::new();
    let bounds = Bounds { events: most, ..BOUNDS };
    let read =
        follow(&mut shelf.open(), &[4624], place.as_ref(), since, bounds, |event| seen.push(event.record));
    let read = read.unwrap();
    // What is remembered goes through the store.
    *place = Some(serde_json::from_str(&serde_json::to_string(&read.place).unwrap()).unwrap());
    (seen, read)
}

#[test]
fn the_first_look_goes_back_and_the_next_goes_on() {
    let mut place = None;
    assert_eq!(look(&shelf(1..=8), &mut place, 99).0, [5, 6, 7, 8]);
    assert_eq!(look(&shelf(1..=8), &mut place, 99).0, Vec::<u64>::new());
    assert_eq!(look(&shelf(1..=10), &mut place, 99).0, [9, 10]);
}

#[test]
fn a_log_that_was_cleared_or_rolled_over_what_was_not_read_is_told_with_the_number_that_is_lost() {
    let mut place = None;
    look(&shelf(1..=8), &mut place, 99);
    let (seen, read) = look(&shelf(12..=13), &mut place, 99);
    assert_eq!(seen, [12, 13]);
    assert_eq!(read.lost, Some((Some(3), "it was cleared, or is too small for what is written to it")));
    let (seen, read) = look(&shelf(14..=15), &mut place, 99);
    assert_eq!((seen, read.lost), (vec![14, 15], None), "nothing is lost if only what was read has gone");
    assert_eq!(look(&Shelf::default(), &mut place, 99).1.lost, Some((None, "it was emptied")));
    assert_eq!(look(&Shelf::default(), &mut place, 99).1.lost, None, "told once");
    assert_eq!(look(&shelf(16..=17), &mut place, 99).0, [16, 17]);
}

#[test]
fn the_bookmark_may_be_gone_while_nothing_is_lost() {
    let mut place = None;
    let mut log = shelf(5..=6);
    let quiet = |record: u64| event(record).replace("<EventID>4624", "<EventID>4688");
    log.events.extend((7..=20).map(quiet));
    look(&log, &mut place, 99);
    // Of what was asked for last, nothing is left; what was written since is all there.
    let mut log = Shelf { events: (15..=22).map(quiet).collect(), ..Shelf::default() };
    log.events.push(event(23));
    let (seen, read) = look(&log, &mut place, 99);
    assert_eq!((seen, read.lost), (vec![23], None));
}

#[test]
fn a_log_with_new_numbers_is_read_from_the_last_moment_on() {
    let mut place = None;
    look(&shelf(100..=120), &mut place, 99);
    let mut anew = shelf([]);
    anew.events =
        (1..=3).map(|n| event(118 + n).replace(&format!("ID>{}<", 118 + n), &format!("ID>{n}<"))).collect();
    let (seen, read) = look(&anew, &mut place, 99);
    assert_eq!(seen, [2, 3], "the one of 119 seconds is older than the last that was read");
    assert!(read.lost.is_some_and(|(count, why)| count.is_none() && why.contains("began anew")));
}

#[test]
fn what_is_too_much_for_one_pass_follows_in_the_next() {
    let mut place = None;
    let log = shelf(5..=20);
    let (seen, read) = look(&log, &mut place, 6);
    assert_eq!((seen, read.behind), ((5..=10).collect(), 10));
    assert_eq!(look(&log, &mut place, 6).0, (11..=16).collect::<Vec<u64>>());
    assert_eq!(look(&log, &mut place, 6).0, (17..=20).collect::<Vec<u64>>());
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_is_read() {
    let mut place = None;
    let mut log = shelf(5..=8);
    log.events[1] = "<EventID>4624<EventRecordID>6<SystemTime='2026-11-22T03:00:06Z'".to_owned();
    log.events[2].push_str("too large");
    let (seen, read) = look(&log, &mut place, 99);
    assert_eq!((seen, read.torn), (vec![5, 8], 2));
    assert_eq!(look(&log, &mut place, 99).0, Vec::<u64>::new());
}

#[test]
fn a_log_that_breaks_in_the_middle_loses_and_doubles_nothing() {
    let mut place = None;
    let mut log = shelf(5..=9);
    log.breaks_after = Some(2);
    let (seen, read) = look(&log, &mut place, 99);
    assert_eq!((seen, read.broke.as_deref()), (vec![5, 6], Some("the log broke")));
    log.breaks_after = None;
    assert_eq!(look(&log, &mut place, 99).0, [7, 8, 9]);
    log.breaks_after = Some(0);
    log.events.push(event(10));
    let since = "2026-11-22T03:00:00Z".parse().unwrap();
    assert!(follow(&mut log.open(), &[4624], place.as_ref(), since, BOUNDS, |_| ()).is_err());
}

proptest::proptest! {
    #[test]
    fn passes_cut_anywhere_tell_each_event_once(cuts in proptest::collection::vec((0_u64..9, 1_u64..5), 1..12)) {
        let mut place = None;
        let (mut end, mut seen) = (5, Vec::new());
        for (more, most) in cuts {
            end += more;
            seen.extend(look(&shelf(5..end), &mut place, most).0);
        }
        while seen.len() < usize::try_from(end - 5).unwrap() {
            let (next, _) = look(&shelf(5..end), &mut place, 3);
            assert!(!next.is_empty());
            seen.extend(next);
        }
        proptest::prop_assert_eq!(seen, (5..end).collect::<Vec<u64>>());
    }
}
