//! Tables of cron: which command is started as whom, by which shell.

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path of the shell as it is written.
    pub shell: Vec<u8>,
    /// The user; none in the table of a user.
    pub user: Option<Vec<u8>>,
    /// The command, as the shell is given it.
    pub command: Vec<u8>,
}

/// Whose table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The system's: each entry names a user.
    System,
    /// That of one user.
    Users,
}

/// The entries of a table. A line that is none is passed over, as cron refuses the whole table for it.
pub fn entries(text: &[u8], table: Table) -> Vec<Entry> {
    let mut shell = b"/bin/sh".to_vec();
    let mut entries = Vec::new();
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some((name, value)) = assignment(line) {
            if name == b"SHELL" {
                shell = value.to_vec();
            }
            continue;
        }
        // `@daily` and its like stand for all five.
        let times = if line.starts_with(b"@") { 1 } else { 5 };
        let Some(rest) = after(line, times) else { continue };
        let (user, command) = match table {
            Table::Users => (None, rest),
            Table::System => {
                let Some(command) = after(rest, 1) else { continue };
                (rest.split(u8::is_ascii_whitespace).next().map(<[u8]>::to_vec), command)
            }
        };
        entries.push(Entry { shell: shell.clone(), user, command: unescaped(command) });
    }
    entries
}

/// `NAME = "value"`: no field of an entry holds a `=`.
fn assignment(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', line)?;
    let (name, value) = (line.get(..at)?.trim_ascii(), line.get(at + 1..)?.trim_ascii());
    let is_name = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let quoted = |quote: &[u8]| value.strip_prefix(quote)?.strip_suffix(quote);
    is_name.then(|| (name, quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value)))
}

/// What stands behind the first `fields` words.
fn after(line: &[u8], fields: usize) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..fields {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        rest = rest.get(end..)?.trim_ascii_start();
    }
    (!rest.is_empty()).then_some(rest)
}

/// Up to the first `%`, behind which its input stands; `\%` is one that is meant.
fn unescaped(command: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(command.len());
    let mut bytes = command.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.peek() == Some(&b'%') => out.extend(bytes.next()),
            b'%' => break,
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_a_shell_a_user_and_a_command() {
        let text = b"# m h dom mon dow user command\n\
            PATH=/usr/bin\nSHELL = \"/bin/bash\"\n\n\
            17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n\
            @daily www-data a=1 date +\\%F%input\n\
            1 2 3 too short\n";
        let said = |entry: &Entry| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let user = entry.user.as_deref().map(text).unwrap_or_default();
            format!("{} {user}: {}", text(&entry.shell), text(&entry.command))
        };
        let found: Vec<String> = entries(text, Table::System).iter().map(said).collect();
        assert_eq!(
            found,
            [
                "/bin/bash root: cd / && run-parts --report /etc/cron.hourly",
                "/bin/bash www-data: a=1 date +%F"
            ]
        );
        let own: Vec<String> = entries(b"0 4 * * 1 ~/backup\n", Table::Users).iter().map(said).collect();
        assert_eq!(own, ["/bin/sh : ~/backup"]);
    }
}
