//! Counting the lines of a log: one look at each line, and nothing allocated for a client that is known.

use super::form::Form;
use super::line::{self, Minutes, Request};
use super::series::{self, Counts, Series};
use super::w3c;
use super::{LogFacts, MethodFacts};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So many clients (and so many users) are told apart in one pass over a log.
pub const MOST_NAMES: usize = 200_000;

/// And so many bytes may their names take.
const MOST_NAME_BYTES: usize = 16 * 1024 * 1024;

/// A longer name counts by its beginning.
const LONGEST_NAME: usize = 256;

/// Methods that HTTP does not know are told apart up to this many.
const MOST_INVENTED: usize = 32;

/// Bytes of a method that are shown.
const METHOD: usize = 64;

/// Bytes of a request that are shown.
const SHOWN: usize = 200;

/// Where a line stands: which of the files read in this pass, and the offset in it.
pub type Spot = (usize, u64);

/// The counts of one log in one pass.
#[derive(Default)]
pub struct Tally {
    now: u32,
    floor: u32,
    form: Form,
    lacking: BTreeSet<&'static str>,
    minutes: Minutes,
    lines: u64,
    older: u64,
    unread: u64,
    unread_example: Option<Text>,
    last: Option<i64>,
    all: Series,
    clients: Table,
    users: Table,
    methods: Vec<Method>,
    other_methods: u64,
}

#[derive(Default)]
struct Table {
    by: HashMap<Box<[u8]>, Slot>,
    bytes: usize,
    rest: Series,
}

struct Slot {
    series: Series,
    last: Spot,
}

struct Method {
    name: Box<[u8]>,
    known: bool,
    count: u64,
    clients: Vec<Box<[u8]>>,
    example: Text,
}

impl Tally {
    /// Counts nothing yet; `now` and `floor` are minutes since 1970. A line that says it is from later counts for
    /// now, one from before `floor` is only counted as old.
    #[must_use]
    pub fn new(now: u32, floor: u32) -> Self {
        Self { now, floor, ..Self::default() }
    }

    /// Goes over to another file.
    pub fn begin(&mut self, form: Form) {
        self.form = form;
        self.lacking.extend(self.form.layout().into_iter().flat_map(w3c::Layout::lacks));
    }

