//! Which script an interpreter runs. An interpreter's own path says nothing: `/usr/bin/python3` is whatever it was
//! told to read. So it is named with its script: a path, `-c COMMAND` for a command given as text, `-m MODULE`,
//! or `(standard input)` if it reads its program from a pipe or a file. An interpreter at a terminal has none.
//!
//! The arguments are what the process shows of itself and it may rewrite them: a script narrows a rule, and is
//! never the whole of it.

use crate::text::Text;
use sha2::{Digest, Sha256};

/// What else is known of how the interpreter was started; asked only where it matters.
pub struct Invocation<'a> {
    /// Its working folder, for a script named by a relative path.
    pub folder: &'a dyn Fn() -> Option<Vec<u8>>,
    /// What its standard input is.
    pub input: &'a dyn Fn() -> Option<Vec<u8>>,
}

/// How a family of interpreters reads its command line.
struct Family {
    /// Names of executables begin like this, and only digits, dots and dashes follow.
    names: &'static [&'static str],
    /// Short options that are followed by program text, as the last letter of a cluster too.
    text: &'static [u8],
    /// Options that are followed by a script, a module or a jar: whole words.
    script: &'static [&'static str],
    /// Options that take the next argument and say nothing of the script.
    skip: &'static [&'static str],
    /// Reads its program from the standard input when no script is named.
    reads_input: bool,
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["sh", "dash", "bash", "rbash", "zsh", "ksh", "ksh93", "mksh", "yash", "fish"],
        text: b"c",
        script: &[],
        skip: &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"],
        reads_input: true,
    },
    Family {
        names: &["python", "pypy"],
        text: b"c",
        script: &["-m"],
        skip: &["-W", "-X", "--check-hash-based-pycs"],
        reads_input: true,
    },
    Family { names: &["perl"], text: b"eE", script: &[], skip: &[], reads_input: true },
    Family { names: &["ruby"], text: b"e", script: &[], skip: &["-I", "-r", "-C", "-E"], reads_input: true },
    Family {
        names: &["node", "nodejs", "bun", "deno"],
        text: b"ep",
        script: &["--eval", "--print"],
        skip: &["-r", "--require", "--import", "--loader", "-C", "--conditions"],
        reads_input: true,
    },
    Family {
        names: &["php", "php-cgi"],
        text: b"rBRE",
        script: &["-f", "--file", "--run"],
        skip: &["-d", "--define", "-c", "-S", "-t", "-z"],
        reads_input: true,
    },
    Family { names: &["lua", "luajit", "texlua"], text: b"e", script: &[], skip: &["-l"], reads_input: true },
    Family {
        names: &["tclsh", "wish", "expect", "guile", "Rscript"],
        text: b"ce",
        script: &[],
        skip: &[],
        reads_input: true,
    },
    Family {
        names: &["awk", "gawk", "mawk", "original-awk"],
        text: b"",
        script: &["-f", "--file"],
        skip: &["-F", "-v"],
        reads_input: false,
    },
    Family {
        names: &["java"],
        text: b"",
        script: &["-jar", "-m", "--module"],
        skip: &["-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens"],
        reads_input: false,
    },
    // What these run is another program: naming only the runner would let anything in through it.
    Family {
        names: &["busybox", "qemu-", "wine", "wine64", "mono", "dotnet"],
        text: b"",
        script: &[],
        skip: &[],
        reads_input: false,
    },
    Family {
        names: &["ld-linux", "ld-musl", "ld.so", "ld-", "ld64.so"],
        text: b"",
        script: &[],
        skip: &[
            "--library-path",
            "--inhibit-rpath",
            "--audit",
            "--preload",
            "--argv0",
            "--glibc-hwcaps-prepend",
            "--glibc-hwcaps-mask",
        ],
        reads_input: false,
    },
];

/// The script that the executable at `exe` runs, given its arguments; `None` if `exe` is no interpreter or runs
/// nothing but what a person types.
#[must_use]
pub fn find(exe: &[u8], args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let base = exe.rsplit(|b| *b == b'/').next()?;
    let base = base.strip_suffix(b" (deleted)").unwrap_or(base);
    let family = FAMILIES.iter().find(|family| family.names.iter().any(|name| is_version_of(base, name)))?;
    if base == b"busybox" {
        return applet(args);
    }
    let args = args.get(1..).unwrap_or_default();
    match from_arguments(family, args) {
        Named::Text(option, text) => Some(inline(option, text)),
        Named::Option(b"-m" | b"--module", value) => Some(Text::cut(&[b"-m ", value].concat(), 256)),
        Named::Option(_, path) | Named::Path(path) => Some(absolute(path, invocation)),
        Named::Nothing => from_input(family, invocation),
    }
}

