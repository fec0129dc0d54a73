//! Looking for what hides or listens in on a Linux host.
//!
//! What a process is started with is read once, when it is new; what can change is looked at where that is cheap, and
//! else a part of it in each pass, so that everything has its turn.

pub mod bpf;
pub mod connection;
mod descriptor;
pub mod diag;
pub mod environment;
pub mod hidden;
pub mod module;
mod port;
mod process;
pub(crate) mod shell;
pub mod sniffer;
mod tracer;

use super::{Bpf, Deceit, DeceptionFacts, Kind, Look, Rules, kernel_name};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::Listing;
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What is remembered from pass to pass.
#[derive(Default)]
pub struct Eyes {
    processes: process::Known,
    descriptors: descriptor::Descriptors,
    tracers: tracer::Tracers,
    shells: shell::Shells,
    hidden: hidden::Search,
    ports: port::Search,
}

/// Adds what was seen in passing since the last pass that was stored, and runs no more or does it no more.
pub fn add_glimpses(facts: &mut DeceptionFacts, look: &mut Look<Rules>, listing: &Listing) {
    let Some(pool) = look.processes.starts() else { return };
    let (ticket, deceits, missed) = pool.glimpses().take(look.memory.recall(), kernel_name::threads(listing));
    look.memory.keep(&ticket);
    let named = |deceit: &Deceit| deceit.process.as_ref().map(|process| (process.pid, process.start));
    let told = deceits.len() as u64;
    for deceit in deceits {
        let is_same = |other: &Deceit| other.kind == deceit.kind && named(other) == named(&deceit);
        if !facts.deceits.iter().any(is_same) {
            facts.deceits.push(deceit);
        }
    }
    facts.deceits.sort_by(|a, b| order(a).cmp(&order(b)));
    if missed > 0 {
        look.gaps.push(Gap {
            gap: "deception-short".to_owned(),
            seen: told,
            of: told + missed,
            why: "more programs that hide or listen in started than could be followed".to_owned(),
        });
    }
}

impl Eyes {
    /// All that hides or listens in, and what was loaded into the kernel.
    pub fn look(
        &mut self,
        host: &Host,
        listing: &Arc<Listing>,
        now: Timestamp,
        gaps: &mut Vec<Gap>,
    ) -> DeceptionFacts {
        let sees_all = host.privilege().sees_all_processes;
        let threads = kernel_name::threads(listing);
        let mut deceits: Vec<Deceit> = Vec::new();
        for process in &listing.processes {
            if let Some(what) = kernel_name::taken(process, &threads) {
                let process = Some(Arc::clone(process));
                deceits.push(Deceit { kind: Kind::KernelName, what, process, note: None });
            }
        }
        let asked = self.processes.look(host, listing, now, &mut deceits);
        if asked.refused > 0 && !sees_all {
            gaps.push(Gap {
                gap: "deception-process".to_owned(),
                seen: asked.read,
                of: asked.read + asked.refused,
                why: "an ordinary user may not look into the processes of others; run as root".to_owned(),
            });
        }
        if asked.put_off > 0 {
            gaps.push(Gap {
                gap: "deception-process".to_owned(),
                seen: asked.read,
                of: asked.read + asked.put_off,
                why: "what some processes were started with takes so long to look at that others wait for the next look"
                    .to_owned(),
            });
        }
        deceits.extend(process::everywhere_preloaded(host));
        deceits.extend(self.tracers.look(host, listing, &asked.new));
        deceits.extend(self.shells.look(host, listing));

        let sockets = sniffer::read_sockets(host, &self.processes.namespaces());
        let inodes: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        self.descriptors.find(host, listing, &inodes, &asked.new, now);
        let (mut hidden, of) = (0, sockets.len());
        for socket in sockets {
            let holders = self.descriptors.holders(socket.inode, listing);
            hidden += usize::from(holders.is_empty());
            // Whose it is cannot always be seen. That is a gap, and counted as one.
            if !holders.is_empty() || sees_all && !self.descriptors.is_sought(socket.inode) {
                deceits.extend(socket.deceits(&holders));
            }
        }
        gaps.extend(self.descriptors.gap(host, hidden, of));
        if sees_all && is_this_machine(host) {
            let hidden = may_ask_kernel(host).then(|| self.hidden.look(host, listing)).flatten();
            if hidden.is_none() {
                gaps.push(Gap {
                    gap: "deception-hidden".to_owned(),
                    seen: 0,
                    of: 1,
                    why: "the kernel cannot be asked for processes by number here: their numbers are others for us, \
                          they are hidden from us (hidepid), or a sandbox forbids it"
                        .to_owned(),
                });
            }
            deceits.extend(hidden.unwrap_or_default());
            deceits.extend(self.ports.look(host));
        }
        deceits.sort_by(|a, b| order(a).cmp(&order(b)));
        let (modules, marks_unsigned) = module::read_modules(host);
        let bpf = self.bpf(host, listing);
        DeceptionFacts { deceits, modules, marks_unsigned, bpf }
    }

    fn bpf(&self, host: &Host, listing: &Arc<Listing>) -> Vec<Bpf> {
        let held = self.descriptors.programs().filter_map(|(pid, kind)| {
            let process = find(listing, pid)?;
            Some(Bpf { kind: Text::new(kind), process: Some(process), pinned: None })
        });
        let mut bpf: Vec<Bpf> = held.chain(bpf::read_pinned(host)).collect();
        let key = |bpf: &Bpf| {
            (bpf.kind.clone(), bpf.process.as_ref().map(|process| process.pid), bpf.pinned.clone())
        };
        bpf.sort_by_key(key);
        bpf.dedup_by_key(|bpf| key(bpf));
        bpf
    }
}

fn order(deceit: &Deceit) -> (Kind, &Text, Option<u32>) {
    (deceit.kind, &deceit.what, deceit.process.as_ref().map(|process| process.pid))
}

/// The kernel speaks of this machine.
fn is_this_machine(host: &Host) -> bool {
    host.path("/proc") == Path::new("/proc")
}

/// It speaks of the processes that we see only if their numbers are the same for both.
fn may_ask_kernel(host: &Host) -> bool {
    let own = rustix::fs::readlink(host.path("/proc/self"), Vec::new());
    is_this_machine(host) && own.is_ok_and(|own| own.as_bytes() == std::process::id().to_string().as_bytes())
}

/// The process of this number.
fn find(listing: &Listing, pid: u32) -> Option<Arc<crate::processes::Process>> {
    let at = listing.processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
    listing.processes.get(at).cloned()
}
