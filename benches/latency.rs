//! How long it takes from the start of a program that nobody allowed until a mail server has accepted the mail about it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::median;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Of the design, in seconds.
const BUDGET: f64 = 2.0;

fn main() {
    if !common::wanted() {
        return;
    }
    println!(
        "seconds from the start of an unknown program to the mail server's acceptance, each by a service of its own"
    );
    let seconds: Vec<f64> = (0..5).filter_map(one).collect();
    println!("{} of 5 were the first mail of their service", seconds.len());
    let slowest = seconds.iter().copied().fold(f64::NAN, f64::max);
    println!("{:>9}  {:>9}  {:>9}", "median", "slowest", "budget");
    println!("{:>9.2}  {slowest:>9.2}  {BUDGET:>9.1}", median(seconds));
}

/// Nothing if another mail went before: what comes after one is gathered for a while, so on a host where other unknown
/// programs start this cannot be told.
fn one(number: usize) -> Option<f64> {
    let folder = tempfile::tempdir().unwrap();
    let (port, mails) = mail_server();
    let settings = format!(
        "[mail]\nto = [\"root@bench.invalid\"]\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n\
         [alerts]\ndigests-per-hour = 1000\n"
    );
    std::fs::write(folder.path().join("watchdog.toml"), settings).unwrap();
    common::learn_into(folder.path());
    let mut service = common::service(folder.path());
    common::wait_for_looks(&mut service, folder.path(), 1);
    std::thread::sleep(Duration::from_secs(3));

    let name = format!("unknown-{number}-{}", std::process::id());
    let program = folder.path().join(&name);
    std::fs::copy("/bin/sleep", &program).unwrap();
    let begun = Instant::now();
    let _started = common::Daemon::start(common::command(&program).arg("600"));
    let (accepted, mail) = mails.recv_timeout(Duration::from_mins(2)).unwrap();
    mail.contains(&name).then(|| accepted.duration_since(begun).as_secs_f64())
}

/// A mail server that accepts everything: its port, and each mail with the moment it was accepted.
fn mail_server() -> (u16, Receiver<(Instant, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One that hangs up has nothing more to say.
            let _ = talk(stream, &sender);
        }
    });
    (port, receiver)
}

fn talk(mut stream: TcpStream, accepted: &Sender<(Instant, String)>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 bench.invalid\r\n")?;
    while let Some(line) = lines.next() {
        let answer = match line?.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    // A long line may be broken by an equals sign.
                    mail.push_str(line.strip_suffix('=').unwrap_or(&line));
                }
                let _ = accepted.send((Instant::now(), mail));
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 bench.invalid\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}
