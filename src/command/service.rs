//! `watchdog service`: what the service control manager of Windows starts. The first time it prepares what on Linux the package
//! prepares: the folder, the settings, the policy; then it does what `watchdog run` does.

use crate::command::run::{Until, is_new};
use crate::command::{self, Files, learn_policy};
use crate::file::{self, Existing};
use crate::learn::ReadyMade;
use crate::service::{Delivery, manager};
use crate::settings::first::{self, Answers};
use crate::{system, win32};
use anyhow::{Context, Result, bail};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceFailureActions,
    ServiceFailureResetPeriod, ServiceInfo, ServiceSidType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

/// What the installer was told, below `HKEY_LOCAL_MACHINE`.
const ANSWERS: &str = r"SOFTWARE\Host Watchdog\Answers";

/// What it keeps of the privileges of its account: to see into the processes of others, to read what is closed to it, to ask
/// other services, and what every process has.
const PRIVILEGES: &[&str] = &[
    "SeBackupPrivilege",
    "SeChangeNotifyPrivilege",
    "SeDebugPrivilege",
    "SeImpersonatePrivilege",
    "SeSecurityPrivilege",
];

/// After a failure it is started again: after a minute each time, and after a day without one counting begins anew.
const AGAIN: Duration = Duration::from_mins(1);
const FORGOTTEN: Duration = Duration::from_hours(24);

/// When the host is shut down it may take so long to end.
const SHUTDOWN: Duration = Duration::from_mins(1);

/// What is to be removed may be in use for so long.
const GONE: Duration = Duration::from_secs(10);

/// What the manager calls takes no arguments.
static FILES: OnceLock<Files> = OnceLock::new();

pub fn run(files: Files) -> Result<ExitCode> {
    let _ = FILES.set(files);
    match manager::run(work) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => bail!(
            "only the service control manager starts this: `sc start {}` starts the service, and `watchdog run` does \
             the same in this window",
            win32::service_main::NAME
        ),
        Err(error) => Err(error).context("the service control manager cannot be reached"),
    }
}

