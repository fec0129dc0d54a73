//! Reading the habits of a host with systemd. Without it nothing tells where a program runs, and there are no rules for commands.

use super::cron::{self, Table};
use super::{Habits, Person, unit};
use crate::host::{Host, Users};
use crate::processes::script::{self, Folder, Invocation};
use crate::processes::{Executable, Process};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where unit files lie: what the administrator wrote counts before what packages brought.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Units that start what is due or was asked for, whatever it is; and the one that starts programs for new devices.
const STARTERS: [&str; 5] =
    ["anacron.service", "atd.service", "cron.service", "crond.service", "systemd-udevd.service"];

/// Folders whose files cron starts, by `run-parts`.
const PARTS: [&str; 4] = ["/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];

/// Groups whose members may become root.
const RAISED: [&[u8]; 3] = [b"sudo", b"wheel", b"admin"];

/// A host with more than this does nobody's honest work.
const MOST: usize = 2000;

/// What this host does now and then.
#[must_use]
pub fn read(host: &Host) -> Option<Habits> {
    if !host.path("/run/systemd/system").is_dir() {
        return None;
    }
    let passwd = host.read("/etc/passwd").unwrap_or_default();
    let users = Users::parse(&passwd);
    let mut reading = Reading { host, users, numbers: numbers(&passwd), unit: None, planned: HashMap::new() };
    let mut jobs = reading.jobs();
    // Where systemd runs what packages have for its own reloading.
    jobs.insert("init.scope".to_owned());
    reading.cron();
    reading.logrotate();
    reading.message_of_the_day();
    let mut planned: Vec<Arc<Process>> = reading.planned.into_values().map(Arc::new).collect();
    planned.sort_by(|a, b| (&a.exe, &a.script, &a.user).cmp(&(&b.exe, &b.script, &b.user)));
    Some(Habits { planned, jobs, people: people(&passwd, &host.read("/etc/group").unwrap_or_default()) })
}

struct Reading<'a> {
    host: &'a Host,
    users: Users,
    numbers: HashMap<Vec<u8>, u32>,
    /// Where it will be seen that is read just now; none: in the unit of some job.
    unit: Option<Text>,
    /// By executable, script, user and unit.
    planned: HashMap<(Text, Option<Text>, u32, Option<Text>), Process>,
}

