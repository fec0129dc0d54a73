//! SMTP: to the mail server of this host or any other.
//!
//! The library's timeout is for one read: a server that drips a byte a second would hold it for hours. So a try runs
//! on a thread of its own, and we stop waiting at the deadline. The thread cannot be ended; it ends with the
//! connection. If the mail was not sent yet, it will not be. If it was, the server may yet accept it, as one that looks
//! into every mail for a minute does: then the thread waits on, as the standard wants, and the mail is not sent again
//! meanwhile.

use super::{Acceptance, Failure, Hanging, Permanence, Route, Scope, Tried};
use crate::file::{self, Links};
use crate::mail::address::{Domain, MailAddress};
use crate::mail::settings::{AbsolutePath, Security, SmtpSettings};
use crate::system::advice;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// So long a server may take over a mail it has been sent whole (RFC 5321, 4.5.3.2.6).
pub const ANSWER: Duration = Duration::from_mins(10);
/// More tries than this never run at once.
const TRIES: usize = 8;

/// How far a try is: its mail not yet sent, sent (or half), or given up before that.
const OPEN: u8 = 0;
const SENT: u8 = 1;
const GIVEN_UP: u8 = 2;
/// Nobody listens there.
const ABSENT: u8 = 3;

/// Whether there is a server at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// There is, or nobody knows.
    There,
    /// The connection was refused: nobody listens.
    Absent,
}

/// All that a try needs, for a thread to own.
struct Job {
    settings: SmtpSettings,
    hello: ClientId,
    from: Address,
    to: Vec<(MailAddress, Address)>,
    message: Vec<u8>,
    timeout: Duration,
    progress: Arc<AtomicU8>,
}

pub fn send(route: &Route, settings: &SmtpSettings, name: &str, message: &[u8], to: &[MailAddress]) -> Tried {
    send_and_see(route, settings, name, message, to).0
}

/// As [`send`]; says too whether anybody listens there.
pub fn send_and_see(
    route: &Route,
    settings: &SmtpSettings,
    name: &str,
    message: &[u8],
    to: &[MailAddress],
) -> (Tried, Server) {
    let progress = Arc::new(AtomicU8::new(OPEN));
    let tried = try_once(route, settings, name, message, to, &progress);
    let is_absent = tried.is_err() && progress.load(Ordering::SeqCst) == ABSENT;
    (tried, if is_absent { Server::Absent } else { Server::There })
}

fn try_once(
    route: &Route,
    settings: &SmtpSettings,
    name: &str,
    message: &[u8],
    to: &[MailAddress],
    progress: &Arc<AtomicU8>,
) -> Tried {
    let home = if settings.host.is_this_host() { &Domain::localhost() } else { &route.envelope.home };
    let job = Job {
        settings: settings.clone(),
        hello: hello(settings, &route.envelope.home),
        from: route.envelope.from.qualified(&route.envelope.home),
        to: to.iter().map(|address| (address.clone(), address.qualified(home))).collect(),
        message: message.to_owned(),
        timeout: route.deadline,
        progress: Arc::clone(progress),
    };
    let server = format!("{}:{}", settings.host, settings.port);
    let alive = Arc::clone(&route.tries);
    if Arc::strong_count(&alive) > TRIES + 1 {
        return Err(Failure::closed(&format!("{server}: {TRIES} earlier tries still hang there")));
    }
    let started = Instant::now();
    let (sender, outcome) = mpsc::channel();
    let run = move || {
        job.run(&sender);
        drop(alive);
    };
    if let Err(error) = thread::Builder::new().name("smtp".to_owned()).spawn(run) {
        return Err(Failure::closed(&format!("cannot start a thread: {error}")));
    }
    match outcome.recv_timeout(route.deadline) {
        Ok(tried) => tried.map_err(|failure| failure.at(&server)),
        Err(RecvTimeoutError::Timeout) => {
            let seconds = route.deadline.as_secs();
            let sent = progress.compare_exchange(OPEN, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst).is_err();
            if sent {
                route.hanging().push(Hanging { name: name.to_owned(), outcome, since: started });
                return Err(Failure::closed(&format!(
                    "{server}: has the mail, but no answer within {seconds} s"
                )));
            }
            Err(Failure::closed(&format!("{server}: no answer within {seconds} s")))
        }
        Err(RecvTimeoutError::Disconnected) => Err(Failure::closed(&format!("{server}: the try broke off"))),
    }
}

/// What we call ourselves: a domain, or an address in brackets.
fn hello(settings: &SmtpSettings, home: &Domain) -> ClientId {
    let name = settings.hello.as_ref().map_or(home.as_str(), |name| name.as_str());
    match name.parse() {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain(name.to_owned()),
    }
}

impl Job {
    /// The whole try; what it comes to is told as soon as it is known.
    fn run(&self, outcome: &mpsc::Sender<Tried>) {
        match self.open() {
            Err(failure) => drop(outcome.send(Err(failure))),
            Ok(mut connection) => {
                let _ = outcome.send(self.hand_over(&mut connection));
                // The answer counted, not whether the server says goodbye as well.
                let _ = connection.quit();
            }
        }
    }

