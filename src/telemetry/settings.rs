//! The `[telemetry]` table of the settings.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where the installed service writes its counts: its `RuntimeDirectory`.
pub const DEFAULT_FILE: &str = "/run/host-watchdog/metrics.prom";

/// The `[telemetry]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where counts are written for Prometheus after each pass.
    pub prometheus_file: Option<PrometheusFile>,
    /// Where each change of an alert becomes a record with fields.
    pub log: Option<LogTo>,
}

/// A file for Prometheus, or none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PrometheusFile {
    /// `"none"`.
    None,
    /// This file.
    At(PathBuf),
}

impl TryFrom<String> for PrometheusFile {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let path = Path::new(&written);
        if written == "none" {
            Ok(Self::None)
        } else if !path.is_absolute() || path.file_name().is_none() {
            Err(format!("{written:?} is neither the whole path of a file nor \"none\""))
        } else {
            Ok(Self::At(path.to_owned()))
        }
    }
}

/// A log that takes records with fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogTo {
    /// systemd's journal, by its own protocol.
    Journal,
    /// A syslog at `/dev/log`, as RFC 5424.
    Syslog,
    /// The event log of Windows.
    EventLog,
    /// None.
    None,
}

/// What the defaults hang on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder that systemd made for us below `/run`.
    pub runtime_dir: Option<PathBuf>,
    /// The log of whatever started us: systemd with the journal behind our output, or the service manager of Windows.
    pub log: Option<LogTo>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let runtime = std::env::var("RUNTIME_DIRECTORY").unwrap_or_default();
        // Several folders of a unit are given with colons between them.
        let runtime_dir = runtime.split(':').next().map(PathBuf::from).filter(|path| path.is_absolute());
        Self { runtime_dir, log: own_log() }
    }
}

#[cfg(target_os = "linux")]
fn own_log() -> Option<LogTo> {
    let started_by_systemd = std::env::var_os("INVOCATION_ID").is_some();
    let has_journal = std::env::var_os("JOURNAL_STREAM").is_some()
        || started_by_systemd && Path::new(super::JOURNAL).exists();
    has_journal.then_some(LogTo::Journal)
}

#[cfg(windows)]
fn own_log() -> Option<LogTo> {
    crate::win32::service_main::is_one().then_some(LogTo::EventLog)
}

impl Settings {
    /// Where counts go.
    #[must_use]
    pub fn file(&self, around: &Surroundings) -> Option<PathBuf> {
        match &self.prometheus_file {
            Some(PrometheusFile::None) => None,
            Some(PrometheusFile::At(file)) => Some(file.clone()),
            None => around.runtime_dir.as_ref().map(|folder| folder.join("metrics.prom")),
        }
    }

    /// Where records go.
    #[must_use]
    pub fn log(&self, around: &Surroundings) -> LogTo {
        self.log.or(around.log).unwrap_or(LogTo::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Settings {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn without_systemd_and_settings_nothing_is_published() {
        let nowhere = Surroundings::default();
        assert_eq!(read("").file(&nowhere), None);
        assert_eq!(read("").log(&nowhere), LogTo::None);
    }

    #[test]
    fn under_systemd_counts_go_to_the_runtime_folder_and_records_to_the_journal_unless_told_otherwise() {
        let service =
            Surroundings { runtime_dir: Some("/run/host-watchdog".into()), log: Some(LogTo::Journal) };
        assert_eq!(read("").file(&service), Some(DEFAULT_FILE.into()));
        assert_eq!(read("").log(&service), LogTo::Journal);
        assert_eq!(read("prometheus-file = \"none\"").file(&service), None);
        let own = if cfg!(windows) { "C:/a/b.prom" } else { "/a/b.prom" };
        assert_eq!(read(&format!("prometheus-file = {own:?}")).file(&service), Some(own.into()));
        assert_eq!(read("log = \"none\"").log(&service), LogTo::None);
        assert_eq!(read("log = \"syslog\"").log(&service), LogTo::Syslog);
        assert_eq!(read("log = \"event-log\"").log(&service), LogTo::EventLog);
    }

    #[test]
    fn a_path_that_means_another_place_in_another_folder_is_refused() {
        let error = toml::from_str::<Settings>("prometheus-file = \"metrics.prom\"").unwrap_err().to_string();
        assert!(error.contains("is neither the whole path of a file nor \"none\""), "{error}");
        assert!(toml::from_str::<Settings>("log = \"stdout\"").is_err());
        assert!(toml::from_str::<Settings>("prometheus-file = \"/\"").is_err());
    }
}
