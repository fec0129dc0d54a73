//! Whether the service and the mailer run, with which settings and policy, and what they say they cannot see.

use super::stored::Stored;
use super::{Case, Check, mailer, zone};
use crate::alert::words;
use crate::finding::Code;
use crate::observe::{self, Record};
use crate::policy::Policy;
use crate::rule;
use crate::schedule;
use crate::settings::Setup;
use crate::system::{self, advice};
use crate::text::clean;
use jiff::SignedDuration;

/// A service that runs stores a pass each minute, whatever its schedules say. So long it may be late.
const LATE: SignedDuration = SignedDuration::from_mins(3);

/// The name under which the service looks at itself.
const SELF: &str = "service";

/// What starts the service.
fn start(case: &Case) -> &'static str {
    let is_service = cfg!(windows) || case.host.path("/run/systemd/system").exists();
    if is_service { advice::START } else { "watchdog run" }
}

pub fn settings(case: &Case) -> Vec<Check> {
    const NAME: &str = "settings";
    let check = match case.setup {
        Err(error) => {
            let error = error.strip_prefix("the settings are wrong: ").unwrap_or(error);
            let first = error.lines().next().unwrap_or_default();
            let says =
                format!("the settings are wrong, and what hangs on them was not checked: {}", clean(first));
            Check::fault(NAME, says).remedy("see line and column with: watchdog validate")
        }
        Ok(Setup { file: Some(file), .. }) => Check::ok(NAME, format!("{} is valid", file.display())),
        Ok(setup) => {
            let folder = setup.mail_folder();
            let says = format!(
                "there are no settings, so nobody gets a mail: they are only kept in {}",
                folder.display()
            );
            Check::warning(NAME, says).remedy(advice::first_settings(&system::settings_file()))
        }
    };
    vec![check]
}

pub fn policy(case: &Case) -> Vec<Check> {
    const NAME: &str = "policy";
    let Ok(setup) = case.setup else { return Vec::new() };
    let file = setup.policy.display();
    if !setup.policy.exists() {
        let says = format!("there is no policy {file}; the service learns one when it starts");
        return vec![Check::warning(NAME, says).remedy(format!("watchdog snapshot -o {file}"))];
    }
    let policy = match Policy::load(&setup.policy) {
        Ok(policy) => policy,
        Err(error) => {
            let error = error.to_string();
            let says = format!("the policy is wrong: {}", clean(error.lines().next().unwrap_or_default()));
            return vec![Check::fault(NAME, says).remedy("see line and column with: watchdog validate")];
        }
    };
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let in_force = case.stored.known().map(|known| known.view.policy_digest.as_str()).unwrap_or_default();
    let check = if case.stored.process(case.host).is_some() && in_force != policy.digest {
        let (disk, force) = (short(&policy.digest), short(in_force));
        let says =
            format!("{file} was changed and is not in force: it is {disk}, the service watches with {force}");
        Check::warning(NAME, says).remedy(advice::RELOAD)
    } else {
        let rules = policy.rules();
        Check::ok(NAME, format!("{file} is valid: {rules} rules, digest {}", short(&policy.digest)))
    };
    vec![check]
}

pub fn running(case: &Case) -> Vec<Check> {
    const NAME: &str = "service";
    let Ok(setup) = case.setup else { return Vec::new() };
    let known = match case.stored {
        Stored::Known(known) => known,
        Stored::Nothing => {
            let says = format!("the watchdog has never watched with {}", setup.state_dir.display());
            return vec![Check::fault(NAME, says).remedy(start(case))];
        }
        Stored::Unreadable(why) => {
            let says = format!("what the service has written cannot be read: {}", clean(why));
            return vec![Check::unknown(NAME, says).remedy(advice::AS_ADMINISTRATOR)];
        }
    };
    let now = case.host.now();
    let Some(run) = known.status.run else {
        return vec![Check::fault(NAME, "the service has never been started").remedy(start(case))];
    };
    if let Some(stopped) = run.stopped {
        let says = format!("nobody is watching: the service was stopped {}", words::ago(stopped, now));
        return vec![Check::fault(NAME, says).remedy(start(case))];
    }
    let last = run
        .last
        .map_or("it made no pass".to_owned(), |last| format!("its last pass was {}", words::ago(last, now)));
    let Some(pid) = case.stored.process(case.host) else {
        let says = format!("nobody is watching: the service ended without being stopped; {last}");
        return vec![Check::fault(NAME, says).remedy(start(case)).remedy(advice::LOG)];
    };
    let is_late = run.last.unwrap_or(run.started);
    if now.duration_since(is_late) > LATE {
        let says = format!("the service runs (process {pid}) and makes no passes: {last}");
        let see = advice::LOG;
        return vec![Check::fault(NAME, says).remedy(see).remedy(advice::RESTART)];
    }
    let ours = env!("CARGO_PKG_VERSION");
    if known.view.version != ours {
        let says =
            format!("the service still runs version {}, installed is {ours}", clean(&known.view.version));
        return vec![Check::warning(NAME, says).remedy(advice::RESTART)];
    }
    vec![Check::ok(NAME, format!("the service runs (process {pid}), {last}"))]
}

