//! Which findings mean no more than "not known yet", and the rule each becomes.

use super::Learned;
use crate::dpkg;
use crate::file;
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::policy::Policy;
use crate::processes::nt::is_of_another_host;
use crate::processes::script::NO_ARGUMENTS;
use crate::rule::{Pattern, is_windows_path, to_toml};
use crate::text::Text;
use crate::watch::listener::KERNEL as KERNEL_ITSELF;
use std::path::{Path, PathBuf};

/// What a suggestion says in place of a reason. If it says more, a person must look at it.
const UNSAID: &str = "…";

/// A rule that is longer in words is for a person to read.
const LONGEST: usize = 4000;

/// What threads of the kernel are called; a program that calls itself so does not want to be seen.
const KERNEL: &[&str] = &[
    "[",
    "kworker",
    "kthread",
    "ksoftirqd",
    "kswapd",
    "kcompactd",
    "kdevtmpfs",
    "khugepaged",
    "khungtaskd",
    "kauditd",
    "migration/",
    "rcu_",
    "cpuhp/",
    "idle_inject/",
    "irq/",
    "jbd2/",
    "watchdogd",
    "writeback",
];

/// The rule that this finding becomes; none for one that says nothing of unknown processes and sockets. What must
/// not be learned is an error: why, in words.
///
/// # Errors
/// Why it is not to be learned.
#[must_use]
pub fn learnable(host: &Host, finding: &Finding, by: &str) -> Option<Result<Learned, String>> {
    if !matches!(finding.code, Code::UnknownProcess | Code::NewListener) {
        return None;
    }
    Some(learn(host, finding, by))
}

fn learn(host: &Host, finding: &Finding, by: &str) -> Result<Learned, String> {
    let said = |name: &str| finding.evidence.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    if let Some(code_from) = finding.evidence.get("code from").and_then(|value| value.as_str()) {
        return Err(format!("its code comes from {code_from}"));
    }
    if KERNEL.iter().any(|name| said("calls itself").starts_with(name) || said("arguments").starts_with('['))
    {
        return Err("it calls itself like a thread of the kernel".to_owned());
    }
    let suggested = finding.suggest.as_deref().unwrap_or_default();
    let policy = Policy::from_text("the suggested rule", &format!("schema = 1\n{suggested}"))
        .map_err(|_| "no rule is known that would allow it".to_owned())?;
    let why = |what: &str| {
        let unit = said("unit");
        let unit = if unit.is_empty() { String::new() } else { format!(", in {unit}") };
        let parent = said("parent");
        let parent = if parent.is_empty() { String::new() } else { format!(", started by {parent}") };
        Some(format!("{what} while this host was observed{unit}{parent}"))
    };
    let learned = match (policy.process.process.as_slice(), policy.listener.listener.as_slice()) {
        ([placed], []) => {
            let mut rule = placed.rule.clone();
            remarkable(rule.why.as_deref())?;
            if rule.expires.is_some() || rule.deleted {
                return Err("a rule for it would have to expire".to_owned());
            }
            known_place(host, Some(&rule.exe), rule.script.as_ref(), rule.container)?;
            (rule.why, rule.by) = (why("ran"), Some(by.to_owned()));
            Learned { words: super::rules::process(&rule), toml: to_toml("[[process]]", &rule) }
        }
        ([], [placed]) => {
            let mut rule = placed.rule.clone();
            remarkable(rule.why.as_deref())?;
            if rule.expires.is_some() {
                return Err("a rule for it would have to expire".to_owned());
            }
            known_place(host, rule.exe.as_ref(), rule.script.as_ref(), rule.container)?;
            (rule.why, rule.by) = (why("listened"), Some(by.to_owned()));
            Learned { words: super::rules::listener(&rule), toml: to_toml("[[listener]]", &rule) }
        }
        _ => return Err("no rule is known that would allow it".to_owned()),
    };
    if learned.toml.len() > LONGEST {
        return Err("a rule for it would be too long to be read".to_owned());
    }
    Ok(learned)
}

