//! Writes the man pages and the shell completions from the definitions of the command line, and the man pages of the
//! policy and the settings from their documents: `cargo run --example manual`. A test compares them with what is committed.

#![allow(clippy::expect_used, missing_docs, reason = "a tool of the developers, run by hand")]

mod markdown;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use host_watchdog::cli::Cli;
use std::path::{Path, PathBuf};

/// The package also puts this link beside the program, because Debian has another package called watchdog.
const LINK: &str = "host-watchdog";

/// The pages made from documents.
const PAGES_5: [&str; 2] = ["watchdog.toml", "watchdog-policy"];

const SOURCE: &str = concat!("host-watchdog ", env!("CARGO_PKG_VERSION"));

/// Every generated file: its path within the repository and its content.
#[must_use]
pub fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    pages(&cli, None, &mut files);
    let link = format!(".so man1/{}.1\n", cli.get_name());
    files.push((PathBuf::from(format!("packaging/man/{LINK}.1")), link));
    let [settings, policy] = PAGES_5;
    for (name, what, document) in [
        (settings, "how Host Watchdog runs", include_str!("../../docs/settings.md")),
        (policy, "what Host Watchdog allows on a host", include_str!("../../docs/policy.md")),
    ] {
        let first = format!("{name} - {what}");
        let page = markdown::page(&name.to_uppercase(), "5", &first, SOURCE, document);
        files.push((PathBuf::from(format!("packaging/man/{name}.5")), text(page.into_bytes())));
    }
    for name in [cli.get_name().to_owned(), LINK.to_owned()] {
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Zsh, format!("_{name}")),
            (Shell::Fish, format!("{name}.fish")),
        ] {
            let mut bytes = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), &name, &mut bytes);
            files.push((Path::new("packaging/completions").join(file), text(bytes)));
        }
    }
    files
}

/// The page of a command and those of its subcommands.
fn pages(command: &Command, parent: Option<&str>, files: &mut Vec<(PathBuf, String)>) {
    // Once built, a command is named with all that stand above it.
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    // No date, and the version of the package: the same definitions always make the same pages.
    let man = Man::new(command.clone()).date("").manual("Host Watchdog").title(name.to_uppercase());
    let man = man.source(SOURCE);
    let mut bytes = Vec::new();
    let mut sections = || {
        man.render_title(&mut bytes)?;
        man.render_name_section(&mut bytes)?;
        man.render_synopsis_section(&mut bytes)?;
        man.render_description_section(&mut bytes)?;
        man.render_options_section(&mut bytes)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut bytes)?;
        }
        after(parent, &name).to_writer(&mut bytes)
    };
    sections().expect("writing to memory");
    files.push((PathBuf::from(format!("packaging/man/{name}.1")), text(bytes)));
    // What only the service or systemd starts has none.
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        pages(subcommand, Some(&name), files);
    }
}

/// What the definitions do not hold: exit codes, files, other pages.
fn after(parent: Option<&str>, name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    let check = name == "watchdog-check" || parent.is_none();
    let success = if check {
        "It did what it was asked to; checking found no difference."
    } else {
        "It did what it was asked to."
    };
    let mut entry = |term: &str, what: &str| {
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text([roman(what)]);
    };
    entry("0", success);
    match name {
        "watchdog-doctor" => entry("1", "Something lacks: a warning or a fault was printed."),
        _ if parent.is_none() => {
            entry("1", "Checking found a difference, or the doctor that something lacks.");
        }
        _ if check => entry("1", "Checking found that something differs from the policy."),
        _ => {}
    }
    entry("2", "It could not; standard error says why.");
    if parent.is_none() {
        roff.control("SH", ["FILES"]);
        for (file, what) in [
            (
                "/etc/host-watchdog/watchdog.toml",
                "The settings: how it runs. Without it, all is kept in the state folder.",
            ),
            ("/etc/host-watchdog/policy.toml", "The policy: what is allowed."),
            ("/etc/host-watchdog/policy.d/*.toml", "More of the policy, united with it."),
            ("/etc/host-watchdog/policies/NAME.toml", "Ready-made policies of your own, for include."),
            ("/var/lib/host-watchdog", "The state: the database, the outbox, and what was learned."),
        ] {
            roff.control("TP", []);
            roff.text([bold(file)]);
            roff.text([roman(what)]);
        }
    }
    let top = Cli::command();
    let others = top
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| format!("watchdog-{}", command.get_name()));
    let others: Vec<String> = if parent.is_none() { others.collect() } else { vec!["watchdog".to_owned()] };
    let others = [others, PAGES_5.map(str::to_owned).to_vec()].concat();
    roff.control("SH", ["SEE ALSO"]);
    let last = others.len();
    for (at, other) in others.iter().enumerate() {
        let section = if PAGES_5.contains(&other.as_str()) { 5 } else { 1 };
        let comma = if at + 1 < last { "," } else { "" };
        roff.control("BR", [other.as_str(), &format!("({section}){comma}")]);
    }
    roff
}

fn text(bytes: Vec<u8>) -> String {
    let mut text = String::from_utf8(bytes).expect("it was made from text");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, content) in files() {
        let path = root.join(&file);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(&path, content).expect("the file can be written");
        println!("{}", file.display());
    }
}
