//! Processes and ports that were hidden from the watchdog, and what an ordinary user cannot see.

use super::support::{self, Running, is_root, left_out};
use super::{check_within, sleeper, with_code};
use host_watchdog::finding::Code;
use host_watchdog::watch::deception::linux::diag;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

#[test]
fn a_process_that_proc_does_not_list_is_found_by_its_number() {
    if left_out("root", is_root()) {
        return;
    }
    let (victim, other) =
        (Running::program(&mut sleeper(), "/bin/sleep"), Running::program(&mut sleeper(), "/bin/sleep"));
    let folder = TempDir::new().unwrap();
    // A /proc that has everything but this one: what a thing in the kernel would show.
    let script = format!(
        "mount --bind /proc {0}\nmount -t tmpfs none /proc\n\
         for name in {0}/*; do ln -s $name /proc/${{name##*/}}; done\n\
         rm /proc/self /proc/mounts /proc/net /proc/{1}\n\
         ln -s $$ /proc/self\nln -s self/mounts /proc/mounts\nln -s self/net /proc/net",
        folder.path().display(),
        victim.pid(),
    );
    let found = check_within("-m", &script);
    let hidden = with_code(&found, Code::HiddenProcess);
    let tells_of = |pid: u32| {
        let words = format!("process {pid}");
        hidden.iter().any(|finding| {
            let how = finding["evidence"]["how"].as_array().unwrap();
            how.iter().any(|how| how.as_str().unwrap().split(", ").next() == Some(&words))
        })
    };
    assert!(tells_of(victim.pid()), "{found:?}");
    assert!(!tells_of(other.pid()) && !tells_of(std::process::id()), "{hidden:?}");
}

#[test]
fn a_process_that_a_library_slipped_into_the_watchdog_hides_from_it_is_found() {
    let has_compiler = Command::new("cc").arg("--version").output().is_ok();
    if left_out("root", is_root()) || left_out("a compiler of C", has_compiler) {
        return;
    }
    let victim = Running::program(&mut sleeper(), "/bin/sleep");
    let folder = TempDir::new().unwrap();
    let library = folder.path().join("hide.so");
    let code = format!(
        "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n#include <string.h>\n\
         struct dirent64 *readdir64(DIR *folder) {{\n\
         struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, \"readdir64\");\n\
         struct dirent64 *entry;\n\
         do entry = real(folder); while (entry && !strcmp(entry->d_name, \"{}\"));\n\
         return entry;\n}}\n",
        victim.pid()
    );
    support::compile(&code, &["-shared", "-fPIC"], &library);
    let found = check_within("-m", &format!("export LD_PRELOAD={}", library.display()));
    let hidden = with_code(&found, Code::HiddenProcess);
    let subject = format!(
        "{} missing in what the C library lists of /proc",
        Path::new("/bin/sleep").canonicalize().unwrap().display()
    );
    let subjects: Vec<&Value> = hidden.iter().map(|finding| &finding["subject"]).collect();
    assert_eq!(subjects, [subject.as_str()]);
    assert_eq!(hidden[0]["evidence"]["pid"][0], victim.pid());
}

#[test]
fn a_mount_over_the_folder_of_a_process_is_found() {
    if left_out("root", is_root()) {
        return;
    }
    let victim = Running::program(&mut sleeper(), "/bin/sleep");
    let found = check_within("-m", &format!("mount --bind /proc/1 /proc/{}", victim.pid()));
    let hidden = with_code(&found, Code::HiddenProcess);
    let how: Vec<&str> =
        hidden.iter().map(|finding| finding["evidence"]["how"][0].as_str().unwrap()).collect();
    let subject = "its folder in /proc is covered by a mount of proc, another process";
    assert!(hidden.iter().all(|finding| finding["subject"] == subject), "{hidden:?}");
    assert!(how.len() == 1 && how[0].starts_with(&format!("process {}", victim.pid())), "{how:?}");
}

#[test]
fn a_port_that_is_missing_in_a_list_is_found() {
    if left_out("root", is_root()) {
        return;
    }
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    let folder = TempDir::new().unwrap();
    let folder = folder.path().display();
    let hide = format!(
        "for table in tcp tcp6 udp udp6; do cat /proc/net/$table >{folder}/$table; done\n\
         grep -v ' 0A ' /proc/net/tcp >{folder}/tcp\nmount --bind {folder} /proc/$$/net"
    );
    let found = check_within("-m", &hide);
    let words = format!("tcp port {port} is open and missing in /proc/net");
    assert!(
        with_code(&found, Code::HiddenPort).iter().any(|finding| finding["subject"] == words.as_str()),
        "{found:?}"
    );
}

#[test]
fn an_ordinary_user_is_told_how_much_could_not_be_looked_into() {
    if left_out("root", is_root()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().display();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "mount -t tmpfs none {path}; cp {} {path}/watchdog; echo 'schema = 1' >{path}/policy.toml; chmod 755 {path}\n\
         exec setpriv --reuid nobody --regid nogroup --clear-groups {path}/watchdog check --json --policy {path}/policy.toml",
        env!("CARGO_BIN_EXE_watchdog")
    );
    let found = check_within("-m", &script);
    let gaps = with_code(&found, Code::CoverageGap);
    assert!(gaps.iter().any(|gap| gap["subject"] == "deception-process"), "{gaps:?}");
    assert_eq!(with_code(&found, Code::HiddenProcess), Vec::<&Value>::new());
}

#[test]
fn the_kernel_tells_of_one_port_whether_somebody_listens_there() {
    let mut ports = diag::Ports::open().unwrap();
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let door = TcpListener::bind(address).unwrap();
        let port = door.local_addr().unwrap().port();
        assert!(ports.listens(port).unwrap(), "{address}");
        let client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        assert!(!ports.listens(client.local_addr().unwrap().port()).unwrap());
        drop((door, client));
        assert!(!ports.listens(port).unwrap(), "{address}");
    }
}
