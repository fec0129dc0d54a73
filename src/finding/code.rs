//! The codes of findings: one enum that the program, its JSON, the documentation and the tests share.

use super::Severity::{self, Notice, Urgent, Warning};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a finding lasts until it ends, or happened once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lasts: it is gone when a pass no longer sees it.
    State,
    /// Happened at a moment, like a login: it ends when it has not happened again for a day.
    Event,
}

macro_rules! codes {
    ($($variant:ident $name:literal $kind:ident $severity:ident $sentence:literal)*) => {
        /// What kind of difference a finding is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $sentence] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The kebab-case name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// Whether it lasts or happened.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// True if it is worth a word that it is over: that packages do not change any more is none.
            #[must_use]
            pub fn has_an_end(self) -> bool {
                self != Self::PackagesChanged
            }

            /// How soon to look, where the watch has no better knowledge.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => $severity,)* }
            }
        }
    };
}

codes! {
    UnknownProcess "unknown-process" State Urgent "A process runs that no rule allows."
    MissingProcess "missing-process" State Urgent "A process that a rule requires does not run, or too few or too many of it."
    UnreadableProcess "unreadable-process" State Urgent "A process hides what it runs from a watchdog that should be able to read it."
    ModifiedFile "modified-file" State Urgent "A program of a package that was just installed or upgraded is not as the package brought it."
    NewListener "new-listener" State Urgent "A socket listens that no rule allows."
    MissingListener "missing-listener" State Urgent "A socket that a rule requires does not listen."
    NewUnixListener "new-unix-listener" State Warning "Everybody on the host may talk to a socket that no rule allows."
    UnknownConnection "unknown-connection" Event Urgent "A program is connected to a place elsewhere that no rule allows."
    NewLink "new-link" State Warning "A network link is there that no rule allows."
    MissingLink "missing-link" State Urgent "A network link that a rule requires is not there, or not up."
    PromiscuousLink "promiscuous-link" State Urgent "A network link takes in the packets of others."
    NewAddress "new-address" State Warning "A network link has an address that no rule allows."
    NewRoute "new-route" State Warning "Packets go a way that no rule allows."
    MissingRoute "missing-route" State Urgent "Packets do not go the way that a rule requires."
    GatewayChanged "gateway-changed" State Urgent "The gateway answers with another hardware address than before."
    FirewallChanged "firewall-changed" State Urgent "The rules of the firewall are not those of the policy."
    OffHoursLogin "off-hours-login" Event Urgent "Somebody logged in, or tried to, outside the hours of the policy."
    UnknownLogin "unknown-login" Event Urgent "Somebody logged in whom, from where or in a way that no rule allows."
    FailedLogins "failed-logins" Event Warning "More logins failed than the policy tolerates."
    AuditLogCleared "audit-log-cleared" Event Urgent "Somebody cleared a log of Windows that tells what happened."
    AccountCreated "account-created" Event Urgent "An account was created that no rule allows."
    AccountDeleted "account-deleted" Event Notice "An account was deleted, and no rule allows that."
    AccountLocked "account-locked" Event Warning "Windows locked an account after too many wrong passwords."
    GroupChanged "group-changed" Event Warning "An account was added to a group, and no rule allows that."
    MissingKeyholder "missing-keyholder" State Urgent "An SSH session runs without the environment variable that names who holds the key."
    WrongKeyholder "wrong-keyholder" State Urgent "An SSH session names a key holder who does not hold the key it came in with."
    PendingUpdates "pending-updates" State Notice "Updates wait longer than the policy tolerates."
    SecurityUpdates "security-updates" State Warning "Security updates wait longer than the policy tolerates."
    StalePackageLists "stale-package-lists" State Warning "The package lists are too old to say which updates there are."
    RebootRequired "reboot-required" State Notice "An installed update needs a reboot to take effect."
    NeedsRestart "needs-restart" State Notice "A program runs on from a file that an upgrade has replaced."
    PackagesChanged "packages-changed" Event Notice "Packages were installed, upgraded or removed: one line for all that this explains."
    HighCpu "high-cpu" State Warning "The processors were busier than allowed for longer than allowed."
    HighMemory "high-memory" State Warning "More memory was in use than allowed for longer than allowed."
    HighSwap "high-swap" State Warning "More swap was in use than allowed for longer than allowed."
    HighLoad "high-load" State Warning "More tasks waited per processor than allowed for longer than allowed."
    FullDisk "full-disk" State Urgent "A file system has less space or fewer inodes left than allowed."
    MissingDisk "missing-disk" State Urgent "A disk that a rule names is not mounted."
    RequestSpike "request-spike" Event Warning "Far more web requests came than at the same hour of other weeks."
    RequestLimit "request-limit" Event Urgent "More web requests came within a time than the policy allows."
    UnexpectedMethod "unexpected-method" Event Warning "A web request used a method the policy does not allow."
    UnknownAccount "unknown-account" State Urgent "An account exists that no rule allows."
    EnabledAccount "enabled-account" State Urgent "An account is enabled that the policy allows only while it is disabled."
    PasswordNotRequired "password-not-required" State Warning "An account may have an empty password."
    UnknownMember "unknown-member" State Urgent "Somebody belongs to a powerful group whom no rule allows there."
    UnknownAutorun "unknown-autorun" State Urgent "Something is set to start by itself that no rule allows."
    ChangedAutorun "changed-autorun" State Urgent "What may start by itself was changed, and no rule allows it as it is now."
    FirewallOff "firewall-off" State Urgent "The firewall is off where the policy wants it on."
    FirewallOpen "firewall-open" State Urgent "The firewall lets through whatever no rule of its own names."
    AntivirusOff "antivirus-off" State Urgent "The antivirus does not protect as the policy wants it to."
    AntivirusStale "antivirus-stale" State Warning "The signatures of the antivirus are older than the policy tolerates."
    WeakRemoteDesktop "weak-remote-desktop" State Urgent "Remote Desktop is open in a way that the policy does not allow."
    LegacySmb "legacy-smb" State Warning "The host shares its files by the first version of SMB."
    LogonAuditOff "logon-audit-off" State Warning "The system does not log the logins that the policy wants to be logged."
    FalseKernelThread "false-kernel-thread" State Urgent "A program calls itself a thread of the kernel, so that it is not noticed."
    HiddenProcess "hidden-process" State Urgent "A process runs that is missing in the list of processes."
    HiddenPort "hidden-port" State Urgent "A port is open that is missing where open ports are listed."
    PacketSocket "packet-socket" State Urgent "A program reads packets from the network as they come, and no rule allows that."
    RawSocket "raw-socket" State Warning "A program has a raw socket, and no rule allows that."
    SocketShell "socket-shell" State Urgent "A shell takes its commands from a network connection."
    PreloadedLibrary "preloaded-library" State Urgent "A library is loaded into a program from where others may put theirs, or into every program."
    TracedProcess "traced-process" State Warning "A process looks into another and steers it, and no rule allows that."
    NoEnvironment "no-environment" State Notice "A process runs without an environment, as one does that hides where it came from."
    UnknownModule "unknown-module" State Urgent "A module was loaded into the kernel that no rule allows."
    HiddenModule "hidden-module" State Urgent "A module of the kernel is missing in one of the places that list them."
    UnknownBpf "unknown-bpf" State Urgent "A BPF program was loaded into the kernel that no rule allows."
    CoverageGap "coverage-gap" State Warning "The watchdog cannot see something it should, or was not watching for a while."
    NotWatching "not-watching" Event Warning "The watchdog itself was not watching for a while."
    PolicyRejected "policy-rejected" State Warning "The settings or the policy on disk are wrong; the ones before stay in force, if there are any."
    SourceSilent "source-silent" State Warning "A log that should speak yields nothing."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
