//! Reading the firewall takes `CAP_NET_ADMIN`, with which it could be changed too. The watching service does not have it: it asks
//! a helper that has nothing else, and that systemd starts for each question (`host-watchdog-firewall.socket`). The question is
//! the number of the generation of rules that it knows, and a newline; the answer is the number now, the listing if that is
//! another one, and a word that says that this is all of it.

use super::nft::{MOST, NEVER, State, generation, state};
use crate::text::Text;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where the helper is asked; only root can make it.
pub const SOCKET: &str = "/run/host-watchdog-firewall";
/// It lists too, and is started for that.
const PATIENCE: Duration = Duration::from_secs(30);
/// The last line of its answer. The rules themselves, of whatever text, never stand at the beginning of a line.
const WHOLE: &str = "# whole";
/// Before why it has none.
const FAILED: &str = "# failed: ";

/// Answers one question of the watching service, on a connection that systemd has accepted.
///
/// # Errors
/// If there is nobody to answer to.
pub fn answer(mut from: impl BufRead, mut to: impl Write) -> io::Result<()> {
    let mut question = String::new();
    from.by_ref().take(16).read_line(&mut question)?;
    match state(generation(), question.trim().parse().ok()) {
        Ok(State::Empty) => writeln!(to, "{NEVER}")?,
        Ok(State::Unchanged) => writeln!(to, "{}", question.trim())?,
        Ok(State::Listed(generation, listing)) => {
            writeln!(to, "{generation}")?;
            to.write_all(&listing)?;
        }
        Err(why) => writeln!(to, "{FAILED}{}", why.replace('\n', " "))?,
    }
    writeln!(to, "{WHOLE}")?;
    to.flush()
}

/// Asks the helper for the rules, of which those of this generation are known.
///
/// # Errors
/// Why it has no answer, and what cures that.
pub fn ask(socket: &Path, known: Option<u32>) -> Result<State, String> {
    let failed = |error: &io::Error| {
        let cure =
            "have host-watchdog-firewall.socket started, give the service CAP_NET_ADMIN, or run as root";
        format!(
            "to read the firewall takes CAP_NET_ADMIN, and {} does not answer ({error}): {cure}",
            socket.display()
        )
    };
    let answer = converse(socket, known).map_err(|error| failed(&error))?;
    parse_answer(&answer, known).map_err(|why| format!("{}: {why}", socket.display()))
}

fn converse(socket: &Path, known: Option<u32>) -> io::Result<Vec<u8>> {
    let mut connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    writeln!(connection, "{}", known.map_or_else(|| "-".to_owned(), |known| known.to_string()))?;
    let mut answer = Vec::new();
    connection.take(MOST as u64 + 1024).read_to_end(&mut answer)?;
    Ok(answer)
}

/// What the helper answered: all of it, or it counts for nothing.
fn parse_answer(answer: &[u8], known: Option<u32>) -> Result<State, String> {
    let whole = format!("\n{WHOLE}\n");
    let Some(answer) = answer.strip_suffix(whole.as_bytes()) else {
        return Err("the firewall was not told whole".to_owned());
    };
    let (first, listing) = match answer.iter().position(|byte| *byte == b'\n') {
        Some(end) => answer.split_at(end),
        None => (answer, [].as_slice()),
    };
    if let Some(why) = first.strip_prefix(FAILED.as_bytes()) {
        return Err(Text::cut(why, 300).to_string());
    }
    let number: Option<u32> = std::str::from_utf8(first).ok().and_then(|number| number.parse().ok());
    match number {
        Some(NEVER) => Ok(State::Empty),
        Some(number) if known == Some(number) => Ok(State::Unchanged),
        Some(number) => Ok(State::Listed(number, listing.to_vec())),
        None => Err("what it answered is no number of a generation".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_if_it_is_whole() {
        let told = |answer: &str| match parse_answer(answer.as_bytes(), Some(7)) {
            Ok(State::Empty) => "empty".to_owned(),
            Ok(State::Unchanged) => "unchanged".to_owned(),
            Ok(State::Listed(number, listing)) => format!("{number}:{}", String::from_utf8_lossy(&listing)),
            Err(why) => why,
        };
        let cases = [
            ("1\n# whole\n", "empty"),
            ("7\n# whole\n", "unchanged"),
            ("8\n# whole\n", "8:"),
            ("8\ntable ip a {\n}\n# whole\n", "8:\ntable ip a {\n}"),
            ("8\ntable ip a {\n", "the firewall was not told whole"),
            ("", "the firewall was not told whole"),
            ("# whole\n", "the firewall was not told whole"),
            ("# failed: no nft\n# whole\n", "no nft"),
            ("-8\n# whole\n", "what it answered is no number of a generation"),
        ];
        for (answer, expected) in cases {
            assert_eq!(told(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_helper_that_is_not_there_is_an_error_with_what_to_do() {
        let error = ask(Path::new("/nonexistent/socket"), None).err().unwrap();
        assert_eq!(
            error,
            "to read the firewall takes CAP_NET_ADMIN, and /nonexistent/socket does not answer (No such file or \
             directory (os error 2)): have host-watchdog-firewall.socket started, give the service CAP_NET_ADMIN, or run as root"
        );
    }
}