    /// Connects, protects the connection and logs in.
    fn open(&self) -> Result<SmtpConnection, Failure> {
        let tls = match self.settings.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(self.tls()?),
        };
        let from_first_byte = tls.as_ref().filter(|_| self.settings.security == Security::Tls);
        let server = (self.settings.host.as_str(), self.settings.port.get());
        let mut connection =
            SmtpConnection::connect(server, Some(self.timeout), &self.hello, from_first_byte, None).map_err(
                |error| {
                    if is_refused(&error) {
                        self.progress.store(ABSENT, Ordering::SeqCst);
                    }
                    failure(Scope::Route, &error)
                },
            )?;
        if let (Security::StartTls, Some(tls)) = (self.settings.security, &tls) {
            connection.starttls(tls, &self.hello).map_err(|error| failure(Scope::Route, &error))?;
        }
        if let Some((user, file)) = &self.settings.login {
            let password = password(file)?;
            connection
                .auth(DEFAULT_MECHANISMS, &Credentials::new(user.clone(), password))
                .map_err(|error| failure(Scope::Route, &error))?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, Failure> {
        let mut builder = TlsParameters::builder(self.settings.host.as_str().to_owned());
        if let Some(file) = &self.settings.ca_file {
            let unusable =
                |why: String| Failure::closed(&format!("ca-file {}: {why}", super::shown(file.as_ref())));
            let pem =
                file::read(file.as_ref(), Links::Follow).map_err(|error| unusable(error.to_string()))?;
            if !pem.windows(11).any(|window| window == b"-----BEGIN ") {
                return Err(unusable("holds no certificate in PEM form".to_owned()));
            }
            let certificates = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
        }
        builder.build().map_err(|error| failure(Scope::Route, &error))
    }

    /// From `MAIL FROM` to the server's word that it has the mail.
    fn hand_over(&self, connection: &mut SmtpConnection) -> Tried {
        let about_mail = |error: lettre::transport::smtp::Error| failure(Scope::Mail, &error);
        connection.command(Mail::new(Some(self.from.clone()), Vec::new())).map_err(about_mail)?;
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for (written, address) in &self.to {
            match connection.command(Rcpt::new(address.clone(), Vec::new())) {
                Ok(_) => accepted.push(written.clone()),
                Err(error) if error.status().is_some() => refused.push((written.clone(), about_mail(error))),
                // No answer at all: the others would get none either.
                Err(error) => return Err(about_mail(error)),
            }
        }
        if accepted.is_empty() {
            return Err(Failure::of_all(&refused));
        }
        let response = connection.command(Data).map_err(about_mail)?;
        if !response.has_code(354) {
            return Err(unexpected("DATA", &response));
        }
        if self.progress.compare_exchange(OPEN, SENT, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Err(Failure::closed("the answer to DATA came too late"));
        }
        connection
            .set_timeout(Some(ANSWER.max(self.timeout)))
            .map_err(|error| Failure::closed(&format!("cannot set a timeout: {error}")))?;
        // The library ends the message with a line break of its own.
        let message = self.message.strip_suffix(b"\r\n").unwrap_or(&self.message);
        let response = connection.message(message).map_err(about_mail)?;
        if !response.has_code(250) {
            return Err(unexpected("the message", &response));
        }
        Ok(Acceptance { reply: shown(&response), accepted, refused })
    }
}

/// The password: the first line of a file that only its owner can read.
fn password(file: &AbsolutePath) -> Result<String, Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::closed(&format!("password-file {}: {why}", super::shown(file.as_ref())))
    };
    let mut opened = file::open(file.as_ref(), Links::Follow).map_err(|error| unusable(&error))?;
    if is_open_to_others(&opened).map_err(|error| unusable(&error))? {
        return Err(unusable(&format!("other users can read it: {}", advice::PRIVATE_FILE)));
    }
    let mut text = String::new();
    opened.by_ref().take(4096).read_to_string(&mut text).map_err(|error| unusable(&error))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(unusable(&"its first line is empty")),
    }
}

/// True if users other than the owner have a right to the file. That of group root does not count: what the
/// service manager hands over as a credential has it. Nor that of our own group to read a file of root's: so root lets
/// the mailer read it and change nothing.
#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    let is_given = metadata.uid() == 0 && metadata.gid() == rustix::process::getegid().as_raw();
    let mine = if metadata.gid() == 0 || is_given { 0o740 } else { 0o700 };
    Ok(metadata.mode() & 0o777 & !mine != 0)
}

/// True if ordinary users may read the file.
#[cfg(windows)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    crate::win32::security::others_may_read(file)
}

/// Retried unless the server said that it will not help: refused, silent and cut connections have no code at all.
fn failure(scope: Scope, error: &lettre::transport::smtp::Error) -> Failure {
    let permanence = if error.is_permanent() { Permanence::Permanent } else { Permanence::Temporary };
    let Some(code) = error.status() else {
        return Failure::new(Scope::Route, permanence, &error.to_string());
    };
    // 421: the server is about to go, whatever we sent.
    let scope = if u16::from(code) == 421 { Scope::Route } else { scope };
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    Failure::new(scope, permanence, format!("{code} {words}").trim_end())
}

/// True if nobody listens there.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let refused =
        error.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused);
    refused || error.source().is_some_and(is_refused)
}

fn unexpected(to: &str, response: &Response) -> Failure {
    Failure::closed(&format!("an answer to {to} that is none: {}", &*shown(response)))
}

/// A reply in one line.
fn shown(response: &Response) -> crate::text::Text {
    let lines: Vec<&str> = response.message().collect();
    crate::text::Text::cut(format!("{} {}", response.code(), lines.join(" ")).trim_end().as_bytes(), 500)
}
