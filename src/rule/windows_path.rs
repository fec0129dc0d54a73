//! Paths as Windows compares them: without case, and with `\` and `/` alike. Only what is a Windows path by its own
//! form is compared so, on whatever system the comparing is done.

use crate::text;

/// What stands in a folded path for an escape, so that no name can look like one.
const ESCAPE: char = '\u{1}';

/// True if this names a file as Windows does: `C:\…`, or `\\server\…`.
#[must_use]
pub fn is_windows_path(text: &str) -> bool {
    match text.as_bytes() {
        [b'\\', b'\\', ..] => true,
        [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Whose backslashes these are: they mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A fact's: `\x1b` and `\u{202e}` are escapes ([`crate::text::Text`]).
    ByUs,
    /// A person's: `\x86` is a folder. No Windows path holds a character that would be shown so.
    InARule,
}

/// The form in which two names of one file are equal: folders are parted by one `\`, letters have one case.
#[must_use]
pub fn fold(path: &str, written: Written) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        if c != '\\' && c != '/' {
            out.push(one_case(c));
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        }
        let after = rest.trim_start_matches(['\\', '/']);
        let mut run = rest.len() - after.len();
        let escape = text::escaped(after).filter(|_| written == Written::ByUs || after.starts_with('u'));
        let length = escape.filter(|_| run % 2 == 1).map_or(0, |(_, length)| length);
        if length > 0 {
            run -= 1;
        }
        match run {
            0 => {}
            1 => out.push('\\'),
            // Only at the beginning do two mean more than one.
            _ => out.push_str(if out.is_empty() { "\\\\" } else { "\\" }),
        }
        if length > 0 {
            out.push(ESCAPE);
            out.push_str(&after.get(..length).unwrap_or_default().to_ascii_lowercase());
        }
        rest = after.get(length..).unwrap_or_default();
    }
    out
}

/// A letter that has another case of its own gets the upper one. Letters that only look or sort alike stay apart: there
/// is a long `ſ` and a dotless `ı`, and a file named with one is not the file named with `S` or `I`.
fn one_case(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let only = |mut letters: &mut dyn Iterator<Item = char>| match (letters.next(), (&mut letters).next()) {
        (Some(letter), None) => Some(letter),
        _ => None,
    };
    only(&mut c.to_uppercase()).filter(|upper| only(&mut upper.to_lowercase()) == Some(c)).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Pattern;
    use crate::text::Text;
    use proptest::prelude::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::from(pattern).matches_path(&Text::from(path))
    }

    #[test]
    fn a_windows_path_is_known_by_its_form() {
        for (path, is_one) in [
            (r"C:\Windows\x.exe", true),
            ("d:/x.exe", true),
            (r"\\server\share\x.exe", true),
            ("/usr/bin/x", false),
            ("C:x.exe", false),
            (r"\Device\x", false),
            ("", false),
        ] {
            assert_eq!(is_windows_path(path), is_one, "{path}");
        }
    }

    #[test]
    fn case_and_slashes_do_not_matter_in_a_windows_path() {
        let svchost = r"C:\Windows\System32\svchost.exe";
        for (pattern, path, does) in [
            (svchost, svchost, true),
            (r"c:\WINDOWS\system32\SVCHOST.EXE", svchost, true),
            ("C:/Windows/System32/svchost.exe", svchost, true),
            (r"C:\\Windows\\System32\\svchost.exe", svchost, true),
            (r"C:\Windows\System32\*.exe", svchost, true),
            (r"C:\Windows\*", svchost, false),
            (r"C:\*.exe", svchost, false),
            ("*", svchost, false),
            (svchost, r"C:\Windows\System32\evil\svchost.exe", false),
            (svchost, r"C:\Windows\System32\svchost.exe ", false),
            (svchost, r"D:\Windows\System32\svchost.exe", false),
            (svchost, "C:\\Windows\\System32\\\u{17f}vchost.exe", false),
            (r"C:\ini.exe", "C:\\\u{131}ni.exe", false),
            (r"C:\task.exe", "C:\\tas\u{212a}.exe", false),
            (r"C:\Über.exe", r"C:\über.exe", true),
            (r"C:\kit\x86\a.exe", r"C:\Kit\x86\a.exe", true),
            (r"C:\new\tmp\u.exe", r"C:\new\tmp\u.exe", true),
            (r"\\server\share\x.exe", r"\\SERVER\share\x.exe", true),
            (r"\server\share\x.exe", r"\\server\share\x.exe", false),
            // Two files: the name of one holds the mark that the other's spells out.
            (r"C:\a\u{202e}b.exe", "C:\\a\u{202e}b.exe", true),
            (r"C:\a\u{202e}b.exe", r"C:\a\u{202e}b.exe", false),
        ] {
            assert_eq!(fits(pattern, path), does, "{pattern} {path}");
        }
    }

    #[test]
    fn on_linux_case_matters_and_a_backslash_is_a_letter() {
        assert!(!fits("/usr/bin/A", "/usr/bin/a"));
        assert!(!fits(r"/usr\bin", "/usr/bin"));
        assert!(!fits("C:/usr", "/usr"));
    }

    proptest! {
        #[test]
        fn a_literal_matches_the_same_file_however_it_is_written(
            names in prop::collection::vec("[a-zA-Z0-9 äÖ.{}xu_-]{1,8}", 1..5), upper: bool, slash: bool,
        ) {
            let path = format!("C:\\{}", names.join("\\"));
            let mut other = path.clone();
            if upper { other = other.to_uppercase(); }
            if slash { other = other.replace('\\', "/"); }
            prop_assert!(Pattern::literal(&Text::from(&*path)).matches_path(&Text::from(&*path)));
            prop_assert!(Pattern::from(&*other).matches_path(&Text::from(&*path)), "{} {}", other, path);
        }

        #[test]
        fn a_literal_matches_no_other_file(a in "[ab\u{202e}\\\\x{}u2]{0,8}", b in "[ab\u{202e}\\\\x{}u2]{0,8}") {
            // What Windows itself would take for one file.
            let plain = |name: &str| name.split('\\').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\\");
            prop_assume!(plain(&a) != plain(&b));
            let (a, b) = (Text::from(&*format!("C:\\r{a}.exe")), Text::from(&*format!("C:\\r{b}.exe")));
            prop_assert!(!Pattern::literal(&a).matches_path(&b), "{} {}", a, b);
        }

        #[test]
        fn a_star_never_crosses_a_folder(a in "[a-z]{1,5}", b in "[a-z]{1,5}") {
            let below = format!("C:\\{a}");
            prop_assert!(fits(r"C:\*", &below));
            let crossing = format!("C:\\{a}\\{b}");
            prop_assert!(!fits(r"C:\*", &crossing));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            let _ = (fold(&text, Written::ByUs), fold(&text, Written::InARule));
        }
    }
}
