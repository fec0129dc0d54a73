//! Where IIS keeps its logs: in the folders that its settings name, one below for each site.

use super::iis::{log_folders, parse_log_folders};
use crate::file::{self, Links};
use crate::host::Host;
use crate::text::Text;
use crate::win32::folder;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The same folders, for a person.
pub const PLACES: &str = r"the log folders of IIS, like C:\inetpub\logs\LogFiles\W3SVC1";

/// What helps if a log may not be read.
pub const MAY_READ: &str = "administrators and LocalSystem may read it: run the service as LocalSystem, or give its account the right to";

/// The folders in which IIS keeps the logs of its sites.
#[must_use]
pub fn folders(_host: &Host) -> Vec<Text> {
    let windows = folder::windows();
    let drive = windows.components().next().map(|drive| drive.as_os_str().to_string_lossy().into_owned());
    let settings = windows.join(r"System32\inetsrv\config\applicationHost.config");
    let settings = file::read(&settings, Links::Follow).unwrap_or_default();
    let mut found = BTreeSet::new();
    let roots = log_folders(
        &parse_log_folders(&settings),
        &drive.unwrap_or_else(|| "C:".to_owned()),
        &windows.to_string_lossy(),
    );
    for root in roots.into_iter().map(PathBuf::from).filter(|root| root.is_absolute()) {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let is_site = entry.file_name().to_string_lossy().to_ascii_uppercase().starts_with("W3SVC");
            if is_site && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(Text::new(entry.path().as_os_str().as_encoded_bytes()));
            }
        }
    }
    found.into_iter().collect()
}