enum Named<'a> {
    Text(u8, &'a [u8]),
    Option(&'a [u8], &'a [u8]),
    Path(&'a [u8]),
    Nothing,
}

fn from_arguments<'a>(family: &Family, args: &[&'a [u8]]) -> Named<'a> {
    let mut at = 0;
    let is = |list: &[&str], word: &[u8]| list.iter().any(|name| name.as_bytes() == word);
    while let Some(arg) = args.get(at).copied() {
        let next = args.get(at + 1).copied();
        if arg == b"--" {
            return next.map_or(Named::Nothing, Named::Path);
        }
        if arg == b"-" || arg == b"-s" && family.text == b"c" {
            return Named::Nothing;
        }
        if !(arg.starts_with(b"-") || arg.starts_with(b"+")) || arg.len() < 2 {
            return Named::Path(arg);
        }
        // In a shell `-o` may stand at the end of a cluster too: `-euo pipefail`.
        let cluster_of_o =
            is_shell(family) && !arg.starts_with(b"--") && arg.to_ascii_lowercase().ends_with(b"o");
        if is(family.skip, arg) || cluster_of_o {
            at += 2;
            continue;
        }
        if is(family.script, arg) {
            return next.map_or(Named::Nothing, |value| Named::Option(arg, value));
        }
        if let Some(cluster) = arg.strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"))
            && let Some(letter) = text_option(family, cluster)
        {
            // `-c` may stand in a cluster with the options that follow it still before the text: `sh -c -e TEXT`.
            let text = args.iter().skip(at + 1).find(|arg| family.text != b"c" || !arg.starts_with(b"-"));
            let joined = cluster.iter().position(|b| *b == letter).and_then(|found| cluster.get(found + 1..));
            return match joined {
                // `perl -eprint`, `python -cimport`: the text is the rest of the cluster; a shell has no such form.
                Some(rest) if !rest.is_empty() && !is_shell(family) => Named::Text(letter, rest),
                _ => text.map_or(Named::Nothing, |text| Named::Text(letter, text)),
            };
        }
        at += 1;
    }
    Named::Nothing
}

fn is_shell(family: &Family) -> bool {
    family.names.contains(&"sh")
}

/// The letter of a cluster like `-lc` after which program text comes.
fn text_option(family: &Family, cluster: &[u8]) -> Option<u8> {
    // Of perl's letters some take the rest of the cluster as their value: -I, -M, -m, -x, -i, -F, -C, -D.
    let letters = if family.names.contains(&"perl") {
        cluster.split(|b| b"IMmxiFCD".contains(b)).next()?
    } else {
        cluster
    };
    letters.iter().copied().find(|letter| family.text.contains(letter))
}

/// Program text is identity: cut it and whatever stands behind the cut could be changed. So long text gets a digest.
fn inline(option: u8, text: &[u8]) -> Text {
    const SHOWN: usize = 200;
    let text = super::secret::mask(text);
    let flat =
        text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ');
    let prefix = [b'-', option, b' '];
    if flat.len() <= SHOWN {
        return Text::new([&prefix, &flat[..]].concat());
    }
    let digest: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let head = String::from_utf8_lossy(flat.get(..SHOWN).unwrap_or_default()).into_owned();
    Text::new([&prefix, head.as_bytes(), format!("… sha256:{digest}").as_bytes()].concat())
}

/// A relative path is one of the folder the process is in.
fn absolute(path: &[u8], invocation: &Invocation) -> Text {
    if path.starts_with(b"/") {
        return Text::cut(&without_dots(path), 4096);
    }
    match (invocation.folder)() {
        Some(folder) => Text::cut(&without_dots(&[&folder, &b"/"[..], path].concat()), 4096),
        None => Text::cut(path, 4096),
    }
}

fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [&b"/"[..], &parts.join(&b'/')].concat()
}

fn from_input(family: &Family, invocation: &Invocation) -> Option<Text> {
    let input = (invocation.input)().filter(|_| family.reads_input)?;
    let typed = input.starts_with(b"/dev/") && !input.starts_with(b"/dev/shm/");
    (!typed).then(|| "(standard input)".into())
}

/// `python3.11` is a version of `python`; `pythonista` is not.
fn is_version_of(base: &[u8], name: &str) -> bool {
    if name.ends_with('-') || name.starts_with("ld-linux") || name.starts_with("ld-musl") {
        return base.starts_with(name.as_bytes());
    }
    base.strip_prefix(name.as_bytes())
        .is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')))
}

