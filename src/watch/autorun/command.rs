//! What a command line of Windows starts: variables filled in, the file told from its arguments.
//!
//! All of it is pure: which files there are is asked through a function.

use crate::processes::secret;
use crate::text::Text;
use std::collections::BTreeMap;

/// What ends the name of a file that can be started. Where nothing else tells, a command is cut behind one.
const ENDINGS: &[&str] =
    &[".exe", ".com", ".bat", ".cmd", ".sys", ".dll", ".scr", ".ps1", ".vbs", ".js", ".wsf", ".msc", ".cpl"];

/// A longer command is cut.
const LONGEST: usize = 8 * 1024;

/// Windows looks for the program of a command line in no longer a beginning of it. Nor do we: whoever writes nothing but spaces
/// would have us look for thousands of files.
const LONGEST_PATH: usize = 260;

/// What a host calls its folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// Windows itself: `C:\Windows`.
    pub windows: String,
    /// Variables by their name in capitals.
    pub variables: BTreeMap<String, String>,
}

/// A command, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The file.
    pub exe: String,
    /// What it is given, as it is written.
    pub arguments: String,
    /// True if the file's path has spaces and stands without quotes.
    pub unquoted: bool,
}

impl Folders {
    /// The folders of a host whose Windows lies here.
    #[must_use]
    pub fn of(windows: &str) -> Self {
        let drive = windows.get(..2).unwrap_or("C:").to_owned();
        let variables = [
            ("SYSTEMROOT", windows.to_owned()),
            ("WINDIR", windows.to_owned()),
            ("PROGRAMFILES", format!(r"{drive}\Program Files")),
            ("PROGRAMFILES(X86)", format!(r"{drive}\Program Files (x86)")),
            ("PROGRAMW6432", format!(r"{drive}\Program Files")),
            ("COMMONPROGRAMFILES", format!(r"{drive}\Program Files\Common Files")),
            ("COMMONPROGRAMFILES(X86)", format!(r"{drive}\Program Files (x86)\Common Files")),
            ("PROGRAMDATA", format!(r"{drive}\ProgramData")),
            ("ALLUSERSPROFILE", format!(r"{drive}\ProgramData")),
            ("COMSPEC", format!(r"{windows}\System32\cmd.exe")),
            ("SYSTEMDRIVE", drive),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { windows: windows.to_owned(), variables }
    }

    /// The same with the folders of one user.
    #[must_use]
    pub fn with_profile(&self, profile: &str) -> Self {
        let mut folders = self.clone();
        let own = [
            ("USERPROFILE", profile.to_owned()),
            ("APPDATA", format!(r"{profile}\AppData\Roaming")),
            ("LOCALAPPDATA", format!(r"{profile}\AppData\Local")),
        ];
        folders.variables.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        folders
    }

    /// Fills in `%NAME%`; one that is not known stays as it is.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            let known = after
                .split_once('%')
                .and_then(|(name, left)| Some((self.variables.get(&name.to_ascii_uppercase())?, left)));
            if let Some((value, left)) = known {
                out.push_str(value);
                rest = left;
            } else {
                out.push('%');
                rest = after;
            }
        }
        out.push_str(rest);
        out
    }

    /// The path by which everybody else knows a file that services and the kernel name in their own ways.
    #[must_use]
    pub fn path(&self, written: &str) -> String {
        let path = written.trim().replace('/', "\\");
        let path =
            [r"\??\", r"\\?\", r"\\.\"].iter().find_map(|head| path.strip_prefix(head)).unwrap_or(&path);
        // \\?\UNC\server\share is \\server\share.
        if let Some(share) = strip_prefix(path, r"UNC\").filter(|_| path.len() < written.trim().len()) {
            return format!(r"\\{share}");
        }
        if let Some(inner) = strip_prefix(path, r"\SystemRoot\") {
            return format!(r"{}\{inner}", self.windows);
        }
        if strip_prefix(path, r"System32\").is_some() || strip_prefix(path, r"SysWOW64\").is_some() {
            return format!(r"{}\{path}", self.windows);
        }
        path.to_owned()
    }

    /// Takes a command apart as Windows would: a file without quotes ends at the first space before which a file of
    /// that name is there. Where none is there, at the first ending of a program.
    pub fn command(&self, written: &str, is_file: &dyn Fn(&str) -> bool) -> Command {
        let written: String = written.chars().take(LONGEST).collect();
        let line = self.expand(written.trim());
        if let Some(rest) = line.strip_prefix('"') {
            let (file, arguments) = rest.split_once('"').unwrap_or((rest, ""));
            let exe = self.found(file, is_file).unwrap_or_else(|| self.path(file));
            return Command { exe, arguments: arguments.trim().to_owned(), unquoted: false };
        }
        let ends: Vec<usize> =
            line.match_indices([' ', '\t']).map(|(at, _)| at).chain([line.len()]).collect();
        let parts = |end: usize| (line.get(..end).unwrap_or_default(), line.get(end..).unwrap_or_default());
        for end in ends.iter().take_while(|end| **end <= LONGEST_PATH) {
            let (file, arguments) = parts(*end);
            if let Some(exe) = self.found(file, is_file) {
                return Command { unquoted: file.contains(' '), exe, arguments: arguments.trim().to_owned() };
            }
        }
        let looks_like_one = |end: &&usize| {
            let file = parts(**end).0.to_ascii_lowercase();
            ENDINGS.iter().any(|ending| file.ends_with(ending))
        };
        let end = ends.iter().find(looks_like_one).or(ends.first()).copied().unwrap_or(line.len());
        let (file, arguments) = parts(end);
        Command { exe: self.path(file), arguments: arguments.trim().to_owned(), unquoted: file.contains(' ') }
    }

    /// The file that a name stands for, if it is there. A file of another host is never asked for: that would tell the
    /// other host who we are.
    fn found(&self, file: &str, is_file: &dyn Fn(&str) -> bool) -> Option<String> {
        if file.is_empty() {
            return None;
        }
        let path = self.path(file);
        let places = match (path.starts_with(r"\\"), path.contains(['\\', ':'])) {
            (true, _) => return None,
            (false, true) => vec![path],
            (false, false) => {
                vec![format!(r"{}\System32\{path}", self.windows), format!(r"{}\{path}", self.windows)]
            }
        };
        let with_ending = places.into_iter().flat_map(|place| {
            let ending = format!("{place}.exe");
            [place, ending]
        });
        with_ending.into_iter().find(|place| is_file(place))
    }
}

