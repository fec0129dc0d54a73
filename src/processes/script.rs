//! Which script an interpreter runs. An interpreter's own path says nothing: `/usr/bin/python3` is whatever it was
//! told to read. So it is named with its script: a path, `-c COMMAND` for a command given as text, `-m MODULE`,
//! or `(standard input)` if it reads its program from a pipe or a file. An interpreter at a terminal has none. A command
//! line that is not wholly understood is `(unclear) …` with a digest of all its arguments: never another's name. One
//! without any argument, even its own name, is `(unclear) no arguments`: nobody types there, it was made to say nothing.
//!
//! The arguments are what the process shows of itself and it may rewrite them: a script narrows a rule, and is
//! never the whole of it.

use crate::rule::is_windows_path;
use crate::text::Text;
use sha2::{Digest, Sha256};
pub use windows::find as find_on_windows;

mod java;
mod windows;

/// What an interpreter is said to run that shows no arguments at all.
pub const NO_ARGUMENTS: &str = "(unclear) no arguments";

/// How the name of a script begins that is not understood.
const UNCLEAR: &str = "(unclear)";

/// What else is known of how the interpreter was started; asked only where it matters.
pub struct Invocation<'a> {
    /// Its working folder, for a script named by a relative path.
    pub folder: &'a dyn Fn() -> Option<Vec<u8>>,
    /// What its standard input is.
    pub input: &'a dyn Fn() -> Option<Vec<u8>>,
    /// The whole path without the `..` in it, if it can be told that it is the same file.
    pub without_dots: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

/// What is known of a script by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file, by its whole path.
    File,
    /// Text that a shell was given.
    ShellText,
    /// Text of a language that filters lines, and does nothing else by itself.
    Filter,
    /// Anything else: text of a whole language, a module, what came from a pipe, or what is not understood.
    Other,
}

/// True if what runs there does what a script says, or a person who types.
#[must_use]
pub fn is_interpreter(exe: &str) -> bool {
    let base = exe.rsplit('/').next().unwrap_or_default().as_bytes();
    let is_one = |family: &&Family| family.names.iter().any(|name| is_version_of(base, name));
    FAMILIES.iter().find(is_one).is_some_and(|family| family.operand == Operand::Script)
}

/// What kind of script this is that the executable at `exe` runs.
#[must_use]
pub fn kind(exe: &str, script: &str) -> Kind {
    let base = exe.rsplit('/').next().unwrap_or_default().as_bytes();
    let family = FAMILIES.iter().find(|family| family.names.iter().any(|name| is_version_of(base, name)));
    match family {
        Some(family) if family.operand == Operand::Script && script.starts_with('/') => Kind::File,
        // A path, or text that begins with one: it is a filter in any case.
        Some(family) if family.operand == Operand::Text && !script.starts_with(UNCLEAR) => Kind::Filter,
        Some(family) if (is_shell(family) || family.names.contains(&"fish")) && script.starts_with("-c ") => {
            Kind::ShellText
        }
        _ => Kind::Other,
    }
}

/// How shell text is named that is given with `-c`.
#[must_use]
pub fn shell_text(text: &[u8]) -> Text {
    inline(b"-c ", text)
}

/// How a family of interpreters reads its command line. Only what is named here is understood: an option that
/// is not could name another script, so a command line with one is known by all of its arguments.
struct Family {
    /// Names of executables begin like this, and a version or a way of building follows.
    names: &'static [&'static str],
    /// Short options that take nothing and load nothing; they may stand together.
    plain: &'static [u8],
    /// Short options after which program text comes.
    text: &'static [u8],
    /// Short options that take a value which loads nothing.
    valued: &'static [u8],
    /// Long options that take nothing and load nothing; one that ends in `=` or `:` holds its value itself.
    long: &'static [&'static str],
    /// Options that are followed by the script.
    script: &'static [&'static str],
    /// What stands where other families have the script.
    operand: Operand,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// A script; without one the program is read from the standard input.
    Script,
    /// A program to run.
    Program,
    /// Program text.
    Text,
}

