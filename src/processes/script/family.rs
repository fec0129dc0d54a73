//! The families of interpreters, and which options of theirs are understood.

/// How a family of interpreters reads its command line. Only what is named here is understood: an option that
/// is not could name another script, so a command line with one is known by all of its arguments.
pub struct Family {
    /// Names of executables begin like this, and a version or a way of building follows.
    pub names: &'static [&'static str],
    /// Short options that take nothing and load nothing; they may stand together.
    pub plain: &'static [u8],
    /// Short options after which program text comes.
    pub text: &'static [u8],
    /// Short options that take a value which loads nothing.
    pub valued: &'static [u8],
    /// Long options that take nothing and load nothing; one that ends in `=` holds its value itself.
    pub long: &'static [&'static str],
    /// Options that are followed by the script.
    pub script: &'static [&'static str],
    /// What stands where other families have the script.
    pub operand: Operand,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operand {
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
        names: &[
            "bun",
            "cjs",
            "cjs-console",
            "clisp",
            "csh",
            "deno",
            "ecl",
            "expect",
            "gforth",
            "ghci",
            "gjs",
            "gjs-console",
            "guile",
            "jimsh",
            "jsc",
            "julia",
            "newlisp",
            "ocaml",
            "ocamlrun",
            "octave",
            "octave-cli",
            "pike",
            "qjs",
            "R",
            "racket",
            "regina",
            "Rscript",
            "sbcl",
            "swipl",
            "tclsh",
            "tcsh",
            "wish",
        ],
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

impl Family {
    /// The family that an executable of this name belongs to.
    pub fn of(base: &[u8]) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.names.iter().any(|name| is_version_of(base, name)))
    }

    pub fn is(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    pub fn is_shell(&self) -> bool {
        self.is("sh")
    }

    pub fn is_python(&self) -> bool {
        self.is("python")
    }
}

/// True if gawk does more with this text than filter lines: it loads other text or libraries, or talks to elsewhere.
pub fn does_more_than_filter(text: &[u8]) -> bool {
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    let loads = text.split(|byte| *byte == b'@').skip(1).any(|rest| {
        // It takes a line that goes on for a space.
        let at = rest.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'\\');
        let word = rest.get(at.unwrap_or_default()..).unwrap_or_default();
        word.starts_with(b"load") || word.starts_with(b"include")
    });
    loads || has(b"|&") || has(b"/inet")
}

/// `python3.11-dbg` is a version of `python` and `bash-static` one of `bash`; `pythonista` and `php-fpm8.2` are none.
#[must_use]
pub fn is_version_of(base: &[u8], name: &str) -> bool {
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
