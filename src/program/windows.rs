//! Running programs on Windows.

use crate::win32::folder;
use crate::win32::job::Job;
use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// So that a program of the console opens no window of its own.
const NO_WINDOW: u32 = 0x0800_0000;

/// The whole environment of a program: what Windows itself cannot do without, COM among it, and nothing that somebody
/// has set.
pub fn environment() -> Vec<(&'static str, OsString)> {
    let windows = folder::windows();
    let drive: PathBuf = windows.components().take(1).collect();
    let system = windows.join("System32");
    let path = [system.as_os_str(), windows.as_os_str(), system.join("Wbem").as_os_str()].join(";".as_ref());
    vec![
        ("SystemRoot", windows.clone().into()),
        ("windir", windows.clone().into()),
        ("SystemDrive", drive.into()),
        ("ProgramData", folder::program_data().into()),
        ("ComSpec", system.join("cmd.exe").into()),
        ("PATH", path),
        ("TEMP", windows.join("Temp").into()),
        ("TMP", windows.join("Temp").into()),
    ]
}

/// The folder it runs in: the one in which services run.
pub fn folder() -> PathBuf {
    folder::windows().join("System32")
}

/// A command to run alongside us.
#[expect(clippy::disallowed_methods, reason = "the one place where programs are run")]
pub fn free(program: &Path) -> io::Result<Command> {
    // One that is named without a folder is Windows' own. It would else be looked for beside us and in folders that
    // others may write to.
    let file = if program.is_absolute() { program.to_owned() } else { folder().join(program) };
    let file = if file.extension().is_some() { file } else { file.with_extension("exe") };
    if !file.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut command = Command::new(file);
    command.creation_flags(NO_WINDOW);
    Ok(command)
}

/// A command that ends with us: on Windows each does, by its job.
pub fn tied(program: &Path) -> io::Result<Command> {
    free(program)
}

/// What a started program is ended by. Nothing that it has started outlives this.
pub struct Hold(Job);

impl Hold {
    /// Takes hold of a program that was just started.
    pub fn of(child: &Child) -> io::Result<Self> {
        let job = Job::new()?;
        job.take_in(child)?;
        Ok(Self(job))
    }

    /// Ends it with all that it has started.
    pub fn end(&self, child: &mut Child) {
        self.0.end();
        let _ = child.kill();
    }
}
