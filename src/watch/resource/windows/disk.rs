//! The volumes of a Windows host and how full they are: all that stay in their place, and what else a rule names.

use crate::coverage::Gap;
use crate::rule::Placed;
use crate::text::Text;
use crate::watch::resource::{Disk, DiskRule, Room, asking};
use crate::win32::volume::{self, Answer};
use std::io;
use std::path::{Path, PathBuf};

/// Questions to volumes, each of which may hang with its device or its server.
pub type Asking = asking::Asking<Answer>;

/// The volumes.
///
/// # Errors
/// If it cannot be told which there are.
pub fn read_disks(
    rules: &[Placed<DiskRule>],
    asking: &mut Asking,
    gaps: &mut Vec<Gap>,
) -> io::Result<Vec<Disk>> {
    let text = |path: &Path| Text::new(path.as_os_str().as_encoded_bytes());
    let is_named = |mount: &Path| {
        let mount = text(mount);
        rules.iter().any(|placed| placed.rule.mount.matches_path(&mount))
    };
    // Each volume once, at its shortest path; and wherever a rule names it.
    let mut places: Vec<(Text, PathBuf)> = Vec::new();
    for volume in volume::list()? {
        let name =
            volume.name.to_string_lossy().trim_start_matches(r"\\?\").trim_end_matches('\\').to_owned();
        let (named, mut others): (Vec<PathBuf>, Vec<PathBuf>) =
            volume.mounts.into_iter().partition(|mount| is_named(mount));
        others.sort_by_key(|mount| (mount.as_os_str().len(), mount.clone()));
        let chosen = if named.is_empty() { others.into_iter().take(1).collect() } else { named };
        places.extend(chosen.into_iter().map(|mount| (Text::from(&*name), mount)));
    }
    for (_, mount) in &places {
        asking.ask(mount.clone(), volume::ask);
    }
    let mut silent = Vec::new();
    let mut disks = Vec::new();
    let mut asked = 0;
    for (device, path) in &places {
        let mount = text(path);
        let answer = match asking.answer(path) {
            Ok(answer) if !is_named(path) && (!answer.is_fixed || answer.is_read_only) => continue,
            Ok(answer) => Some(answer),
            // A drive without a disk in it is there and holds nothing.
            Err(error)
                if error.kind() != io::ErrorKind::TimedOut && !is_named(path) && !volume::is_fixed(path) =>
            {
                continue;
            }
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::TimedOut => "it does not answer".to_owned(),
                    _ => error.to_string(),
                };
                silent.push(format!("{mount} ({why})"));
                None
            }
        };
        asked += 1;
        let space = answer.as_ref().map(|answer| Room { total: answer.space.0, available: answer.space.1 });
        let kind = answer.map_or_else(Text::default, |answer| Text::new(answer.kind.as_encoded_bytes()));
        disks.push(Disk { mount, device: device.clone(), kind, space, inodes: None });
    }
    if !silent.is_empty() {
        gaps.push(Gap {
            gap: "disk-not-asked".to_owned(),
            seen: asked - silent.len() as u64,
            of: asked,
            why: format!("it is not known how full these are: {}", silent.join(", ")),
        });
    }
    disks.sort_by(|a, b| a.mount.cmp(&b.mount));
    Ok(disks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_of_windows_is_seen_with_its_space() {
        let mut gaps = Vec::new();
        let disks = read_disks(&[], &mut Asking::default(), &mut gaps).unwrap();
        let disk = disks.iter().find(|disk| disk.mount.eq_ignore_ascii_case(r"C:\")).expect("there is a C:");
        let space = disk.space.expect("it says how full it is");
        assert!(space.total > 0 && space.available <= space.total, "{space:?}");
        assert_eq!(disk.inodes, None);
    }
}
