//! The way of the mails on Linux: which process sends them, and who in the end reads those for root.

use super::mailer::{Kind, Mailer, Mailers};
use super::{Case, Check};
use crate::file;
use crate::host::Host;
use crate::mail::{Via, user_of_group};
use crate::processes::origin::read_environment;
use crate::processes::parse::parse_cmdline;
use crate::settings::{self, Setup};
use crate::system;
use crate::text::Text;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the arguments of a watchdog say, as far as it matters here.
struct Started {
    kind: Kind,
    config: Option<PathBuf>,
    state_dir: Option<PathBuf>,
}

fn started(args: &[&[u8]]) -> Option<Started> {
    let program = Path::new(OsStr::from_bytes(args.first()?)).file_name()?;
    if !["watchdog", "host-watchdog"].iter().any(|name| program == *name) {
        return None;
    }
    let has = |flag: &[u8]| args.contains(&flag);
    let kind = if has(b"deliver") && has(b"--stay") {
        Kind::Deliver
    } else if has(b"run") && !has(b"--no-deliver") && !has(b"--once") {
        Kind::Run
    } else {
        return None;
    };
    let value = |flag: &str| {
        let joined = format!("{flag}=");
        let at = args.iter().position(|arg| *arg == flag.as_bytes()).and_then(|at| args.get(at + 1).copied());
        let value = at.or_else(|| args.iter().find_map(|arg| arg.strip_prefix(joined.as_bytes())));
        value.map(|value| PathBuf::from(OsStr::from_bytes(value)))
    };
    Some(Started { kind, config: value("--config"), state_dir: value("--state-dir") })
}

/// The processes that take mails out of the outbox of this state folder.
///
/// Anybody can give a process the arguments of a mailer. So these are believed only of a user who delivers here, and
/// of our own program.
#[must_use]
pub fn mailers(host: &Host, state_dir: &Path) -> Mailers {
    let users = deliverers(host, state_dir);
    let entries = std::fs::read_dir(host.path("/proc")).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut mailers = Mailers::default();
    for pid in pids {
        let Some(started) = claims(host, pid, &users) else { continue };
        let mailer = Mailer { pid, kind: started.kind };
        match is_our_program(&host.path(format!("/proc/{pid}/exe"))) {
            Some(true) if state_of(host, pid, &started).as_deref() == Some(state_dir) => {
                mailers.known.push(mailer);
            }
            None if started.state_dir.is_none_or(|named| named == state_dir) => mailers.unclear.push(mailer),
            _ => {}
        }
    }
    for list in [&mut mailers.known, &mut mailers.unclear] {
        list.sort_by_key(|mailer| (mailer.kind == Kind::Run, mailer.pid));
    }
    mailers
}

/// The users whose processes may take mails out of the outbox of this state folder.
fn deliverers(host: &Host, state_dir: &Path) -> Vec<u32> {
    let owner = std::fs::metadata(state_dir).ok().map(|folder| folder.uid());
    let group = std::fs::symlink_metadata(state_dir.join("outbox")).ok().map(|outbox| outbox.gid());
    let passwd = host.read("/etc/passwd").unwrap_or_default();
    let deliverer = group.and_then(|group| user_of_group(&passwd, group));
    [Some(0), owner, deliverer].into_iter().flatten().collect()
}

/// What this process says it is, if its user may be that.
fn claims(host: &Host, pid: u32, users: &[u32]) -> Option<Started> {
    let status = host.read(format!("/proc/{pid}/status")).ok()?;
    let user = crate::processes::parse::parse_status_uid(&status)?;
    let cmdline = host.read(format!("/proc/{pid}/cmdline")).ok()?;
    started(&parse_cmdline(&cmdline)).filter(|_| users.contains(&user))
}

/// Whether the program of a process is ours, also where either was replaced by a newer one since; none if it is kept
/// from us.
fn is_our_program(exe: &Path) -> Option<bool> {
    const OWN: &str = "/proc/self/exe";
    let path = match std::fs::read_link(exe) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return None,
        path => path.ok(),
    };
    let file = |exe: &Path| std::fs::metadata(exe).ok().map(|file| (file.dev(), file.ino()));
    if file(exe).is_some_and(|program| Some(program) == file(OWN.as_ref())) {
        return Some(true);
    }
    let plain = |path: PathBuf| {
        let bytes = path.into_os_string().into_encoded_bytes();
        bytes.strip_suffix(b" (deleted)").unwrap_or(&bytes).to_owned()
    };
    let own = std::fs::read_link(OWN).ok();
    Some(path.is_some_and(|path| own.is_some_and(|own| plain(path) == plain(own))))
}

