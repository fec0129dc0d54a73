//! What Windows says of a process, taken apart: its command line, the kernel's name of its file, its user's SID. All of it is
//! pure, so that it is tested on every system.

/// The arguments of a command line, by the rules of `CommandLineToArgvW`: the first is the program and knows no escapes;
/// of the others backslashes before a quote are halved, and a doubled quote within quotes is one.
#[must_use]
pub fn parse_command_line(line: &[u8]) -> Vec<Vec<u8>> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut args = Vec::new();
    let (program, mut rest) = program(line);
    args.push(program.to_vec());
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
        rest = rest.get(blanks..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let mut arg = Vec::new();
        let mut quoted = false;
        while let Some((byte, behind)) = rest.split_first() {
            if is_blank(byte) && !quoted {
                break;
            }
            if *byte == b'\\' {
                let run = rest.iter().take_while(|byte| **byte == b'\\').count();
                rest = rest.get(run..).unwrap_or_default();
                let before_quote = rest.first() == Some(&b'"');
                arg.extend(std::iter::repeat_n(b'\\', if before_quote { run / 2 } else { run }));
                if before_quote && run % 2 == 1 {
                    arg.push(b'"');
                    rest = rest.get(1..).unwrap_or_default();
                }
                continue;
            }
            rest = behind;
            match byte {
                b'"' if quoted && rest.first() == Some(&b'"') => {
                    arg.push(b'"');
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'"' => quoted = !quoted,
                byte => arg.push(*byte),
            }
        }
        args.push(arg);
    }
    if line.is_empty() { Vec::new() } else { args }
}

/// The program of a command line, and what stands behind it.
#[must_use]
pub fn program(line: &[u8]) -> (&[u8], &[u8]) {
    let (program, rest) = if let Some(quoted) = line.strip_prefix(b"\"") {
        let end = quoted.iter().position(|byte| *byte == b'"').unwrap_or(quoted.len());
        (quoted.get(..end), quoted.get(end + 1..))
    } else {
        let end = line.iter().position(|byte| *byte <= b' ').unwrap_or(line.len());
        (line.get(..end), line.get(end..))
    };
    (program.unwrap_or_default(), rest.unwrap_or_default())
}

/// A path as the kernel names it, as programs do: `\Device\HarddiskVolume3\x.exe` is `C:\x.exe`, as `drives` say. What is
/// on no drive keeps the kernel's name, in the form in which it can be opened.
#[must_use]
pub fn from_kernel_path(path: &str, drives: &[(char, String)], windows: &str) -> String {
    if let Some(path) = path.strip_prefix(r"\??\").or_else(|| path.strip_prefix(r"\\?\")) {
        return from_verbatim(path);
    }
    let below = |folder: &str| {
        let rest = path.get(folder.len()..)?;
        let is_it = path.get(..folder.len())?.eq_ignore_ascii_case(folder);
        (is_it && !folder.is_empty() && rest.starts_with('\\')).then_some(rest)
    };
    if let Some(rest) = below(r"\SystemRoot") {
        return format!("{windows}{rest}");
    }
    if let Some(rest) = below(r"\Device\Mup").or_else(|| below(r"\Device\LanmanRedirector")) {
        return format!(r"\{rest}");
    }
    for (letter, device) in drives {
        if let Some(rest) = below(device) {
            return format!("{letter}:{rest}");
        }
    }
    if path.starts_with('\\') { format!(r"\\?\GLOBALROOT{path}") } else { path.to_owned() }
}

