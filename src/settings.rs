//! The settings: how the watchdog runs. What is allowed is not here but in the policy.

pub mod first;

use crate::alert;
use crate::file;
use crate::mail;
use crate::observe;
use crate::pass::Watching;
use crate::policy::PolicyError;
use crate::schedule::Cron;
use crate::system;
use crate::telemetry;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the folder of the state is called.
const NAME: &str = "host-watchdog";

/// `watchdog.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The policy file; relative to the folder of the settings.
    pub policy: Option<PathBuf>,
    /// Where the database, the outbox and what is learned are kept.
    pub state_dir: Option<PathBuf>,
    /// For how long after the first start it learns instead of alarming.
    pub observe: observe::Length,
    /// When each watch looks, by its name.
    pub schedule: BTreeMap<WatchName, Cron>,
    /// How mails go.
    pub mail: mail::Settings,
    /// How alerts become mails.
    pub alerts: alert::Limits,
    /// What is published besides mails.
    pub telemetry: telemetry::Settings,
}

impl Settings {
    /// When the watch of this name looks, if the settings say so.
    #[must_use]
    pub fn schedule_named(&self, watch: &str) -> Option<Cron> {
        self.schedule.iter().find(|(name, _)| name.as_str() == watch).map(|(_, schedule)| schedule.clone())
    }

    /// When this watch looks.
    #[must_use]
    pub fn schedule_of(&self, watch: &dyn Watching) -> Cron {
        self.schedule_named(watch.name()).unwrap_or_else(|| watch.default_schedule())
    }
}

/// The name of a watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct WatchName(String);

impl WatchName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WatchName {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let watches = crate::pass::watches();
        let names: Vec<&str> = watches.iter().map(|watch| watch.name()).collect();
        if names.contains(&written.as_str()) {
            return Ok(Self(written));
        }
        Err(format!("there is no watch {written:?}; there are {}", names.join(", ")))
    }
}

/// Parses settings; `file` is only named in errors.
///
/// # Errors
/// What is wrong, with line and caret.
pub fn parse_settings(file: &str, text: &str) -> Result<Settings, PolicyError> {
    toml::from_str(text).map_err(|error| PolicyError::toml(file, text, &error))
}

/// The settings together with where everything is.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The settings.
    pub settings: Settings,
    /// The file they were read from; without one, mails go to a folder and to the terminal.
    pub file: Option<PathBuf>,
    /// What that file said.
    pub text: Option<String>,
    /// The folder of the database, the outbox and what is learned.
    pub state_dir: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
}

impl Setup {
    /// Reads the settings: the file named on the command line, or the service's if it is there.
    ///
    /// # Errors
    /// If the file cannot be read, or what is wrong with it.
    pub fn load(config: Option<&Path>, state_dir: Option<&Path>) -> Result<Self, PolicyError> {
        let text = match file_of(config) {
            Some(file) => {
                Some(file::read_text(&file).map_err(|error| PolicyError::unreadable(&file, &error))?)
            }
            None => None,
        };
        Self::of_text(config, state_dir, text)
    }

    /// As [`Setup::load`], with this text in place of the file's; without one, with the default of every key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_text(
        config: Option<&Path>,
        state_dir: Option<&Path>,
        text: Option<String>,
    ) -> Result<Self, PolicyError> {
        let file = file_of(config);
        let settings = match (&file, &text) {
            (Some(file), Some(text)) => parse_settings(&file.to_string_lossy(), text)?,
            _ => Settings::default(),
        };
        let state_dir = state_dir
            .map(Path::to_owned)
            .or_else(|| settings.state_dir.clone())
            .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
            .or_else(|| system::state_folder(NAME))
            .ok_or_else(|| {
                PolicyError::whole("--state-dir", "there is no HOME to keep the state in; name a folder")
            })?;
        // Whatever the folder we were started in: the same words must mean the same place for as long as we run.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let (state_dir, file) = (absolute(state_dir), file.map(absolute));
        let beside =
            file.as_deref().map_or(state_dir.as_path(), |file| file.parent().unwrap_or(Path::new(".")));
        let policy = beside.join(settings.policy.as_deref().unwrap_or(Path::new("policy.toml")));
        Ok(Self { settings, file, text, state_dir, policy })
    }
}

/// The file named on the command line, or the service's if it is there.
fn file_of(config: Option<&Path>) -> Option<PathBuf> {
    let is_there = |file: &PathBuf| file::is_there(file).unwrap_or(false);
    config.map(Path::to_owned).or_else(|| Some(system::settings_file()).filter(is_there))
}

impl Setup {
    /// How mails go: as the settings say, or without any into a folder.
    #[must_use]
    pub fn mail_settings(&self) -> mail::Settings {
        match (&self.file, mail::AbsolutePath::try_from(self.mail_folder())) {
            (None, Ok(folder)) => mail::Settings::into_folder(folder),
            _ => self.settings.mail.clone(),
        }
    }

    /// Where mails are kept while there are no settings.
    #[must_use]
    pub fn mail_folder(&self) -> PathBuf {
        self.state_dir.join("mails")
    }
}
