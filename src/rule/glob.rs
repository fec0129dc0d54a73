//! A name in a rule that may hold `*` for any run of characters.

use super::windows_path::{Written, fold, is_windows_path};
use serde::{Deserialize, Serialize};

/// A literal with `*` for anything. A star that is meant literally is written `\x2a`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that matches just `text`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut pattern = String::with_capacity(text.len());
        let mut run = 0;
        for (at, c) in text.char_indices() {
            let rest = text.get(at..).unwrap_or_default();
            // Backslashes before a star, or before what would be read as one, are doubled: an odd number makes it one.
            if rest.starts_with(['*', 'x']) && (c == '*' || rest.starts_with(STAR)) {
                pattern.extend(std::iter::repeat_n('\\', run));
            }
            run = if c == '\\' { run + 1 } else { 0 };
            if c == '*' {
                pattern.push('\\');
                pattern.push_str(STAR);
            } else {
                pattern.push(c);
            }
        }
        Self(pattern)
    }

    /// The text, in its shown form, if just one fits.
    #[must_use]
    pub fn as_literal(&self) -> Option<String> {
        match <[String; 1]>::try_from(parts(&self.0)) {
            Ok([literal]) => Some(literal),
            Err(_) => None,
        }
    }

    /// As written in the policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if `text` fits and no `*` had to stand for what parts folders: for paths. Those of Windows are compared as
    /// Windows does, without case and with `\` and `/` alike.
    #[must_use]
    pub fn matches_path(&self, text: &str) -> bool {
        if self.0 == text && self.is_plain() {
            return true;
        }
        if is_windows_path(text) {
            return matches_parts(
                '\\',
                &fold(&self.0, Written::InARule),
                &fold(text, Written::ByUs),
                matches_folded,
            );
        }
        !self.is_plain() && matches_parts('/', &self.0, text, matches)
    }

    /// True if `text` fits. A path of Windows is compared as one.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.is_plain() && self.0 == text {
            return true;
        }
        if is_windows_path(text) {
            return matches_folded(&fold(&self.0, Written::InARule), &fold(text, Written::ByUs));
        }
        !self.is_plain() && matches(&self.0, text)
    }

    /// True if `text` fits letter by letter, even if it looks like a path of Windows: for arguments, and what is no file.
    #[must_use]
    pub fn matches_text(&self, text: &str) -> bool {
        if self.is_plain() { self.0 == text } else { matches(&self.0, text) }
    }

    /// True if `text` fits letter by letter, those of ASCII in either case.
    #[must_use]
    pub fn matches_in_any_case(&self, text: &str) -> bool {
        if self.is_plain() {
            return self.0.eq_ignore_ascii_case(text);
        }
        // Stars are told from the letters that stand for one before these get another case.
        let parts = parts(&self.0).iter().map(|part| part.to_ascii_lowercase()).collect();
        matches_all(parts, &text.to_ascii_lowercase())
    }

    /// Most patterns are just a name, and are compared in every pass with everything there is.
    fn is_plain(&self) -> bool {
        memchr::memchr2(b'*', b'\\', self.0.as_bytes()).is_none()
    }
}

/// What stands behind a backslash for a star that is meant literally.
const STAR: &str = "x2a";

/// Folder by folder, so that no `*` stands for more than one.
fn matches_parts(between: char, pattern: &str, text: &str, matches: fn(&str, &str) -> bool) -> bool {
    pattern.matches(between).count() == text.matches(between).count()
        && pattern.split(between).zip(text.split(between)).all(|(pattern, part)| matches(pattern, part))
}

impl From<&str> for Pattern {
    fn from(written: &str) -> Self {
        Self(written.to_owned())
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    matches_all(parts(pattern), text)
}

/// No Windows path holds a star, so none is meant literally.
fn matches_folded(pattern: &str, text: &str) -> bool {
    matches_all(pattern.split('*').map(str::to_owned).collect(), text)
}

/// The first part must begin the text, the last must end it, those between are taken leftmost: linear, so a
/// hostile name cannot make it slow.
fn matches_all(mut parts: Vec<String>, text: &str) -> bool {
    let Some(last) = parts.pop() else { return text.is_empty() };
    let Some((first, middle)) = parts.split_first() else { return text == last };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last.as_str())
}

/// The literal parts between the stars. A star behind an odd number of backslashes is one of the text.
fn parts(pattern: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if c != '\\' {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if c == '*' {
                parts.push(std::mem::take(&mut part));
            } else {
                part.push(c);
            }
            continue;
        }
        let after = rest.trim_start_matches('\\');
        let run = rest.len() - after.len();
        let (run, star) = match after.strip_prefix(STAR) {
            Some(behind) if run % 2 == 1 => (run / 2, Some(behind)),
            Some(_) => (run / 2, None),
            None => (run, None),
        };
        part.extend(std::iter::repeat_n('\\', run));
        if star.is_some() {
            part.push('*');
        }
        rest = star.unwrap_or(after);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, fits) in [
            ("/usr/sbin/nginx", "/usr/sbin/nginx", true),
            ("/usr/sbin/nginx", "/usr/sbin/nginx2", false),
            ("/opt/*/bin/app", "/opt/v12/bin/app", true),
            ("/opt/*/bin/app", "/opt/v12/x/bin/app", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("a\\x2ab", "a*b", true),
            ("a\\x2ab", "axb", false),
        ] {
            assert_eq!(Pattern::from(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn in_a_path_a_star_does_not_cross_a_slash() {
        assert!(Pattern::from("/opt/*/bin/app").matches_path("/opt/v12/bin/app"));
        assert!(!Pattern::from("/opt/*/bin/app").matches_path("/opt/v12/x/bin/app"));
        assert!(!Pattern::from("/usr/*").matches_path("/usr/../tmp/x"));
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_and_nothing_else(text in "[a*\\\\x2/]{0,12}", other in "[a*\\\\x2/]{0,12}") {
            let text = crate::text::Text::new(&text);
            let other = crate::text::Text::new(&other);
            // On Windows more than one name means the same file: see windows_path.rs. What is shown so begins with no slash, so
            // it is no path of Linux.
            prop_assume!(!text.starts_with("\\\\") && !other.starts_with("\\\\"));
            let literal = Pattern::literal(&text);
            prop_assert!(literal.matches(&text) && literal.matches_path(&text));
            let shown = literal.as_literal();
            prop_assert_eq!(shown.as_deref(), Some(text.as_str()));
            prop_assert_eq!(literal.matches(&other), text == other);
        }
    }
}
