//! A service or a driver as the registry describes it.

use super::command::{Command, Folders};
use super::{Autorun, Kind, UNKNOWN};
use crate::text::Text;

/// Set for what the kernel loads.
const DRIVER: u32 = 0x1 | 0x2 | 0x8;
/// Set for what was made of a template for one user who is logged in.
const INSTANCE: u32 = 0x80;

/// The values of a service's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The key's own name.
    pub name: String,
    /// `ImagePath`.
    pub image_path: Option<String>,
    /// `Start`; without it, it is no service.
    pub start: Option<u32>,
    /// `Type`.
    pub kind: u32,
    /// `ObjectName`.
    pub object_name: Option<String>,
    /// `ServiceDll` below `Parameters`, else in the key itself.
    pub library: Option<String>,
    /// `FailureCommand`.
    pub failure_command: Option<String>,
    /// True if something that happens may start it: the key has `TriggerInfo`.
    pub triggered: bool,
    /// True if it starts a while after the boot.
    pub delayed: bool,
    /// The key.
    pub place: String,
}

/// What starts by itself, if it does: the service, and the program that runs when it fails.
#[must_use]
pub fn autoruns(values: &Values, folders: &Folders, is_file: &dyn Fn(&str) -> bool) -> Vec<Autorun> {
    let Some(start) = when(values) else { return Vec::new() };
    let is_driver = values.kind & DRIVER != 0;
    let command = match &values.image_path {
        Some(path) if !path.trim().is_empty() && is_driver => driver(path, folders),
        Some(path) if !path.trim().is_empty() => folders.command(path, is_file),
        _ if is_driver => driver(&format!(r"System32\drivers\{}.sys", values.name), folders),
        _ => Command::default(),
    };
    let user = (!is_driver).then(|| user(values.object_name.as_deref().unwrap_or("LocalSystem")));
    let library = values.library.as_ref().map(|library| Text::new(folders.path(&folders.expand(library))));
    let mut found = vec![Autorun {
        kind: if is_driver { Kind::Driver } else { Kind::Service },
        name: Text::new(name(values)),
        exe: command.exe(),
        arguments: command.arguments(),
        library,
        user: user.clone(),
        hidden: false,
        start: Some(start.into()),
        place: Text::new(&values.place),
        unquoted: command.unquoted,
    }];
    if let Some(failure) = values.failure_command.as_ref().filter(|command| !command.trim().is_empty()) {
        let command = folders.command(failure, is_file);
        found.push(Autorun {
            kind: Kind::Service,
            name: Text::new(format!("{} (on failure)", name(values))),
            exe: command.exe(),
            arguments: command.arguments(),
            library: None,
            user: user.or_else(|| Some(self::user("LocalSystem"))),
            hidden: false,
            start: Some("when it fails".into()),
            place: Text::new(&values.place),
            unquoted: command.unquoted,
        });
    }
    found
}

fn when(values: &Values) -> Option<&'static str> {
    Some(match values.start? {
        0 => "boot",
        1 => "system",
        2 if values.delayed => "automatic, delayed",
        2 => "automatic",
        3 if values.triggered => "by trigger",
        _ => return None,
    })
}

/// The kernel takes the whole text for the path of a driver.
fn driver(path: &str, folders: &Folders) -> Command {
    let path = folders.path(&folders.expand(path));
    let exe = if path.is_empty() { UNKNOWN.to_owned() } else { path };
    Command { exe, ..Command::default() }
}

/// What is made of a template for each who logs in, `cbdhsvc_3f2a1`, goes by the name of the template. It is not left
/// out: it may have been made to start something else.
fn name(values: &Values) -> &str {
    let is_hex = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    match values.name.rsplit_once('_') {
        Some((template, end)) if values.kind & INSTANCE != 0 && is_hex(end) => template,
        _ => &values.name,
    }
}

/// The account in the words in which Windows shows it elsewhere, and in English everywhere.
#[must_use]
pub fn user(written: &str) -> Text {
    const NAMES: &[(&str, &[&str])] = &[
        (
            r"NT AUTHORITY\SYSTEM",
            &["LocalSystem", r".\LocalSystem", "S-1-5-18", r"NT AUTHORITY\SYSTEM", "SYSTEM"],
        ),
        (
            r"NT AUTHORITY\LOCAL SERVICE",
            &[r"NT AUTHORITY\LocalService", "LocalService", "LOCAL SERVICE", "S-1-5-19"],
        ),
        (
            r"NT AUTHORITY\NETWORK SERVICE",
            &[r"NT AUTHORITY\NetworkService", "NetworkService", "NETWORK SERVICE", "S-1-5-20"],
        ),
        (r"NT AUTHORITY\INTERACTIVE", &["S-1-5-4", "INTERACTIVE"]),
        (r"NT AUTHORITY\Authenticated Users", &["S-1-5-11", "Authenticated Users"]),
        (r"BUILTIN\Administrators", &["S-1-5-32-544", "Administrators"]),
        (r"BUILTIN\Users", &["S-1-5-32-545", "Users"]),
        ("Everyone", &["S-1-1-0"]),
    ];
    let is = |(name, others): &&(&str, &[&str])| {
        name.eq_ignore_ascii_case(written) || others.iter().any(|other| other.eq_ignore_ascii_case(written))
    };
    Text::new(NAMES.iter().find(is).map_or(written, |(name, _)| name))
}

