//! Holding back what a transaction that goes on may explain. What was told before it began is not taken back.

use super::{Phase, Transaction};
use crate::finding::{Code, Finding};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a check remembers of transactions from pass to pass.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// What was found in the last pass that held nothing back.
    open: BTreeSet<String>,
    /// The end of the last transaction that was told.
    told: Option<Timestamp>,
}

/// What is held back in one pass.
pub struct Patience<'a> {
    transaction: Option<&'a Transaction>,
    remembered: Remembered,
}

impl<'a> Patience<'a> {
    /// What is to be held back now.
    #[must_use]
    pub fn new(remembered: Remembered, transaction: Option<&'a Transaction>) -> Self {
        Self { transaction, remembered }
    }

    /// True if this is not to be told yet.
    pub fn holds(&self, code: Code, subject: &str, may_be_explained: impl FnOnce() -> bool) -> bool {
        self.is_waiting()
            && !self.remembered.open.contains(&format!("{} {subject}", code.as_str()))
            && may_be_explained()
    }

    /// The transaction, if it has ended, all of it is verified and it was not told yet.
    #[must_use]
    pub fn tells(&mut self) -> Option<&'a Transaction> {
        let transaction = self.transaction.filter(|transaction| transaction.unverified == 0)?;
        let Phase::Ended(at) = transaction.phase else { return None };
        (self.remembered.told.replace(at) != Some(at)).then_some(transaction)
    }

    /// What to remember, after this was found.
    #[must_use]
    pub fn done(mut self, findings: &[Finding]) -> Remembered {
        if !self.is_waiting() {
            self.remembered.open = findings.iter().map(Finding::key).collect();
        }
        self.remembered
    }

    /// True while anything is held back.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.transaction.is_some_and(Transaction::is_waited_for)
    }
}
