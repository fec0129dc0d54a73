//! What makes sockets the same door, and whose they are.

use super::{Bind, KERNEL, Listener, ListenerFacts, Ports, Protocol};
use crate::finding::shortened;
use crate::processes::{Executable, Process};
use crate::text::Text;
use std::fmt::Write as _;
use std::sync::Arc;

/// What makes sockets the same door to a person: one finding, and one rule, for all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door<'a> {
    /// In another network namespace, or opened by a file that is not the host's.
    pub outside: bool,
    /// The protocol.
    pub protocol: Protocol,
    /// The port; that of a UDP client is any the system hands out.
    pub ports: Ports,
    /// On which addresses.
    pub bind: Bind,
    /// The program, as a rule names it; none if it is not known.
    pub exe: Option<String>,
    /// The script it runs.
    pub script: Option<&'a Text>,
    /// The user, if that is all that is known of the owner.
    pub user: Option<&'a Text>,
}

impl<'a> Door<'a> {
    /// The door that a socket and one of its owners make.
    pub fn of(listener: &'a Listener, owner: Option<&'a Process>, facts: &ListenerFacts) -> Self {
        let exe = owner.and_then(program_name);
        let in_range = Ports::Ephemeral.cover(listener.port, facts.ephemeral);
        // A client's socket has an owner. One without is the kernel's own: it chose its port.
        let handed_out = in_range
            && listener.protocol.has_no_listen_state()
            && (exe.is_some() || facts.may_hide_owner(listener));
        Self {
            outside: is_outside(listener, owner),
            protocol: listener.protocol,
            ports: if handed_out { Ports::Ephemeral } else { Ports::one(listener.port) },
            bind: Bind::of(listener.address),
            script: owner.and_then(|owner| owner.script.as_ref()),
            user: exe.is_none().then(|| owner.map_or(&listener.user, |owner| &owner.user)),
            exe,
        }
    }

    /// The door in a few words.
    pub fn subject(&self) -> String {
        let mut subject = format!("{} {} {}", self.protocol, self.bind, self.ports);
        match (&self.exe, self.user) {
            (Some(exe), _) => {
                // Writing to a String cannot fail.
                let _ = write!(subject, " exe={exe}");
            }
            (None, Some(user)) => {
                let _ = write!(subject, " user={user}");
            }
            (None, None) => {}
        }
        if let Some(script) = self.script {
            let _ = write!(subject, " script={script}");
        }
        if self.outside {
            subject += " outside";
        }
        subject
    }
}

/// A program as rules name it. That its file was replaced since is for the process watch to say: after each
/// upgrade, the same door is still the same.
#[must_use]
pub fn program_name(process: &Process) -> Option<String> {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => Some(path.to_string()),
        Executable::Memory(name) => Some(format!("memfd:{name}")),
        Executable::Kernel => Some(KERNEL.to_owned()),
        Executable::Unreadable(_) => None,
    }
}

/// True if it is not the host's own: in another network namespace, or opened from other file systems.
pub fn is_outside(listener: &Listener, owner: Option<&Process>) -> bool {
    listener.namespace.is_some() || owner.is_some_and(|owner| owner.container)
}

/// The owners of a socket; one unknown owner if none was found.
pub fn owners(listener: &Listener) -> Vec<Option<&Arc<Process>>> {
    if listener.owners.is_empty() { vec![None] } else { listener.owners.iter().map(Some).collect() }
}

/// True if the first process of the host opened it: the service manager, for whomever it hands it to.
pub fn is_handed_out(listener: &Listener) -> bool {
    listener.owners.iter().any(|owner| owner.pid == 1) && !listener.heirs.is_empty()
}

/// What a process is, in a few words.
pub fn called(process: &Process) -> String {
    let mut words = program_name(process).unwrap_or_else(|| "a process that hides what it runs".to_owned());
    if let Some(script) = &process.script {
        let _ = write!(words, " running {}", shortened(script));
    }
    format!("{words} ({}, {})", process.pid, process.user)
}