/// Leaves out what tells nothing new: the instance of a template that starts just what the template does.
#[must_use]
pub fn without_instances(mut autoruns: Vec<Autorun>) -> Vec<Autorun> {
    autoruns.sort();
    let all = autoruns.clone();
    let mut kept: Vec<Autorun> = Vec::new();
    for autorun in autoruns {
        let same = |other: &Autorun| {
            other.kind == autorun.kind
                && other.name == autorun.name
                && other.exe == autorun.exe
                && other.arguments == autorun.arguments
                && other.user == autorun.user
                && other.hidden == autorun.hidden
        };
        // The instance may leave the library to the template.
        let told_better =
            autorun.library.is_none() && all.iter().any(|other| same(other) && other.library.is_some());
        let told_before = kept.iter().rev().any(|other| same(other) && other.library == autorun.library);
        if !told_better && !told_before {
            kept.push(autorun);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &Values) -> String {
        let is_file = |path: &str| path.eq_ignore_ascii_case(r"C:\Windows\System32\svchost.exe");
        let found = autoruns(values, &Folders::of(r"C:\Windows"), &is_file);
        let line = |a: &Autorun| {
            let library = a.library.as_deref().unwrap_or("-");
            let user = a.user.as_deref().unwrap_or("-");
            let start = a.start.as_deref().unwrap_or("-");
            format!("{} {}: {} [{}] {library} {user}, {start}", a.kind, a.name, a.exe, a.arguments)
        };
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn values(name: &str, path: &str, start: u32, kind: u32) -> Values {
        Values {
            name: name.to_owned(),
            image_path: (!path.is_empty()).then(|| path.to_owned()),
            start: Some(start),
            kind,
            ..Values::default()
        }
    }

    #[test]
    fn a_service_is_what_its_key_says() {
        let mut hosted =
            values("Dnscache", r"%SystemRoot%\system32\svchost.exe -k NetworkService -p", 2, 0x20);
        hosted.library = Some(r"%SystemRoot%\System32\dnsrslvr.dll".to_owned());
        hosted.object_name = Some(r"NT AUTHORITY\NetworkService".to_owned());
        let mut triggered = values("AppIDSvc", r"C:\Windows\system32\svchost.exe -k x", 3, 0x20);
        triggered.triggered = true;
        let mut failing = values("Acme", r"C:\Acme\acme.exe", 2, 0x10);
        failing.failure_command = Some(r"C:\Temp\evil.exe -x".to_owned());
        for (values, expected) in [
            (
                hosted,
                r"service Dnscache: C:\Windows\system32\svchost.exe [-k NetworkService -p] C:\Windows\System32\dnsrslvr.dll NT AUTHORITY\NETWORK SERVICE, automatic",
            ),
            (
                triggered,
                r"service AppIDSvc: C:\Windows\system32\svchost.exe [-k x] - NT AUTHORITY\SYSTEM, by trigger",
            ),
            (
                failing,
                "service Acme: C:\\Acme\\acme.exe [] - NT AUTHORITY\\SYSTEM, automatic\n\
                 service Acme (on failure): C:\\Temp\\evil.exe [-x] - NT AUTHORITY\\SYSTEM, when it fails",
            ),
            (values("Manual", r"C:\x.exe", 3, 0x10), ""),
            (values("Off", r"C:\x.exe", 4, 0x10), ""),
            (values("disk", "", 0, 1), r"driver disk: C:\Windows\System32\drivers\disk.sys [] - -, boot"),
            (
                values("odd", r"\SystemRoot\System32\drivers\odd name.sys", 1, 2),
                r"driver odd: C:\Windows\System32\drivers\odd name.sys [] - -, system",
            ),
            (
                values("cbdhsvc_3f2a1", r"C:\Windows\system32\svchost.exe -k x", 2, 0xe0),
                r"service cbdhsvc: C:\Windows\system32\svchost.exe [-k x] - NT AUTHORITY\SYSTEM, automatic",
            ),
            (
                values("my_cafe", r"C:\x.exe", 2, 0x10),
                r"service my_cafe: C:\x.exe [] - NT AUTHORITY\SYSTEM, automatic",
            ),
            (values("Broken", "", 2, 0x10), r"service Broken: (unknown) [] - NT AUTHORITY\SYSTEM, automatic"),
        ] {
            assert_eq!(shown(&values), expected);
        }
    }

    #[test]
    fn an_instance_for_one_user_is_told_only_if_it_starts_something_else() {
        let is_file = |_: &str| true;
        let folders = Folders::of(r"C:\Windows");
        let mut template = values("cbdhsvc", r"C:\Windows\system32\svchost.exe -k x", 2, 0x60);
        template.library = Some(r"C:\Windows\System32\cbdhsvc.dll".to_owned());
        let same = values("cbdhsvc_3f2a1", r"C:\Windows\system32\svchost.exe -k x", 2, 0xe0);
        let other = values("cbdhsvc_ffff1", r"C:\Temp\evil.exe", 2, 0xe0);
        let all: Vec<Autorun> =
            [&template, &same, &other].into_iter().flat_map(|v| autoruns(v, &folders, &is_file)).collect();
        let left: Vec<String> =
            without_instances(all).iter().map(|a| format!("{} {}", a.name, a.exe)).collect();
        assert_eq!(left, [r"cbdhsvc C:\Temp\evil.exe", r"cbdhsvc C:\Windows\system32\svchost.exe"]);
    }
}
