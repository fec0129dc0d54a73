//! A real mail, sent the way alerts go, and what the server said. Accepted by a server is not delivered to a person:
//! only who reads it knows that.

use super::{Case, Check, mailer};
use crate::mail::{
    Acceptance, Envelope, Failure, Fate, KEPT, Outbox, Route, Via, compose, is_kept, send_test, test_letter,
};
use crate::settings::Setup;
use crate::system::advice;
use crate::text::{Text, clean};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

const NAME: &str = "mail";

/// Beyond the route's own deadline: for the mailer to notice, and for a hand-over to the `sendmail` program.
const NOTICE: Duration = Duration::from_secs(30);
/// A service that delivers itself looks this often for what others put in.
const NOTICE_OF_RUN: Duration = Duration::from_secs(5 * 60 + 15);
/// How often it is looked.
const TICK: Duration = Duration::from_millis(100);
/// The record of the acceptance comes a moment after the acceptance.
const RECORD: Duration = Duration::from_secs(2);

/// What came of the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A server took it for everyone: for whom, and its words.
    Accepted(Vec<(String, Text)>),
    /// It was not taken, and why.
    Refused(String),
    /// Nobody has tried it yet.
    Untried,
    /// The outbox could not be used.
    Failed(String),
}

/// Sends the mail. `step_down` makes us the user who delivers mail here, once it is known which program that is: what
/// we put into the outbox is then his to move. `waiting` is told what is waited for, as it may take a while.
pub fn test(
    case: &Case,
    step_down: impl FnOnce(&Setup) -> anyhow::Result<()>,
    waiting: impl FnOnce(&str),
) -> Vec<Check> {
    let Ok(setup) = case.setup else { return Vec::new() };
    let route = Route::new(&setup.mail_settings(), &case.host.name());
    let mailers = mailer::of(case, setup);
    if mailers.known.is_empty() && !mailers.unclear.is_empty() {
        return vec![mailer::unclear(NAME, &mailers.unclear)];
    }
    let mailer = mailers.known.into_iter().next();
    if let Err(error) = step_down(setup) {
        let says = format!("no test mail was sent: {}", clean(&format!("{error:#}")));
        return vec![Check::unknown(NAME, says).remedy(advice::OUTSIDE)];
    }
    let Some(mailer) = mailer else {
        waiting(&format!("sending a mail over {} …", route.describe()));
        let outcome = directly(case, &route);
        return vec![judge(setup, &route, "this program, as no mailer runs", &outcome)];
    };
    let notice = if mailer.kind == mailer::Kind::Run { NOTICE_OF_RUN } else { NOTICE };
    let patience = setup.mail_settings().deadline.duration() + notice;
    let who = mailer.describe();
    waiting(&format!("a mail is in the outbox; waiting at most {} s for {who} …", patience.as_secs()));
    let outbox = Outbox::at(setup.state_dir.join("outbox"));
    let outcome = through(&outbox, case, &route, patience);
    vec![judge(setup, &route, &who, &outcome)]
}

fn directly(case: &Case, route: &Route) -> Outcome {
    match send_test(route, &case.host.name(), case.host.now()) {
        Ok(Acceptance { reply, accepted, refused }) if refused.is_empty() => {
            Outcome::Accepted(accepted.into_iter().map(|to| (to.to_string(), reply.clone())).collect())
        }
        Ok(Acceptance { refused, .. }) => Outcome::Refused(Failure::of_all(&refused).reason),
        Err(failure) => Outcome::Refused(failure.reason),
    }
}