/// busybox is what it is called: by a link to it, or by its first argument.
fn applet(args: &[&[u8]]) -> Option<Text> {
    let called = args.first()?.rsplit(|b| *b == b'/').next()?;
    let name = if called.strip_prefix(b"-").unwrap_or(called) == b"busybox" { args.get(1)? } else { called };
    Some(Text::cut(name, 256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn script(line: &str, input: &str) -> Option<String> {
        let args: Vec<&[u8]> = line.split('|').map(str::as_bytes).collect();
        let folder = || Some(b"/home/alice".to_vec());
        let input = || Some(input.as_bytes().to_vec());
        find(args[0], &args, &Invocation { folder: &folder, input: &input }).map(|text| text.to_string())
    }

    #[test]
    fn an_interpreter_is_named_with_its_script() {
        for (line, expected) in [
            ("/usr/sbin/nginx|-g|daemon off;", None),
            ("/usr/bin/bash", None),
            ("/usr/bin/bash|-l", None),
            ("/usr/bin/dash|/etc/cron.daily/apt", Some("/etc/cron.daily/apt")),
            ("/usr/bin/dash|-c|run-parts  /etc/cron.hourly\n", Some("-c run-parts /etc/cron.hourly")),
            ("/usr/bin/bash|-euo|pipefail|./x.sh|-c|y", Some("/home/alice/x.sh")),
            ("/usr/bin/bash|-lc|id", Some("-c id")),
            ("/usr/bin/bash|-c|-e|id", Some("-c id")),
            ("/usr/bin/python3.11|-W|ignore|-u|../bob/a.py|-c", Some("/home/bob/a.py")),
            ("/usr/bin/python3|-m|http.server|8000", Some("-m http.server")),
            ("/usr/bin/python3|-Ic|import os", Some("-c import os")),
            ("/usr/bin/python3|-cimport os", Some("-c import os")),
            ("/usr/bin/perl|-Mstrict|-ne|print", Some("-e print")),
            ("/usr/bin/perl|-wT|/usr/bin/x.pl", Some("/usr/bin/x.pl")),
            ("/usr/bin/java|-Xmx1g|-cp|/lib/a.jar|-jar|/srv/app.jar", Some("/srv/app.jar")),
            ("/usr/bin/java|-cp|/lib/a.jar|com.example.Main", Some("/home/alice/com.example.Main")),
            ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2|--library-path|/x|/tmp/evil", Some("/tmp/evil")),
            ("/usr/bin/gawk|-f|/x.awk|f", Some("/x.awk")),
            ("/bin/busybox|httpd|-f", Some("httpd")),
            ("/bin/busybox", None),
            ("/usr/bin/pythonista|x.py", None),
            ("/usr/bin/bash (deleted)|--|/x", Some("/x")),
        ] {
            assert_eq!(script(line, "/dev/pts/0").as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn busybox_called_by_a_link_is_what_the_link_is_called() {
        let nothing = || None;
        let invocation = Invocation { folder: &nothing, input: &nothing };
        let found = find(b"/bin/busybox", &[b"/sbin/httpd", b"-f"], &invocation);
        assert_eq!(found.unwrap(), "httpd");
    }

    #[test]
    fn a_program_from_a_pipe_is_not_a_person_at_a_terminal() {
        assert_eq!(script("/usr/bin/bash", "pipe:[4711]").as_deref(), Some("(standard input)"));
        assert_eq!(script("/usr/bin/bash|-s|arg", "/tmp/x").as_deref(), Some("(standard input)"));
        assert_eq!(script("/usr/bin/bash", "/dev/null"), None);
        assert_eq!(script("/usr/bin/bash", "/dev/shm/x").as_deref(), Some("(standard input)"));
    }

    #[test]
    fn long_inline_text_cannot_be_changed_behind_the_cut() {
        let text = |end: &str| script(&format!("/bin/sh|-c|{}{end}", "true; ".repeat(100)), "").unwrap();
        assert_ne!(text("id"), text("rm"));
        assert!(text("id").len() < 300);
    }

    proptest! {
        #[test]
        fn any_command_line_is_survived(args: Vec<Vec<u8>>) {
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            for exe in ["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/java", "/bin/busybox"] {
                let nothing = || None;
                let _ = find(exe.as_bytes(), &args, &Invocation { folder: &nothing, input: &nothing });
            }
        }
    }
}
