//! The many places of the registry from which something starts.

use super::super::Kind;
use super::super::command::{Command, Folders};
use super::{EVERYONE, Eyes, is_file};
use crate::coverage::Gap;
use crate::win32::registry::{Root, key, keys, list, number, text, texts};
use windows_registry::Key;

const CURRENT: &str = r"Microsoft\Windows\CurrentVersion";
const NT: &str = r"Microsoft\Windows NT\CurrentVersion";
const CONTROL: &str = r"SYSTEM\CurrentControlSet\Control";
const SYSTEM: &str = r"NT AUTHORITY\SYSTEM";

/// Adds all of it.
pub fn read(eyes: &mut Eyes) {
    for software in ["SOFTWARE", r"SOFTWARE\Wow6432Node"] {
        let folders = eyes.folders.clone();
        run_keys(eyes, Root::Machine, "", software, &folders, EVERYONE);
        app_init(eyes, software);
        debuggers(eyes, software);
    }
    let folders = eyes.folders.clone();
    winlogon(eyes, Root::Machine, "", &folders, EVERYONE);
    app_cert(eyes);
    boot_execute(eyes);
    lsa(eyes);
    let hives = key(Root::Users, "").map(|users| keys(&users)).unwrap_or_default();
    // The default hive is that of the system itself, by another name.
    for sid in hives.iter().filter(|sid| *sid != ".DEFAULT" && !sid.ends_with("_Classes")) {
        let (folders, user) = (eyes.folders_of(sid), eyes.user(sid));
        run_keys(eyes, Root::Users, &format!(r"{sid}\"), "SOFTWARE", &folders, &user);
        winlogon(eyes, Root::Users, &format!(r"{sid}\"), &folders, &user);
    }
}

fn shown(root: Root, path: &str) -> String {
    match root {
        Root::Machine => format!(r"HKLM\{path}"),
        Root::Users => format!(r"HKU\{path}"),
    }
}

fn run_keys(eyes: &mut Eyes, root: Root, hive: &str, software: &str, folders: &Folders, user: &str) {
    for (kind, name) in [
        (Kind::Run, "Run"),
        (Kind::RunOnce, "RunOnce"),
        (Kind::RunOnce, "RunOnceEx"),
        (Kind::Run, "RunServices"),
        (Kind::RunOnce, "RunServicesOnce"),
        (Kind::Run, r"Policies\Explorer\Run"),
    ] {
        let path = format!(r"{hive}{software}\{CURRENT}\{name}");
        let Some(opened) = key(root, &path) else { continue };
        commands(eyes, kind, &opened, folders, user, &shown(root, &path));
        // RunOnceEx keeps its commands a key deeper.
        for below in keys(&opened) {
            let path = format!(r"{path}\{below}");
            let Some(opened) = key(root, &path) else { continue };
            commands(eyes, kind, &opened, folders, user, &shown(root, &path));
        }
    }
}

fn commands(eyes: &mut Eyes, kind: Kind, opened: &Key, folders: &Folders, user: &str, place: &str) {
    let values = all_texts(eyes, opened, place);
    for (name, written) in values.iter().filter(|(_, written)| !written.trim().is_empty()) {
        let name = if name.is_empty() { "(default)" } else { name };
        eyes.add(kind, name, &folders.command(written, &is_file), user, place);
    }
}

/// The texts of a key; that some could not be read is a gap.
fn all_texts(eyes: &mut Eyes, opened: &Key, place: &str) -> Vec<(String, String)> {
    let texts = texts(opened);
    if texts.unread > 0 {
        let seen = texts.found.len() as u64;
        let why = format!("{place} has values too large or too many to be read");
        eyes.gaps.push(Gap { gap: "registry".to_owned(), seen, of: seen + texts.unread as u64, why });
    }
    texts.found
}

/// What comes before the desktop, each several programs, parted by commas.
fn winlogon(eyes: &mut Eyes, root: Root, hive: &str, folders: &Folders, user: &str) {
    let winlogon = format!(r"{hive}SOFTWARE\{NT}\Winlogon");
    let windows = format!(r"{hive}SOFTWARE\{NT}\Windows");
    let environment = format!("{hive}Environment");
    let places: &[(&str, &[&str])] = &[
        (&winlogon, &["Shell", "Userinit", "Taskman", "AppSetup"]),
        (&windows, &["Load", "Run"]),
        (&environment, &["UserInitMprLogonScript"]),
    ];
    for (path, names) in places {
        // The environment of the whole host lies elsewhere, and has no such value.
        let Some(opened) = key(root, path) else { continue };
        for name in *names {
            let written = text(&opened, name).unwrap_or_default();
            for part in written.split(',').filter(|part| !part.trim().is_empty()) {
                eyes.add(Kind::Winlogon, name, &folders.command(part, &is_file), user, &shown(root, path));
            }
        }
    }
}

fn app_init(eyes: &mut Eyes, software: &str) {
    let path = format!(r"{software}\{NT}\Windows");
    let Some(opened) = key(Root::Machine, &path) else { return };
    let written = text(&opened, "AppInit_DLLs").unwrap_or_default();
    // A list that is not loaded is one value away from being so.
    let name = match number(&opened, "LoadAppInit_DLLs") {
        Some(1) => "AppInit_DLLs",
        _ => "AppInit_DLLs (not loaded)",
    };
    for library in written.split([' ', ',', ';']).filter(|library| !library.is_empty()) {
        let command = this_library(eyes, library);
        eyes.add(Kind::AppInit, name, &command, EVERYONE, &shown(Root::Machine, &path));
    }
}

fn app_cert(eyes: &mut Eyes) {
    let path = format!(r"{CONTROL}\Session Manager\AppCertDlls");
    let Some(opened) = key(Root::Machine, &path) else { return };
    for (name, library) in all_texts(eyes, &opened, &shown(Root::Machine, &path)) {
        let command = this_library(eyes, &library);
        eyes.add(Kind::AppInit, &name, &command, EVERYONE, &shown(Root::Machine, &path));
    }
}

/// A library, which lies in System32 if nothing else is said.
fn this_library(eyes: &Eyes, written: &str) -> Command {
    let mut exe = eyes.folders.path(&eyes.folders.expand(written.trim().trim_matches('"')));
    if !exe.contains(['\\', ':']) {
        exe = format!(r"{}\System32\{exe}", eyes.folders.windows);
        if !exe.to_ascii_lowercase().ends_with(".dll") {
            exe.push_str(".dll");
        }
    }
    Command { exe, ..Command::default() }
}

fn debuggers(eyes: &mut Eyes, software: &str) {
    for (options, value, when) in [
        ("Image File Execution Options", "Debugger", ""),
        ("Image File Execution Options", "VerifierDlls", " (verifier)"),
        ("SilentProcessExit", "MonitorProcess", " (on exit)"),
    ] {
        let path = format!(r"{software}\{NT}\{options}");
        let Some(opened) = key(Root::Machine, &path) else { continue };
        for program in keys(&opened) {
            let path = format!(r"{path}\{program}");
            let Some(opened) = key(Root::Machine, &path) else { continue };
            let name = format!("{program}{when}");
            let mut written: Vec<(String, String)> =
                text(&opened, value).into_iter().map(|written| (path.clone(), written)).collect();
            // One file name may have several entries, each for another folder.
            for below in keys(&opened) {
                let below = format!(r"{path}\{below}");
                let said = key(Root::Machine, &below).and_then(|opened| text(&opened, value));
                written.extend(said.map(|written| (below, written)));
            }
            for (place, written) in written.iter().filter(|(_, written)| !written.trim().is_empty()) {
                let command = match value {
                    "VerifierDlls" => this_library(eyes, written),
                    _ => eyes.folders.command(written, &is_file),
                };
                eyes.add(Kind::Debugger, &name, &command, EVERYONE, &shown(Root::Machine, place));
            }
        }
    }
}

fn boot_execute(eyes: &mut Eyes) {
    let path = format!(r"{CONTROL}\Session Manager");
    let Some(opened) = key(Root::Machine, &path) else { return };
    for name in ["BootExecute", "SetupExecute", "Execute", "S0InitialCommand"] {
        for written in list(&opened, name).iter().filter(|written| !written.trim().is_empty()) {
            // `autocheck autochk *`: what the first word names is the command's name for itself.
            let command = written.trim().strip_prefix("autocheck ").unwrap_or(written);
            let command = eyes.folders.command(command, &is_file);
            eyes.add(Kind::BootExecute, name, &command, SYSTEM, &shown(Root::Machine, &path));
        }
    }
}

fn lsa(eyes: &mut Eyes) {
    for (below, name) in [
        ("", "Authentication Packages"),
        ("", "Notification Packages"),
        ("", "Security Packages"),
        (r"\OSConfig", "Security Packages"),
    ] {
        let path = format!(r"{CONTROL}\Lsa{below}");
        let Some(opened) = key(Root::Machine, &path) else { continue };
        for package in list(&opened, name) {
            let package = package.trim().trim_matches('"');
            if package.is_empty() {
                continue;
            }
            let command = this_library(eyes, package);
            let place = format!(r"{}\{name}", shown(Root::Machine, &path));
            eyes.add(Kind::Lsa, package, &command, SYSTEM, &place);
        }
    }
}
