//! A policy file as it is written. Unknown keys are errors at every level.

use super::source::Source;
use super::{Policy, PolicyError};
use crate::coverage::CoverageRule;
use crate::rule::Placed;
use crate::watch::{
    account, autorun, connection, deception, listener, login, network, process, protection, request,
    resource, session, unix_listener, update,
};
use serde::Deserialize;
use toml::Spanned;

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct Schema(u64);

impl TryFrom<u64> for Schema {
    type Error = String;
    fn try_from(number: u64) -> Result<Self, String> {
        match number {
            1 => Ok(Self(1)),
            other => Err(format!("schema {other} is not known to this version, which reads schema 1")),
        }
    }
}

/// One policy file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Written {
    /// The version of the policy language.
    pub schema: Schema,
    /// Ready-made policies by name, others by path.
    #[serde(default)]
    pub include: Vec<Spanned<String>>,
    #[serde(default)]
    process: Vec<Spanned<process::ProcessRule>>,
    #[serde(default)]
    command: Vec<Spanned<process::CommandRule>>,
    #[serde(default)]
    modified_file: Vec<Spanned<process::ModifiedFileRule>>,
    #[serde(default)]
    transaction: Vec<Spanned<process::TransactionRule>>,
    #[serde(default)]
    listener: Vec<Spanned<listener::ListenerRule>>,
    #[serde(default)]
    unix_listener: Vec<Spanned<unix_listener::UnixListenerRule>>,
    #[serde(default)]
    connection: Vec<Spanned<connection::ConnectionRule>>,
    network: Option<Spanned<network::Network>>,
    #[serde(default)]
    link: Vec<Spanned<network::LinkRule>>,
    #[serde(default)]
    route: Vec<Spanned<network::RouteRule>>,
    #[serde(default)]
    gateway: Vec<Spanned<network::GatewayRule>>,
    #[serde(default)]
    firewall: Vec<Spanned<network::FirewallRule>>,
    logins: Option<Spanned<login::Logins>>,
    #[serde(default)]
    login: Vec<Spanned<login::LoginRule>>,
    #[serde(default)]
    account_change: Vec<Spanned<login::ChangeRule>>,
    sessions: Option<Spanned<session::Sessions>>,
    #[serde(default)]
    session: Vec<Spanned<session::SessionRule>>,
    #[serde(default)]
    keyholder: Vec<Spanned<session::Keyholder>>,
    updates: Option<Spanned<update::Updates>>,
    resources: Option<Spanned<resource::Resources>>,
    #[serde(default)]
    disk: Vec<Spanned<resource::DiskRule>>,
    #[serde(default)]
    requests: Vec<Spanned<request::RequestRule>>,
    #[serde(default)]
    account: Vec<Spanned<account::AccountRule>>,
    #[serde(default)]
    autorun: Vec<Spanned<autorun::AutorunRule>>,
    protection: Option<Spanned<protection::Protection>>,
    #[serde(default)]
    deception: Vec<Spanned<deception::DeceptionRule>>,
    #[serde(default)]
    kernel_module: Vec<Spanned<deception::ModuleRule>>,
    #[serde(default)]
    bpf: Vec<Spanned<deception::BpfRule>>,
    #[serde(default)]
    coverage: Vec<Spanned<CoverageRule>>,
}

/// Parses one policy file; `file` is only named in errors and origins.
///
/// # Errors
/// What is wrong, with line and caret.
pub fn parse_policy(file: &str, text: &str) -> Result<Written, PolicyError> {
    toml::from_str(text).map_err(|error| PolicyError::toml(file, text, &error))
}

impl Written {
    /// Adds what this file says to `policy`. Lists are united; a table that holds for the whole host may stand
    /// only once in all files, as nobody could say which of two holds.
    ///
    /// # Errors
    /// A table that stands in another file already.
    pub fn add_to(self, policy: &mut Policy, source: &Source) -> Result<(), PolicyError> {
        fn all<R>(into: &mut Vec<Placed<R>>, from: Vec<Spanned<R>>, source: &Source) {
            into.extend(from.into_iter().map(|rule| source.place(rule)));
        }
        fn once<R>(
            into: &mut Option<Placed<R>>,
            from: Option<Spanned<R>>,
            source: &Source,
        ) -> Result<(), PolicyError> {
            let Some(table) = from else { return Ok(()) };
            if let Some(before) = into {
                let message =
                    format!("this table stands already in {}, and only one can hold", before.origin);
                return Err(source.error(table.span(), &message));
            }
            *into = Some(source.place(table));
            Ok(())
        }
        all(&mut policy.process.process, self.process, source);
        all(&mut policy.process.command, self.command, source);
        all(&mut policy.process.modified_file, self.modified_file, source);
        all(&mut policy.process.transaction, self.transaction, source);
        all(&mut policy.listener.listener, self.listener, source);
        all(&mut policy.unix_listener.unix_listener, self.unix_listener, source);
        all(&mut policy.connection.connection, self.connection, source);
        once(&mut policy.network.network, self.network, source)?;
        all(&mut policy.network.link, self.link, source);
        all(&mut policy.network.route, self.route, source);
        all(&mut policy.network.gateway, self.gateway, source);
        all(&mut policy.network.firewall, self.firewall, source);
        once(&mut policy.login.logins, self.logins, source)?;
        all(&mut policy.login.login, self.login, source);
        all(&mut policy.login.change, self.account_change, source);
        once(&mut policy.session.sessions, self.sessions, source)?;
        all(&mut policy.session.session, self.session, source);
        all(&mut policy.session.keyholder, self.keyholder, source);
        once(&mut policy.update.updates, self.updates, source)?;
        once(&mut policy.resource.resources, self.resources, source)?;
        all(&mut policy.resource.disk, self.disk, source);
        all(&mut policy.request.requests, self.requests, source);
        all(&mut policy.account.account, self.account, source);
        all(&mut policy.autorun.autorun, self.autorun, source);
        once(&mut policy.protection.protection, self.protection, source)?;
        all(&mut policy.deception.deception, self.deception, source);
        all(&mut policy.deception.module, self.kernel_module, source);
        all(&mut policy.deception.bpf, self.bpf, source);
        all(&mut policy.coverage, self.coverage, source);
        Ok(())
    }
}