/// Whether the service still learns what it should alarm about later.
pub fn observing(case: &Case) -> Vec<Check> {
    let (Some(known), Ok(setup)) = (case.stored.known(), case.setup) else { return Vec::new() };
    let now = case.host.now();
    let is_on = |record: &&Record| record.state(now, setup.settings.observe) == observe::State::On;
    let Some(record) = known.observing.as_ref().filter(is_on) else { return Vec::new() };
    let (_, zone) = zone::of(case.host);
    let says = format!(
        "until {} unknown processes and listeners are learned and make no alarm; {} so far, in {}",
        schedule::in_words(record.until, &zone),
        words::count(record.learned.len() as u64, "rule"),
        setup.state_dir.join(observe::FILE).display()
    );
    vec![Check::note("observing", says)]
}

pub fn mailed_by(case: &Case) -> Vec<Check> {
    const NAME: &str = "mailer";
    let Ok(setup) = case.setup else { return Vec::new() };
    let mailers = mailer::of(case, setup);
    let check = match mailers.known.first() {
        Some(mailer) => Check::ok(NAME, format!("mails are sent by {}", mailer.describe())),
        None if !mailers.unclear.is_empty() => mailer::unclear(NAME, &mailers.unclear),
        None if case.stored.process(case.host).is_none() => return Vec::new(),
        None => {
            let says = "nobody sends the mails: the service leaves them to a mailer, and none runs";
            Check::fault(NAME, says).remedy(advice::MAILER_START)
        }
    };
    vec![check]
}

/// Watches that saw nothing the last time they looked.
pub fn watches(case: &Case) -> Vec<Check> {
    const NAME: &str = "watches";
    let Some(known) = case.stored.known() else { return Vec::new() };
    let now = case.host.now();
    let watches = || known.status.watches.iter().filter(|(watch, _)| *watch != SELF);
    let blind = watches().filter(|(_, mark)| mark.saw != Some(mark.looked));
    let mut checks: Vec<Check> = blind
        .map(|(watch, mark)| {
            let saw = mark.saw.map_or("never saw anything".to_owned(), |saw| {
                format!("last saw something {}", words::ago(saw, now))
            });
            let says =
                format!("the {} watch {saw}; it looked {}", clean(watch), words::ago(mark.looked, now));
            Check::warning(NAME, says).remedy("see why: the lines below, and watchdog alerts")
        })
        .collect();
    if checks.is_empty() && watches().count() > 0 {
        checks.push(Check::ok(NAME, "every watch sees"));
    }
    checks
}

/// What the service itself could not see, from within its sandbox.
pub fn coverage(case: &Case) -> Vec<Check> {
    const NAME: &str = "coverage";
    let Some(known) = case.stored.known() else { return Vec::new() };
    let policy = case.setup.ok().and_then(|setup| Policy::load(&setup.policy).ok()).unwrap_or_default();
    let today = rule::today(case.host.now());
    let accepted = |gap: &str| {
        let holds = |placed: &&rule::Placed<crate::coverage::CoverageRule>| {
            placed.rule.gap == gap && placed.rule.expires.is_none_or(|last| last >= today)
        };
        policy.coverage.iter().any(|placed| holds(&placed))
    };
    let mut checks = Vec::new();
    for (watch, gaps) in &known.view.gaps {
        for gap in gaps {
            let says = format!(
                "the {} watch sees {} of {} ({}): {}",
                clean(watch),
                gap.seen,
                gap.of,
                clean(&gap.gap),
                clean(&gap.why)
            );
            checks.push(if accepted(&gap.gap) {
                Check::note(NAME, format!("{says}; the policy accepts this"))
            } else {
                let accept = format!(
                    "or accept it in the policy: [[coverage]] gap = \"{}\" why = \"…\"",
                    clean(&gap.gap)
                );
                Check::warning(NAME, says).remedy("cure what it says").remedy(accept)
            });
        }
    }
    let told = [Code::SourceSilent, Code::PolicyRejected, Code::UnreadableProcess, Code::CoverageGap];
    let is_gap = |subject: &str| known.view.gaps.values().flatten().any(|gap| gap.gap == subject);
    for alert in &known.open {
        // Gaps have been told above, with what would cure them.
        if told.contains(&alert.finding.code) && !is_gap(&alert.finding.subject) {
            let says = clean(&alert.finding.title).into_owned();
            checks.push(Check::warning(NAME, says).remedy(format!("watchdog show {}", clean(&alert.id))));
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, "the service could see all it looked at"));
    }
    checks
}
