//! Root gives up its rights before it touches an outbox that is another user's.

use crate::settings::Setup;
use anyhow::Result;
#[cfg(target_os = "linux")]
use {
    crate::file::{self, Links},
    crate::mail,
    anyhow::{Context, bail},
    rustix::fs::{Gid, Uid},
    rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
    std::fs::Metadata,
    std::io::ErrorKind,
    std::os::unix::fs::MetadataExt,
    std::path::Path,
};

/// Root becomes the user that delivers mail here: what it makes is then the mailer's to change, and a link that the
/// mailer may have laid leads root nowhere. It stays root only where the state is root's own.
#[cfg(target_os = "linux")]
pub fn step_down(setup: &Setup) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(outbox) = outbox_of_another(&setup.state_dir)? else { return Ok(()) };
    let passwd = file::read(Path::new("/etc/passwd"), Links::Follow).unwrap_or_default();
    let user = mail::user_of_group(&passwd, outbox.gid()).unwrap_or(outbox.uid());
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(outbox.gid()));
    set_thread_groups(&[gid])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .with_context(|| {
            format!("cannot become user {user}, who delivers the mail in {}", setup.state_dir.display())
        })
}

/// The outbox of a state folder that is another user's; none where all is root's own, or nothing is there yet.
#[cfg(target_os = "linux")]
fn outbox_of_another(state_dir: &Path) -> Result<Option<Metadata>> {
    let cannot = || format!("cannot tell whose the state folder {} is", state_dir.display());
    let owner = match std::fs::metadata(state_dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        state => state.with_context(cannot)?.uid(),
    };
    let folder = state_dir.join("outbox");
    // Never through a link: whoever has the state folder could have laid it.
    let outbox = match std::fs::symlink_metadata(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound && owner == 0 => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{} is not there, and root does not make it in the folder of user {owner}: \
             run `systemd-tmpfiles --create host-watchdog.conf`, or be that user",
            folder.display()
        ),
        outbox => outbox.with_context(|| format!("cannot look at {}", folder.display()))?,
    };
    if !outbox.is_dir() || (owner != 0 && outbox.uid() != owner) {
        bail!(
            "{} is no folder of user {owner}, whose state folder it lies in: see what it is, take it away, and run \
             `systemd-tmpfiles --create host-watchdog.conf`",
            folder.display()
        );
    }
    Ok((outbox.uid() != 0).then_some(outbox))
}

/// On Windows one user's service looks and delivers.
#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub fn step_down(_setup: &Setup) -> Result<()> {
    Ok(())
}
