//! The ladder of identities: the strongest that holds is the one that is written.

use super::*;
use crate::watch::process::file::{FileFacts, Oddity};

fn script(path: &str) -> ProcessFacts {
    let mut python = process(10, "/usr/bin/python3.11", "alice");
    python.script = Some(path.into());
    let mut facts = facts(vec![python]);
    let package = Package { name: "python3.11-minimal".into(), state: State::Unmodified };
    facts.packages.insert("/usr/bin/python3.11".into(), package);
    facts
}

fn suggested(facts: &ProcessFacts) -> String {
    let mut found = findings(facts, "");
    assert_eq!(found.len(), 1);
    let suggested = found.remove(0).suggest.unwrap();
    assert_eq!(findings(facts, &suggested), [], "what is suggested silences it");
    suggested
}

#[test]
fn a_script_is_known_by_its_package_then_by_its_content_and_by_its_path_only_where_root_alone_writes() {
    let mut facts = script("/usr/bin/fail2ban-server");
    let path: Text = "/usr/bin/fail2ban-server".into();
    facts.packages.insert(path.clone(), Package { name: "fail2ban".into(), state: State::Unmodified });
    expect![[r#"
        [[process]]
        exe            = "/usr/bin/python3.11"
        script         = "/usr/bin/fail2ban-server"
        package        = "python3.11-minimal"
        script-package = "fail2ban"
        users          = ["alice"]
        why            = "…"
    "#]]
    .assert_eq(&suggested(&facts));
    let by_package = suggested(&facts);
    facts.packages.get_mut(&path).unwrap().state = State::Modified;
    says(
        &facts,
        &by_package,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/python3.11 running /usr/bin/fail2ban-server run by alice
              process /usr/bin/python3.11 (policy.toml:2): the script is not as fail2ban brought it
        "#]],
    );

    let mut facts = script("/home/alice/x.py");
    assert!(!suggested(&facts).contains("script-sha256"));
    let known = |oddities: &[Oddity]| FileFacts {
        sha256: Some(SHA256.into()),
        oddities: oddities.iter().copied().collect(),
        ..FileFacts::default()
    };
    facts.files.insert("/home/alice/x.py".into(), known(&[]));
    assert!(!suggested(&facts).contains("script-sha256"), "only root writes there");
    facts.files.insert("/home/alice/x.py".into(), known(&[Oddity::Others]));
    let by_content = suggested(&facts);
    assert!(by_content.contains(&format!("script-sha256 = \"{SHA256}\"")), "{by_content}");
    facts.files.get_mut("/home/alice/x.py").unwrap().sha256 = Some("00".into());
    says(
        &facts,
        &by_content,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/python3.11 running /home/alice/x.py run by alice
              process /usr/bin/python3.11 (policy.toml:2): the script has another content, sha256 00
        "#]],
    );
}

#[test]
fn a_rule_may_say_whose_script_it_is_instead_of_which() {
    let policy = "[[process]]\nexe = \"/usr/bin/python3.11\"\nscript-package = \"fail2ban\"";
    let mut facts = script("/usr/bin/fail2ban-client");
    assert_eq!(
        findings(&facts, policy)[0].nearest.as_ref().unwrap().why_not,
        "the script belongs to no package, not to fail2ban"
    );
    let package = Package { name: "fail2ban".into(), state: State::Unmodified };
    facts.packages.insert("/usr/bin/fail2ban-client".into(), package);
    assert_eq!(findings(&facts, policy), []);
    // Text is nobody's file.
    let mut text = Process::clone(&facts.processes[0]);
    text.script = Some("-c import os".into());
    facts.processes = vec![Arc::new(text)];
    assert_eq!(
        findings(&facts, policy)[0].nearest.as_ref().unwrap().why_not,
        "the script belongs to no package, not to fail2ban"
    );
}

#[test]
fn a_program_that_others_than_root_may_replace_is_known_by_its_content() {
    let mut facts = facts(vec![process(10, "/home/alice/tool", "alice")]);
    let oddities = [Oddity::Others].into();
    facts.files.insert(
        "/home/alice/tool".into(),
        FileFacts { sha256: Some(SHA256.into()), oddities, ..Default::default() },
    );
    assert!(suggested(&facts).contains(SHA256));
}

#[test]
fn explaining_says_the_rule_its_step_and_a_stronger_one_that_holds() {
    let mut script = process(12, "/usr/bin/python3.11", "alice");
    script.script = Some("/usr/bin/fail2ban-server".into());
    let mut facts =
        facts(vec![process(10, "/usr/sbin/nginx", "root"), process(11, "/usr/sbin/nginx", "root"), script]);
    for (path, name) in [
        ("/usr/sbin/nginx", "nginx"),
        ("/usr/bin/python3.11", "python3.11-minimal"),
        ("/usr/bin/fail2ban-server", "fail2ban"),
    ] {
        facts.packages.insert(path.into(), Package { name: name.into(), state: State::Unmodified });
    }
    let policy = "schema = 1\n[[process]]\nexe = \"/usr/sbin/nginx\"\nwhy = \"web server\"\n\
        [[process]]\nexe = \"/usr/bin/python3.11\"\npackage = \"python3.11-minimal\"\n";
    let policy = Policy::from_text("p", policy).unwrap();
    let mut out = String::new();
    for what in ["nginx", "12", "/usr/bin/fail2ban-server", "none"] {
        for explained in explain(&facts, &policy.process, what, NOW) {
            out += &format!("{what}: {}\n{}", explained.is_allowed, explained.text);
        }
    }
    expect![[r#"
        nginx: true
        /usr/sbin/nginx run by root: 10, 11
          allowed as process /usr/sbin/nginx (p:2), known by its path alone (step 3 of 4)
          because: web server
          it could be known by its package (step 1 of 4):
        [[process]]
        exe     = "/usr/sbin/nginx"
        package = "nginx"
        users   = ["root"]
        why     = "…"
        12: false
        /usr/bin/python3.11 running /usr/bin/fail2ban-server run by alice: 12
          not allowed
          nearest: process /usr/bin/python3.11 (p:5): it allows no script
          this would allow it, known by its package (step 1 of 4):
        [[process]]
        exe            = "/usr/bin/python3.11"
        script         = "/usr/bin/fail2ban-server"
        package        = "python3.11-minimal"
        script-package = "fail2ban"
        users          = ["alice"]
        why            = "…"
        /usr/bin/fail2ban-server: false
        /usr/bin/python3.11 running /usr/bin/fail2ban-server run by alice: 12
          not allowed
          nearest: process /usr/bin/python3.11 (p:5): it allows no script
          this would allow it, known by its package (step 1 of 4):
        [[process]]
        exe            = "/usr/bin/python3.11"
        script         = "/usr/bin/fail2ban-server"
        package        = "python3.11-minimal"
        script-package = "fail2ban"
        users          = ["alice"]
        why            = "…"
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_rule_stands_on_the_step_of_its_weaker_part() {
    let step = |rule: &str| {
        let policy = Policy::from_text("p", &format!("schema = 1\n[[process]]\n{rule}")).unwrap();
        explain::Step::of(&policy.process.process[0].rule)
    };
    let sha256 = format!("sha256 = \"{SHA256}\"");
    for (rule, expected) in [
        ("exe = \"/x\"\npackage = \"x\"".to_owned(), explain::Step::Package),
        (format!("exe = \"/x\"\n{sha256}"), explain::Step::Content),
        ("exe = \"/x\"".to_owned(), explain::Step::Path),
        ("exe = \"memfd:x\"".to_owned(), explain::Step::Words),
        ("exe = \"/x\"\npackage = \"x\"\nscript = \"/y\"".to_owned(), explain::Step::Path),
        ("exe = \"/x\"\npackage = \"x\"\nscript = \"-c id\"".to_owned(), explain::Step::Words),
        (format!("exe = \"/x\"\npackage = \"x\"\nscript-{sha256}"), explain::Step::Content),
        ("exe = \"/x\"\npackage = \"x\"\nscript-package = \"y\"".to_owned(), explain::Step::Package),
    ] {
        assert_eq!(step(&rule), expected, "{rule}");
    }
}
