//! What the update agent of Windows says, as facts. It is asked by a process of its own, which prints this as JSON: see
//! `windows.rs`. Here is what becomes of it.

use super::{List, Manager, Pending, UpdateFacts};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kinds of updates that close holes.
const SECURITY: &str = "0fa1201d-4330-4fa8-8ae9-b877473b6441";

/// What is kept of a text, in bytes.
const LONGEST: usize = 300;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Answer {
    /// What it knows.
    Known(Known),
    /// Nothing has changed since the answer with this state.
    Same(String),
    /// There is no update agent on this host, and why we think so.
    NoAgent(String),
    /// It gave no answer, and why.
    Failed(String),
}

/// What the agent knows from its last search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Known {
    /// As long as this is the same, so is the rest.
    pub state: String,
    /// When a search last succeeded.
    pub searched: Option<Timestamp>,
    /// How many updates are installed.
    pub installed: u64,
    /// What is offered and not installed.
    pub offered: Vec<Offered>,
}

/// An update that is offered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Offered {
    /// Its number in the world.
    pub id: String,
    /// What it calls itself.
    pub title: String,
    /// The numbers of its articles, without `KB`.
    pub articles: Vec<String>,
    /// The numbers and names of what it belongs to.
    pub categories: Vec<(String, String)>,
    /// How bad the hole is that it closes, if it closes one: `Critical`.
    pub severity: String,
    /// When it was given out, or last changed.
    pub given_out: Option<Timestamp>,
    /// True if somebody has hidden it.
    pub hidden: bool,
    /// The updates that it takes the place of.
    pub replaces: Vec<String>,
}

impl Offered {
    fn is_security(&self) -> bool {
        let kinds = self.categories.iter().any(|(id, _)| id.eq_ignore_ascii_case(SECURITY));
        kinds || !self.severity.is_empty()
    }

    fn package(&self) -> Text {
        if self.articles.is_empty() {
            return Text::cut(self.title.as_bytes(), LONGEST);
        }
        let numbers: Vec<String> = self.articles.iter().map(|number| format!("KB{number}")).collect();
        Text::cut(numbers.join("+").as_bytes(), LONGEST)
    }
}

/// Parses what the process printed that asks the agent.
///
/// # Errors
/// In words, why it is no answer.
pub fn parse_answer(printed: &[u8]) -> Result<Answer, String> {
    serde_json::from_slice(printed)
        .map_err(|error| format!("what the update agent said is no answer: {error}"))
}

/// A moment as OLE counts it: days since the end of 1899, in UTC.
#[must_use]
pub fn moment_of_ole(days: f64) -> Option<Timestamp> {
    // Zero is written for never.
    let is_moment = days.is_finite() && (1.0..3_000_000.0).contains(&days);
    let seconds = SignedDuration::try_from_secs_f64((days - 25_569.0) * 86_400.0).ok()?;
    let moment = Timestamp::UNIX_EPOCH.checked_add(seconds).ok()?;
    is_moment.then(|| moment.round(jiff::Unit::Second).unwrap_or(moment))
}

/// What is remembered from pass to pass.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// When the agent last said what is known.
    pub computed: Option<Timestamp>,
    /// What it said.
    pub known: Known,
    /// Since when each update has been seen to wait.
    pub waiting: BTreeMap<String, Timestamp>,
    /// The boot in which a reboot was first seen to be needed, and when.
    pub reboot: Option<(Text, Timestamp)>,
}

impl Remembered {
    /// The facts without the reboot, and what is to be remembered of them.
    pub fn facts(&mut self, now: Timestamp) -> UpdateFacts {
        let mut waiting = BTreeMap::new();
        let mut pending = Vec::new();
        for offered in &self.known.offered {
            // What takes the place of an update that has waited has waited as long: the hole is as old.
            let earlier = offered.replaces.iter().chain([&offered.id]).filter_map(|id| self.waiting.get(id));
            let since = earlier.copied().chain(offered.given_out).chain([now]).min().unwrap_or(now);
            waiting.insert(offered.id.clone(), since);
            pending.push(Pending {
                package: offered.package(),
                arch: Text::from("all"),
                installed: Text::default(),
                candidate: Text::cut(offered.title.as_bytes(), LONGEST),
                security: offered.is_security(),
                held: offered.hidden,
                origins: offered
                    .categories
                    .iter()
                    .map(|(_, name)| Text::cut(name.as_bytes(), LONGEST))
                    .collect(),
                since,
            });
        }
        self.waiting = waiting;
        pending.sort();
        let searched = self.known.searched.map(|searched| searched.min(now));
        let list = |searched| List {
            name: Text::from("Windows Update"),
            made: searched,
            valid_until: None,
            good: searched,
        };
        UpdateFacts {
            manager: Manager::WindowsUpdate,
            installed: self.known.installed,
            computed: self.computed,
            pending,
            lists: searched.map(list).into_iter().collect(),
            ..UpdateFacts::default()
        }
    }
}