const NONE: Family = Family {
    names: &[],
    plain: b"",
    text: b"",
    valued: b"",
    long: &[],
    script: &[],
    operand: Operand::Script,
};

const FAMILIES: &[Family] = &[
    Family {
        names: &["sh", "dash", "bash", "rbash", "zsh", "ksh", "ksh93", "mksh", "yash"],
        plain: b"abefhiklmnpruvxBCEHPTt",
        text: b"c",
        valued: b"oO",
        long: &["--login", "--norc", "--noprofile", "--posix", "--restricted", "--verbose"],
        ..NONE
    },
    // Its -C is text as well, and more may follow.
    Family { names: &["fish"], plain: b"ilNPv", text: b"c", long: &["--login", "--no-config"], ..NONE },
    Family { names: &["python", "pypy"], plain: b"bBdEhiIOPqsSuvVx", text: b"c", valued: b"WX", ..NONE },
    // With -S these two look for the script elsewhere.
    Family { names: &["perl"], plain: b"acnpstTuUvwWXg", text: b"eE", ..NONE },
    Family { names: &["ruby"], plain: b"alnpsUvw", text: b"e", ..NONE },
    Family {
        names: &["node", "nodejs"],
        text: b"ep",
        long: &[
            "--enable-source-maps",
            "--expose-gc",
            "--no-warnings",
            "--no-deprecation",
            "--trace-warnings",
            "--max-old-space-size=",
            "--max-semi-space-size=",
            "--max-http-header-size=",
        ],
        ..NONE
    },
    Family { names: &["php", "php-cgi"], plain: b"nqC", text: b"r", script: &["-f", "--file"], ..NONE },
    Family { names: &["lua", "luajit", "texlua"], plain: b"iv", text: b"e", ..NONE },
    Family {
        names: &["tclsh", "wish", "expect", "guile", "Rscript", "csh", "tcsh", "bun", "deno", "julia"],
        ..NONE
    },
    Family {
        names: &["awk", "gawk", "mawk", "original-awk"],
        valued: b"Fv",
        script: &["-f", "--file"],
        operand: Operand::Text,
        ..NONE
    },
    // It reads its arguments like no other.
    Family { names: &["java"], ..NONE },
    // What these run is another program: naming only the runner would let anything in through it.
    Family {
        names: &["qemu-", "wine", "mono", "mono-sgen", "dotnet", "toybox"],
        operand: Operand::Program,
        ..NONE
    },
    Family { names: &["ld-linux", "ld-musl", "ld.so", "ld-", "ld64.so"], operand: Operand::Program, ..NONE },
];

/// The script that the executable at `exe` runs, given its arguments; `None` if `exe` is no interpreter or runs
/// nothing but what a person types.
#[must_use]
pub fn find(exe: &[u8], args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let base = exe.rsplit(|b| *b == b'/').next()?;
    let base = base.strip_suffix(b" (deleted)").unwrap_or(base);
    if base == b"busybox" {
        return if args.is_empty() { Some(NO_ARGUMENTS.into()) } else { applet(args) };
    }
    of_family(base, args, invocation)
}

/// What an interpreter of this name runs, given all of its arguments.
fn of_family(base: &[u8], args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let family = FAMILIES.iter().find(|family| family.names.iter().any(|name| is_version_of(base, name)))?;
    if args.is_empty() {
        return Some(NO_ARGUMENTS.into());
    }
    let args = args.get(1..).unwrap_or_default();
    if family.names.contains(&"java") {
        return java::find(args, invocation);
    }
    let mut stays = false;
    match from_arguments(family, args, &mut stays) {
        Named::Unclear => Some(unclear(args)),
        // Once that has ended it goes on with what comes next.
        Named::Text(..) | Named::Module(_) | Named::Operand(_) | Named::Script(_)
            if stays && from_input(invocation).is_some() =>
        {
            Some(unclear(args))
        }
        Named::Text(option, text) => Some(inline(&[b'-', option, b' '], text)),
        Named::Module(name) => Some(Text::cut(&[b"-m ", name].concat(), 256)),
        Named::Operand(text) if family.operand == Operand::Text => Some(inline(b"", text)),
        // A descriptor is whatever was handed over under that number: no name at all.
        Named::Operand(path) | Named::Script(path) if is_descriptor(path) => Some(HANDED_OVER.into()),
        Named::Operand(path) | Named::Script(path) => {
            Some(absolute(path, invocation).unwrap_or_else(|| unclear(args)))
        }
        Named::Nothing if family.operand == Operand::Script => from_input(invocation),
        Named::Nothing => None,
    }
}

