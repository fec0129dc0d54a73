//! What is written down beside the code must be what the code does: man pages, completions, and the documents.

// What is written down is the same on every system: to look once is enough.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

#[path = "../examples/manual/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod manual;

use host_watchdog::finding::{Code, Kind};
use host_watchdog::policy::Policy;
use host_watchdog::settings::parse_settings;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder with this ending, as paths within the repository.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn man_pages_and_completions_are_those_of_the_command_line() {
    let made: BTreeMap<PathBuf, String> = manual::files().into_iter().collect();
    for (file, content) in &made {
        let committed = fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(
            *content == committed,
            "{} is not what src/cli.rs or docs/ make: run `cargo run --example manual` and commit it",
            file.display()
        );
    }
    let committed: BTreeSet<PathBuf> = ["packaging/man", "packaging/completions"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path().strip_prefix(root()).unwrap().to_owned())
        .collect();
    let made: BTreeSet<PathBuf> = made.into_keys().collect();
    assert_eq!(committed, made, "left: committed, right: made; take out what no command is behind any more");
}

#[test]
fn every_code_has_its_entry_in_the_findings_in_order() {
    let document = read("docs/findings.md");
    let entries: Vec<(&str, &str)> =
        document.split("\n## ").skip(1).map(|entry| entry.split_once('\n').unwrap()).collect();
    let headings: Vec<&str> = entries.iter().map(|(heading, _)| *heading).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(headings, codes, "left: headings of docs/findings.md, right: Code::ALL");
    for (code, (_, body)) in Code::ALL.iter().zip(entries) {
        let lasts = match code.kind() {
            Kind::State => "lasts until it is gone",
            Kind::Event => "happened at a moment",
        };
        let head = format!("\n{} *Usually {}; {lasts}.*\n\n", code.sentence(), code.severity().as_str());
        let guidance =
            body.strip_prefix(&head).unwrap_or_else(|| panic!("the entry {code} must begin: {head}"));
        assert!(guidance.trim().len() > 80, "the entry {code} says nothing on what to do");
    }
}

#[test]
fn every_dependency_has_its_reason_and_every_reason_its_dependency() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let mut tables = vec![manifest.clone()];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(toml::Value::as_table).cloned());
    }
    let mut used = BTreeSet::new();
    for table in &tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(kind).and_then(toml::Value::as_table);
            used.extend(entries.into_iter().flat_map(|entries| entries.keys().cloned()));
        }
    }
    let document = read("docs/dependencies.md");
    let lines: Vec<(&str, &str)> =
        document.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: ")).collect();
    assert!(lines.iter().all(|(_, reason)| reason.len() > 20), "a reason is a sentence");
    let reasons: Vec<String> = lines.iter().map(|(name, _)| (*name).to_owned()).collect();
    let once: BTreeSet<String> = reasons.iter().cloned().collect();
    assert_eq!(reasons.len(), once.len(), "a dependency has two reasons");
    assert_eq!(once, used, "left: docs/dependencies.md, right: Cargo.toml");
    let code: String = ["src", "tests", "benches", "examples"]
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .map(read)
        .collect();
    // A library is called by its package's name with `_` for `-`, or without: md-5 is md5.
    let is_named = |name: &String| {
        [name.replace('-', "_"), name.replace('-', "")].iter().any(|name| code.contains(&format!("{name}::")))
    };
    let unused: Vec<&String> = used.iter().filter(|name| !is_named(name)).collect();
    assert!(unused.is_empty(), "no code names {unused:?}");
}

