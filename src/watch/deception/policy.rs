//! What a policy says of what hides or listens in: `[[deception]]`, `[[kernel-module]]` and `[[bpf]]`.

use crate::finding::Code;
use crate::rule::{Day, Pattern, Placed, Rule};
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Who may do what looks like hiding or listening in.
    pub deception: Vec<Placed<DeceptionRule>>,
    /// What may be loaded into the kernel.
    pub module: Vec<Placed<ModuleRule>>,
    /// Which BPF programs there may be.
    pub bpf: Vec<Placed<BpfRule>>,
}

/// A kind of deception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A program that calls itself a thread of the kernel.
    KernelName,
    /// A process that is missing in the list of processes.
    HiddenProcess,
    /// A port that is open and missing in a list of sockets.
    HiddenPort,
    /// A socket that takes whole packets from the network, whoever they are for.
    PacketSocket,
    /// A socket that takes and sends packets of a protocol by itself.
    RawSocket,
    /// A shell that takes its commands from a connection.
    SocketShell,
    /// A library that others may write, loaded into programs.
    Preload,
    /// A process that looks into another and steers it.
    Tracer,
    /// A process without an environment.
    NoEnvironment,
}

impl Kind {
    /// The code of its findings.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::KernelName => Code::FalseKernelThread,
            Self::HiddenProcess => Code::HiddenProcess,
            Self::HiddenPort => Code::HiddenPort,
            Self::PacketSocket => Code::PacketSocket,
            Self::RawSocket => Code::RawSocket,
            Self::SocketShell => Code::SocketShell,
            Self::Preload => Code::PreloadedLibrary,
            Self::Tracer => Code::TracedProcess,
            Self::NoEnvironment => Code::NoEnvironment,
        }
    }

    /// As it is written in a policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KernelName => "kernel-name",
            Self::HiddenProcess => "hidden-process",
            Self::HiddenPort => "hidden-port",
            Self::PacketSocket => "packet-socket",
            Self::RawSocket => "raw-socket",
            Self::SocketShell => "socket-shell",
            Self::Preload => "preload",
            Self::Tracer => "tracer",
            Self::NoEnvironment => "no-environment",
        }
    }

    /// False for what no ordinary host has: that it was there when a policy was learned is no reason to allow it.
    #[must_use]
    pub fn may_be_learned(self) -> bool {
        !matches!(self, Self::KernelName | Self::HiddenProcess | Self::HiddenPort | Self::SocketShell)
    }
}

/// Allows a program what else would look like hiding or listening in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeceptionRule {
    /// What kind of thing.
    pub kind: Kind,
    /// The executable that may do it; none named: any, and what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The script an interpreter runs. A rule that names an executable and no script allows it to run none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Pattern>,
    /// With what it may be done, as the finding shows it; none named: with anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<Pattern>,
    /// The users as whom it may be done; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// It is for programs in containers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// Allows modules of the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleRule {
    /// Their names; `*` stands for anything.
    pub names: Vec<Pattern>,
    /// The letters they may be marked with: `O` not part of the kernel, `E` not signed, `P` not free, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub taint: String,
    /// It holds also on a kernel that does not mark what is not signed. Without it, a rule with a `*` does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmarked: bool,
    /// Why they are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// Allows BPF programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BpfRule {
    /// The executable that may hold them; none named: for those that lie in the BPF file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The script an interpreter runs. A rule that names an executable and no script allows it to run none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Pattern>,
    /// Their types, `cgroup_device`; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<Pattern>,
    /// Where they may lie in the BPF file system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Pattern>,
    /// It is for programs in containers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// Why they are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl Rule for DeceptionRule {
    fn describe(&self) -> String {
        let exe = self.exe.as_ref().map(|exe| format!(" {}", exe.as_str())).unwrap_or_default();
        format!("deception {}{exe}", self.kind.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

impl Rule for ModuleRule {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(Pattern::as_str).collect();
        format!("kernel-module {}", names.join(", "))
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

impl Rule for BpfRule {
    fn describe(&self) -> String {
        match &self.exe {
            Some(exe) => format!("bpf {}", exe.as_str()),
            None => "bpf".to_owned(),
        }
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
