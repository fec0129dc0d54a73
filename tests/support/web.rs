//! Real web servers on loopback, started by the test in a folder of their own that stands for a host.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use rustix::net::{AddressFamily, SocketAddrV4, SocketType};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Apache,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "/usr/sbin/nginx",
            Self::Apache => "/usr/sbin/apache2",
        }
    }

    /// Where its logs lie on the host.
    pub fn logs(self) -> &'static str {
        match self {
            Self::Nginx => "/var/log/nginx",
            Self::Apache => "/var/log/apache2",
        }
    }

    /// Its log in the combined form, in the common one, and in the combined one with the virtual host.
    pub fn forms(self) -> [String; 3] {
        ["access.log", "common_access.log", "vhosts_access.log"].map(|name| format!("{}/{name}", self.logs()))
    }
}

/// A running server; it is stopped when this is dropped.
pub struct Server {
    pub kind: Kind,
    port: u16,
    root: tempfile::TempDir,
    child: Child,
}

/// Starts a server; `None`, with the reason printed, if it is not installed here. In CI that is a failure.
pub fn start(kind: Kind) -> Option<Server> {
    if !Path::new(kind.program()).exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is not installed", kind.program());
        eprintln!("skipped: {} is not installed", kind.program());
        return None;
    }
    let mut failures = Vec::new();
    // Somebody else may take the free port first.
    for _ in 0..5 {
        match try_start(kind) {
            Ok(server) => return Some(server),
            Err(why) => failures.push(why),
        }
    }
    panic!("{kind:?} did not start: {}", failures.join("\n"))
}

fn try_start(kind: Kind) -> Result<Server, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_str().unwrap();
    fs::create_dir_all(root.path().join(kind.logs().trim_start_matches('/'))).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let settings = root.path().join("server.conf");
    let text = match kind {
        Kind::Nginx => nginx_settings(folder, port),
        Kind::Apache => apache_settings(folder, port),
    };
    fs::write(&settings, text).unwrap();
    let errors = root.path().join("errors.txt");
    #[expect(clippy::disallowed_methods, reason = "a test starts the server it needs")]
    let mut command = Command::new(kind.program());
    let settings = settings.to_str().unwrap();
    match kind {
        Kind::Nginx => command.args(["-p", folder, "-c", settings, "-e", errors.to_str().unwrap()]),
        Kind::Apache => command.args(["-d", folder, "-f", settings, "-D", "FOREGROUND"]),
    };
    let output = fs::File::create(root.path().join("output.txt")).unwrap();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().unwrap();
    let mut server = Server { kind, port, root, child };
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if server.child.try_wait().unwrap().is_some() || Instant::now() > deadline {
            let read = |name: &str| fs::read_to_string(server.root.path().join(name)).unwrap_or_default();
            return Err(read("output.txt") + &read("errors.txt"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn nginx_settings(folder: &str, port: u16) -> String {
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .concat();
    let [combined, common, vhost] = Kind::Nginx.forms();
    format!(
        r#"
daemon off;
worker_processes 2;
pid {folder}/server.pid;
error_log {folder}/errors.txt;
events {{ worker_connections 256; }}
http {{
{temp}
    log_format common '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
    log_format vhost '$host:$server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
    access_log {folder}{combined} combined;
    access_log {folder}{common} common;
    access_log {folder}{vhost} vhost;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "hello\n"; }}
    }}
}}
"#
    )
}

fn apache_settings(folder: &str, port: u16) -> String {
    let [combined, common, vhost] = Kind::Apache.forms();
    let user = if rustix::process::geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    format!(
        r#"
ServerName localhost
ServerRoot {folder}
DocumentRoot {folder}
PidFile {folder}/server.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/errors.txt
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
{user}StartServers 2
TraceEnable off
LogFormat "%h %l %u %t \"%r\" %>s %O" common
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{{Referer}}i\" \"%{{User-Agent}}i\"" combined
LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{{Referer}}i\" \"%{{User-Agent}}i\"" vhost_combined
CustomLog {folder}{combined} combined
CustomLog {folder}{common} common
CustomLog {folder}{vhost} vhost_combined
"#
    )
}

impl Server {
    /// The folder that stands for the root of the host.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where a log of the host lies.
    pub fn path(&self, log: &str) -> PathBuf {
        self.root.path().join(log.trim_start_matches('/'))
    }

    /// Sends raw bytes from a loopback address, and reads the answer to its end: then the request is logged.
    pub fn send(&self, from: Ipv4Addr, bytes: &[u8]) -> Vec<u8> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
        rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
        answer
    }

    /// A request with further header lines, each with its end.
    pub fn request(&self, from: Ipv4Addr, method: &str, target: &str, headers: &str) {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n{headers}\r\n"
        );
        self.send(from, request.as_bytes());
    }

    /// Tells the server to open its logs anew, as logrotate's scripts do.
    pub fn reopen(&self) {
        self.signal(Signal::USR1);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
