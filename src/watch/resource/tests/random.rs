//! What holds whatever is seen: learned rules allow it, and what a finding suggests silences it.

use super::*;
use crate::watch::resource::{Cpu, learn::learn};
use proptest::prelude::*;

fn any_facts() -> impl Strategy<Value = ResourceFacts> {
    let share =
        || prop::option::of((0_u64..=1000).prop_map(|used| Room { total: 1000, available: 1000 - used }));
    let mounts = prop::sample::select(vec!["/", "/data", "/mnt/a*b", "/mnt/\n", "/tmp"]);
    let one = (mounts, share(), share(), any::<bool>()).prop_map(|(mount, space, inodes, in_memory)| Disk {
        mount: mount.into(),
        device: "/dev/x".into(),
        kind: if in_memory { "tmpfs" } else { "xfs" }.into(),
        space,
        inodes,
    });
    let disks = prop::collection::btree_map("[a-z]", one, 0..5).prop_map(|disks| {
        let mut disks: Vec<Disk> = disks.into_values().collect();
        disks.sort_by(|a, b| a.mount.cmp(&b.mount));
        disks.dedup_by(|a, b| a.mount == b.mount);
        disks
    });
    (prop::option::of(0_u32..=1000), share(), share(), prop::option::of(0_u32..9000), disks).prop_map(
        |(cpu, memory, swap, load, disks)| ResourceFacts {
            processors: 4,
            cpu: cpu.map(|used| Cpu {
                used: f64::from(used) / 10.0,
                waiting: 0.0,
                stolen: 0.0,
                seconds: 1.0,
            }),
            memory,
            swap,
            load: load.map(|load| [f64::from(load) / 100.0; 3]),
            disks,
            ..ResourceFacts::default()
        },
    )
}

proptest! {
    #[test]
    fn what_is_learned_is_allowed_save_what_is_full(facts in any_facts()) {
        let learned = learn(&facts, "watchdog");
        let at_once = learned.replace("10m", "0s").replace("15m", "0s").replace("5m", "0s");
        for finding in once(&facts, &at_once) {
            let of = |name: &str, used: Option<f64>| finding.subject == name && used.is_some_and(|used| used > 99.9);
            let is_full = of("cpu", facts.cpu.map(|cpu| cpu.used))
                || of("memory", facts.memory.map(|room| room.used()))
                || of("swap", facts.swap.map(|room| room.used()))
                || finding.code == Code::FullDisk && finding.evidence["used"] == "100.0%";
            prop_assert!(is_full, "{learned}\n{finding:#?}");
        }
    }

    #[test]
    fn what_a_finding_suggests_allows_it(facts in any_facts()) {
        let policy = "[resources]\ncpu = { max = \"50%\", for = \"0s\" }\nmemory = { max = \"50%\", for = \"0s\" }\n\
            swap = { max = \"50%\", for = \"0s\" }\nload = { max = 0.5, for = \"0s\" }\n\
            [[disk]]\nmount = \"/mnt/*\"\nmax = \"50%\"\ninodes = \"50%\"\n[[disk]]\nmount = \"/gone\"\n";
        for finding in once(&facts, policy) {
            let left = once(&facts, finding.suggest.as_ref().unwrap());
            prop_assert!(!left.iter().any(|other| other.key() == finding.key()), "{finding:#?}\n{left:#?}");
        }
    }

    #[test]
    fn facts_survive_their_json_form(facts in any_facts()) {
        let json = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<ResourceFacts>(&json).unwrap(), facts);
    }
}
