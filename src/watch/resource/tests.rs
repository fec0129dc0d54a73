#[path = "tests/random.rs"]
mod random;

use super::*;
use crate::policy::Policy;
use crate::watch::resource::{Cpu, learn::learn};
use expect_test::expect;
use jiff::SignedDuration;

fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn rules(text: &str) -> Rules {
    match Policy::from_text("policy.toml", &format!("schema = 1\n{text}")) {
        Ok(policy) => policy.resource,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn room(used: u64) -> Room {
    Room { total: 100 << 30, available: (100 - used) << 30 }
}

fn disk(mount: &str, space: u64, inodes: u64) -> Disk {
    let (device, kind) = ("/dev/vda".into(), "ext4".into());
    Disk { mount: mount.into(), device, kind, space: Some(room(space)), inodes: Some(room(inodes)) }
}

fn busy(cpu: f64) -> ResourceFacts {
    let cpu = Cpu { used: cpu, waiting: 1.0, stolen: 0.0, seconds: 60.0 };
    ResourceFacts { processors: 2, cpu: Some(cpu), ..ResourceFacts::default() }
}

fn disks(disks: Vec<Disk>) -> ResourceFacts {
    ResourceFacts { disks, ..ResourceFacts::default() }
}

fn once(facts: &ResourceFacts, policy: &str) -> Vec<Finding> {
    check(facts, &rules(policy), start(), &mut Memory::default())
}

fn titles(facts: &ResourceFacts, policy: &str) -> Vec<String> {
    once(facts, policy).into_iter().map(|finding| finding.title).collect()
}

/// Passes at these minutes, each with how busy the processors were; and in which of them it was reported.
fn reported(policy: &str, passes: &[(i64, f64)]) -> Vec<i64> {
    let (rules, mut memory) = (rules(policy), Memory::default());
    let mut minutes = Vec::new();
    for (minute, used) in passes {
        let now = start() + SignedDuration::from_mins(*minute);
        if check(&busy(*used), &rules, now, &mut memory).iter().any(|finding| finding.code == Code::HighCpu) {
            minutes.push(*minute);
        }
    }
    minutes
}

const CPU: &str = "[resources]\ncpu = { max = \"90%\", for = \"10m\" }\n";

#[test]
fn ten_minutes_means_ten_minutes_and_not_one_sample() {
    let every_minute = |from: i64, to: i64, used: f64| (from..=to).map(move |minute| (minute, used));
    let long: Vec<_> = every_minute(0, 12, 97.0)
        .chain(every_minute(13, 13, 20.0))
        .chain(every_minute(14, 24, 97.0))
        .collect();
    assert_eq!(reported(CPU, &long), [10, 11, 12, 24]);
    let short: Vec<_> = every_minute(0, 9, 97.0)
        .chain(every_minute(10, 10, 90.0))
        .chain(every_minute(11, 20, 97.0))
        .collect();
    assert_eq!(reported(CPU, &short), [0; 0]);
    assert_eq!(reported(CPU, &[(0, 97.0)]), [0; 0]);
    assert_eq!(reported(&CPU.replace("10m", "0s"), &[(0, 97.0), (1, 90.0)]), [0]);
}

#[test]
fn what_was_not_seen_does_not_count() {
    // A minute between passes, then the watchdog was away for half an hour.
    let away: Vec<_> = (0..=5).chain(35..=46).map(|minute| (minute, 97.0)).collect();
    assert_eq!(reported(CPU, &away), [45, 46]);
    // The clock was set back by an hour in between.
    let back: Vec<_> = (0..=5).chain(-55..=-44).map(|minute| (minute, 97.0)).collect();
    assert_eq!(reported(CPU, &back), [-45, -44]);
}

#[test]
fn a_pass_that_could_not_read_it_breaks_the_row() {
    let (rules, mut memory) = (rules(CPU), Memory::default());
    let mut look = |minute, facts: &ResourceFacts| {
        check(facts, &rules, start() + SignedDuration::from_mins(minute), &mut memory).len()
    };
    (0..9).for_each(|minute| assert_eq!(look(minute, &busy(97.0)), 0));
    assert_eq!(look(9, &ResourceFacts::default()), 0);
    (10..20).for_each(|minute| assert_eq!(look(minute, &busy(97.0)), 0));
    assert_eq!(look(20, &busy(97.0)), 1);
}

#[test]
fn busy_processors_are_reported_with_who_it_is() {
    let mut facts = busy(97.2);
    facts.load = Some([7.5, 3.0, 2.0]);
    facts.busiest =
        vec![Consumer { pid: 42, executable: "/usr/bin/xmrig".into(), user: "www-data".into(), share: 95.1 }];
    let (rules, mut memory) =
        (rules(&format!("{CPU}load = {{ max = 3, for = \"5m\" }}\n")), Memory::default());
    let pass = |minute| check(&facts, &rules, start() + SignedDuration::from_mins(minute), &mut memory);
    let found = (0..=10).map(pass).last().unwrap();
    expect![[r##"
        [
          {
            "code": "high-cpu",
            "severity": "warning",
            "subject": "cpu",
            "title": "the processors are 97% busy, and it has been over 90% for 10m or longer",
            "evidence": {
              "now": "97.2%",
              "limit": "90% for 10m",
              "over since": "2026-03-01T12:00:00Z",
              "busiest": [
                "95.1% /usr/bin/xmrig (42, www-data)"
              ],
              "processors": 2,
              "waiting for disks": "1%",
              "load over 1, 5 and 15 minutes": "7.5 3 2"
            },
            "nearest": {
              "rule": "resources (policy.toml:2)",
              "why-not": "cpu may be at most 90%"
            },
            "suggest": "# instead of the table at policy.toml:2\n[resources]\ncpu  = { max = \"98%\", for = \"10m\" }\nload = { max = 3.0, for = \"5m\" }\n"
          },
          {
            "code": "high-load",
            "severity": "warning",
            "subject": "load",
            "title": "3.8 tasks for each processor run or wait, and it has been over 3 for 5m or longer",
            "evidence": {
              "now": "3.8",
              "limit": "3 for 5m",
              "over since": "2026-03-01T12:00:00Z",
              "busiest": [
                "95.1% /usr/bin/xmrig (42, www-data)"
              ],
              "processors": 2,
              "waiting for disks": "1%",
              "load over 1, 5 and 15 minutes": "7.5 3 2"
            },
            "nearest": {
              "rule": "resources (policy.toml:2)",
              "why-not": "load may be at most 3"
            },
            "suggest": "# instead of the table at policy.toml:2\n[resources]\ncpu  = { max = \"90%\", for = \"10m\" }\nload = { max = 3.8, for = \"5m\" }\n"
          }
        ]"##]]
    .assert_eq(&serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn memory_and_swap_are_reported() {
    let facts = ResourceFacts { memory: Some(room(96)), swap: Some(room(81)), ..ResourceFacts::default() };
    let policy =
        "[resources]\nmemory = { max = \"95%\", for = \"0s\" }\nswap = { max = \"80%\", for = \"0s\" }\n";
    assert_eq!(
        titles(&facts, policy),
        ["96% of the memory is in use, more than 95%", "81% of the swap is in use, more than 80%"]
    );
    assert_eq!(once(&facts, policy)[0].evidence["left"], "4.0 GiB of 100.0 GiB");
    assert_eq!(titles(&ResourceFacts::default(), policy), [""; 0]);
}

#[test]
fn a_full_disk_is_reported_at_once_by_space_and_by_inodes() {
    let policy = "[[disk]]\nmount = \"/\"\nmax = \"85%\"\ninodes = \"85%\"\n";
    assert_eq!(titles(&disks(vec![disk("/", 85, 85)]), policy), [""; 0]);
    let found = once(&disks(vec![disk("/", 97, 86)]), policy);
    expect![[r#"
        [
          {
            "code": "full-disk",
            "severity": "urgent",
            "subject": "/ space",
            "title": "disk / is 97% full, 3.0 GiB left",
            "evidence": {
              "used": "97.0%",
              "left": "3.0 GiB of 100.0 GiB",
              "mounted": "/dev/vda",
              "kind": "ext4"
            },
            "nearest": {
              "rule": "disk / (policy.toml:2)",
              "why-not": "it allows at most 85%"
            },
            "suggest": "[[disk]]\nmount = \"/\"\nmax   = \"97%\"\nwhy   = \"…\"\n"
          },
          {
            "code": "full-disk",
            "severity": "warning",
            "subject": "/ inodes",
            "title": "disk / has used 86% of its inodes, 15032385536 left",
            "evidence": {
              "used": "86.0%",
              "left": "15032385536 of 107374182400",
              "mounted": "/dev/vda",
              "kind": "ext4"
            },
            "nearest": {
              "rule": "disk / (policy.toml:2)",
              "why-not": "it allows at most 85%"
            },
            "suggest": "[[disk]]\nmount  = \"/\"\ninodes = \"86%\"\nwhy    = \"…\"\n"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn of_several_limits_the_highest_holds_and_one_that_is_not_stated_is_none() {
    let low = "[[disk]]\nmount = \"/\"\nmax = \"80%\"\n";
    let seen = disks(vec![disk("/", 90, 99)]);
    assert_eq!(titles(&seen, low), ["disk / is 90% full, 10.0 GiB left"]);
    assert_eq!(titles(&seen, &format!("{low}[[disk]]\nmount = \"/\"\nmax = \"95%\"\n")), [""; 0]);
    assert_eq!(titles(&seen, &format!("{low}[[disk]]\nmount = \"*\"\ninodes = \"100%\"\n")).len(), 1);
    let late = "[[disk]]\nmount = \"/\"\nmax = \"95%\"\nexpires = \"2026-02-01\"\n";
    assert_eq!(titles(&seen, &format!("{low}{late}")).len(), 1);
}

#[test]
fn a_disk_that_no_rule_names_is_a_gap_unless_it_lives_in_memory() {
    let mut memory = disk("/tmp", 99, 1);
    memory.kind = "tmpfs".into();
    let found = once(&disks(vec![disk("/data", 20, 1), memory]), "[[disk]]\nmount = \"/*/x\"\n");
    let told: Vec<_> =
        found.iter().map(|f| (f.code, f.severity, f.subject.as_str(), f.title.as_str())).collect();
    assert_eq!(
        told,
        [(
            Code::CoverageGap,
            Severity::Notice,
            "unwatched-disk /data",
            "nothing says how full disk /data (20% full) may get"
        )]
    );
    let late = "[[disk]]\nmount = \"/data\"\nexpires = \"2026-02-01\"\n";
    let found = once(&disks(vec![disk("/data", 20, 1)]), late);
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the rule expired on 2026-02-01");
}

#[test]
fn a_disk_that_a_rule_names_must_be_mounted() {
    let policy = "[[disk]]\nmount = \"/\"\n[[disk]]\nmount = \"/backup\"\nwhy = \"nightly\"\n[[disk]]\nmount = \"/media/*\"\n";
    let found = once(&disks(vec![disk("/", 20, 1)]), policy);
    assert_eq!(
        (found.len(), found[0].code, found[0].title.as_str()),
        (1, Code::MissingDisk, "no disk is mounted at /backup")
    );
    assert_eq!(found[0].evidence["rule"], "policy.toml:4");
    // One that hangs is mounted all the same.
    let mut hanging = disk("/backup", 0, 0);
    (hanging.space, hanging.inodes) = (None, None);
    assert_eq!(titles(&disks(vec![disk("/", 20, 1), hanging]), policy), [""; 0]);
    // If it could not be read what is mounted, that is what is reported.
    assert_eq!(titles(&disks(vec![]), policy), [""; 0]);
}

#[test]
fn limits_that_expired_are_not_silence() {
    let policy = format!("{CPU}expires = \"2026-02-28\"\n");
    assert_eq!(
        titles(&busy(97.0), &policy),
        ["the limits of processors and memory have expired, and nothing holds in their place"]
    );
    assert_eq!(
        titles(&busy(97.0), &CPU.replace("for", "expires = 1, for").replace("expires = 1, ", "")),
        [""; 0]
    );
}

#[test]
fn a_wrong_value_gets_a_message_with_a_caret() {
    let wrong = |text: &str| {
        Policy::from_text("policy.toml", &format!("schema = 1\n{text}\n")).unwrap_err().to_string()
    };
    expect![[r#"
        policy.toml:3:16: "90" is not a share: write a number from 0 to 100 and %, like "90%"
          |
        3 | cpu = { max =  "90", for = "10m" }
          |                ^^^^"#]]
    .assert_eq(&wrong("[resources]\ncpu = { max =  \"90\", for = \"10m\" }"));
    expect![[r#"
        policy.toml:3:16: -1 is not a load: write how many tasks may wait per processor, like 4.0
          |
        3 | load = { max = -1, for = "10m" }
          |                ^^"#]]
    .assert_eq(&wrong("[resources]\nload = { max = -1, for = \"10m\" }"));
    expect![[r#"
        policy.toml:3:22: unknown field `fro`, expected `max` or `for`
          |
        3 | cpu = { max = "90%", fro = "10m" }
          |                      ^^^"#]]
    .assert_eq(&wrong("[resources]\ncpu = { max = \"90%\", fro = \"10m\" }"));
}

#[test]
fn what_is_learned_reads_well() {
    let mut memory = disk("/run/user/7", 1, 1);
    memory.kind = "tmpfs".into();
    let mut facts = busy(20.0);
    facts.swap = Some(room(10));
    facts.load = Some([0.5, 0.4, 0.3]);
    facts.disks = vec![disk("/srv", 88, 20), disk("/", 20, 1), memory];
    expect![[r#"
        # How much of the host may be in use, and for how long; load is tasks per processor.

        [resources]
        cpu    = { max = "90%", for = "10m" }
        memory = { max = "90%", for = "5m" }
        swap   = { max = "80%", for = "10m" }
        load   = { max = 4.0, for = "15m" }
        why    = "usual limits, above what was in use when this policy was learned"
        by     = "watchdog"

        # Disks, and how full they may be. One that no rule names, or that is not mounted, is reported.

        [[disk]]
        mount  = "/"
        max    = "85%"
        inodes = "85%"
        why    = "a usual limit, above what was in use when this policy was learned"
        by     = "watchdog"

        [[disk]]
        mount  = "/srv"
        max    = "93%"
        inodes = "85%"
        why    = "a usual limit, above what was in use when this policy was learned"
        by     = "watchdog"
    "#]]
    .assert_eq(&learn(&facts, "watchdog"));
}
