//! A name in a rule that may hold `*` for any run of characters.

use serde::{Deserialize, Serialize};

/// A literal with `*` for anything. A star that is meant literally is written `\x2a`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that matches just `text`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(text.replace('*', "\\x2a"))
    }

    /// As written in the policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if `text` fits and no `*` had to stand for a `/`: for paths.
    #[must_use]
    pub fn matches_path(&self, text: &str) -> bool {
        if self.is_plain() {
            return self.0 == text;
        }
        self.0.matches('/').count() == text.matches('/').count()
            && self.0.split('/').zip(text.split('/')).all(|(pattern, part)| matches(pattern, part))
    }

    /// True if `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if self.is_plain() { self.0 == text } else { matches(&self.0, text) }
    }

    /// Most patterns are just a name, and are compared in every pass with everything there is.
    fn is_plain(&self) -> bool {
        memchr::memchr2(b'*', b'\\', self.0.as_bytes()).is_none()
    }
}

impl From<&str> for Pattern {
    fn from(written: &str) -> Self {
        Self(written.to_owned())
    }
}

/// The first part must begin the text, the last must end it, those between are taken leftmost: linear, so a
/// hostile name cannot make it slow.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = parts(pattern);
    let Some(last) = parts.pop() else { return text.is_empty() };
    let Some((first, middle)) = parts.split_first() else { return text == last };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last.as_str())
}

/// The literal parts between the stars. A doubled backslash is one that was in the text, so that `\\\\x2a` is not a
/// literal star.
fn parts(pattern: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (literal, length) = match c {
            '*' => {
                parts.push(String::new());
                ("", 1)
            }
            '\\' if rest.starts_with("\\\\") => ("\\\\", 2),
            '\\' if rest.starts_with("\\x2a") => ("*", 4),
            c => (rest.get(..c.len_utf8()).unwrap_or_default(), c.len_utf8()),
        };
        if let Some(part) = parts.last_mut() {
            part.push_str(literal);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
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
            let literal = Pattern::literal(&text);
            prop_assert!(literal.matches(&text) && literal.matches_path(&text));
            prop_assert_eq!(literal.matches(&other), text == other);
        }
    }
}
