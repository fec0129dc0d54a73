//! TLS and accounts, with a real mail server that wants both and certificates made here.
//!
//! It is not `OpenSMTPD`, whose TLS does not work at all as Debian 12 builds it (its issue 1171).

use super::mail_server::free_port;
use super::{enqueue, host, letter, noon, outbox, route};
use host_watchdog::mail::{deliver_due, send_test};
use mail_parser::MessageParser;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const USER: &str = "watchdog";
const PASSWORD: &str = "correct horse ö battery";

struct SecureServer {
    /// By the name of the protection.
    ports: [(&'static str, u16); 2],
    folder: tempfile::TempDir,
    child: Child,
}

impl SecureServer {
    /// Starts one. `None`, with the reason printed, where it cannot run; on CI that is a failure.
    fn start() -> Option<Self> {
        let has = |program: &str, args: &[&str]| {
            Command::new(program)
                .args(args)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        if !has("/usr/bin/python3", &["-c", "import aiosmtpd"]) || !Path::new("/usr/bin/openssl").exists() {
            assert!(std::env::var_os("CI").is_none(), "python3-aiosmtpd or openssl is not installed");
            eprintln!("skipped: python3-aiosmtpd or openssl is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let [starttls, tls] = [free_port(), free_port()];
        let mut child = Command::new("/usr/bin/python3")
            .arg("-c")
            .arg(include_str!("secure.py"))
            .args([
                "server.pem",
                "server.key",
                "Maildir",
                &starttls.to_string(),
                &tls.to_string(),
                USER,
                PASSWORD,
            ])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(line, "ready\n", "{log}");
        Some(Self { ports: [("starttls", starttls), ("tls", tls)], folder, child })
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    fn ca_file(&self) -> String {
        format!("ca-file = \"{}\"\n", self.folder.path().join("ca.pem").display())
    }

    fn mails(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("Maildir/new")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for SecureServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority, a certificate of it for `localhost`, and another authority that has signed nothing.
fn certificates(folder: &Path) {
    let run = |words: &str, more: &[&str]| {
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        let words: Vec<_> = words.split(' ').chain(new_key.split(' ')).collect();
        let mut command = Command::new("/usr/bin/openssl");
        let output =
            command.args(["req", "-x509"]).args(words).args(more).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run("-keyout ca.key -out ca.pem", &["-subj", "/CN=Test authority"]);
    run("-keyout other.key -out other.pem", &["-subj", "/CN=Another authority"]);
    run(
        "-CA ca.pem -CAkey ca.key -keyout server.key -out server.pem -addext subjectAltName=DNS:localhost",
        &["-addext", "basicConstraints=critical,CA:FALSE", "-subj", "/CN=localhost"],
    );
}

fn toml(server: &str, security: &str, port: u16, ca: &str, password_file: &str) -> String {
    format!(
        "[smtp]\nhost = \"{server}\"\nport = {port}\nsecurity = \"{security}\"\nuser = \"{USER}\"\n\
         password-file = \"{password_file}\"\n{ca}"
    )
}

#[test]
fn mail_goes_over_starttls_and_tls_with_an_account() {
    let Some(server) = SecureServer::start() else { return };
    let password = server.file("password", &format!("{PASSWORD}\n"));
    for (number, (security, port)) in server.ports.into_iter().enumerate() {
        let (_folder, outbox) = outbox();
        let route = route(&toml("localhost", security, port, &server.ca_file(), &password));
        enqueue(&outbox, &route, &letter(number, "größer — 日本語", "größer\n.\n"));
        let report = deliver_due(&outbox, &route, noon()).unwrap();
        assert_eq!((report.delivered.len(), report.waiting), (1, 0), "{security}: {report:?}");
        assert!(report.delivered[0].reply.starts_with("250 "), "{report:?}");
    }
    let log = fs::read_to_string(server.folder.path().join("log")).unwrap();
    assert!(log.contains("account given by LOGIN\n") && log.contains("account given by PLAIN\n"), "{log}");
    assert_eq!(server.mails().len(), 2);
    for file in server.mails() {
        let raw = fs::read(file).unwrap();
        let mail = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(mail.subject(), Some("größer — 日本語"));
        assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), "größer\n.\n");
    }
}

#[test]
fn neither_mail_nor_password_goes_to_a_server_that_is_not_the_right_one() {
    let Some(server) = SecureServer::start() else { return };
    let password = server.file("password", PASSWORD);
    let other = server.ca_file().replace("ca.pem", "other.pem");
    let none = server.ca_file().replace("ca.pem", "password");
    for (security, port) in server.ports {
        let tried = |host_name: &str, ca: &str, password: &str| {
            send_test(&route(&toml(host_name, security, port, ca, password)), &host(), noon())
                .unwrap_err()
                .reason
        };
        let refused = [
            tried("localhost", "", &password),
            tried("localhost", &other, &password),
            // The certificate is good, but for another name.
            tried("127.0.0.1", &server.ca_file(), &password),
        ];
        for reason in refused {
            assert!(reason.contains("certificate"), "{security}: {reason}");
        }
        assert!(tried("localhost", &none, &password).contains("holds no certificate"));
        let wrong = tried("localhost", &server.ca_file(), &server.file("wrong", "wrong"));
        assert!(wrong.contains(": 535 "), "{security}: {wrong}");
        // Without an account this server takes nothing.
        let nobody = format!("[smtp]\nport = {port}\nsecurity = \"{security}\"\n{}", server.ca_file());
        let reason = send_test(&route(&nobody), &host(), noon()).unwrap_err().reason;
        assert!(reason.contains(": 530 "), "{security}: {reason}");
    }
    assert!(server.mails().is_empty());
}

#[test]
#[ignore = "what the next test does where the system trusts the server's authority"]
fn with_the_systems_authorities() {
    let Ok(port) = std::env::var("SECURE_PORT") else { return };
    let port = port.parse().unwrap();
    let folder = std::env::var("SECURE_FOLDER").unwrap();
    let password = format!("{folder}/password");
    let tried = |ca: &str| send_test(&route(&toml("localhost", "tls", port, ca, &password)), &host(), noon());
    assert!(tried("").unwrap().reply.starts_with("250 "));
    // Who names a file trusts that alone.
    let reason = tried(&format!("ca-file = \"{folder}/other.pem\"\n")).unwrap_err().reason;
    assert!(reason.contains("certificate"), "{reason}");
    println!("the system's authorities were asked");
}

#[test]
fn without_a_ca_file_the_systems_authorities_count_and_with_one_they_do_not() {
    let Some(server) = SecureServer::start() else { return };
    server.file("password", PASSWORD);
    let command = super::this_test("secure::with_the_systems_authorities");
    let output = Command::new(&command[0])
        .args(&command[1..])
        .env("SECURE_PORT", server.ports[1].1.to_string())
        .env("SECURE_FOLDER", server.folder.path())
        .env("SSL_CERT_FILE", server.folder.path().join("ca.pem"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("authorities were asked"), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
