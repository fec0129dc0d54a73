//! A program that plays a part in a test, and that the test talks with line by line.

use super::Running;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// Its standard input stays open until the test hangs up. It ends with the test, and so does whatever it started.
pub struct Player {
    running: Running,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Player {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let mut running = Running::leader(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let input = running.0.stdin.take();
        let output = BufReader::new(running.0.stdout.take().unwrap());
        Self { running, input, output }
    }

    /// Starts `command`, and waits until it says that it is ready.
    pub fn ready(command: &mut Command) -> Self {
        let mut player = Self::start(command);
        assert_eq!(player.line(), "ready", "{command:?}");
        player
    }

    /// A program of Python, whose words come as soon as they are said.
    pub fn python(script: &str) -> Command {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-u", "-c", script]);
        command
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "it has ended");
        line.trim_end().to_owned()
    }

    /// Tells it a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("nobody has hung up"), "{line}").unwrap();
    }

    /// Tells it a line; the one it answers with.
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    /// Its standard input ends.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Hangs up, and waits until it has ended by itself.
    pub fn end(mut self) {
        self.hang_up();
        self.running.0.wait().unwrap();
    }

    /// Kills it, and buries it: what it started lives on until the end of the test.
    pub fn kill(&mut self) {
        self.running.0.kill().unwrap();
        self.running.0.wait().unwrap();
    }

    /// Kills it, and leaves it dead and unburied.
    pub fn kill_unburied(&mut self) {
        self.running.0.kill().unwrap();
        super::wait_for_zombie(self.pid());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }
}