    /// The form of the file where it was left.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Columns of a W3C log that were not there.
    #[must_use]
    pub fn lacking(&self) -> &BTreeSet<&'static str> {
        &self.lacking
    }

    /// Counts one line, without its end.
    pub fn line(&mut self, line: &[u8], spot: Spot) {
        // A server that does not append writes a hole of NULs after its log was cut short.
        let nuls = line.iter().take_while(|b| **b == 0).count();
        let whole = line.get(nuls..).unwrap_or_default();
        if matches!(self.form, Form::W3c(_)) && matches!(whole.first(), None | Some(b'#' | b'\r')) {
            self.directive(whole);
            return;
        }
        let request = self.form.read(whole);
        let Some((request, (minute, second))) =
            request.and_then(|request| Some((request, self.minutes.read(request.stamp)?)))
        else {
            self.unread(line);
            return;
        };
        self.lines += 1;
        let minute = u32::try_from(minute.max(0)).unwrap_or(u32::MAX);
        if minute <= self.now {
            self.last = self.last.max(Some(i64::from(minute) * 60 + second));
        }
        let minute = minute.min(self.now);
        if minute < self.floor {
            self.older += 1;
            return;
        }
        series::add(&mut self.all, minute, 1);
        self.clients.add(request.client, minute, spot);
        match request.user {
            // Windows takes a name however it is written: one who tries many spellings is one.
            Some(user) if self.form.layout().is_some() => {
                self.users.add(&user.to_ascii_lowercase(), minute, spot);
            }
            Some(user) => self.users.add(user, minute, spot),
            None => {}
        }
        self.method(&request);
    }

    /// A line of a W3C log that is no request. One that says what the columns are holds for all that follow; if it cannot
    /// be used, none of them can be read.
    fn directive(&mut self, line: &[u8]) {
        if !line.starts_with(w3c::FIELDS) {
            return;
        }
        let layout = w3c::parse_fields(line);
        if layout.is_none() {
            self.unread(line);
        }
        self.begin(Form::W3c(layout));
    }

    fn unread(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.unread += 1;
        self.unread_example.get_or_insert_with(|| Text::cut(&without_query(line), SHOWN));
    }

    fn method(&mut self, request: &Request) {
        let Some(name) = request.method else { return };
        let at = self.methods.iter().position(|method| *method.name == *name);
        let at = at.unwrap_or_else(|| {
            let known = line::is_known_method(name);
            if known || self.methods.iter().filter(|method| !method.known).count() < MOST_INVENTED {
                let example = Text::cut(&without_query(request.request), SHOWN);
                self.methods.push(Method {
                    name: name.into(),
                    known,
                    count: 0,
                    clients: Vec::new(),
                    example,
                });
                return self.methods.len() - 1;
            }
            usize::MAX
        });
        let Some(method) = self.methods.get_mut(at) else {
            self.other_methods += 1;
            return;
        };
        method.count += 1;
        if method.clients.len() < 5 && !method.clients.iter().any(|client| **client == *request.client) {
            method.clients.push(request.client.into());
        }
    }

    /// The clients with the most requests, the busiest first, and where the last line of each stands.
    #[must_use]
    pub fn busiest(&self, most: usize) -> Vec<(Text, Spot)> {
        let mut all: Vec<(u64, &[u8], Spot)> = self
            .clients
            .by
            .iter()
            .map(|(name, slot)| (series::total(&slot.series), &**name, slot.last))
            .collect();
        let order = |a: &(u64, &[u8], Spot), b: &(u64, &[u8], Spot)| (b.0, a.1).cmp(&(a.0, b.1));
        if all.len() > most {
            all.select_nth_unstable_by(most, order);
            all.truncate(most);
        }
        all.sort_by(order);
        all.into_iter().map(|(_, name, spot)| (Text::new(name), spot)).collect()
    }

    /// What was counted, as facts; what the tally does not know is left as it is in `facts`.
    #[must_use]
    pub fn into_facts(self, facts: LogFacts) -> LogFacts {
        let last = self.last.and_then(|last| jiff::Timestamp::from_second(last).ok());
        let mut methods: Vec<MethodFacts> = self.methods.into_iter().map(Method::into_facts).collect();
        // Two that differ only behind what is shown are one.
        methods.sort_by(|a, b| (&a.method, b.count).cmp(&(&b.method, a.count)));
        methods.dedup_by(|later, first| {
            let same = later.method == first.method;
            first.count += if same { later.count } else { 0 };
            same
        });
        LogFacts {
            last: facts.last.max(last),
            lines: self.lines,
            older: self.older,
            unread: self.unread,
            unread_example: self.unread_example,
            all: self.all,
            clients: self.clients.into_counts(),
            users: self.users.into_counts(),
            methods,
            other_methods: self.other_methods,
            ..facts
        }
    }
}

impl Table {
    fn add(&mut self, name: &[u8], minute: u32, last: Spot) {
        let name = name.get(..LONGEST_NAME).unwrap_or(name);
        if let Some(slot) = self.by.get_mut(name) {
            series::add(&mut slot.series, minute, 1);
            slot.last = last;
        } else if self.by.len() < MOST_NAMES && self.bytes + name.len() <= MOST_NAME_BYTES {
            self.bytes += name.len();
            self.by.insert(name.into(), Slot { series: vec![(minute, 1)], last });
        } else {
            series::add(&mut self.rest, minute, 1);
        }
    }

    fn into_counts(self) -> Counts {
        let by: BTreeMap<Text, Series> =
            self.by.into_iter().map(|(name, slot)| (Text::new(name), slot.series)).collect();
        Counts { by, rest: self.rest }
    }
}

impl Method {
    fn into_facts(self) -> MethodFacts {
        MethodFacts {
            method: Text::cut(&self.name, METHOD),
            known: self.known,
            count: self.count,
            clients: self.clients.iter().map(|client| Text::cut(client, LONGEST_NAME)).collect(),
            example: self.example,
        }
    }
}