/// The text blocks of a document: what stands behind the fence, the line it begins on, and its text.
fn blocks(document: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (at, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some((_, _, text)), _) => text.extend([line, "\n"]),
            (None, Some(tag)) => open = Some((tag.to_owned(), at + 1, String::new())),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[test]
fn every_example_in_the_documents_is_one_that_the_program_accepts() {
    let mut documents = files("docs", "md");
    documents.push("README.md".into());
    let mut seen = 0;
    for file in documents {
        for (tag, line, text) in blocks(&read(&file)) {
            let place = format!("{}:{line}", file.display());
            match tag.as_str() {
                "toml" => {
                    let begins = text.lines().any(|line| line.trim_start().starts_with("schema"));
                    let whole = if begins { text } else { format!("schema = 1\n{text}") };
                    if let Err(error) = Policy::from_text(&place, &whole) {
                        panic!("{error}");
                    }
                }
                "toml settings" => {
                    if let Err(error) = parse_settings(&place, &text) {
                        panic!("{error}");
                    }
                }
                _ => continue,
            }
            seen += 1;
        }
    }
    assert!(seen > 12, "only {seen} examples");
}

/// The keys a table may have, as the program itself lists them when it refuses one; `None` if it is no table.
fn keys(refuse: &dyn Fn(&str) -> String, table: &str) -> Option<Vec<String>> {
    let error = refuse(table);
    let (_, expected) = error.split_once("unknown field `no-such-key`, expected ")?;
    let expected = expected.lines().next()?;
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Every table that a file may hold, from the top, with the keys it may have: `[[process]]` -> exe, …
fn tables(refuse: &dyn Fn(&str) -> String) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    let top = keys(refuse, "no-such-key = 1").expect("the top refuses what it does not know");
    for key in &top {
        for header in [format!("[{key}]"), format!("[[{key}]]")] {
            let Some(own) = keys(refuse, &format!("{header}\nno-such-key = 1")) else { continue };
            for inner in &own {
                let inline = format!("{header}\n{inner} = {{ no-such-key = 1 }}");
                if let Some(innermost) = keys(refuse, &inline) {
                    tables.insert(format!("{header}.{inner}"), innermost);
                }
            }
            tables.insert(header, own);
            break;
        }
    }
    tables.insert(String::new(), top);
    tables
}

/// What a document does not say of the tables. Each table has a heading with its header; what all tables have in
/// common stands under a heading with `every`, if there is one.
fn unsaid(document: &str, tables: &BTreeMap<String, Vec<String>>, every: Option<&str>) -> Vec<String> {
    let sections: Vec<&str> = document.split("\n## ").collect();
    let section_of = |words: &str| {
        let found =
            sections.iter().find(|section| section.lines().next().unwrap_or_default().contains(words));
        found.copied().unwrap_or_default()
    };
    let common = every.map(section_of).unwrap_or_default();
    let mut unsaid = Vec::new();
    for (table, keys) in tables {
        let header = table.split('.').next().unwrap_or_default();
        let section = if header.is_empty() { document } else { section_of(&format!("`{header}`")) };
        if section.is_empty() {
            unsaid.push(format!("there is no section for {header}"));
        }
        for key in keys {
            let quoted = format!("`{key}`");
            // A key of the top may be named by its own section.
            let sectioned = header.is_empty()
                && [format!("`[{key}]`"), format!("`[[{key}]]`")].iter().any(|key| document.contains(key));
            if !section.contains(&quoted) && !common.contains(&quoted) && !sectioned {
                unsaid.push(format!("{table} {key}"));
            }
        }
    }
    unsaid
}

#[test]
fn the_policy_document_names_every_key_of_every_table() {
    let refuse = |text: &str| {
        Policy::from_text("policy.toml", &format!("schema = 1\n{text}"))
            .expect_err("it is refused")
            .to_string()
    };
    let tables = tables(&refuse);
    assert!(tables.len() > 10 && tables["[[process]]"].contains(&"exe".to_owned()), "{tables:?}");
    let document = read("docs/policy.md");
    assert_eq!(unsaid(&document, &tables, Some("every rule")), Vec::<String>::new());
    let shipped = host_watchdog::policy::shipped().iter().map(|(name, _)| format!("`{name}`"));
    assert_eq!(shipped.filter(|name| !document.contains(name)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_settings_document_names_every_key_of_every_table() {
    let refuse = |text: &str| match parse_settings("watchdog.toml", text) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let tables = tables(&refuse);
    assert!(tables[""].contains(&"schedule".to_owned()), "{tables:?}");
    assert_eq!(unsaid(&read("docs/settings.md"), &tables, None), Vec::<String>::new());
}

/// The public parsers: the path of each within the crate, as its file says it.
fn parsers() -> Vec<Vec<String>> {
    let mut parsers = Vec::new();
    for file in files("src", "rs") {
        let parts: Vec<String> =
            file.with_extension("").iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
        for line in read(&file).lines() {
            let Some(rest) = line.trim_start().strip_prefix("pub fn parse_") else { continue };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            parsers.push([parts.clone(), vec![format!("parse_{name}")]].concat());
        }
    }
    parsers
}

/// What a fuzz target calls: paths below `host_watchdog`.
fn called(target: &str) -> Vec<Vec<String>> {
    let path = |rest: &str| {
        let path: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
        path.split("::").map(str::to_owned).collect()
    };
    target.split("host_watchdog::").skip(1).map(path).collect()
}

/// True if all of `short` stands in `long` in the same order: a module may be reached by a shorter path.
fn is_within(short: &[String], long: &[String]) -> bool {
    let mut rest = long.iter();
    short.iter().all(|part| rest.any(|other| other == part))
}

#[test]
fn every_public_parser_has_a_fuzz_target() {
    let targets: Vec<(PathBuf, String)> =
        files("fuzz/fuzz_targets", "rs").into_iter().map(|file| (file.clone(), read(&file))).collect();
    let calls: Vec<Vec<String>> = targets.iter().flat_map(|(_, text)| called(text)).collect();
    let parsers = parsers();
    assert!(parsers.len() > 5, "{parsers:?}");
    let bare: Vec<String> = parsers
        .iter()
        .filter(|parser| !calls.iter().any(|call| call.last() == parser.last() && is_within(call, parser)))
        .map(|parser| parser.join("::"))
        .collect();
    assert_eq!(bare, Vec::<String>::new(), "add fuzz/fuzz_targets/NAME.rs and run fuzz/new");
    let manifest = read("fuzz/Cargo.toml");
    for (file, _) in targets {
        let path = file.strip_prefix("fuzz").unwrap().display().to_string();
        assert!(
            manifest.contains(&format!("path = \"{path}\"")),
            "{path} is not in fuzz/Cargo.toml: run fuzz/new"
        );
    }
}

#[test]
fn the_readme_names_the_command_that_ci_runs_the_tests_with() {
    let readme = read("README.md");
    assert!(
        readme.lines().any(|line| line.trim() == "scripts/test"),
        "README.md must name it on a line of its own"
    );
    assert!(read(".ci/run").contains("step \"tests\" scripts/test\n"));
    for longer in ["scripts/test-booted", "scripts/test-windows"] {
        assert!(readme.contains(longer), "the README must give the command of the longer tests, {longer}");
        assert!(read(".ci/run").contains(&format!(" {longer}\n")), "{longer}");
    }
}