enum Named<'a> {
    Text(u8, &'a [u8]),
    Module(&'a [u8]),
    Script(&'a [u8]),
    Operand(&'a [u8]),
    Nothing,
    /// An option that is not understood: what follows may mean anything.
    Unclear,
}

/// What they name, and whether the standard input is read after that.
fn from_arguments<'a>(family: &Family, args: &[&'a [u8]], stays: &mut bool) -> Named<'a> {
    let mut at = 0;
    while let Some(arg) = args.get(at).copied() {
        let next = args.get(at + 1).copied();
        at += 1;
        match arg {
            b"--" | b"-" => return end_of_options(family, arg, next),
            b"-s" if is_shell(family) => return Named::Nothing,
            [b'-' | b'+', _, ..] => {}
            operand => return Named::Operand(operand),
        }
        if family.script.iter().any(|name| name.as_bytes() == arg) {
            // A second one would load more.
            let another = args
                .iter()
                .skip(at + 1)
                .any(|arg| family.script.iter().any(|name| arg.starts_with(name.as_bytes())));
            return if another { Named::Unclear } else { next.map_or(Named::Unclear, Named::Script) };
        }
        let holds = |name: &&str| {
            arg == name.as_bytes()
                || name.ends_with(['=', ':', 'm', 's', 'D']) && arg.starts_with(name.as_bytes())
        };
        if family.long.iter().any(holds) {
            continue;
        }
        let letters = arg.get(1..).unwrap_or_default();
        let plain = letters.iter().take_while(|letter| family.plain.contains(letter));
        *stays |= !is_shell(family) && plain.into_iter().any(|letter| *letter == b'i');
        match cluster(family, letters) {
            Cluster::Plain => {}
            Cluster::Value(letter, rest) => {
                at += usize::from(rest.is_empty());
                let value = if rest.is_empty() { next } else { Some(rest) };
                if is_python(family) && !value.is_some_and(|value| loads_nothing(letter, value)) {
                    return Named::Unclear;
                }
            }
            Cluster::Text(letter, b"") => {
                return text_after(family, letter, args.get(at..).unwrap_or_default());
            }
            Cluster::Text(letter, rest) => return Named::Text(letter, rest),
            Cluster::Module(b"") => return next.map_or(Named::Unclear, Named::Module),
            Cluster::Module(name) => return Named::Module(name),
            Cluster::Unknown => return Named::Unclear,
        }
    }
    Named::Nothing
}

/// What follows after `--` or `-` is the script, an argument of what comes from the standard input, or not known.
fn end_of_options<'a>(family: &Family, sign: &[u8], next: Option<&'a [u8]>) -> Named<'a> {
    let Some(operand) = next else { return Named::Nothing };
    match sign {
        _ if is_shell(family) => Named::Operand(operand),
        // All that follows are arguments, of either sign.
        _ if family.names.contains(&"php") => Named::Nothing,
        b"--" if !family.text.is_empty() || family.operand == Operand::Text => Named::Operand(operand),
        b"-" if !family.text.is_empty() => Named::Nothing,
        _ => Named::Unclear,
    }
}