/// Puts a mail into the outbox and waits until the mailer is rid of it, or says why not.
pub fn through(outbox: &Outbox, case: &Case, route: &Route, patience: Duration) -> Outcome {
    let message = compose(&test_letter(route, &case.host.name(), case.host.now()), route.envelope());
    let tried = || -> io::Result<Outcome> {
        outbox.enqueue(&message)?;
        let started = Instant::now();
        let mut accepted: Option<Instant> = None;
        loop {
            match outbox.fate(&message.id)? {
                Fate::Accepted(replies) => {
                    let since = *accepted.get_or_insert_with(Instant::now);
                    if !replies.is_empty() || since.elapsed() > RECORD {
                        return Ok(Outcome::Accepted(replies));
                    }
                }
                // Also if another mail's try has just shown that the way is closed, and this one was put off for it.
                Fate::Waits { error: Some(error) } => {
                    let error = error.trim_end_matches([':', ' ']);
                    return Ok(Outcome::Refused(format!(
                        "{error}; it stays in the outbox and is tried again"
                    )));
                }
                Fate::Waits { error: None } | Fate::Nowhere => {}
            }
            if started.elapsed() > patience {
                return Ok(Outcome::Untried);
            }
            thread::sleep(TICK);
        }
    };
    tried().unwrap_or_else(|error| Outcome::Failed(format!("{}: {error}", outbox.folder().display())))
}

/// What it means.
pub(super) fn judge(setup: &Setup, route: &Route, who: &str, outcome: &Outcome) -> Check {
    let way = format!("over {}, sent by {who}", route.describe());
    match outcome {
        Outcome::Accepted(_) if matches!(setup.mail_settings().via, Via::Folder(_)) => {
            Check::ok(NAME, format!("a test mail was written to {}; nobody is told of it", route.describe()))
        }
        Outcome::Accepted(replies) if replies.iter().any(|(_, reply)| is_kept(reply)) => {
            let says = format!("a test mail was taken ({way}), {KEPT}: nobody gets it before that");
            Check::fault(NAME, says).remedy("systemctl start opensmtpd")
        }
        Outcome::Accepted(replies) => {
            let replies: Vec<String> =
                replies.iter().map(|(to, reply)| format!("for {}: {}", clean(to), clean(reply))).collect();
            let said = if replies.is_empty() { everyone(route.envelope()) } else { replies.join("; ") };
            let says =
                format!("a test mail was accepted by the server ({way}) {said}. Look whether it arrives");
            Check::ok(NAME, says)
        }
        Outcome::Refused(why) => {
            let says = format!("a test mail was NOT accepted ({way}): {}", clean(why));
            remedies(setup, why).into_iter().fold(Check::fault(NAME, says), Check::remedy)
        }
        Outcome::Untried => {
            let says = format!("a test mail lies in the outbox, and was not tried in time by {who}");
            Check::fault(NAME, says).remedy(advice::MAILER_LOG).remedy(advice::MAILER_RESTART)
        }
        Outcome::Failed(why) => {
            Check::unknown(NAME, format!("a test mail could not be put into the outbox: {}", clean(why)))
                .remedy(advice::AS_ADMINISTRATOR)
        }
    }
}

fn everyone(envelope: &Envelope) -> String {
    let to: Vec<String> = envelope.to.iter().map(ToString::to_string).collect();
    format!("for {}", to.join(", "))
}

/// What helps against the most common reasons.
fn remedies(setup: &Setup, why: &str) -> Vec<String> {
    let why = why.to_lowercase();
    let file = setup.file.clone().unwrap_or_else(crate::system::settings_file);
    let file = file.display();
    let again = "then try again: watchdog doctor".to_owned();
    let nobody = ["no mail server listens", "connection refused", "no such file", "not found", "not there"];
    let first = if nobody.iter().any(|words| why.contains(words)) {
        let name_one = format!("name one in {file}: [mail.smtp] host = \"mail.example.org\"");
        match advice::MAIL_SERVER {
            Some(install) => vec![install.to_owned(), format!("or {name_one}")],
            None => vec![name_one],
        }
    } else if why.contains("auth") || why.contains("535") {
        vec![format!("correct user and password-file of [mail.smtp] in {file}")]
    } else if why.contains("certificate") || why.contains("tls") {
        vec![format!("correct host, security or ca-file of [mail.smtp] in {file}")]
    } else {
        vec![format!("see what the mail server's log says, or correct [mail] in {file}")]
    };
    first.into_iter().chain([again]).collect()
}
