//! Reading what starts by itself on a Windows host: the registry, the files of tasks, the Startup folders.

mod folders;
mod places;
mod services;
mod tasks;

use super::command::{Command, Folders};
use super::{Autorun, AutorunFacts, Kind, Rules, service};
use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::{Look, Seen};
use crate::win32::registry::{Root, key, keys, text};
use crate::win32::{accounts, folder};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

const PROFILES: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";

/// As whom a thing runs that runs as whoever logs in.
const EVERYONE: &str = "Everyone";

/// Somebody who has logged in here before.
struct Profile {
    sid: String,
    name: Text,
    folder: String,
}

/// What the parts of the looking share.
struct Eyes<'a> {
    folders: Folders,
    profiles: Vec<Profile>,
    names: RefCell<BTreeMap<String, Option<String>>>,
    found: Vec<Autorun>,
    gaps: &'a mut Vec<Gap>,
}

/// Looks at it.
pub fn collect(look: &mut Look<Rules>) -> Seen<AutorunFacts> {
    let mut eyes = Eyes {
        folders: Folders::of(&folder::windows().to_string_lossy()),
        profiles: Vec::new(),
        names: RefCell::default(),
        found: Vec::new(),
        gaps: look.gaps,
    };
    eyes.profiles = eyes.read_profiles();
    if let Err(error) = services::read(&mut eyes) {
        return Seen::Failed(format!("cannot list the services: {error}"));
    }
    tasks::read(&mut eyes);
    places::read(&mut eyes);
    folders::read(&mut eyes);
    Seen::Facts(AutorunFacts { autoruns: service::without_instances(eyes.found) })
}

impl Eyes<'_> {
    fn read_profiles(&self) -> Vec<Profile> {
        let Some(list) = key(Root::Machine, PROFILES) else { return Vec::new() };
        let profile = |sid: String| {
            let folder = text(&list.open(&sid).ok()?, "ProfileImagePath")?;
            let name = self.user(&sid);
            Some(Profile { sid, name, folder: self.folders.expand(&folder) })
        };
        keys(&list).into_iter().filter_map(profile).collect()
    }

    /// The name behind a SID, asked once.
    fn name_of(&self, sid: &str) -> Option<String> {
        let mut names = self.names.borrow_mut();
        let ask = || {
            let (domain, name) = accounts::name_of(sid).ok()??;
            Some(format!("{}\\{}", domain.to_string_lossy(), name.to_string_lossy()))
        };
        names.entry(sid.to_owned()).or_insert_with(ask).clone()
    }

    /// A user by SID in the words of the facts.
    fn user(&self, sid: &str) -> Text {
        let known = service::user(sid);
        if known != sid {
            return known;
        }
        self.name_of(sid).map_or(known, Text::new)
    }

    /// The folders as one user has them.
    fn folders_of(&self, sid: &str) -> Folders {
        let own = self.profiles.iter().find(|profile| profile.sid == sid);
        own.map_or_else(|| self.folders.clone(), |profile| self.folders.with_profile(&profile.folder))
    }

    fn add(&mut self, kind: Kind, name: &str, command: &Command, user: &str, place: &str) {
        self.found.push(Autorun {
            kind,
            name: Text::cut(name.as_bytes(), 512),
            exe: command.exe(),
            arguments: command.arguments(),
            library: None,
            user: Some(Text::shown(user)),
            hidden: false,
            start: None,
            place: Text::new(place),
            unquoted: command.unquoted,
        });
    }
}

/// True if this file is there. One of another host is never asked for.
fn is_file(path: &str) -> bool {
    path.as_bytes().get(1) == Some(&b':') && Path::new(path).is_file()
}