impl Reading<'_> {
    /// The services that start, work and end, those of timers, and what they start.
    fn jobs(&mut self) -> BTreeSet<String> {
        let mut jobs: BTreeSet<String> = BTreeSet::new();
        let mut read: HashSet<String> = HashSet::new();
        let mut services: Vec<(String, unit::Service)> = Vec::new();
        let mut timed: BTreeSet<String> = BTreeSet::new();
        for (name, path) in UNITS.iter().flat_map(|folder| files(self.host, folder)) {
            if !read.insert(name.clone()) {
                continue;
            }
            let text = self.host.read(&path).unwrap_or_default();
            if let Some(stem) = name.strip_suffix(".timer") {
                timed.insert(unit::timers_unit(&text).unwrap_or_else(|| format!("{stem}.service")));
            } else if name.ends_with(".service") {
                services.push((name, unit::service(&text)));
            }
        }
        for (name, service) in services {
            if STARTERS.contains(&name.as_str()) {
                jobs.insert(name);
            } else if service.is_job || timed.contains(&name) {
                jobs.insert(name.replacen("@.", "@*.", 1));
                let user = service.user.unwrap_or_else(|| b"root".to_vec());
                for command in service.commands {
                    match unit::shell_text(&command) {
                        Some((shell, text)) => self.shell(&shell, &user, &text),
                        None => self.words(&user, &command),
                    }
                }
            }
        }
        jobs
    }

    fn cron(&mut self) {
        let mut tables = vec![("/etc/crontab".into(), Table::System, None)];
        let in_folder = files(self.host, "/etc/cron.d").into_iter().filter(|(name, _)| is_part(name));
        tables.extend(in_folder.map(|(_, path)| (path, Table::System, None)));
        let own = files(self.host, "/var/spool/cron/crontabs");
        tables.extend(own.into_iter().map(|(user, path)| (path, Table::Users, Some(user.into_bytes()))));
        for (path, table, owner) in tables {
            let text = self.host.read(&path).unwrap_or_default();
            for entry in cron::entries(&text, table) {
                let Some(user) = entry.user.or_else(|| owner.clone()) else { continue };
                self.shell(&entry.shell, &user, &entry.command);
            }
        }
        for (name, path) in PARTS.iter().flat_map(|folder| files(self.host, folder)) {
            if is_part(&name) {
                self.file(&path, b"root");
            }
        }
    }

    /// What logrotate has a shell do between the rotating.
    fn logrotate(&mut self) {
        let mut all = vec![PathBuf::from("/etc/logrotate.conf")];
        all.extend(files(self.host, "/etc/logrotate.d").into_iter().map(|(_, path)| path));
        for path in all {
            for text in scripts_of_logrotate(&self.host.read(&path).unwrap_or_default()) {
                self.shell(b"/bin/sh", b"root", &text);
            }
        }
    }

    /// What PAM runs as root whenever somebody logs in, and the scripts that these are a beginning of.
    fn message_of_the_day(&mut self) {
        self.unit = Some(Text::from("user-*.slice"));
        for (_, path) in files(self.host, "/etc/update-motd.d") {
            self.file(&path, b"root");
            let text = self.host.read(&path).unwrap_or_default();
            for line in
                text.split(|b| *b == b'\n').filter_map(|line| line.trim_ascii().strip_prefix(b"exec "))
            {
                self.words(b"root", line);
            }
        }
        self.unit = None;
    }

    /// A shell is given this text; what it names is started by that.
    fn shell(&mut self, shell: &[u8], user: &[u8], text: &[u8]) {
        if let Some(shell) = self.real(shell) {
            self.plan(shell, Some(script::shell_text(text)), user);
        }
        self.words(user, text);
    }

    /// Each file that is named by its whole path and can be started.
    fn words(&mut self, user: &[u8], text: &[u8]) {
        let parts = |byte: &u8| byte.is_ascii_whitespace() || b";&|(){}<>'\"`=".contains(byte);
        for word in text.split(parts).filter(|word| word.starts_with(b"/")) {
            let path = crate::dpkg::system_path(word.to_vec());
            let metadata = std::fs::metadata(self.host.path(&path));
            if metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
            {
                self.file(&path, user);
            }
        }
    }

    /// A file is started: itself, or by the interpreter that its first line names.
    fn file(&mut self, path: &std::path::Path, user: &[u8]) {
        let name = path.as_os_str().as_encoded_bytes();
        let Some(first) = first_line(self.host, path) else { return };
        let Some(line) = first.strip_prefix(b"#!") else {
            if let Some(exe) = self.real(name) {
                self.plan(exe, None, user);
            }
            return;
        };
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let (interpreter, given) = match words.as_slice() {
            [env, program, given @ ..] if env.ends_with(b"/env") => {
                ([b"/usr/bin/", *program].concat(), given)
            }
            [interpreter, given @ ..] => (interpreter.to_vec(), given),
            [] => return,
        };
        if let Some(exe) = self.real(&interpreter) {
            let args: Vec<&[u8]> =
                [&interpreter[..]].into_iter().chain(given.iter().copied()).chain([name]).collect();
            let nothing = || None;
            let look =
                |path: &Path, flags| rustix::fs::statat(rustix::fs::CWD, self.host.path(path), flags).ok();
            let without_dots = |path: &[u8]| crate::processes::linux::without_dots(path, &look);
            let invocation =
                Invocation { folder: &|| Folder::Unseen, input: &nothing, without_dots: &without_dots };
            let script = script::find(&exe.to_bytes(), &args, &invocation);
            self.plan(exe, script, user);
        }
    }

    fn plan(&mut self, exe: Text, script: Option<Text>, user: &[u8]) {
        let Some(uid) = self.numbers.get(user).copied() else { return };
        let key = (exe.clone(), script.clone(), uid, self.unit.clone());
        if self.planned.len() >= MOST || self.planned.contains_key(&key) {
            return;
        }
        let process = Process {
            pid: 0,
            start: 0,
            since: Timestamp::UNIX_EPOCH,
            parent: 0,
            name: Text::default(),
            exe: Executable::Path(exe),
            script,
            args: Vec::new(),
            uid,
            user: self.users.name(uid),
            unit: self.unit.clone(),
            container: false,
            files: None,
        };
        self.planned.insert(key, process);
    }

    /// The path by which the kernel names it.
    fn real(&self, path: &[u8]) -> Option<Text> {
        let real = self.host.path(crate::dpkg::system_path(path.to_vec())).canonicalize().ok()?;
        let root = self.host.path("/").canonicalize().ok()?;
        let below = real.strip_prefix(root).ok()?;
        Some(Text::new([b"/", below.as_os_str().as_encoded_bytes()].concat()))
    }
}