impl Command {
    /// The file, for facts.
    #[must_use]
    pub fn exe(&self) -> Text {
        if self.exe.is_empty() { super::UNKNOWN.into() } else { Text::new(&self.exe) }
    }

    /// The arguments with secrets masked, for facts.
    #[must_use]
    pub fn arguments(&self) -> Text {
        masked(&self.arguments)
    }
}

/// Arguments with secrets masked.
#[must_use]
pub fn masked(arguments: &str) -> Text {
    let words: Vec<&[u8]> = arguments.split(' ').map(str::as_bytes).collect();
    let words = secret::masked(&words);
    let bytes: Vec<Vec<u8>> = words.iter().map(Text::to_bytes).collect();
    Text::cut(&bytes.join(&b' '), LONGEST)
}

fn strip_prefix<'a>(path: &'a str, head: &str) -> Option<&'a str> {
    path.get(..head.len()).filter(|own| own.eq_ignore_ascii_case(head))?;
    path.get(head.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[&str] = &[
        r"C:\Windows\System32\svchost.exe",
        r"C:\Windows\System32\cmd.exe",
        r"C:\Windows\explorer.exe",
        r"C:\Program Files\Acme Tool\bin\acme.exe",
        r"C:\Windows\System32\drivers\acpi.sys",
    ];

    fn is_file(path: &str) -> bool {
        FILES.iter().any(|file| file.eq_ignore_ascii_case(path))
    }

    #[test]
    fn a_command_of_many_words_makes_nobody_look_for_thousands_of_files() {
        let asked = std::cell::Cell::new(0);
        let count = |_: &str| {
            asked.set(asked.get() + 1);
            false
        };
        let command = Folders::of(r"C:\Windows").command(&"a ".repeat(LONGEST), &count);
        assert_eq!((command.exe.as_str(), asked.get() <= 4 * LONGEST_PATH), ("a", true), "{}", asked.get());
    }

    #[test]
    fn a_command_is_a_file_and_its_arguments() {
        let folders = Folders::of(r"C:\Windows").with_profile(r"C:\Users\alice");
        for (written, exe, arguments, unquoted) in [
            (
                r"%SystemRoot%\system32\svchost.exe -k netsvcs -p",
                r"C:\Windows\system32\svchost.exe",
                "-k netsvcs -p",
                false,
            ),
            (
                r#""C:\Program Files\Acme Tool\bin\acme.exe" /run"#,
                r"C:\Program Files\Acme Tool\bin\acme.exe",
                "/run",
                false,
            ),
            (
                r"C:\Program Files\Acme Tool\bin\acme.exe /run",
                r"C:\Program Files\Acme Tool\bin\acme.exe",
                "/run",
                true,
            ),
            (
                r"C:\Program Files\Acme Tool\bin\acme /run",
                r"C:\Program Files\Acme Tool\bin\acme.exe",
                "/run",
                true,
            ),
            (r"\SystemRoot\System32\drivers\acpi.sys", r"C:\Windows\System32\drivers\acpi.sys", "", false),
            (r"System32\drivers\acpi.sys", r"C:\Windows\System32\drivers\acpi.sys", "", false),
            (r"\??\C:\gone\x.sys", r"C:\gone\x.sys", "", false),
            (r"\??\UNC\evil\share\x.sys", r"\\evil\share\x.sys", "", false),
            (r"\\evil\share\x.exe -a b", r"\\evil\share\x.exe", "-a b", false),
            (r"C:\gone dir\x.exe -a", r"C:\gone dir\x.exe", "-a", true),
            (r"C:\gone -a b", r"C:\gone", "-a b", false),
            ("cmd /c calc", r"C:\Windows\System32\cmd.exe", "/c calc", false),
            ("explorer.exe", r"C:\Windows\explorer.exe", "", false),
            (r"%LOCALAPPDATA%\x.exe", r"C:\Users\alice\AppData\Local\x.exe", "", false),
            (r"%NO SUCH% 100% %", "%NO", "SUCH% 100% %", false),
            (r#""C:\open"#, r"C:\open", "", false),
            ("", "", "", false),
        ] {
            let expected = Command { exe: exe.to_owned(), arguments: arguments.to_owned(), unquoted };
            assert_eq!(folders.command(written, &is_file), expected, "{written}");
        }
    }

    #[test]
    fn a_file_of_another_host_is_never_asked_for() {
        let asked = |path: &str| -> bool { panic!("{path} was asked for") };
        let folders = Folders::of(r"C:\Windows");
        for written in
            [r"\\evil\share\x.exe", r#""\\evil\share\x.exe""#, r"\??\UNC\evil\share\x.exe", "//evil/x"]
        {
            folders.command(written, &asked);
        }
    }

    #[test]
    fn secrets_in_arguments_are_masked() {
        assert_eq!(masked("--user bob --password hunter2 -x"), "--user bob --password *** -x");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_command(written: String) {
            let command = Folders::of(r"C:\Windows").command(&written, &|_| false);
            let _ = (command.exe(), command.arguments());
        }
    }
}
