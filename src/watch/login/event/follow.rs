//! Reading a channel of the event log from where it was left: each event once, over restarts, and with a word about what
//! was lost because the log was cleared or is too small.

use super::{Event, parse_event};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;

/// So many events, and bytes of them, are read of a channel in one pass; the rest follows in the next.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a pass reads at most.
pub const BOUNDS: Bounds = Bounds { events: 20_000, bytes: 64 * 1024 * 1024 };

/// The numbers of the events that a channel holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Of the oldest.
    pub oldest: u64,
    /// Of the newest.
    pub newest: u64,
}

/// A channel of an event log, as it can be asked.
pub trait Log {
    /// An event that was found.
    type Event;
    /// The numbers of what it holds; none if it is empty.
    ///
    /// # Errors
    /// The system's.
    fn numbers(&mut self) -> io::Result<Option<Numbers>>;
    /// Asks for the events that an `XPath` selects, the oldest first.
    ///
    /// # Errors
    /// The system's.
    fn ask(&mut self, query: &str) -> io::Result<()>;
    /// Goes on after the event of a bookmark. False if that event is no longer there.
    ///
    /// # Errors
    /// The system's.
    fn skip_to(&mut self, bookmark: &str) -> io::Result<bool>;
    /// The next event that was asked for.
    ///
    /// # Errors
    /// The system's.
    fn next(&mut self) -> io::Result<Option<Self::Event>>;
    /// An event as XML; nothing if it is larger than any is.
    ///
    /// # Errors
    /// The system's.
    fn xml(&mut self, event: &Self::Event) -> io::Result<Option<String>>;
    /// A bookmark of an event, as text.
    ///
    /// # Errors
    /// The system's.
    fn bookmark(&mut self, event: &Self::Event) -> io::Result<String>;
}

/// How far a channel was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Place {
    /// The bookmark of the last event that was read.
    bookmark: Option<String>,
    /// Everything up to this number was read, or is of no interest here.
    seen_to: u64,
    /// The time of the last event that was read.
    pub last: Option<Timestamp>,
    /// That it is empty was told.
    empty: bool,
}

/// What came of reading a channel.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    /// How far it was read now.
    pub place: Place,
    /// How many events were read.
    pub events: u64,
    /// Events that could not be understood.
    pub torn: u64,
    /// How many events, of any kind, were lost, and why; none if that cannot be told.
    pub lost: Option<(Option<u64>, &'static str)>,
    /// How many events, of any kind, are left for the next pass.
    pub behind: u64,
    /// Why reading ended before its end.
    pub broke: Option<String>,
}

/// Reads the events of `ids` that are newer than `before`, or, without that, not older than `since`.
///
/// # Errors
/// The system's.
pub fn follow<L: Log>(
    log: &mut L,
    ids: &[u32],
    before: Option<&Place>,
    since: Timestamp,
    bounds: Bounds,
    mut each: impl FnMut(Event),
) -> io::Result<Read> {
    let mut place = before.cloned().unwrap_or_default();
    let mut read = Read::default();
    let ids = ids.iter().map(|id| format!("EventID={id}")).collect::<Vec<_>>().join(" or ");
    let from = |moment: Timestamp| {
        let moment = moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        format!("*[System[({ids}) and TimeCreated[@SystemTime>='{moment}']]]")
    };
    let all = format!("*[System[({ids})]]");
    // To ask this first costs little, and tells whether there is a log at all.
    log.ask(&before.map_or_else(|| from(since), |_| all.clone()))?;
    let Some(numbers) = log.numbers()? else {
        if place.seen_to > 0 && !place.empty {
            read.lost = Some((None, "it was emptied"));
            place.empty = true;
        }
        return Ok(Read { place, ..read });
    };
    place.empty = false;
    if before.is_some() {
        if numbers.newest < place.seen_to {
            read.lost = Some((None, "its numbers began anew, so it was deleted or replaced"));
            log.ask(&from(place.last.unwrap_or(since)))?;
            place = Place { last: place.last, ..Place::default() };
        } else if numbers.oldest > place.seen_to.saturating_add(1) {
            let lost = numbers.oldest - place.seen_to - 1;
            read.lost = Some((Some(lost), "it was cleared, or is too small for what is written to it"));
        } else {
            let skipped = match &place.bookmark {
                Some(bookmark) => log.skip_to(bookmark)?,
                None => false,
            };
            // The event of the bookmark may be gone while nothing that came after it is.
            if !skipped {
                log.ask(&format!("*[System[({ids}) and EventRecordID>{}]]", place.seen_to))?;
            }
        }
    }
    let mut last = None;
    let mut bytes = 0;
    let mut reached = place.seen_to;
    loop {
        // What was read before something broke is told, so it must be remembered as read.
        let (found, xml) = match one(log) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) if last.is_none() => return Err(error),
            Err(error) => {
                read.behind = numbers.newest.saturating_sub(reached);
                read.broke = Some(error.to_string());
                break;
            }
        };
        bytes += xml.as_ref().map_or(0, String::len) as u64;
        match xml.and_then(|xml| parse_event(xml.as_bytes())) {
            // What was read is never told twice, whatever the bookmark says.
            Some(event) if event.record > place.seen_to => {
                reached = reached.max(event.record);
                place.last = place.last.max(Some(event.at));
                read.events += 1;
                each(event);
            }
            Some(_) => {}
            None => read.torn += 1,
        }
        last = Some(found);
        if read.events >= bounds.events || bytes >= bounds.bytes {
            read.behind = numbers.newest.saturating_sub(reached);
            break;
        }
    }
    if let Some(last) = last {
        place.bookmark = Some(log.bookmark(&last)?);
    }
    place.seen_to = if read.behind > 0 { reached } else { reached.max(numbers.newest) };
    Ok(Read { place, ..read })
}

/// The next event, and its XML if it is not larger than any is.
fn one<L: Log>(log: &mut L) -> io::Result<Option<(L::Event, Option<String>)>> {
    let Some(found) = log.next()? else { return Ok(None) };
    let xml = log.xml(&found)?;
    Ok(Some((found, xml)))
}

#[cfg(test)]
#[path = "follow/tests.rs"]
pub(super) mod tests;
