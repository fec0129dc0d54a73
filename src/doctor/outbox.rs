//! What waits in the outbox, and why.

use super::{Case, Check};
use crate::alert::words;
use crate::system::advice;
use crate::text::clean;
use jiff::SignedDuration;

/// A mail that waits longer than this does not reach anybody soon.
const LONG: SignedDuration = SignedDuration::from_mins(15);

pub(super) fn outbox(case: &Case) -> Vec<Check> {
    const NAME: &str = "outbox";
    let Some(known) = case.stored.known() else { return Vec::new() };
    let outbox = match &known.outbox {
        Ok(outbox) => outbox,
        Err(why) => {
            let says = format!("the outbox cannot be read: {}", clean(why));
            return vec![Check::unknown(NAME, says).remedy(advice::AS_ADMINISTRATOR)];
        }
    };
    let now = case.host.now();
    let mut checks = Vec::new();
    if known.status.unqueued > 0 {
        let says = format!("the outbox could not take what is written: {}", mails(known.status.unqueued));
        checks.push(Check::fault(NAME, says).remedy(advice::LOG));
    }
    let why = outbox
        .last_error
        .as_deref()
        .map(|error| format!("; the last try: {}", clean(error)))
        .unwrap_or_default();
    let since = outbox
        .oldest
        .map(|oldest| format!(", the oldest since {}", words::ago(oldest, now)))
        .unwrap_or_default();
    let is_old = outbox.oldest.is_some_and(|oldest| now.duration_since(oldest) > LONG);
    let says = format!(
        "{} in the outbox{since}{why}",
        if outbox.waiting == 1 {
            "1 mail waits".to_owned()
        } else {
            format!("{} mails wait", outbox.waiting)
        }
    );
    if outbox.waiting == 0 {
        if checks.is_empty() {
            checks.push(Check::ok(NAME, "no mail waits"));
        }
    } else if is_old || outbox.refused > 0 {
        checks.push(Check::fault(NAME, says).remedy("cure what it says, then: watchdog deliver"));
    } else if outbox.last_error.is_some() {
        checks.push(Check::warning(NAME, says).remedy("cure what it says, then: watchdog deliver"));
    } else {
        checks.push(Check::ok(NAME, says));
    }
    checks
}

fn mails(count: usize) -> String {
    if count == 1 { "1 mail".to_owned() } else { format!("{count} mails") }
}
