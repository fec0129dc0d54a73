//! `watchdog deliver`: the mailer alone, once, as a service, or for what was laid aside for the `sendmail` program.

use crate::command::{COULD_NOT, Files};
use crate::file::{self, Links};
use crate::host::Host;
use crate::mail::{self, DeliveryReport, Outbox, Route, Sandbox};
use crate::service;
use crate::settings::Setup;
use crate::{complain, say};
use anyhow::{Context, Result, bail};
use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All that waits, once.
    All,
    /// All that comes.
    AllThatComes,
    /// What was laid aside for the `sendmail` program.
    HandedOver,
}

/// If what was laid aside cannot be moved, the service manager would start us again at once.
const BREATH: Duration = Duration::from_secs(20);

pub fn run(files: &Files, what: What) -> Result<ExitCode> {
    match what {
        What::All => {
            let setup = files.setup()?;
            step_down(&setup)?;
            once(&setup)
        }
        What::AllThatComes => {
            let (setup, wrong) = setup_or_before(files)?;
            step_down(&setup)?;
            service::stay(&setup, wrong, || {
                let setup = files.setup()?;
                keep(&setup);
                Ok(setup)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        What::HandedOver => {
            let (setup, _) = setup_or_before(files)?;
            step_down(&setup)?;
            handed_over(&setup)
        }
    }
}

fn once(setup: &Setup) -> Result<ExitCode> {
    let host = Host::this();
    let outbox = open(setup)?;
    let route = Route::new(&setup.mail_settings(), &host.name()).within(Sandbox::here());
    let report = mail::deliver_all(&outbox, &route, host.now()).context("cannot read the outbox")?;
    if report.busy {
        say!("another watchdog is delivering just now");
        return Ok(ExitCode::SUCCESS);
    }
    tell(&report);
    for name in &report.handed_over {
        say!("{name} was laid aside for the sendmail program, which cannot be run in this sandbox");
    }
    say!("{} accepted, {} still waiting", report.delivered.len(), report.waiting);
    Ok(if report.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT) })
}

fn handed_over(setup: &Setup) -> Result<ExitCode> {
    if Sandbox::here() == Sandbox::NoNewPrivileges {
        bail!("the sendmail program cannot work where NoNewPrivileges is set: take that out of this unit");
    }
    let host = Host::this();
    let outbox = open(setup)?;
    let route = Route::new(&setup.mail_settings(), &host.name());
    let report =
        mail::deliver_handed_over(&outbox, &route, || host.now()).context("cannot read the outbox")?;
    if report.busy {
        say!("another watchdog is at it just now");
    }
    tell(&report);
    if report.waiting > 0 && report.delivered.is_empty() {
        std::thread::sleep(BREATH);
    }
    Ok(ExitCode::SUCCESS)
}

fn open(setup: &Setup) -> Result<Outbox> {
    let folder = setup.state_dir.join("outbox");
    Outbox::open(&folder).with_context(|| format!("cannot open the outbox {}", folder.display()))
}

fn tell(report: &DeliveryReport) {
    for delivered in &report.delivered {
        say!("{} accepted: {}", delivered.name, delivered.reply);
    }
    for failed in &report.failed {
        complain!("{} not accepted: {}", failed.name, failed.failure.reason);
    }
}

/// The copy of the settings with which mail went the last time, in a folder of the outbox that is the mailer's own.
const BEFORE: (&str, &str) = ("settings", "settings.last");

/// The settings; if they are wrong those from before, or those that hold where nothing is written: the mail that
/// says what is wrong has to go as well.
fn setup_or_before(files: &Files) -> Result<(Setup, Option<String>)> {
    let error = match files.setup() {
        Ok(setup) => {
            keep(&setup);
            return Ok((setup, None));
        }
        Err(error) => format!("{error:#}"),
    };
    let plain = files.setup_of(None)?;
    let before = file::read(&before_of(&plain), Links::Refuse).ok();
    let before = before.and_then(|bytes| files.setup_of(Some(String::from_utf8(bytes).ok()?)).ok());
    let holds = if before.is_some() { "those from before hold" } else { "mail goes to root on this host" };
    tracing::error!("the settings are wrong; until they are right, {holds}: {error}");
    Ok((before.unwrap_or(plain), Some(error)))
}

fn before_of(setup: &Setup) -> PathBuf {
    setup.state_dir.join("outbox").join(BEFORE.0).join(BEFORE.1)
}

/// Only the mailer itself keeps them, and only in an outbox that is there; without them there is the default.
fn keep(setup: &Setup) {
    let Some(text) = &setup.text else { return };
    let path = before_of(setup);
    let (Some(folder), true) = (path.parent(), setup.state_dir.join("outbox").is_dir()) else { return };
    // Where root has not made it, it is made if the outbox is our own.
    let _ = file::make_private_folder(folder);
    if file::read(&path, Links::Refuse).is_ok_and(|before| before == text.as_bytes()) {
        return;
    }
    let temporary = path.with_extension("new");
    if file::write_new(&temporary, text.as_bytes()).is_ok() {
        let _ = file::rename_durably(&temporary, &path);
    }
}

/// Root becomes the user that delivers mail here: what it makes is then the mailer's to change, and a link that the
/// mailer may have laid leads root nowhere.
pub fn step_down(setup: &Setup) -> Result<()> {
    let folder = setup.state_dir.join("outbox");
    let Ok(outbox) = std::fs::metadata(&folder) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || outbox.uid() == 0 {
        return Ok(());
    }
    let passwd = file::read(Path::new("/etc/passwd"), Links::Follow).unwrap_or_default();
    let user = user_of_group(&passwd, outbox.gid()).unwrap_or(outbox.uid());
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(outbox.gid()));
    set_thread_groups(&[gid])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .with_context(|| format!("cannot become user {user}, who delivers the mail in {}", folder.display()))
}

/// The user whose own group this is: of an outbox that two users share, the one that delivers.
fn user_of_group(passwd: &[u8], group: u32) -> Option<u32> {
    let numbers = |line: &str| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
    };
    let lines = passwd.split(|b| *b == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(numbers).find(|(user, own)| *own == group && *user != 0).map(|(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_delivers_is_the_user_whose_own_group_has_the_outbox() {
        let passwd =
            b"root:x:0:0::/root:/bin/sh\nbroken\nw:x:997:997::/:/x\nm:x:996:995::/:/x\n\xff:x:1:995\n";
        assert_eq!(user_of_group(passwd, 995), Some(996));
        assert_eq!(user_of_group(passwd, 4), None);
        assert_eq!(user_of_group(b"root:x:0:0::/root:/bin/sh", 0), None);
    }
}