/// The state folder of a watchdog, worked out as it does itself: arguments, settings, environment, user.
fn state_of(host: &Host, pid: u32, started: &Started) -> Option<PathBuf> {
    let folder = std::fs::read_link(host.path(format!("/proc/{pid}/cwd"))).unwrap_or_else(|_| "/".into());
    if let Some(named) = &started.state_dir {
        return Some(folder.join(named));
    }
    let config =
        started.config.as_ref().map_or_else(|| host.path(system::settings_file()), |file| folder.join(file));
    if let Ok(text) = file::read_text(&config) {
        let read = settings::parse_settings(&config.to_string_lossy(), &text).ok()?;
        if let Some(named) = read.state_dir {
            return Some(folder.join(named));
        }
    }
    let environment = read_environment(host, &format!("/proc/{pid}")).unwrap_or_default();
    let variable = |name: &str| {
        let mut entries = environment.split(|b| *b == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some(PathBuf::from(OsStr::from_bytes(value)))
    };
    if let Some(folder) = variable("STATE_DIRECTORY") {
        return Some(folder);
    }
    let status = host.read(format!("/proc/{pid}/status")).ok()?;
    if crate::processes::parse::parse_status_uid(&status)? == 0 {
        return Some(PathBuf::from("/var/lib/host-watchdog"));
    }
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    variable("XDG_STATE_HOME").or_else(home).map(|folder| folder.join("host-watchdog"))
}

/// Where `/etc/aliases` sends the mail of `user`; none if it says nothing of them.
#[must_use]
pub fn parse_aliases(aliases: &[u8], user: &str) -> Option<Text> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in aliases.split(|b| *b == b'\n') {
        let is_more = line.first().is_some_and(|b| *b == b' ' || *b == b'\t');
        match lines.last_mut() {
            // An entry goes on where a line begins with a blank.
            Some(last) if is_more && !last.is_empty() => last.extend_from_slice(line),
            _ => lines.push(line.to_owned()),
        }
    }
    let entry = |line: &Vec<u8>| {
        let line = line.trim_ascii();
        let at = line.iter().position(|b| *b == b':')?;
        let (name, to) = line.split_at(at);
        let name = name
            .trim_ascii()
            .strip_prefix(b"\"")
            .and_then(|n| n.strip_suffix(b"\""))
            .unwrap_or(name.trim_ascii());
        let to = to.get(1..)?.trim_ascii();
        (!line.starts_with(b"#") && name.eq_ignore_ascii_case(user.as_bytes()) && !to.is_empty())
            .then(|| Text::cut(to, 200))
    };
    lines.iter().find_map(entry)
}

/// Who reads mails that go to a local user: a hint, as only the mail server knows for sure.
pub(super) fn root_mail(case: &Case) -> Vec<Check> {
    let Ok(setup) = case.setup else { return Vec::new() };
    let settings = setup.mail_settings();
    if matches!(settings.via, Via::Folder(_)) {
        return Vec::new();
    }
    let to = settings.envelope(&case.host.name()).to;
    let local = to.iter().map(ToString::to_string).filter(|to| !to.contains('@'));
    local.map(|user| reader(case, setup, &user)).collect()
}

fn reader(case: &Case, setup: &Setup, user: &str) -> Check {
    const NAME: &str = "root-mail";
    let aliases = case.host.read("/etc/aliases").unwrap_or_default();
    if let Some(to) = parse_aliases(&aliases, user) {
        return Check::note(
            NAME,
            format!("/etc/aliases sends the mail of {user} to {to}: somebody should read it there"),
        );
    }
    let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
    if let Ok(forward) = case.host.read(format!("{home}/.forward")) {
        let to = Text::cut(forward.trim_ascii(), 200);
        return Check::note(
            NAME,
            format!("{home}/.forward sends the mail of {user} to {to}: somebody should read it there"),
        );
    }
    let file = setup.file.clone().unwrap_or_else(system::settings_file);
    let file = file.display();
    let alias = format!("echo '{user}: you@example.org' >> /etc/aliases && newaliases");
    let direct = format!("or name an address in {file}: [mail] to = [\"you@example.org\"]");
    let has_exim = ["/usr/sbin/exim4", "/usr/sbin/exim"].iter().any(|path| case.host.path(path).exists());
    if has_exim && user == "root" {
        let says = "no alias says who reads root's mail, and exim never delivers to root itself: it lies in /var/mail/mail, or comes back";
        return Check::warning(NAME, says).remedy(alias).remedy(direct);
    }
    let says =
        format!("no alias says who reads the mail of {user}: it stays on this host, in /var/mail/{user}");
    Check::warning(NAME, says).remedy(alias).remedy(direct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_alias_is_found_as_mail_servers_read_it() {
        let aliases =
            b"# root: nobody\npostmaster: root\nRoot : alice,\n\tbob@example.org\nempty:\n\"x y\": z\n";
        let to = |user| parse_aliases(aliases, user).map(|to| to.to_string());
        assert_eq!(to("root").as_deref(), Some("alice,\\x09bob@example.org"));
        assert_eq!(to("postmaster").as_deref(), Some("root"));
        assert_eq!(to("x y").as_deref(), Some("z"));
        assert_eq!((to("empty"), to("nobody")), (None, None));
    }

    proptest! {
        #[test]
        fn any_file_of_aliases_is_taken(aliases: Vec<u8>) {
            let _ = parse_aliases(&aliases, "root");
        }
    }

    fn kind(args: &str) -> Option<Kind> {
        let args: Vec<&[u8]> = args.split(' ').map(str::as_bytes).collect();
        started(&args).map(|started| started.kind)
    }

    #[test]
    fn a_mailer_is_known_by_its_arguments() {
        for (args, is) in [
            ("/usr/bin/watchdog deliver --stay", Some(Kind::Deliver)),
            ("host-watchdog deliver --stay --state-dir /x", Some(Kind::Deliver)),
            ("/usr/bin/watchdog deliver", None),
            ("/usr/bin/watchdog deliver --handed-over", None),
            ("watchdog run", Some(Kind::Run)),
            ("watchdog --config /x run", Some(Kind::Run)),
            ("watchdog run --no-deliver", None),
            ("watchdog run --once", None),
            ("/usr/sbin/watchdog", None),
            ("vi run", None),
        ] {
            assert_eq!(kind(args), is, "{args}");
        }
    }
}