/// The request of a line that was found again, as it may be shown.
#[must_use]
pub fn shown_request(form: &Form, line: &[u8]) -> Option<Text> {
    Some(Text::cut(&without_query(form.read(line)?.request), SHOWN))
}

/// What stands behind a `?` may be a password or a token; it does not go into mails.
#[must_use]
pub fn without_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().min(4 * SHOWN));
    let mut hidden = false;
    for byte in text {
        match byte {
            b'?' if !hidden => {
                out.extend_from_slice("?…".as_bytes());
                hidden = true;
            }
            b' ' | b'"' => hidden = false,
            _ => {}
        }
        if !hidden {
            out.push(*byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(client: &str, time: &str, request: &str) -> Vec<u8> {
        format!("{client} - bob [22/Nov/2026:{time} +0000] \"{request}\" 200 1").into_bytes()
    }

    fn minute(time: &str) -> u32 {
        u32::try_from(line::parse_minute(format!("22/Nov/2026:{time} +0000").as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_line_that_lies_about_its_time_counts_for_now_or_as_old() {
        let (now, floor) = (minute("10:00:00"), minute("09:00:00"));
        let mut tally = Tally::new(now, floor);
        for time in ["08:59:59", "09:00:00", "10:00:59", "23:00:00"] {
            tally.line(&line("a", time, "GET / HTTP/1.1"), (0, 0));
        }
        let facts = tally.into_facts(LogFacts::default());
        assert_eq!((facts.lines, facts.older), (4, 1));
        assert_eq!(facts.all, vec![(floor, 1), (now, 2)]);
        assert_eq!(facts.last.unwrap().to_string(), "2026-11-22T10:00:59Z");
    }

    #[test]
    fn nuls_before_a_line_and_odd_lines_are_told_apart() {
        let mut tally = Tally::new(u32::MAX, 0);
        let mut holed = vec![0; 5000];
        holed.extend(line("a", "10:00:00", "GET / HTTP/1.1"));
        tally.line(&holed, (0, 0));
        tally.line(b"GET /?password=secret something", (0, 0));
        tally.line(&line("a", "10:61:00", "GET / HTTP/1.1"), (0, 0));
        let facts = tally.into_facts(LogFacts::default());
        assert_eq!((facts.lines, facts.unread), (1, 2));
        assert_eq!(facts.unread_example.unwrap(), "GET /?… something");
    }

    #[test]
    fn more_clients_than_can_be_told_apart_are_counted_together() {
        let mut table = Table::default();
        for number in 0..MOST_NAMES + 7 {
            table.add(number.to_string().as_bytes(), 5, (0, 0));
        }
        table.add(b"0", 6, (0, 0));
        let counts = table.into_counts();
        assert_eq!((counts.by.len(), counts.rest), (MOST_NAMES, vec![(5, 7)]));
        assert_eq!(counts.by["0"], vec![(5, 1), (6, 1)]);
    }

    #[test]
    fn invented_methods_do_not_crowd_out_known_ones() {
        let mut tally = Tally::new(u32::MAX, 0);
        for number in 0..100 {
            tally.line(&line("a", "10:00:00", &format!("X{number} / HTTP/1.1")), (0, 0));
        }
        tally.line(&line("b", "10:00:00", "TRACE / HTTP/1.1"), (0, 0));
        let facts = tally.into_facts(LogFacts::default());
        assert_eq!((facts.methods.len(), facts.other_methods), (33, 68));
        assert!(facts.methods.iter().any(|method| method.known && method.method == "TRACE"));
    }

    #[test]
    fn the_busiest_come_first_with_their_last_line() {
        let mut tally = Tally::new(u32::MAX, 0);
        for (client, at) in [("a", 1), ("b", 2), ("b", 3), ("c", 4), ("c", 5), ("c", 6)] {
            tally.line(&line(client, "10:00:00", "GET / HTTP/1.1"), (0, at));
        }
        assert_eq!(tally.busiest(2), [(Text::from("c"), (0, 6)), (Text::from("b"), (0, 3))]);
    }
}