/// What a group of short options like `-lc` comes to.
enum Cluster<'a> {
    Plain,
    /// An option with its value, which is the next argument if it is empty here.
    Value(u8, &'a [u8]),
    Text(u8, &'a [u8]),
    Module(&'a [u8]),
    Unknown,
}

/// Reads letter by letter: one that takes a value takes the rest.
fn cluster<'a>(family: &Family, letters: &'a [u8]) -> Cluster<'a> {
    // bash takes its long options with one dash too.
    if is_shell(family) && matches!(letters, b"rcfile" | b"init-file") {
        return Cluster::Unknown;
    }
    let mut found = Cluster::Plain;
    for (at, letter) in letters.iter().enumerate() {
        let rest = letters.get(at + 1..).unwrap_or_default();
        if family.plain.contains(letter) {
            continue;
        }
        // A shell goes on reading options behind -c and -o; the others take the rest as the value.
        match letter {
            letter if family.text.contains(letter) && is_shell(family) => found = Cluster::Text(*letter, b""),
            letter if family.text.contains(letter) => return Cluster::Text(*letter, rest),
            b'm' if is_python(family) => return Cluster::Module(rest),
            letter if family.valued.contains(letter) && is_shell(family) => {
                // Both at once is too clever to be read here.
                if !matches!(found, Cluster::Plain) || !rest.is_empty() {
                    return Cluster::Unknown;
                }
                found = Cluster::Value(*letter, rest);
            }
            letter if family.valued.contains(letter) => return Cluster::Value(*letter, rest),
            _ => return Cluster::Unknown,
        }
    }
    found
}

/// A shell may have more options between `-c` and the text, and the sign of their end: `sh -c -e -- TEXT`.
fn text_after<'a>(family: &Family, letter: u8, args: &[&'a [u8]]) -> Named<'a> {
    let is_plain = |arg: &[u8]| match arg {
        [b'-', letters @ ..] if !letters.is_empty() => {
            letters.iter().all(|letter| family.plain.contains(letter))
        }
        _ => false,
    };
    let mut rest = args.iter().copied().skip_while(|arg| is_shell(family) && is_plain(arg));
    match rest.next() {
        Some(b"--" | b"-") if is_shell(family) => {
            rest.next().map_or(Named::Unclear, |text| Named::Text(letter, text))
        }
        Some(text) if is_shell(family) && matches!(text, [b'-' | b'+', ..]) => Named::Unclear,
        Some(text) => Named::Text(letter, text),
        None => Named::Unclear,
    }
}

fn is_python(family: &Family) -> bool {
    family.names.contains(&"python")
}

/// Whether this value of Python's `-W` or `-X` makes it load nothing: a category of warnings with a dot is looked for in a module,
/// and some of `-X` say where to look for what is compiled.
fn loads_nothing(letter: u8, value: &[u8]) -> bool {
    const HARMLESS: &[&str] = &[
        "dev",
        "faulthandler",
        "gil",
        "importtime",
        "int_max_str_digits",
        "no_debug_ranges",
        "safe_path",
        "tracemalloc",
        "utf8",
        "warn_default_encoding",
    ];
    if letter == b'W' {
        return value.split(|byte| *byte == b':').nth(2).is_none_or(|category| !category.contains(&b'.'));
    }
    let name = value.split(|byte| *byte == b'=').next().unwrap_or_default();
    HARMLESS.iter().any(|harmless| harmless.as_bytes() == name)
}

fn is_shell(family: &Family) -> bool {
    family.names.contains(&"sh")
}

/// Program text is identity. Where it is cut, where a secret in it is masked, or where a line ends (and a comment with it), something
/// else could stand: then a digest of all of it goes with it. Of its lines the spaces around and between words do not count.
fn inline(option: &[u8], text: &[u8]) -> Text {
    const SHOWN: usize = 200;
    let masked = super::secret::mask(text);
    let lines = flat_lines(&masked);
    let flat = lines.join(&b' ');
    let is_all = flat.len() <= SHOWN && masked == text;
    if is_all && lines.len() <= 1 {
        return Text::new([option, &flat[..]].concat());
    }
    let digest = if is_all { digest(&[&lines.join(&b'\n')]) } else { digest(&[text]) };
    let head = String::from_utf8_lossy(flat.get(..SHOWN).unwrap_or(&flat)).into_owned();
    Text::new([option, head.as_bytes(), format!("… sha256:{digest}").as_bytes()].concat())
}

