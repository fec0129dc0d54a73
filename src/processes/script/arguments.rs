//! What an interpreter's arguments name: program text, a module, a script, or nothing that is understood.

use super::family::{Family, Operand};

/// What arguments name.
pub enum Named<'a> {
    Text(u8, &'a [u8]),
    Module(&'a [u8]),
    Script(&'a [u8]),
    Operand(&'a [u8]),
    Nothing,
    /// An option that is not understood: what follows may mean anything.
    Unclear,
}

/// What they name, and whether the standard input is read after that.
pub fn from_arguments<'a>(family: &Family, args: &[&'a [u8]], stays: &mut bool) -> Named<'a> {
    let mut at = 0;
    while let Some(arg) = args.get(at).copied() {
        let next = args.get(at + 1).copied();
        at += 1;
        match arg {
            b"--" | b"-" => return end_of_options(family, arg, next),
            b"-s" if family.is_shell() => return Named::Nothing,
            [b'-' | b'+', _, ..] => {}
            operand => return Named::Operand(operand),
        }
        if family.script.iter().any(|name| name.as_bytes() == arg) {
            let rest = args.get(at + 1..).unwrap_or_default();
            return if goes_on(family, rest) {
                Named::Unclear
            } else {
                next.map_or(Named::Unclear, Named::Script)
            };
        }
        let holds =
            |name: &&str| arg == name.as_bytes() || name.ends_with('=') && arg.starts_with(name.as_bytes());
        if family.long.iter().any(holds) {
            continue;
        }
        let letters = arg.get(1..).unwrap_or_default();
        let plain = letters.iter().take_while(|letter| family.plain.contains(letter));
        *stays |= !family.is_shell() && plain.into_iter().any(|letter| *letter == b'i');
        match cluster(family, letters) {
            Cluster::Plain => {}
            Cluster::Value(letter, rest) => {
                at += usize::from(rest.is_empty());
                let value = if rest.is_empty() { next } else { Some(rest) };
                if family.is_python() && !value.is_some_and(|value| loads_nothing(letter, value)) {
                    return Named::Unclear;
                }
            }
            Cluster::Text(letter, b"") => {
                return text_after(family, letter, args.get(at..).unwrap_or_default());
            }
            Cluster::Text(_, _) if goes_on(family, args.get(at..).unwrap_or_default()) => {
                return Named::Unclear;
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
        _ if family.is_shell() => Named::Operand(operand),
        // All that follows are arguments, of either sign.
        _ if family.is("php") => Named::Nothing,
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
    if family.is_shell() && matches!(letters, b"rcfile" | b"init-file") {
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
            letter if family.text.contains(letter) && family.is_shell() => {
                found = Cluster::Text(*letter, b"");
            }
            letter if family.text.contains(letter) => return Cluster::Text(*letter, rest),
            b'm' if family.is_python() => return Cluster::Module(rest),
            letter if family.valued.contains(letter) && family.is_shell() => {
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
    let mut rest = args.iter().copied().skip_while(|arg| family.is_shell() && is_plain(arg));
    match rest.next() {
        Some(b"--" | b"-") if family.is_shell() => {
            rest.next().map_or(Named::Unclear, |text| Named::Text(letter, text))
        }
        Some(text) if family.is_shell() && matches!(text, [b'-' | b'+', ..]) => Named::Unclear,
        Some(_) if goes_on(family, args.get(1..).unwrap_or_default()) => Named::Unclear,
        Some(text) => Named::Text(letter, text),
        None => Named::Unclear,
    }
}

/// True if more may be run after the text or the script: another option could name it. Shells and Python take what follows for
/// arguments.
fn goes_on(family: &Family, rest: &[&[u8]]) -> bool {
    match rest.first().copied() {
        _ if family.is_shell() || family.is_python() => false,
        // What follows is its script, or what it reads.
        Some(_) if family.is("lua") => true,
        None | Some(b"--" | b"-") => false,
        Some([b'-' | b'+', ..]) => true,
        Some(_) => false,
    }
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
