//! Rules that want the file of a package or of a content, and what is said of a file.

use super::*;
use crate::processes::{Files, Version};

#[test]
fn a_rule_for_a_package_wants_the_file_as_the_package_brought_it() {
    let policy = "[[process]]\nexe = \"/usr/sbin/nginx\"\npackage = \"nginx-core\"";
    let mut facts = facts(vec![process(10, "/usr/sbin/nginx", "root")]);
    says(
        &facts,
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/sbin/nginx run by root
          process /usr/sbin/nginx (policy.toml:2): the file belongs to no package, not to nginx-core
    "#]],
    );
    let mut package = |state| {
        facts.packages.insert("/usr/sbin/nginx".into(), Package { name: "nginx-core".into(), state });
        findings(&facts, policy).pop().map(|finding| finding.nearest.unwrap().why_not)
    };
    assert_eq!(package(State::Modified).unwrap(), "the file is not as nginx-core brought it");
    assert_eq!(package(State::Unmodified), None);
}

#[test]
fn any_package_is_enough_if_the_rule_says_so_but_not_a_file_of_none() {
    let mut facts = facts(vec![process(1, "/usr/bin/ls", "root"), process(2, "/usr/bin/own", "root")]);
    facts
        .packages
        .insert("/usr/bin/ls".into(), Package { name: "coreutils".into(), state: State::Unmodified });
    let policy = "[[process]]\nexe = \"/usr/bin/*\"\npackage = \"*\"\nusers = [\"root\"]\n";
    says(
        &facts,
        policy,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/own run by root
              process /usr/bin/* (policy.toml:2): the file belongs to no package
        "#]],
    );
    let state = State::Modified;
    facts.packages.insert("/usr/bin/own".into(), Package { name: "own".into(), state });
    says(
        &facts,
        policy,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/own run by root
              process /usr/bin/* (policy.toml:2): the file is not as own brought it
        "#]],
    );
}

#[test]
fn a_rule_may_want_a_content_and_a_digest_that_no_file_can_have_is_a_typo() {
    let policy = format!("[[process]]\nexe = \"/opt/x\"\nsha256 = \"{}\"", SHA256.to_uppercase());
    let mut facts = facts(vec![process(10, "/opt/x", "root")]);
    let mut with = |sha256: Option<&str>| {
        let known = file::FileFacts { sha256: sha256.map(Text::from), ..Default::default() };
        facts.files.insert("/opt/x".into(), known);
        findings(&facts, &policy).pop().map(|finding| finding.nearest.unwrap().why_not)
    };
    assert_eq!(with(Some(SHA256)), None);
    assert_eq!(with(Some("00")).unwrap(), "the file has another content, sha256 00");
    assert_eq!(with(None).unwrap(), "the content of what runs is not known");
    let unread = file::FileFacts { unread: true, ..Default::default() };
    facts.files.insert("/opt/x".into(), unread);
    let found = findings(&facts, &policy).pop().unwrap();
    assert_eq!(found.evidence["sha256"], "not computed yet: there was too much to read in one pass");
    let error =
        Policy::from_text("p", "schema = 1\n[[process]]\nexe = \"/x\"\nsha256 = \"12\"\n").unwrap_err();
    expect![[r#"
        p:4:10: "12" is not a SHA-256: write its 64 hexadecimal digits
          |
        4 | sha256 = "12"
          |          ^^^^"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn a_content_counts_only_for_those_that_ran_the_file_that_had_it() {
    let policy = format!("[[process]]\nexe = \"/opt/x\"\nsha256 = \"{SHA256}\"");
    let version = |inode| Version { device: 1, inode, changed: 5 };
    let run = |pid, inode| {
        let files = Some(Files { exe: Some(version(inode)), script: None });
        ended(Process { files, ..process(pid, "/opt/x", "root") }, 1)
    };
    let contents = vec![file::Content { version: version(10), sha256: SHA256.into() }];
    let known = file::FileFacts { sha256: Some(SHA256.into()), contents, ..Default::default() };
    let mut facts = ProcessFacts { ended: vec![run(10, 10)], ..facts(vec![]) };
    facts.files.insert("/opt/x".into(), known);
    assert_eq!(findings(&facts, &policy), []);
    // Another file ran there for a moment, and the good one lies there again.
    facts.ended.push(run(11, 12));
    let found = findings(&facts, &policy);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].evidence["pid"], serde_json::json!([11]));
    assert_eq!(found[0].evidence["sha256"], "not known: the file was changed or replaced since");
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the content of what runs is not known");
    assert!(!found[0].suggest.as_ref().unwrap().contains(SHA256));
    // What it was is remembered, whatever lies there now.
    let evil = file::Content { version: version(12), sha256: "00".into() };
    facts.files.get_mut("/opt/x").unwrap().contents.push(evil);
    let found = findings(&facts, &policy);
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the file has another content, sha256 00");
}

#[test]
fn what_is_odd_about_a_file_is_said_and_where_everybody_may_put_one_its_content_is_the_rule() {
    let mut facts = facts(vec![process(10, "/tmp/x", "root")]);
    let oddities = [
        file::Oddity::SetId,
        file::Oddity::Replaceable,
        file::Oddity::Temporary,
        file::Oddity::FromTheFuture,
    ];
    let sha256 = Some(SHA256.into());
    facts
        .files
        .insert("/tmp/x".into(), file::FileFacts { sha256, oddities: oddities.into(), ..Default::default() });
    let found = findings(&facts, "").pop().unwrap();
    expect![[r#"
        [
          "set-user-id or set-group-id",
          "everybody may put another file in its place",
          "on a temporary file system",
          "changed later than now"
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found.evidence["odd"]).unwrap());
    let suggested = found.suggest.unwrap();
    assert!(suggested.contains("sha256 = \"2c26"), "{suggested}");
    assert_eq!(findings(&facts, &suggested), []);
    assert_eq!(findings(&facts, &learn::learn(&facts, "test", crate::rule::today(NOW))), []);
    facts.files.get_mut("/tmp/x").unwrap().sha256 = Some("00".into());
    assert_eq!(findings(&facts, &suggested).len(), 1);
}
