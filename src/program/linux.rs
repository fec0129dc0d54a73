//! Running programs on Linux.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Where programs are looked for that are named without a folder.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The whole environment of a program.
pub fn environment() -> Vec<(&'static str, OsString)> {
    [("PATH", PATH), ("LANG", "C"), ("LC_ALL", "C")].map(|(name, value)| (name, value.into())).into()
}

/// The folder it runs in.
pub fn folder() -> PathBuf {
    PathBuf::from("/")
}

/// A command to run alongside us.
#[expect(clippy::disallowed_methods, reason = "the one place where programs are run")]
#[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
pub fn free(program: &Path) -> io::Result<Command> {
    Ok(in_group(Command::new(program)))
}

/// A command that the kernel ends when we end, even if we are killed: else what we left behind would be found as
/// an unknown process after a restart. `setpriv` of util-linux can ask for that without unsafe code here; where it
/// is missing or too old, the command runs as it is.
#[expect(clippy::disallowed_methods, reason = "the one place where programs are run")]
pub fn tied(program: &Path) -> io::Result<Command> {
    const SETPRIV: &str = "/usr/bin/setpriv";
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = || {
        let mut probe = Command::new(SETPRIV);
        probe.args(["--pdeathsig", "KILL", "true"]).env_clear().env("PATH", PATH);
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let is_there = |program: &Path| PATH.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !is_there(program) {
        return Err(io::ErrorKind::NotFound.into());
    }
    if !*CAN.get_or_init(can) {
        return free(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL"]).arg(program);
    Ok(in_group(command))
}

/// A group of its own, so that what it starts can be ended with it.
fn in_group(mut command: Command) -> Command {
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// What a started program is ended by.
pub struct Hold;

impl Hold {
    /// Takes hold of a program that was just started.
    #[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
    pub fn of(_child: &Child) -> io::Result<Self> {
        Ok(Self)
    }

    /// Ends it with all that it has started.
    #[expect(clippy::unused_self, reason = "as on the other systems")]
    pub fn end(&self, child: &mut Child) {
        let group = rustix::process::Pid::from_child(child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.kill();
    }
}
