//! What an upgrade explains of sockets: a service that is stopped for a moment, and the program that a package brought.

use super::{ListenerFacts, Rules};
use crate::dpkg;
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::text::Text;
use crate::transaction::{self, HELD, Patience, Tracker, Transaction, is_fresh};
use crate::watch::{Look, Memory};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered from pass to pass.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    tracker: Tracker,
}

/// Adds what the package manager does to the facts.
pub fn look(look: &mut Look<Rules>, facts: ListenerFacts) -> ListenerFacts {
    let mut remembered: Remembered = look.memory.recall();
    let mut transaction = remembered.tracker.look(look.host, look.now);
    if let Some(transaction) = &mut transaction {
        transaction.fresh = fresh(look.host, &facts, transaction);
    }
    look.memory.keep(&remembered);
    ListenerFacts { transaction, ..facts }
}

/// The programs behind sockets that a package brought since then.
fn fresh(host: &Host, facts: &ListenerFacts, transaction: &Transaction) -> BTreeMap<Text, Option<Text>> {
    let owners = facts.listeners.iter().flat_map(|listener| &listener.owners);
    let paths: BTreeSet<&Text> = owners.filter_map(|owner| owner.present_file()).collect();
    let paths: BTreeSet<Vec<u8>> = paths
        .into_iter()
        .filter(|path| is_fresh(host, path, transaction.since))
        .map(Text::to_bytes)
        .collect();
    if paths.is_empty() {
        return BTreeMap::new();
    }
    let packages = dpkg::owners(host, &paths).unwrap_or_default();
    let package = |path: &Vec<u8>| Some(Text::from(packages.get(path)?.first()?.name()));
    paths.iter().map(|path| (Text::new(path), package(path))).collect()
}

/// What a check remembers.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Held {
    patience: transaction::Remembered,
    /// Sockets that are told when the transaction ends, whether they are still open then or not.
    findings: Vec<Finding>,
}

/// Takes out what the end of a transaction may explain, and puts in what it did not.
pub fn hold_back(found: Vec<Finding>, facts: &ListenerFacts, memory: &mut Memory) -> Vec<Finding> {
    let Held { patience, findings: before } = memory.recall();
    let patience = Patience::new(patience, facts.transaction.as_ref());
    let is_held =
        |finding: &Finding| patience.holds(finding.code, &finding.subject, || may_explain(finding, facts));
    let (mut held, mut told): (Vec<Finding>, Vec<Finding>) = found.into_iter().partition(is_held);
    // A service that listens again is explained; a door that was open for a moment was open.
    held.retain(|finding| finding.code == Code::NewListener);
    for finding in before {
        let list = if patience.is_waiting() { &mut held } else { &mut told };
        if !list.iter().any(|now| now.key() == finding.key()) {
            list.push(finding);
        }
    }
    if held.len() > HELD {
        told.extend(held.drain(HELD..));
    }
    memory.keep(&Held { patience: patience.done(&told), findings: held });
    told
}

/// True if the end of the transaction may show that this is as it should be: a service is stopped in the midst of it, and
/// who brought a new program is known at the end.
fn may_explain(finding: &Finding, facts: &ListenerFacts) -> bool {
    let program = || finding.evidence.get("executable")?.as_str();
    let is_fresh = |path: &str| facts.transaction.as_ref().is_some_and(|now| now.fresh.contains_key(path));
    finding.code == Code::MissingListener || program().is_some_and(is_fresh)
}
