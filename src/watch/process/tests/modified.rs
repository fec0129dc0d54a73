//! Programs that are not as their package brought them.

use super::upgrades::{POLICY, owned, pass};
use super::*;

#[test]
fn a_swapped_program_is_one_finding_with_who_runs_it() {
    let mut facts = owned(
        facts(vec![process(10, "/usr/sbin/nginx", "root")]),
        &[("/usr/sbin/nginx", "nginx", State::Modified)],
    );
    facts.modified.insert(
        "/usr/sbin/nginx".into(),
        upgrade::Modified { package: "nginx".into(), sha256: Some(SHA256.into()) },
    );
    let found = findings(&facts, POLICY);
    assert_eq!(found.len(), 1);
    expect![[r#"
        {
          "code": "modified-file",
          "severity": "urgent",
          "subject": "path=/usr/sbin/nginx",
          "title": "/usr/sbin/nginx is not as nginx brought it, which was just installed or upgraded, and it runs",
          "evidence": {
            "file": "/usr/sbin/nginx",
            "package": "nginx",
            "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "pid": [
              10
            ],
            "users": [
              "root"
            ]
          },
          "suggest": "[[modified-file]]\npath   = \"/usr/sbin/nginx\"\nsha256 = \"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"\nwhy    = \"…\"\n"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&found[0]).unwrap());
    facts.processes.clear();
    assert_eq!(findings(&facts, found[0].suggest.as_ref().unwrap()), []);
    facts.modified.get_mut("/usr/sbin/nginx").unwrap().sha256 = Some("ff".into());
    assert_eq!(findings(&facts, found[0].suggest.as_ref().unwrap()).len(), 1, "another content");
}

#[test]
fn what_runs_a_file_that_may_be_other_than_its_package_brought_it_is_judged_by_the_rules_for_processes() {
    const PHP: &str = "/usr/bin/php8.2";
    let mut evil = process(11, PHP, "alice");
    evil.script = Some("/tmp/evil.php".into());
    let mut facts =
        owned(facts(vec![process(10, PHP, "root"), evil]), &[(PHP, "php8.2-cli", State::Modified)]);
    facts
        .modified
        .insert(PHP.into(), upgrade::Modified { package: "php8.2-cli".into(), sha256: Some(SHA256.into()) });
    let process = format!("[[process]]\nexe = \"{PHP}\"\npackage = \"php8.2-cli\"\nusers = [\"root\"]\n");
    let told = pass(&facts, &process, &mut Memory::default());
    assert_eq!(
        told,
        [
            "urgent modified-file: /usr/bin/php8.2 is not as php8.2-cli brought it, which was just installed or \
          upgraded, and it runs"
        ]
    );
    let allowed = format!("{process}[[modified-file]]\npath = \"{PHP}\"\nsha256 = \"{SHA256}\"\n");
    assert_eq!(
        pass(&facts, &allowed, &mut Memory::default()),
        ["urgent unknown-process: unknown process /usr/bin/php8.2 running /tmp/evil.php run by alice"]
    );
}
