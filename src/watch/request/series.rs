//! Counts per minute: of one client, of many by name, and the most that fell into a sliding window.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Minutes since 1970 and how many requests came in each, in the order of time.
pub type Series = Vec<(u32, u32)>;

/// Adds `count` to a minute. Nearly always it is the last one or a new last one.
pub fn add(series: &mut Series, minute: u32, count: u32) {
    match series.last_mut() {
        Some((last, so_far)) if *last == minute => *so_far = so_far.saturating_add(count),
        Some((last, _)) if *last > minute => match series.binary_search_by_key(&minute, |entry| entry.0) {
            Ok(at) => {
                if let Some((_, so_far)) = series.get_mut(at) {
                    *so_far = so_far.saturating_add(count);
                }
            }
            Err(at) => series.insert(at, (minute, count)),
        },
        _ => series.push((minute, count)),
    }
}

/// Adds all of another series.
pub fn add_all(into: &mut Series, series: &Series) {
    for (minute, count) in series {
        add(into, *minute, *count);
    }
}

/// All of them together.
#[must_use]
pub fn total(series: &Series) -> u64 {
    series.iter().map(|(_, count)| u64::from(*count)).sum()
}

/// The fullest window of a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// How many requests.
    pub count: u64,
    /// The first minute with a request in it.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

/// The most requests in any `width` whole minutes on end, the latest such window if there are several.
#[must_use]
pub fn fullest(series: &Series, width: u32) -> Window {
    let mut best = Window::default();
    let mut sum = 0;
    let mut tail = series.iter().peekable();
    for (minute, count) in series {
        sum += u64::from(*count);
        while let Some((first, gone)) = tail.next_if(|(first, _)| minute - first >= width) {
            debug_assert!(first < minute);
            sum -= u64::from(*gone);
        }
        if sum >= best.count {
            best = Window { count: sum, first: tail.peek().map_or(*minute, |entry| entry.0), last: *minute };
        }
    }
    best
}

/// Counts per minute by name, and those of names that were too many to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by: BTreeMap<Text, Series>,
    /// All others together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Series,
}

impl Counts {
    /// Adds those of `other`, from `floor` on.
    pub fn merge(&mut self, other: &Self, floor: u32) {
        let fresh = |series: &Series, into: &mut Series| {
            for (minute, count) in series.iter().filter(|(minute, _)| *minute >= floor) {
                add(into, *minute, *count);
            }
        };
        for (name, series) in &other.by {
            if series.last().is_some_and(|(last, _)| *last >= floor) {
                fresh(series, self.by.entry(name.clone()).or_default());
            }
        }
        fresh(&other.rest, &mut self.rest);
    }

    /// Forgets all before `floor`.
    pub fn forget_before(&mut self, floor: u32) {
        self.by.retain(|_, series| {
            series.retain(|(minute, _)| *minute >= floor);
            !series.is_empty()
        });
        self.rest.retain(|(minute, _)| *minute >= floor);
    }

    /// Keeps the busiest names up to `names` of them and `entries` minutes in all; the others go to the rest.
    pub fn bound(&mut self, names: usize, entries: usize) {
        let held: usize = self.by.values().map(Vec::len).sum();
        if self.by.len() <= names && held <= entries {
            return;
        }
        let mut order: Vec<(u64, Text)> =
            self.by.iter().map(|(name, series)| (total(series), name.clone())).collect();
        order.sort_by(|a, b| b.cmp(a));
        let mut room = entries;
        for (at, (_, name)) in order.iter().enumerate() {
            let needs = self.by.get(name).map_or(0, Vec::len);
            if at < names && needs <= room {
                room -= needs;
            } else if let Some(series) = self.by.remove(name) {
                add_all(&mut self.rest, &series);
            }
        }
    }

    /// A compact text: it is remembered for each of many thousand clients.
    #[must_use]
    pub fn pack(&self) -> String {
        // Writing to a String cannot fail.
        let mut out = String::new();
        let base =
            self.by.values().chain([&self.rest]).filter_map(|s| s.first()).map(|e| e.0).min().unwrap_or(0);
        let _ = writeln!(out, "{base}");
        let mut line = |series: &Series, name: &str| {
            for (minute, count) in series {
                let _ = write!(out, "{}:{count} ", minute - base);
            }
            let _ = writeln!(out, "={name}");
        };
        line(&self.rest, "");
        for (name, series) in &self.by {
            line(series, &format!("={name}"));
        }
        out
    }

