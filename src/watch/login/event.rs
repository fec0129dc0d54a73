//! Events of the Windows event log, as the XML that Windows renders of them.
//!
//! Only fields are read, never the message: that is in the language of the host. [`tell`] says what an event means for
//! logins, [`unite`] makes one login of what several channels tell of it, [`follow`] reads each channel once, and
//! [`pass`] does all of it.

pub mod follow;
pub mod pass;
pub mod tell;
pub mod unite;
mod words;

use jiff::Timestamp;
use roxmltree::{Document, Node, ParsingOptions};
use std::borrow::Cow;

/// No event is larger: Windows itself keeps one within 64 KB of its own form.
pub const LARGEST: usize = 1024 * 1024;
/// An event has some dozen fields.
const MOST_NODES: u32 = 4096;
/// No field that is read here is longer.
const LONGEST: usize = 4096;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The program that wrote it.
    pub provider: String,
    /// Its kind.
    pub id: u32,
    /// Its number within the channel.
    pub record: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The channel.
    pub channel: String,
    /// The name that the host had.
    pub computer: String,
    /// The process that wrote it.
    pub pid: Option<u32>,
    fields: Vec<(String, String)>,
}

impl Event {
    /// What a field holds; nothing if it is not there. Of two of one name the first counts.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Reads an event; nothing if it is none, or larger than one is.
#[must_use]
pub fn parse_event(xml: &[u8]) -> Option<Event> {
    if xml.len() > LARGEST {
        return None;
    }
    let text = only_of_xml(xml);
    // Without a document type there are no entities that could grow.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options).ok()?;
    let event = Some(document.root_element()).filter(|root| root.tag_name().name() == "Event")?;
    let system = child(event, "System")?;
    let of_system = |name: &str| child(system, name).map(text_of).unwrap_or_default();
    let attribute = |name: &str, key: &str| child(system, name)?.attribute(key);
    Some(Event {
        provider: cut(attribute("Provider", "Name").unwrap_or_default()),
        id: of_system("EventID").trim().parse().ok()?,
        record: of_system("EventRecordID").trim().parse().ok()?,
        at: attribute("TimeCreated", "SystemTime")?.parse().ok()?,
        channel: of_system("Channel"),
        computer: of_system("Computer"),
        pid: attribute("Execution", "ProcessID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
        fields: fields(event),
    })
}

/// `<EventData><Data Name="…">`, or the elements of the one element in `<UserData>`.
fn fields(event: Node) -> Vec<(String, String)> {
    if let Some(data) = child(event, "EventData") {
        let named = |data: Node| Some((cut(data.attribute("Name")?), text_of(data)));
        return elements(data).filter_map(named).collect();
    }
    let own = child(event, "UserData").and_then(|data| elements(data).next());
    own.into_iter().flat_map(elements).map(|field| (cut(field.tag_name().name()), text_of(field))).collect()
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    elements(node).find(|child| child.tag_name().name() == name)
}

fn text_of(node: Node) -> String {
    cut(node.text().unwrap_or_default())
}

fn cut(text: &str) -> String {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// Windows writes characters into its XML that XML does not know, if somebody has such a name. An event shall not
/// hide behind that: each becomes U+FFFD.
fn only_of_xml(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let is_known =
        |c: char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    let text = if text.chars().all(is_known) {
        text
    } else {
        Cow::Owned(text.chars().map(|c| if is_known(c) { c } else { '\u{fffd}' }).collect())
    };
    if !text.contains("&#") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let number = after.split_once(';').and_then(|(number, left)| {
            let parsed = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            Some((parsed.ok()?, number, left))
        });
        if let Some((value, number, left)) = number {
            match char::from_u32(value).filter(|c| is_known(*c)) {
                Some(_) => out.extend(["&#", number, ";"]),
                None => out.push('\u{fffd}'),
            }
            rest = left;
        } else {
            out.push_str("&#");
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
#[path = "event/tests.rs"]
mod tests;
