//! A watchdog with only one of its eyes, which remembers from look to look.

use host_watchdog::finding::Finding;
use host_watchdog::host::Host;
use host_watchdog::pass::{self, At, Memories, Watching};
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::snapshot::Snapshot;
use jiff::SignedDuration;

/// Looks with one watch, and compares.
pub struct Eyes {
    /// This one only.
    pub watches: Vec<Box<dyn Watching>>,
    /// What it knows from before.
    pub memory: Memories,
    /// Where it looks, and at what time.
    pub host: Host,
}

impl Eyes {
    /// Those of the watch of this name.
    pub fn of(name: &str) -> Self {
        let mut watches = pass::watches();
        watches.retain(|watch| watch.name() == name);
        assert_eq!(watches.len(), 1, "there is no watch {name}");
        Self { watches, memory: Memories::default(), host: Host::this() }
    }

    /// From now on it looks as if so long had passed; its clock stands still then.
    pub fn let_pass(&mut self, time: SignedDuration) {
        let now = self.host.now() + time;
        self.host = self.host.clone().at_moment(now);
    }

    /// One look.
    pub fn look(&mut self, policy: &Policy) -> Snapshot {
        let at = At { host: &self.host, processes: &Processes::default(), now: self.host.now() };
        pass::look_all(&mut self.watches, &at, policy, &mut self.memory)
    }

    /// What a look finds.
    pub fn check(&mut self, policy: &str) -> Vec<Finding> {
        let policy = self::policy(policy);
        let snapshot = self.look(&policy);
        pass::check_all(&self.watches, &snapshot, &policy, &mut self.memory)
    }

    /// The rules that allow what was seen.
    pub fn learn(&self, snapshot: &Snapshot) -> String {
        self.watches.iter().map(|watch| watch.learn(snapshot, "test")).collect()
    }

    /// What somebody who remembers nothing finds in what was seen.
    pub fn judge(&self, snapshot: &Snapshot, policy: &str) -> Vec<Finding> {
        pass::check_all(&self.watches, snapshot, &self::policy(policy), &mut Memories::default())
    }
}

/// A policy of these rules.
pub fn policy(rules: &str) -> Policy {
    Policy::from_text("policy.toml", &format!("schema = 1\n{rules}")).unwrap()
}
