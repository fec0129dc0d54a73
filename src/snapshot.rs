//! A snapshot: all facts of one moment, one field per watch.

use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::{
    Seen, Watch, account, autorun, connection, deception, listener, login, network, process, protection,
};
use crate::watch::{request, resource, session, unix_listener, update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the JSON form. It grows when a field changes its meaning or goes; new fields do not count.
pub const SCHEMA: u32 = 1;

type Section<W> = Option<Seen<<W as Watch>::Facts>>;

/// All facts of one moment. A watch that did not look in this pass has no field.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// The version of this form.
    pub schema: u32,
    /// The host's name.
    pub host: Text,
    /// The boot that process ids belong to.
    #[serde(alias = "boot_id")]
    pub boot_id: Text,
    /// When it was taken.
    pub taken: Timestamp,
    /// Processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Section<process::ProcessWatch>,
    /// Listening sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Section<listener::ListenerWatch>,
    /// Sockets that everybody on the host may talk to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_listeners: Section<unix_listener::UnixListenerWatch>,
    /// Connections to elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Section<connection::ConnectionWatch>,
    /// How the host is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Section<network::NetworkWatch>,
    /// Logins, successful and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logins: Section<login::LoginWatch>,
    /// SSH sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Section<session::SessionWatch>,
    /// Packages and their updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Section<update::UpdateWatch>,
    /// Processor, memory and disk use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Section<resource::ResourceWatch>,
    /// Web requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Section<request::RequestWatch>,
    /// Local accounts and the members of powerful groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Section<account::AccountWatch>,
    /// What starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoruns: Section<autorun::AutorunWatch>,
    /// What protects the host: firewall, antivirus and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Section<protection::ProtectionWatch>,
    /// What hides or listens in, and what was loaded into the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deception: Section<deception::DeceptionWatch>,
    /// What could not be seen, by watch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gaps: BTreeMap<String, Vec<Gap>>,
    /// How long each watch looked, in milliseconds.
    #[serde(default, alias = "took_ms", skip_serializing_if = "BTreeMap::is_empty")]
    pub took_ms: BTreeMap<String, f64>,
}

impl Snapshot {
    /// A snapshot in which nothing has been looked at yet.
    #[must_use]
    pub fn empty(host: Text, boot_id: Text, taken: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            host,
            boot_id,
            taken,
            processes: None,
            listeners: None,
            unix_listeners: None,
            connections: None,
            network: None,
            logins: None,
            sessions: None,
            updates: None,
            resources: None,
            requests: None,
            accounts: None,
            autoruns: None,
            protection: None,
            deception: None,
            gaps: BTreeMap::new(),
            took_ms: BTreeMap::new(),
        }
    }
}
