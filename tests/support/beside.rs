//! This test program once more, beside the test, told by the kernel of what starts: it answers what the test asks. What a test
//! starts would be its own if it listened itself, and left out; and this one it can stop for a while.

use super::player::Player;
use super::{left_out, wait_for};
use host_watchdog::host::Host;
use host_watchdog::processes::Processes;
use host_watchdog::processes::events::Starts;
use serde::{Serialize, de::DeserializeOwned};
use std::process::Command;
use std::sync::Arc;

/// Set in the process beside.
const BESIDE: &str = "HOST_WATCHDOG_TEST_BESIDE";

/// What an answer begins with: the words of the test program come between.
const ANSWER: &str = "answer: ";

/// The process beside.
pub struct Beside(Player);

impl Beside {
    /// Runs the test of this name there, which calls [`answer`]. Nothing where the kernel does not tell us.
    pub fn start(test: &str) -> Option<Self> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(BESIDE, "1");
        let mut beside = Self(Player::start(&mut command));
        let is_told: bool = beside.answer();
        (!left_out("root, the host's namespaces and the process connector", is_told)).then_some(beside)
    }

    /// What it answers.
    pub fn ask<A: DeserializeOwned>(&mut self, question: &str) -> A {
        self.0.say(question);
        self.answer()
    }

    fn answer<A: DeserializeOwned>(&mut self) -> A {
        loop {
            if let Some((_, answer)) = self.0.line().split_once(ANSWER) {
                return serde_json::from_str(answer).unwrap();
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }
}

/// In the process beside: listens, and answers each question for as long as there are any. Elsewhere nothing.
pub fn answer<A: Serialize>(mut answer: impl FnMut(&Processes, &str) -> A) {
    if std::env::var_os(BESIDE).is_none() {
        return;
    }
    let processes = Processes::default();
    processes.listen(&Arc::new(Host::this()), || {}).unwrap();
    let starts = || processes.starts().unwrap().in_all();
    wait_for("the kernel's answer", || !matches!(starts(), Starts::Untold(why) if why.contains("only just")));
    println!("{ANSWER}{}", matches!(starts(), Starts::Told(_)));
    for question in std::io::stdin().lines() {
        let answer = answer(&processes, &question.unwrap());
        println!("{ANSWER}{}", serde_json::to_string(&answer).unwrap());
    }
}