    /// Reads [`Counts::pack`] back; what another version wrote, or nobody, counts nothing.
    #[must_use]
    pub fn unpack(packed: &str) -> Self {
        let mut counts = Self::default();
        let mut lines = packed.split('\n');
        let Some(base) = lines.next().and_then(|base| base.parse::<u32>().ok()) else { return counts };
        for line in lines {
            let Some((minutes, name)) = line.split_once('=') else { continue };
            let mut series = Series::new();
            for entry in minutes.split(' ') {
                let entry = entry.split_once(':').and_then(|(minute, count)| {
                    Some((base.checked_add(minute.parse().ok()?)?, count.parse().ok()?))
                });
                if let Some((minute, count)) = entry {
                    add(&mut series, minute, count);
                }
            }
            match name.strip_prefix('=') {
                None => counts.rest = series,
                Some(name) => {
                    counts.by.insert(shown(name), series);
                }
            }
        }
        counts
    }
}

/// Text from its shown form.
#[must_use]
pub fn shown(form: &str) -> Text {
    use serde::Deserialize as _;
    use serde::de::IntoDeserializer as _;
    let form: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = form.into_deserializer();
    Text::deserialize(form).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(of: &[(&str, &[(u32, u32)])], rest: &[(u32, u32)]) -> Counts {
        let by = of.iter().map(|(name, series)| (Text::from(*name), series.to_vec())).collect();
        Counts { by, rest: rest.to_vec() }
    }

    #[test]
    fn the_fullest_window_slides_by_the_minute() {
        let series = vec![(10, 5), (11, 1), (14, 4), (15, 4), (30, 8)];
        for (width, count, first, last) in
            [(1, 8, 30, 30), (2, 8, 30, 30), (5, 10, 10, 14), (6, 14, 10, 15), (60, 22, 10, 30)]
        {
            assert_eq!(fullest(&series, width), Window { count, first, last }, "{width}");
        }
        assert_eq!(fullest(&Series::new(), 5), Window::default());
    }

    #[test]
    fn too_many_names_keep_the_busiest_and_the_rest_together() {
        let mut many = counts(&[("a", &[(1, 1)]), ("b", &[(1, 5), (2, 5)]), ("c", &[(2, 3)])], &[(2, 1)]);
        many.bound(2, 100);
        assert_eq!(many, counts(&[("b", &[(1, 5), (2, 5)]), ("c", &[(2, 3)])], &[(1, 1), (2, 1)]));
        many.bound(2, 2);
        assert_eq!(many, counts(&[("b", &[(1, 5), (2, 5)])], &[(1, 1), (2, 4)]));
    }

    #[test]
    fn names_of_any_kind_survive_packing() {
        let odd = counts(&[("a b=c:1 \\n", &[(7, 2)]), ("", &[(9, 1)]), ("=x", &[(8, 1)])], &[(7, 3)]);
        assert_eq!(Counts::unpack(&odd.pack()), odd);
    }

    proptest! {
        #[test]
        fn adding_in_any_order_gives_the_same(mut entries in prop::collection::vec((0u32..9, 1u32..5), 0..20)) {
            let mut series = Series::new();
            add_all(&mut series, &entries);
            entries.sort_unstable();
            let mut sorted = Series::new();
            add_all(&mut sorted, &entries);
            prop_assert_eq!(&series, &sorted);
            prop_assert!(series.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }

        #[test]
        fn the_fullest_window_is_what_trying_all_gives(
            entries in prop::collection::vec((0u32..40, 1u32..5), 0..20), width in 1u32..12
        ) {
            let mut series = Series::new();
            add_all(&mut series, &entries);
            let within = |start: u32| series.iter()
                .filter(|(minute, _)| (start..start + width).contains(minute)).map(|(_, n)| u64::from(*n)).sum::<u64>();
            prop_assert_eq!(fullest(&series, width).count, (0..40).map(within).max().unwrap_or(0));
        }

        #[test]
        fn packing_is_undone_by_unpacking(names in prop::collection::btree_map(any::<Vec<u8>>(), prop::collection::btree_map(0u32..99, 1u32..9, 1..4), 0..5)) {
            let by = names.into_iter().map(|(name, series)| (Text::new(name), series.into_iter().collect())).collect();
            let counts = Counts { by, rest: Series::new() };
            prop_assert_eq!(Counts::unpack(&counts.pack()), counts);
        }

        #[test]
        fn unpacking_takes_any_text(text: String) {
            let _ = Counts::unpack(&text);
        }
    }
}
