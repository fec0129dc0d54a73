//! Comparing what starts by itself with the rules.

use super::{Autorun, AutorunFacts, AutorunRule, Rules, learn};
use crate::finding::{Code, Finding};
use crate::rule::{self, Comparison, Name, Pattern, Placed, Verdict, to_toml};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Arguments are part of what makes a thing itself. Longer ones stand for themselves by their beginning and a digest.
const LONG: usize = 160;

/// All differences between what starts by itself and the rules.
pub fn check(facts: &AutorunFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    facts.autoruns.iter().filter_map(|autorun| check_one(autorun, rules, now)).collect()
}

/// The same facts without what `rules` allow, for a policy that includes these.
#[must_use]
pub fn without_allowed(facts: &AutorunFacts, rules: &Rules, now: Timestamp) -> AutorunFacts {
    let is_left = |autorun: &&Autorun| {
        let naming = naming(autorun, rules);
        matches!(rule::ask(naming, now, |rule| compare(rule, autorun)), Verdict::Refused(_))
    };
    AutorunFacts { autoruns: facts.autoruns.iter().filter(is_left).cloned().collect() }
}

/// The rules for this kind and name: no other can allow it.
fn naming<'a>(autorun: &Autorun, rules: &'a Rules) -> Vec<&'a Placed<AutorunRule>> {
    let is_for = |placed: &&Placed<AutorunRule>| {
        placed.rule.kind == autorun.kind && placed.rule.names.iter().any(|name| name.matches(&autorun.name))
    };
    rules.autorun.iter().filter(is_for).collect()
}

/// True if this is the path that is meant. The registry can name what no file can be called, with a star in it.
fn is_path(pattern: &Pattern, path: &str) -> bool {
    pattern.matches_path(path) || *pattern == Pattern::literal(path)
}

/// How one rule fits.
fn compare(rule: &AutorunRule, autorun: &Autorun) -> Comparison {
    let mut comparison = Comparison::default();
    if rule.kind != autorun.kind {
        comparison.condition(false, || format!("it is for a {}", rule.kind.words()));
        return comparison;
    }
    let is_named = rule.names.iter().any(|name| name.matches(&autorun.name));
    // The kind alone makes no rule a near one.
    if let Some(exe) = &rule.exe {
        comparison.condition(is_path(exe, &autorun.exe), || format!("it starts {}", exe.as_str()));
    }
    comparison.condition(is_named, || "it is for other names".to_owned());
    if !autorun.arguments.is_empty() {
        let fits = rule.arguments.iter().any(|pattern| pattern.matches_text(&autorun.arguments));
        comparison.condition(fits, || match rule.arguments.as_slice() {
            [] => "it allows no arguments".to_owned(),
            [one] => format!("its arguments are {}", one.as_str()),
            _ => "it allows other arguments".to_owned(),
        });
    }
    if let Some(library) = &autorun.library {
        let fits = rule.libraries.iter().any(|pattern| is_path(pattern, library));
        comparison.condition(fits, || match rule.libraries.as_slice() {
            [] => "it allows no library".to_owned(),
            [one] => format!("its library is {}", one.as_str()),
            _ => "it allows other libraries".to_owned(),
        });
    }
    if !rule.users.is_empty() {
        let user = autorun.user.as_deref().unwrap_or("the kernel");
        comparison.condition(rule.users.iter().any(|name| name.matches(user)), || {
            let users: Vec<&str> = rule.users.iter().map(Name::as_str).collect();
            format!("it runs as {user}, not as {}", users.join(" or "))
        });
    }
    if autorun.hidden {
        comparison.condition(rule.hidden, || "it does not allow what hides".to_owned());
    }
    comparison
}

fn check_one(autorun: &Autorun, rules: &Rules, now: Timestamp) -> Option<Finding> {
    let naming = naming(autorun, rules);
    let is_known = !naming.is_empty();
    let asked = if is_known { naming } else { near(autorun, rules) };
    let nearest = match rule::ask(asked, now, |rule| compare(rule, autorun)) {
        Verdict::Allowed(_) => return None,
        Verdict::Refused(nearest) => nearest,
    };
    let Autorun { kind, name, exe, arguments, library, user, hidden, start, place, unquoted } = autorun;
    let code = if is_known { Code::ChangedAutorun } else { Code::UnknownAutorun };
    let starts = match library {
        Some(library) => format!("{exe} with {library}"),
        None => exe.to_string(),
    };
    let kind_words = kind.words();
    let mut title = match code {
        Code::ChangedAutorun => format!("{kind_words} {name} was changed, it now starts {starts}"),
        _ => format!("unknown {kind_words} {name} starts {starts}"),
    };
    if let Some(user) = user {
        title += &format!(" as {user}");
    }
    if *hidden {
        title += ", and is hidden";
    }
    let rule = learn::rule_for(&[autorun], "…", None);
    Some(
        Finding::new(code, subject(autorun), title)
            .with("kind", kind)
            .with("name", name)
            .with("starts", exe)
            .with("arguments", (!arguments.is_empty()).then_some(arguments))
            .with("library", library)
            .with("user", user)
            .with("when", start)
            .with("written in", place)
            .with("hidden", hidden.then_some("the tools that list such things do not show it"))
            .with("weakness", unquoted.then_some("the path has spaces and no quotes"))
            .nearest(nearest)
            .suggest(to_toml("[[autorun]]", &rule)),
    )
}

/// Of rules for other names, those that start the same are worth a word; the kind alone makes no rule a near one.
fn near<'a>(autorun: &Autorun, rules: &'a Rules) -> Vec<&'a Placed<AutorunRule>> {
    let is_near = |placed: &&Placed<AutorunRule>| {
        placed.rule.kind == autorun.kind
            && placed.rule.exe.as_ref().is_some_and(|exe| is_path(exe, &autorun.exe))
    };
    rules.autorun.iter().filter(is_near).collect()
}

/// Whatever is started otherwise than before is another difference, also to who has acknowledged the first.
fn subject(autorun: &Autorun) -> String {
    let Autorun { kind, name, exe, arguments, library, user, .. } = autorun;
    let mut subject = format!("{kind} {name}: {exe}");
    if arguments.chars().count() > LONG {
        let digest = Sha256::digest(arguments.as_bytes());
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let head: String = arguments.chars().take(LONG / 2).collect();
        subject += &format!(" {head}… {digest}");
    } else if !arguments.is_empty() {
        subject += &format!(" {arguments}");
    }
    if let Some(library) = library {
        subject += &format!(" library={library}");
    }
    if let Some(user) = user {
        subject += &format!(" user={user}");
    }
    subject
}
