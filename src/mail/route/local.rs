//! The mail system of this host, whichever it is: by SMTP if it listens, else by its `sendmail` program.

use super::{Failure, Offered, Route, shown, smtp};
use crate::mail::address::MailAddress;
use crate::mail::settings::LocalSettings;
use smtp::Server;

pub fn offer(
    route: &Route,
    settings: &LocalSettings,
    name: &str,
    message: &[u8],
    to: &[MailAddress],
) -> Offered {
    // Nobody has the mail when the connection is refused, so the other way cannot double it.
    let (tried, server) = smtp::send_and_see(route, &settings.smtp(), name, message, to);
    let failure = match (tried, server) {
        (Err(failure), Server::Absent) => failure,
        (tried, _) => return Offered::Tried(tried),
    };
    let reason = match &settings.sendmail {
        Some(sendmail) if sendmail.program.as_ref().exists() => {
            return match route.offer_to_program(sendmail, message, to) {
                Offered::Tried(Err(other)) => {
                    Offered::Tried(Err(other.at("no mail server listens on this host")))
                }
                offered => offered,
            };
        }
        Some(sendmail) => {
            let program = shown(sendmail.program.as_ref());
            format!(
                "there is no {program}: install a mail server, or name one in [mail.smtp] of the settings"
            )
        }
        None => "this system has no other way: name a mail server in [mail.smtp] of the settings".to_owned(),
    };
    Offered::Tried(Err(Failure::closed(&format!("{}; and {reason}", failure.reason))))
}
