//! What is wanted of an environment: the variable that names who holds the key, and what sshd sets.

use crate::text::Text;

/// What we want of an environment, and nothing else of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// The value of the variable that was asked for.
    pub value: Option<Text>,
    /// `SSH_CONNECTION`: addresses and ports of both ends.
    pub connection: Option<Text>,
    /// `SSH_TTY`, without `/dev/`.
    pub terminal: Option<Text>,
}

/// Finds the variable, and what sshd sets, in the bytes of `/proc/PID/environ`. Of several of one name the first
/// counts, as for every program.
#[must_use]
pub fn parse_environment(bytes: &[u8], variable: &str) -> Variables {
    let get = |name: &str| {
        let value = |entry: &'_ [u8]| -> Option<Vec<u8>> {
            Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec())
        };
        bytes.split(|b| *b == 0).find_map(value)
    };
    let terminal = get("SSH_TTY").filter(|terminal| !terminal.is_empty());
    Variables {
        value: get(variable).map(|value| Text::cut(&value, 256)),
        connection: get("SSH_CONNECTION").map(|value| Text::cut(&value, 200)),
        terminal: terminal
            .map(|terminal| Text::cut(terminal.strip_prefix(b"/dev/").unwrap_or(&terminal), 64)),
    }
}

/// The same of the environment of a Windows process: UTF-16, little end first, with an empty entry at its end. Names of
/// variables are the same in both cases there.
#[must_use]
pub fn parse_environment_block(bytes: &[u8], variable: &str) -> Variables {
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let entries: Vec<String> = units
        .split(|unit| *unit == 0)
        .take_while(|entry| !entry.is_empty())
        .map(String::from_utf16_lossy)
        .collect();
    let get = |name: &str| {
        let value = |entry: &'_ String| -> Option<String> {
            let (found, value) = entry.split_once('=')?;
            (found.to_lowercase() == name.to_lowercase()).then(|| value.to_owned())
        };
        entries.iter().find_map(value)
    };
    Variables {
        value: get(variable).map(|value| Text::cut(value.as_bytes(), 256)),
        connection: get("SSH_CONNECTION").map(|value| Text::cut(value.as_bytes(), 200)),
        terminal: get("SSH_TTY")
            .filter(|terminal| !terminal.is_empty())
            .map(|terminal| Text::cut(terminal.as_bytes(), 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(entries: &str) -> Vec<u8> {
        entries.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn of_the_environment_of_windows_only_the_asked_variable_and_the_connection_are_taken() {
        let bytes = block(
            "=C:=C:\\Users\0Keyholder=al\u{202e}ice\0KEYHOLDER=bob\0SSH_CONNECTION=10.8.0.2 50000 10.8.0.1 22\0SSH_TTY=windows-pty\0\0KEYHOLDER=after the end\0",
        );
        let found = parse_environment_block(&bytes, "KEYHOLDER");
        assert_eq!(found.value.unwrap(), "al\\u{202e}ice");
        assert_eq!(found.connection.unwrap(), "10.8.0.2 50000 10.8.0.1 22");
        assert_eq!(found.terminal.unwrap(), "windows-pty");
        let none = parse_environment_block(&block("XKEYHOLDER=a\0KEYHOLDER\0\0KEYHOLDER=b\0"), "KEYHOLDER");
        assert_eq!(none, Variables::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_environment_or_not(bytes: Vec<u8>) {
            let _ = parse_environment_block(&bytes, "KEYHOLDER");
        }
    }
}