/// The lines in which something stands, their words with one space between.
fn flat_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let flat = |line: &[u8]| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(&b' ')
    };
    text.split(|byte| *byte == b'\n').map(flat).filter(|line| !line.is_empty()).collect()
}

/// A command line that is not understood is known by all of its arguments.
fn unclear(args: &[&[u8]]) -> Text {
    const SHOWN: usize = 120;
    let shown = super::secret::masked(args).iter().map(Text::to_bytes).collect::<Vec<_>>().join(&b' ');
    let head = String::from_utf8_lossy(shown.get(..SHOWN).unwrap_or(&shown)).into_owned();
    Text::new(format!("{UNCLEAR} {head}… sha256:{}", digest(args)))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What a script is called that has no name: it comes over a descriptor.
const HANDED_OVER: &str = "(standard input)";

fn is_descriptor(path: &[u8]) -> bool {
    path.starts_with(b"/dev/fd/")
        || path.starts_with(b"/dev/stdin")
        || path.starts_with(b"/proc/") && memchr::memmem::find(path, b"/fd/").is_some()
}

/// A relative path is one of the folder the process is in. `None` if it cannot be told which file that is.
fn absolute(path: &[u8], invocation: &Invocation) -> Option<Text> {
    if path.starts_with(b"/") {
        return without_dots(path, invocation).map(|path| Text::cut(&path, 4096));
    }
    match (invocation.folder)() {
        None if is_windows_path(&String::from_utf8_lossy(path)) => {
            Some(Text::cut(&windows::without_dots(path), 4096))
        }
        Some(folder) => {
            without_dots(&[&folder, &b"/"[..], path].concat(), invocation).map(|path| Text::cut(&path, 4096))
        }
        None => Some(Text::cut(path, 4096)),
    }
}

/// Only the host knows where a link leads, and with it the `..` behind one.
fn without_dots(path: &[u8], invocation: &Invocation) -> Option<Vec<u8>> {
    let parts = || path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if parts().any(|part| part == b"..") {
        return (invocation.without_dots)(path);
    }
    Some([&b"/"[..], &parts().collect::<Vec<_>>().join(&b'/')].concat())
}

fn from_input(invocation: &Invocation) -> Option<Text> {
    let input = (invocation.input)()?;
    let typed = [&b"/dev/pts/"[..], b"/dev/tty", b"/dev/console", b"/dev/null"]
        .iter()
        .any(|dev| input.starts_with(dev));
    (!typed).then(|| HANDED_OVER.into())
}

/// `python3.11-dbg` is a version of `python` and `bash-static` one of `bash`; `pythonista` and `php-fpm8.2` are none.
fn is_version_of(base: &[u8], name: &str) -> bool {
    if name.ends_with('-') || name.starts_with("ld-linux") || name.starts_with("ld-musl") {
        return base.starts_with(name.as_bytes());
    }
    let is_version = |rest: &[u8]| match rest {
        [] | [b'.' | b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] => true,
        [b'-', built @ ..] => [&b""[..], b"dbg", b"debug", b"static"].contains(&built),
        _ => false,
    };
    base.strip_prefix(name.as_bytes()).is_some_and(is_version)
}

/// busybox is what it is called: by a link to it, or by its first argument.
fn applet(args: &[&[u8]]) -> Option<Text> {
    let called = args.first()?.rsplit(|b| *b == b'/').next()?;
    let by_itself = called.strip_prefix(b"-").unwrap_or(called) == b"busybox";
    let name = if by_itself { args.get(1)? } else { called };
    match name.strip_prefix(b"-").unwrap_or(name) {
        // A shell or an interpreter of its own: what it runs is in the rest.
        b"sh" | b"ash" | b"hush" | b"awk" | b"env" | b"nsenter" | b"chroot" if args.len() > 1 => {
            Some(unclear(args))
        }
        name => Some(Text::cut(name, 256)),
    }
}

#[cfg(test)]
mod tests;
