//! Services and drivers.

use super::super::service::{self, Values};
use super::{Eyes, is_file};
use crate::win32::registry::{Root, keys, number, open, text};

const SERVICES: &str = r"SYSTEM\CurrentControlSet\Services";

/// Adds all that start by themselves.
pub fn read(eyes: &mut Eyes) -> std::io::Result<()> {
    let services = open(Root::Machine, SERVICES)?;
    let names = keys(&services);
    let all = names.len() as u64;
    let mut unread = 0;
    for name in names {
        let Ok(key) = services.open(&name) else {
            unread += 1;
            continue;
        };
        let parameters = key.open("Parameters").ok();
        let library = parameters.as_ref().and_then(|parameters| text(parameters, "ServiceDll"));
        let values = Values {
            image_path: text(&key, "ImagePath"),
            start: number(&key, "Start"),
            kind: number(&key, "Type").unwrap_or(0),
            object_name: text(&key, "ObjectName"),
            library: library.or_else(|| text(&key, "ServiceDll")),
            failure_command: text(&key, "FailureCommand"),
            triggered: key.open("TriggerInfo").is_ok(),
            delayed: number(&key, "DelayedAutostart") == Some(1),
            place: format!(r"HKLM\{SERVICES}\{name}"),
            name,
        };
        eyes.found.extend(service::autoruns(&values, &eyes.folders, &is_file));
    }
    if unread > 0 {
        let why = "the keys of some services may not be read; run as an administrator".to_owned();
        eyes.gaps.push(crate::coverage::Gap { gap: "services".to_owned(), seen: all - unread, of: all, why });
    }
    Ok(())
}