/// The names and whole paths of what lies in a folder.
fn files(host: &Host, folder: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(host.path(folder)).into_iter().flatten().flatten();
    let mut files: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|name| (name.clone(), PathBuf::from(folder).join(name)))
        .collect();
    files.sort();
    files
}

/// cron and run-parts pass over what has another name, like `backup.dpkg-old`.
fn is_part(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn first_line(host: &Host, path: &std::path::Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut line = Vec::new();
    let path = host.path(path);
    if !std::fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut line).ok()?;
    let end = memchr::memchr(b'\n', &line).unwrap_or(line.len());
    line.truncate(end);
    Some(line)
}

/// The texts between `postrotate` or its like and `endscript`, as logrotate hands them to a shell.
fn scripts_of_logrotate(text: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: [&[u8]; 5] = [b"prerotate", b"postrotate", b"preremove", b"firstaction", b"lastaction"];
    let mut scripts = Vec::new();
    let mut script: Option<Vec<u8>> = None;
    for line in text.split_inclusive(|b| *b == b'\n') {
        match (&mut script, line.trim_ascii()) {
            (None, word) if BEGIN.contains(&word) => script = Some(b"\n".to_vec()),
            (Some(_), b"endscript") => scripts.extend(script.take()),
            (Some(script), _) => script.extend_from_slice(line),
            (None, _) => {}
        }
    }
    scripts
}

fn numbers(passwd: &[u8]) -> HashMap<Vec<u8>, u32> {
    let entry = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b':');
        let name = fields.next()?.to_vec();
        Some((name, std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?))
    };
    passwd.split(|b| *b == b'\n').filter_map(entry).collect()
}

/// The accounts that have a shell: root's, and those of people.
fn people(passwd: &[u8], groups: &[u8]) -> Vec<Person> {
    let members: HashSet<&[u8]> = groups
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|b| *b == b':');
            let is_raised = RAISED.contains(&fields.next()?);
            is_raised.then(|| fields.nth(2)).flatten()
        })
        .flat_map(|members| members.split(|b| *b == b','))
        .collect();
    let person = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [name, _, uid, _, _, _, shell] = fields.as_slice() else { return None };
        let uid: u32 = std::str::from_utf8(uid).ok()?.parse().ok()?;
        let shell = shell.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let is_person = uid == 0 || (1000..60_000).contains(&uid);
        let has_shell = !matches!(shell, b"" | b"nologin" | b"false" | b"sync");
        (is_person && has_shell).then(|| Person {
            name: Text::new(name),
            uid,
            becomes_root: uid == 0 || members.contains(name),
        })
    };
    passwd.split(|b| *b == b'\n').filter_map(person).collect()
}
