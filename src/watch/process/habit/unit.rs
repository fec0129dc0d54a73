//! Unit files of systemd, as far as it matters here: which services start, work and end, and what they start.

/// What a service starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// True if it starts, works and ends.
    pub is_job: bool,
    /// The user it runs as; none: root.
    pub user: Option<Vec<u8>>,
    /// Its commands, each as it is written behind the `=`, without the marks before it.
    pub commands: Vec<Vec<u8>>,
}

/// Reads the text of a service's unit file.
pub fn service(text: &[u8]) -> Service {
    let mut service = Service::default();
    let mut is_here = false;
    for line in joined(text) {
        let line = line.trim_ascii();
        if line.starts_with(b"[") {
            is_here = line == b"[Service]";
        }
        let Some(at) = memchr::memchr(b'=', line).filter(|_| is_here) else { continue };
        let (key, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match key.trim_ascii() {
            b"Type" => service.is_job = value == b"oneshot",
            b"User" => service.user = Some(value.to_vec()).filter(|user| !user.is_empty()),
            key if key.starts_with(b"Exec") => {
                let marks = value.iter().take_while(|b| b"-@:+!|".contains(b)).count();
                service.commands.push(value.get(marks..).unwrap_or_default().to_vec());
            }
            _ => {}
        }
    }
    service
}

/// The unit that a timer starts, if it says so.
pub fn timers_unit(text: &[u8]) -> Option<String> {
    let lines = joined(text);
    let unit = lines.iter().find_map(|line| line.trim_ascii().strip_prefix(b"Unit="))?;
    String::from_utf8(unit.trim_ascii().to_vec()).ok()
}

/// The text given to a shell with `-c`, if that is what the command is and systemd fills nothing in.
pub fn shell_text(command: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = memchr::memmem::find(command, b" -c ")?;
    let shell = command.get(..at)?.to_vec();
    let text = command.get(at + 4..)?.trim_ascii();
    let quoted = |quote: &[u8]| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted(b"\"").or_else(|| quoted(b"'"))?;
    // An escape, a specifier or a variable of systemd's own: what comes of it is not known here.
    let is_plain = !shell.contains(&b' ') && !text.iter().any(|b| b"\\%".contains(b));
    let dollars = String::from_utf8(text.to_vec()).ok()?;
    let is_whole = !dollars.replace("$$", "").contains('$');
    (is_plain && is_whole).then(|| (shell, dollars.replace("$$", "$").into_bytes()))
}

/// The lines, those joined that end in a backslash.
fn joined(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for line in text.split(|b| *b == b'\n') {
        let (line, next) = line.strip_suffix(b"\\").map_or((line, false), |line| (line, true));
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push(b' ');
                last.extend_from_slice(line.trim_ascii());
            }
            None => lines.push(line.to_vec()),
        }
        goes_on = next;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_what_it_starts_and_whether_it_ends() {
        let text = b"[Unit]\nType=oneshot\n[Service]\nType = oneshot\nUser=man\n\
            ExecStartPre=-+/usr/bin/install -d \\\n  /var/cache/man\nExecStart=/usr/bin/mandb --quiet\n[Install]\nUser=x\n";
        let found = service(text);
        assert_eq!((found.is_job, found.user.as_deref()), (true, Some(&b"man"[..])));
        assert_eq!(found.commands, [&b"/usr/bin/install -d  /var/cache/man"[..], b"/usr/bin/mandb --quiet"]);
        assert!(!service(b"[Service]\nExecStart=/x\n").is_job);
        assert_eq!(timers_unit(b"[Timer]\nUnit=other.service\n").as_deref(), Some("other.service"));
    }

    #[test]
    fn text_for_a_shell_is_known_where_systemd_fills_nothing_in() {
        let text =
            |command: &str| shell_text(command.as_bytes()).map(|(_, text)| String::from_utf8(text).unwrap());
        assert_eq!(text("/bin/sh -c 'echo $$HOME; id'").as_deref(), Some("echo $HOME; id"));
        assert_eq!(text("/bin/sh -c \"id\"").as_deref(), Some("id"));
        for unclear in ["/bin/sh -c 'echo $HOME'", "/bin/sh -c 'echo %i'", "/bin/sh -c id", "/bin/sh x"] {
            assert_eq!(text(unclear), None, "{unclear}");
        }
    }
}