/// Removes settings, policy and state, which nobody uses any more: the service is stopped.
pub fn purge() -> Result<ExitCode> {
    let settings = system::settings_file();
    let Some(folder) = settings.parent() else { return Ok(ExitCode::SUCCESS) };
    let until = Instant::now() + GONE;
    loop {
        // Links in it are removed, and not followed.
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ExitCode::SUCCESS),
            // Somebody may still hold a file of it for a moment.
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(200)),
            done => {
                done.with_context(|| format!("cannot remove {}", folder.display()))?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

fn work() {
    let done = manager::starting().context("cannot tell the service control manager").and_then(|()| watch());
    if let Err(error) = &done {
        tracing::error!("the service ends: {error:#}");
    }
    manager::stopped(&done);
}

/// Whoever may replace the program would be the system at the next start: an installation into `C:\\anything` is such a place, as
/// what is made there is everybody's by the rights of the drive.
fn must_be_out_of_reach(program: &Path) -> Result<()> {
    let parts: Vec<PathBuf> = program.ancestors().map(Path::to_owned).collect();
    match file::others_may_replace(&parts) {
        Ok(false) => Ok(()),
        Ok(true) => bail!(
            "ordinary users may replace {}, which runs with the rights of this service: install it where only administrators may \
             write, as below C:\\Program Files, or take that right away from them (icacls)",
            program.display()
        ),
        Err(error) => {
            tracing::warn!("it cannot be told who may replace {}: {error}", program.display());
            Ok(())
        }
    }
}

fn watch() -> Result<()> {
    let files = FILES.get().context("there are no files")?;
    must_be_out_of_reach(&std::env::current_exe().context("cannot tell where the program is")?)?;
    if let Err(error) = win32::privilege::keep_only(PRIVILEGES) {
        tracing::warn!("it runs with more privileges than it needs: {error}");
    }
    if let Err(error) = configure().map_err(anyhow::Error::from) {
        tracing::warn!("it is not said what is to be done should the service fail: {error:#}");
    }
    // Whoever names other files on the command line of the service has made their folder.
    if files.config.is_none() {
        let settings = system::settings_file();
        if let Some(folder) = settings.parent() {
            win32::own_folder::secure(folder).with_context(|| format!("cannot use {}", folder.display()))?;
        }
        make_settings(&settings)?;
    }
    learn(files);
    command::run::run(files, Until::Stopped, Delivery::Here)?;
    Ok(())
}

/// The settings are made once, with the answers that the installer was given; then they are the administrator's.
fn make_settings(path: &Path) -> Result<()> {
    if file::is_there(path).with_context(|| format!("cannot see {}", path.display()))? {
        return Ok(());
    }
    let key = windows_registry::LOCAL_MACHINE.open(ANSWERS);
    let answer = |name: &str| {
        let given = key.as_ref().ok().and_then(|key| key.get_string(name).ok());
        given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let answers = Answers {
        observe: answer("Observe"),
        to: answer("MailTo"),
        from: answer("MailFrom"),
        server: answer("MailServer"),
        port: answer("MailPort"),
        security: answer("MailSecurity"),
        user: answer("MailUser"),
        password_file: answer("MailPasswordFile"),
    };
    let folder = system::state_folder("").unwrap_or_default().join("mails");
    let text = first::settings(&answers, &folder);
    file::write(path, text.as_bytes(), Existing::Keep)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tracing::info!("made the settings {}", path.display());
    if answers.server.is_none() {
        tracing::warn!(
            "nobody has said to which mail server mails go: they are kept in {} until {} names one",
            folder.display(),
            path.display()
        );
    }
    Ok(())
}

/// Learns the first policy, with the ready-made ones that fit this host. If that cannot be done the service goes on, and says
/// in what it mails that it has none.
fn learn(files: &Files) {
    // What is wrong with the settings is told by whoever needs them next.
    let Ok(setup) = files.setup() else { return };
    if !is_new(&setup) {
        return;
    }
    let learned = file::make_private_folder(&setup.state_dir)
        .map_err(anyhow::Error::from)
        .and_then(|()| learn_policy(&setup, ReadyMade::Included));
    match learned {
        Ok(()) => tracing::info!(
            "learned what is here now and allows it: {}. Read it, and take out what should not be there",
            setup.policy.display()
        ),
        Err(error) => tracing::error!("no policy could be learned: {error:#}"),
    }
}

/// Sets one thing that the service manager keeps of a service.
type Setting = fn(&Service) -> windows_service::Result<()>;

/// Says what is to be done should the service fail. What an administrator has said stays.
fn configure() -> windows_service::Result<()> {
    let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?
        .open_service(win32::service_main::NAME, access)?;
    quote(&service)?;
    let said = service.get_failure_actions().ok().and_then(|failure| failure.actions);
    if said.is_some_and(|actions| !actions.is_empty()) {
        return Ok(());
    }
    let again = ServiceAction { action_type: ServiceActionType::Restart, delay: AGAIN };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGOTTEN),
        reboot_msg: None,
        command: None,
        actions: Some(vec![again.clone(), again.clone(), again]),
    })?;
    let rest: [(&str, Setting); 4] = [
        // Not only if it crashes, but also if it says that it could not go on.
        ("recovery", |service| service.set_failure_actions_on_non_crash_failures(true)),
        // After what the host is there for.
        ("delayed start", |service| service.set_delayed_auto_start(true)),
        // So that rights can be given to the service itself, whichever account it runs as.
        ("SID", |service| service.set_config_service_sid_info(ServiceSidType::Unrestricted)),
        ("shutdown", |service| service.set_preshutdown_timeout(SHUTDOWN)),
    ];
    for (what, set) in rest {
        if let Err(error) = set(&service).map_err(anyhow::Error::from) {
            tracing::warn!("the {what} of the service cannot be set: {error:#}");
        }
    }
    Ok(())
}

/// A path with blanks and without quotes can mean another program as well, like `C:\\Program.exe`. Not every installer writes
/// the quotes.
fn quote(service: &Service) -> windows_service::Result<()> {
    const ARGUMENT: &str = "service";
    let config = service.query_config()?;
    let Ok(program) = std::env::current_exe() else { return Ok(()) };
    let bare = format!("{} {ARGUMENT}", program.display());
    if config.executable_path.to_string_lossy() != bare {
        return Ok(());
    }
    service.change_config(&ServiceInfo {
        name: win32::service_main::NAME.into(),
        display_name: config.display_name,
        service_type: config.service_type,
        start_type: config.start_type,
        error_control: config.error_control,
        executable_path: program,
        launch_arguments: vec![ARGUMENT.into()],
        dependencies: config.dependencies,
        // As they are.
        account_name: None,
        account_password: None,
    })
}