/// The learner says in the reason what is odd: a package's file that was changed, an owner nobody sees.
fn remarkable(why: Option<&str>) -> Result<(), String> {
    match why.unwrap_or_default().strip_prefix(UNSAID) {
        Some("") => Ok(()),
        Some(remark) => Err(remark.trim_start_matches("; ").to_owned()),
        None => Err("no rule is known that would allow it".to_owned()),
    }
}

/// A rule names a file by its path, which says something only if not everybody can put a file there.
fn known_place(
    host: &Host,
    exe: Option<&Pattern>,
    script: Option<&Pattern>,
    container: bool,
) -> Result<(), String> {
    let is_path = |name: &str| name.starts_with('/') || is_windows_path(name);
    let exe = exe.map(Pattern::as_str).unwrap_or_default();
    if exe == KERNEL_ITSELF {
        return Ok(());
    }
    if !is_path(exe) {
        return Err("it has no file of its own".to_owned());
    }
    if script.is_some_and(|script| script.as_str() == "(standard input)") {
        return Err("its script comes from its standard input and can be anything".to_owned());
    }
    if script.is_some_and(|script| script.as_str() == NO_ARGUMENTS) {
        return Err("it shows no arguments, so what it runs can be anything".to_owned());
    }
    if script.is_some_and(|script| !is_path(script.as_str()) && !script.as_str().starts_with(['-', '('])) {
        return Err("where its script lies is not known".to_owned());
    }
    // A path within a container is none of ours, and its rule holds in containers only.
    let paths = [Some(exe), script.map(Pattern::as_str)];
    for path in paths.into_iter().flatten().filter(|path| is_path(path) && !container) {
        if is_open_to_all(host, path)? {
            return Err("it comes from a place where anybody may put a file".to_owned());
        }
    }
    Ok(())
}

/// True if everybody may write this file, or put another in its place.
fn is_open_to_all(host: &Host, path: &str) -> Result<bool, String> {
    let literal = Pattern::from(path).as_literal().ok_or("it stands for more than one file")?;
    let path = dpkg::system_path(Text::shown(&literal).to_bytes());
    if cfg!(windows) && is_of_another_host(&path.to_string_lossy()) {
        return Err("it lies on another host".to_owned());
    }
    let unseen = |error| format!("its file cannot be looked at: {error}");
    let file = host.path(&path);
    let real = file.canonicalize().map_err(unseen)?;
    let parts: Vec<PathBuf> = path.ancestors().map(|part| host.path(part)).collect();
    // A script may be named by a link; where that leads to counts too.
    let others: Vec<PathBuf> =
        if real == file { Vec::new() } else { real.ancestors().map(Path::to_owned).collect() };
    Ok(file::others_may_replace(&parts).map_err(unseen)?
        || file::others_may_replace(&others).map_err(unseen)?)
}

#[cfg(test)]
#[cfg(windows)]
mod tests {
    use super::*;

    fn learned(exe: &str) -> Result<String, String> {
        let suggested =
            format!("[[process]]\nexe = '{exe}'\nusers = ['NT AUTHORITY\\SYSTEM']\nwhy = \"…\"\n");
        let finding = Finding::new(Code::UnknownProcess, "exe=x", "unknown process").suggest(suggested);
        learnable(&Host::this(), &finding, "test").unwrap().map(|learned| learned.words)
    }

    #[test]
    fn a_program_of_windows_is_learned_where_only_administrators_may_put_one() {
        let shell = crate::win32::folder::windows().join(r"system32\cmd.exe");
        let shell = shell.to_str().unwrap();
        assert_eq!(learned(shell).unwrap(), format!(r"process {shell}, as NT AUTHORITY\SYSTEM"));
        let gone = learned(r"C:\not there\x.exe").unwrap_err();
        assert!(gone.starts_with("its file cannot be looked at: "), "{gone}");
        assert_eq!(learned(r"C:\Windows\*\cmd.exe").unwrap_err(), "it stands for more than one file");
        assert_eq!(learned(r"\\localhost\share\x.exe").unwrap_err(), "it lies on another host");
        assert_eq!(learned("memfd:x").unwrap_err(), "it has no file of its own");
    }
}