/// A path behind `\\?\` in its usual form: `C:\x.exe`, `\\server\share\x.exe`.
#[must_use]
pub fn from_verbatim(path: &str) -> String {
    let path = path.strip_prefix(r"\\?\").unwrap_or(path);
    match path.as_bytes() {
        [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic() => path.to_owned(),
        _ => path.strip_prefix(r"UNC\").map_or_else(|| format!(r"\\?\{path}"), |share| format!(r"\\{share}")),
    }
}

/// True if a file lies on another host. Nobody may make us open such a one: Windows would log us in over there, with the
/// account of this whole host, wherever an ordinary user has put a program to run; and a host that is silent holds us up.
#[must_use]
pub fn is_of_another_host(path: &str) -> bool {
    let path = path.replace('/', r"\");
    let Some(rest) = path.strip_prefix(r"\\") else { return false };
    let Some(rest) = rest.strip_prefix(r"?\").or_else(|| rest.strip_prefix(r".\")) else { return true };
    // By the names of the kernel: all redirectors to other hosts stand behind these.
    let rest = rest.to_ascii_uppercase();
    let rest = rest.strip_prefix(r"GLOBALROOT\DEVICE\").unwrap_or(&rest);
    ["UNC\\", "MUP\\", "LANMANREDIRECTOR\\", "WEBDAVREDIRECTOR\\"].iter().any(|way| rest.starts_with(way))
}

/// A SID as people write it, and its last part.
#[must_use]
pub fn parse_sid(bytes: &[u8]) -> Option<(String, u32)> {
    let (head, rest) = bytes.split_at_checked(8)?;
    let [revision, count, authority @ ..] = head else { return None };
    let authority = authority.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    let mut last = 0;
    let mut parts = rest.chunks_exact(4);
    for _ in 0..*count {
        last = u32::from_le_bytes(parts.next()?.try_into().ok()?);
        text += &format!("-{last}");
    }
    Some((text, last))
}

/// The accounts that every Windows has. They are named in the language of the host; a policy names them in English.
#[must_use]
pub fn well_known(sid: &str) -> Option<&'static str> {
    match sid {
        "S-1-5-18" => Some(r"NT AUTHORITY\SYSTEM"),
        "S-1-5-19" => Some(r"NT AUTHORITY\LOCAL SERVICE"),
        "S-1-5-20" => Some(r"NT AUTHORITY\NETWORK SERVICE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lies_on_another_host_is_known_by_every_name_of_it() {
        for path in [
            r"\\192.0.2.1\share\x.exe",
            "//192.0.2.1/share/x.exe",
            r"\\?\UNC\192.0.2.1\share\x.exe",
            r"\\?\unc\server\share\x.exe",
            r"\\.\UNC\server\share\x.exe",
            r"\\?\GLOBALROOT\Device\Mup\server\share\x.exe",
            r"\\?\GLOBALROOT\Device\LanmanRedirector\server\share\x.exe",
            &from_kernel_path(r"\Device\Mup\server\share\x.exe", &[], r"C:\Windows"),
        ] {
            assert!(is_of_another_host(path), "{path}");
        }
        for path in [
            r"C:\x.exe",
            r"\\?\C:\x.exe",
            r"\\?\GLOBALROOT\Device\HarddiskVolume9\x.exe",
            "/usr/bin/x",
            "",
            r"\x",
        ] {
            assert!(!is_of_another_host(path), "{path}");
        }
    }

    fn split(line: &str) -> Vec<String> {
        parse_command_line(line.as_bytes()).into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn a_command_line_is_split_as_windows_splits_it() {
        for (line, expected) in [
            (r#"C:\x.exe a b"#, &[r"C:\x.exe", "a", "b"][..]),
            (r#""C:\Program Files\x.exe"  "a b"	c "#, &[r"C:\Program Files\x.exe", "a b", "c"]),
            (r#"x "a""b" c"#, &["x", "a\"b", "c"]),
            (r#"x a\\\"b d"#, &["x", "a\\\"b", "d"]),
            (r#"x "a\\" b"#, &["x", r"a\", "b"]),
            (r#"x a\\b\c"#, &["x", r"a\\b\c"]),
            (r#"x "" y"#, &["x", "", "y"]),
            (r#"x "open end"#, &["x", "open end"]),
            (r#"x a"b c"d"#, &["x", "ab cd"]),
            (r#""x\" a"#, &[r"x\", "a"]),
            ("x", &["x"]),
            ("", &[]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn a_path_of_the_kernel_gets_its_drive() {
        let drives =
            [('C', r"\Device\HarddiskVolume1".to_owned()), ('D', r"\Device\HarddiskVolume10".to_owned())];
        for (path, expected) in [
            (r"\Device\HarddiskVolume1\Windows\x.exe", r"C:\Windows\x.exe"),
            (r"\Device\HarddiskVolume10\x.exe", r"D:\x.exe"),
            (r"\Device\HarddiskVolume2\x.exe", r"\\?\GLOBALROOT\Device\HarddiskVolume2\x.exe"),
            (r"\Device\Mup\server\share\x.exe", r"\\server\share\x.exe"),
            (r"\SystemRoot\System32\smss.exe", r"C:\Windows\System32\smss.exe"),
            (r"\??\C:\x.exe", r"C:\x.exe"),
            (r"\\?\UNC\server\share\x.exe", r"\\server\share\x.exe"),
            (r"C:\x.exe", r"C:\x.exe"),
        ] {
            assert_eq!(from_kernel_path(path, &drives, r"C:\Windows"), expected);
        }
    }

    #[test]
    fn a_sid_is_written_as_people_write_it() {
        let local = [1, 1, 0, 0, 0, 0, 0, 5, 19, 0, 0, 0];
        assert_eq!(parse_sid(&local), Some(("S-1-5-19".to_owned(), 19)));
        assert_eq!(parse_sid(&local[..11]), None);
        assert_eq!(well_known("S-1-5-19"), Some(r"NT AUTHORITY\LOCAL SERVICE"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_by_the_rules_comes_back(args in prop::collection::vec("[a\"\\\\ \t]{0,6}", 0..4)) {
            let mut line = "x".to_owned();
            for arg in &args {
                // Every backslash before a quote, and at the end, is doubled.
                let mut quoted = String::new();
                let mut run = 0;
                for c in arg.chars() {
                    if c == '"' {
                        quoted.extend(std::iter::repeat_n('\\', run + 1));
                    }
                    run = if c == '\\' { run + 1 } else { 0 };
                    quoted.push(c);
                }
                quoted.extend(std::iter::repeat_n('\\', run));
                line += &format!(" \"{quoted}\"");
            }
            prop_assert_eq!(&split(&line)[1..], &args[..]);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (parse_command_line(&bytes), parse_sid(&bytes));
        }
    }
}
