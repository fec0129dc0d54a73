//! An SMTP server that does as it is told, to see what becomes of a mail when one misbehaves.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Takes the mail.
    Accept,
    /// Answers the message with this instead of taking it.
    AnswerMessage(&'static str),
    /// Answers every recipient at `refused.test` with this, and takes the mail for the others.
    AnswerRecipient(&'static str),
    /// Greets with this, and goes.
    Greet(&'static str),
    /// Never says a word.
    Silent,
    /// Answers the message with a byte a second, without end.
    Drip,
    /// Closes the connection in the midst of the message.
    CloseInMessage,
    /// Takes the mail and is gone before it says so.
    DieBeforeAnswer,
    /// Takes the mail and says so after so many milliseconds.
    AnswerLate(u64),
    /// Lets every answer before the message drip in, over so many milliseconds each.
    LateToStart(u64),
    /// Takes the mail, and never answers anything after that.
    HangAtGoodbye,
}

/// A mail that the server took: for whom, and all of its bytes as they came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub to: Vec<String>,
    pub bytes: Vec<u8>,
}

/// The server; the last act is for all further connections.
pub struct Fake {
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    connections: Arc<Mutex<usize>>,
}

impl Fake {
    pub fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, connections) = (Arc::default(), Arc::new(Mutex::new(0)));
        let fake = Self { port, taken: Arc::clone(&taken), connections: Arc::clone(&connections) };
        let acts = acts.to_vec();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                *connections.lock().unwrap() += 1;
                let act = acts[number.min(acts.len() - 1)];
                let taken = Arc::clone(&taken);
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || drop(play(act, &stream.unwrap(), &taken)));
            }
        });
        fake
    }

    /// Route settings for it, with a deadline.
    pub fn settings(&self, deadline: &str) -> String {
        format!("deadline = \"{deadline}\"\n[smtp]\nhost = \"127.0.0.1\"\nport = {}\n", self.port)
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn play(act: Act, stream: &TcpStream, taken: &Mutex<Vec<Taken>>) -> std::io::Result<()> {
    let mut say = stream;
    let mut reader = BufReader::new(stream);
    match act {
        Act::Silent => return read_to_end(&mut reader),
        Act::Greet(greeting) => return say.write_all(format!("{greeting}\r\n").as_bytes()),
        _ => say.write_all(b"220 fake.test ESMTP\r\n")?,
    }
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Act::LateToStart(milliseconds) = act {
            std::thread::sleep(Duration::from_millis(milliseconds / 5));
        }
        let refused = line.contains("@refused.test");
        match (line.split([' ', '\r']).next().unwrap(), act) {
            ("EHLO", _) => say.write_all(b"250-fake.test\r\n250 8BITMIME\r\n")?,
            ("RCPT", Act::AnswerRecipient(answer)) if refused => {
                say.write_all(format!("{answer}\r\n").as_bytes())?;
            }
            ("RCPT", _) => {
                to.push(line.trim_end().trim_start_matches("RCPT TO:").to_owned());
                say.write_all(b"250 2.1.5 ok\r\n")?;
            }
            ("DATA", Act::CloseInMessage) => {
                say.write_all(b"354 go on\r\n")?;
                reader.read_line(&mut line)?;
                return Ok(());
            }
            ("DATA", _) => {
                say.write_all(b"354 go on\r\n")?;
                let bytes = message(&mut reader)?;
                let taken = || taken.lock().unwrap().push(Taken { to: std::mem::take(&mut to), bytes });
                match act {
                    Act::AnswerMessage(answer) => say.write_all(format!("{answer}\r\n").as_bytes())?,
                    Act::Drip => drip(say)?,
                    Act::DieBeforeAnswer => {
                        taken();
                        return Ok(());
                    }
                    Act::AnswerLate(milliseconds) => {
                        std::thread::sleep(Duration::from_millis(milliseconds));
                        taken();
                        say.write_all(b"250 2.0.0 late, but queued as FAKE2\r\n")?;
                    }
                    Act::HangAtGoodbye => {
                        taken();
                        say.write_all(b"250 2.0.0 queued as FAKE3\r\n")?;
                        return read_to_end(&mut reader);
                    }
                    _ => {
                        taken();
                        say.write_all(b"250-2.0.0 thank you\r\n250 2.0.0 queued as FAKE1\r\n")?;
                    }
                }
            }
            ("QUIT", _) => return say.write_all(b"221 bye\r\n"),
            _ => say.write_all(b"250 ok\r\n")?,
        }
    }
}

/// The bytes of a message up to the dot, which is not part of it.
fn message(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n.\r\n") {
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.truncate(bytes.len() - 3);
    Ok(bytes)
}

fn drip(mut say: &TcpStream) -> std::io::Result<()> {
    loop {
        say.write_all(b"2")?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn read_to_end(reader: &mut impl BufRead) -> std::io::Result<()> {
    std::io::copy(reader, &mut std::io::sink()).map(drop)
}
