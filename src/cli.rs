//! The command line. The man pages and the completions are made from these definitions.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Mails root when anything but what you allowed runs, listens, logs in or asks too much on this host.
///
/// Deny all, allow certain things, watch the doors you opened: `watchdog snapshot` writes a policy from what runs
/// now, and `watchdog run` looks every minute, compares, and mails what differs.
#[derive(Debug, Parser)]
#[command(name = "watchdog", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Read settings from this file [default: /etc/host-watchdog/watchdog.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Keep the database, the outbox and the learned policy in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a policy that allows what runs now
    ///
    /// Looks at processes, listening sockets, logins, SSH sessions, updates, resources and web logs, and writes a
    /// policy that allows just that: TOML, sorted, each rule with why and by whom. Read it before you trust it.
    Snapshot {
        /// Write to this file instead of the terminal; a file that is there is left alone
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace the file if it is there
        #[arg(long, requires = "output")]
        force: bool,
        /// Print the facts as JSON instead of a policy
        #[arg(long)]
        facts: bool,
        /// Look also at what is off unless asked for
        #[arg(long, value_name = "WHAT", value_delimiter = ',')]
        with: Vec<Extra>,
        /// Include the ready-made policies of the packages that are installed, and learn only the rest
        ///
        /// If the settings say `observe`, the file of the rules that are learned then is included too.
        #[arg(long, conflicts_with = "facts")]
        ready_made: bool,
    },
    /// Look once and say what differs from the policy
    ///
    /// Exit code 0: nothing differs; 1: something does; 2: could not check.
    Check {
        /// The policy [default: that of the service]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Check recorded facts (from `snapshot --facts`; `-` for standard input) instead of looking
        #[arg(long, value_name = "FILE")]
        facts: Option<PathBuf>,
        /// Print one finding per line as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which rule allows what runs, listens or logged in, how strong it is, and which stronger one would hold
    ///
    /// Exit code 0: all of it is allowed; 1: something is not; 2: nothing of that name runs, listens or logged in.
    Explain {
        /// The number of a process, the path or name of its executable, or its script; a port, as :443; or
        /// logins of the last seven days, as alice@192.0.2.1, alice@ or root@console
        #[arg(value_name = "PROCESS|:PORT|USER@SOURCE")]
        what: String,
        /// The policy [default: that of the service]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Watch: look on schedule and mail what differs
    ///
    /// With no settings and no policy it learns a policy first, says where it put it, shows each mail on the
    /// terminal and keeps it in a folder. SIGHUP reads settings and policy anew, SIGTERM stops.
    Run {
        /// Make one pass, deliver what it has to say, and end
        #[arg(long)]
        once: bool,
        /// Leave the mails in the outbox; `watchdog deliver --stay` delivers them
        #[arg(long)]
        no_deliver: bool,
    },
    #[cfg(windows)]
    /// Be the service that the service control manager has started
    #[command(hide = true)]
    Service {
        /// Remove settings, policy and state instead, as the installer asks for when it is to leave nothing
        #[arg(long)]
        purge: bool,
    },
    /// Deliver the mails that wait in the outbox
    ///
    /// Tries each of them now, whenever it is due. Run as root, it becomes the user that delivers mail here.
    Deliver {
        /// Stay, and deliver each mail as it comes; SIGHUP reads the settings anew, SIGTERM stops
        #[arg(long)]
        stay: bool,
        /// Give the mails that were laid aside for the sendmail program to it
        #[arg(long, hide = true, conflicts_with = "stay")]
        handed_over: bool,
    },
    #[cfg(target_os = "linux")]
    /// Ask the kernel for the starts of processes and lend the socket to the service at standard input
    #[command(hide = true)]
    LendEvents,
    /// Check settings and policies as `run` does at its start
    Validate {
        /// Policy or settings files [default: those of the service]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    #[cfg(windows)]
    /// Ask the update agent and print its answer as JSON; the service does so with a deadline
    #[command(hide = true)]
    LookForUpdates {
        /// Not if its state is still this
        #[arg(long, value_name = "STATE")]
        unless: Option<String>,
    },
    /// List open alerts
    Alerts {
        /// Print one alert per line as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one alert with all its evidence
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say how the watchdog itself is: passes, coverage, cost, outbox, policy
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what this host lacks for the watchdog to see and to be heard, and what to do about it
    ///
    /// One line for each thing: ok, note, warning, fault, or unknown where it could not be checked. It sends a real
    /// mail the way alerts go. Exit code 0: all is well; 1: something lacks; 2: could not check.
    Doctor {
        /// Print one check per line as JSON
        #[arg(long)]
        json: bool,
        /// Send no mail
        #[arg(long)]
        no_mail: bool,
    },
    /// Print counts for Prometheus: alerts by code, passes, cost, outbox
    Metrics {
        #[cfg(target_os = "linux")]
        /// Answer one HTTP request on standard input and output, as systemd and inetd hand it over
        #[arg(long)]
        http: bool,
    },
    #[cfg(target_os = "linux")]
    /// Tell the watching service the rules of the firewall, on a connection that systemd hands over
    #[command(hide = true)]
    Firewall,
    /// Try the mail
    Mail {
        /// What to do with it
        #[command(subcommand)]
        command: MailCommand,
    },
}

/// What is looked at only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Extra {
    /// Sockets that everybody on the host may talk to
    UnixListeners,
    /// Connections to elsewhere
    Connections,
}

/// What to do with the mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// Send one mail now and print the server's acceptance
    Test,
}
