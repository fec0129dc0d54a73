//! What the settings of IIS (`applicationHost.config`) say of its logs.

use memchr::memmem;

/// Where IIS keeps its logs if nobody says otherwise.
const USUAL: &str = r"%SystemDrive%\inetpub\logs\LogFiles";

/// More are not looked at.
const MOST: usize = 1000;

/// The folders that `logFile` elements name, as they are written. Of what is not XML, as much as looks like it.
#[must_use]
pub fn parse_log_folders(settings: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = settings;
    while let Some(at) = memmem::find(rest, b"<logFile").filter(|_| found.len() < MOST) {
        rest = rest.get(at + 8..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'>').unwrap_or(rest.len());
        let element = rest.get(..end).unwrap_or_default();
        found.extend(directory(element).filter(|folder| !found.contains(folder)));
    }
    found
}

/// The attribute `directory="…"`.
fn directory(element: &[u8]) -> Option<String> {
    let at = memmem::find_iter(element, b"directory=").find(|at| {
        at.checked_sub(1).and_then(|before| element.get(before)).is_some_and(u8::is_ascii_whitespace)
    })?;
    let (quote, value) = element.get(at + 10..)?.split_first()?;
    let end = value.iter().position(|b| b == quote).filter(|_| matches!(quote, b'"' | b'\''))?;
    let value = std::str::from_utf8(value.get(..end)?).ok()?;
    let value = value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    Some(value.replace("&apos;", "'").replace("&amp;", "&"))
}

/// The folders with what Windows' variables stand for, and the usual one.
#[must_use]
pub fn log_folders(named: &[String], drive: &str, windows: &str) -> Vec<String> {
    let expand = |folder: &str| {
        let mut out = String::new();
        let mut rest = folder;
        while let Some((before, after)) = rest.split_once('%') {
            let Some((name, behind)) = after.split_once('%') else { break };
            let value = match name.to_ascii_lowercase().as_str() {
                "systemdrive" => drive,
                "windir" | "systemroot" => windows,
                // Any other is whoever's who has set it.
                _ => return None,
            };
            out = out + before + value;
            rest = behind;
        }
        Some((out + rest).trim_end_matches('\\').to_owned())
    };
    let mut folders: Vec<String> =
        named.iter().map(String::as_str).chain([USUAL]).filter_map(expand).collect();
    folders.sort();
    folders.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_folders_of_logs_are_those_that_the_settings_name_and_the_usual_one() {
        let settings = br#"<configuration><system.applicationHost><sites>
            <siteDefaults><logFile logFormat="W3C" directory="%SystemDrive%\inetpub\logs\LogFiles" /></siteDefaults>
            <site name="a" id="2"><logFile directory='D:\Logs\A &amp; B\' period="Hourly" /></site>
            <site name="b" id="3"><logFile subdirectory="x" /></site>
            <site name="c" id="4"><logFile directory="%TEMP%\x"><customFields/></logFile></site>
            <log><centralW3CLogFile enabled="true" directory="C:\central" /></log>"#;
        let named = parse_log_folders(settings);
        assert_eq!(named, [r"%SystemDrive%\inetpub\logs\LogFiles", r"D:\Logs\A & B\", r"%TEMP%\x"]);
        let folders = log_folders(&named, "C:", r"C:\Windows");
        assert_eq!(folders, [r"C:\inetpub\logs\LogFiles", r"D:\Logs\A & B"]);
        assert_eq!(log_folders(&[], "E:", r"E:\Windows"), [r"E:\inetpub\logs\LogFiles"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in "(<logFile| directory=|\"|'|>|%|a){0,30}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = log_folders(&parse_log_folders(bytes), "C:", "C:\\Windows");
            }
        }
    }
}
