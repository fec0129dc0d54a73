//! Secrets in command lines: masked before anything is kept, so that no mail, log or facts file can hold one.

use crate::text::Text;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// Names of options and variables whose value is a secret: any name that holds one of these.
const NAMES: &[&str] = &[
    "pass",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "credential",
    "private-key",
    "private_key",
    "cookie",
    "session",
    "access-key",
    "access_key",
    "auth",
    "bearer",
];

/// The arguments with what looks like a secret masked.
#[must_use]
pub fn masked(args: &[&[u8]]) -> Vec<Text> {
    let mut hide_next = false;
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        let bare = is_option(arg) && !arg.contains(&b'=') && !arg.contains(&b' ') && !arg.contains(&b':');
        if hide_next && !is_option(arg) {
            out.push(Text::new(MASK));
            hide_next = false;
            continue;
        }
        hide_next = bare && (names_secret(arg) || matches!(*arg, b"-p" | b"-u" if is_client(args)));
        if hides_after_colon(args, out.len()) {
            let user = memchr::memchr(b':', arg).and_then(|at| arg.get(..=at)).unwrap_or_default();
            out.push(Text::new([user, MASK].concat()));
            continue;
        }
        out.push(match arg.strip_prefix(b"-p") {
            // mysql -pSECRET, sshpass -pSECRET
            Some(rest) if !rest.is_empty() && is_client(args) => Text::new([b"-p", MASK].concat()),
            _ => Text::new(mask(arg)),
        });
    }
    out
}

/// Masks `NAME=value` and `NAME: value` of secret names and the password of `scheme://user:password@host`.
#[must_use]
pub fn mask(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut hide_word = false;
    for word in text.split_inclusive(u8::is_ascii_whitespace) {
        let end = word.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let (word, space) = word.split_at(end);
        if word.is_empty() {
            out.extend_from_slice(space);
            continue;
        }
        if hide_word && !word.starts_with(b"-") {
            out.extend_from_slice(MASK);
        } else {
            out.extend_from_slice(&mask_word(word));
        }
        let scheme = word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic");
        hide_word = scheme
            || word.starts_with(b"--") && !word.contains(&b'=') && names_secret(word)
            || word.ends_with(b":") && names_secret(word);
        out.extend_from_slice(space);
    }
    out
}

fn mask_word(word: &[u8]) -> Vec<u8> {
    if let Some(at) = memchr::memmem::find(word, b"://") {
        let (scheme, rest) = word.split_at(at + 3);
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let sign = memchr::memrchr(b'@', authority);
        let colon = sign.and_then(|sign| memchr::memchr(b':', authority.get(..sign)?));
        let (user, host) = match (colon, sign) {
            (Some(colon), Some(sign)) => (authority.get(..=colon), authority.get(sign..)),
            _ => return [scheme, authority, &mask_value(path)].concat(),
        };
        return [scheme, user.unwrap_or_default(), MASK, host.unwrap_or_default(), &mask_value(path)]
            .concat();
    }
    mask_value(word)
}

/// Masks each `name=value` and `"name":"value"` of a word: `a=1&token=x`, `Server=s;Password=x`.
fn mask_value(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    for part in word.split_inclusive(|b| matches!(b, b'&' | b';' | b',')) {
        let sign = memchr::memchr2(b'=', b':', part).map(|at| at + 1);
        let (name, value) = part.split_at(sign.unwrap_or(part.len()));
        let is_pair =
            name.ends_with(b"=") || name.ends_with(b"\":") || name.ends_with(b":") && is_option(name);
        if is_pair && !value.is_empty() && names_secret(name) {
            let end = value.iter().rposition(|b| !matches!(b, b'&' | b';' | b',')).map_or(0, |at| at + 1);
            out.extend_from_slice(name);
            out.extend_from_slice(MASK);
            out.extend_from_slice(value.get(end..).unwrap_or_default());
        } else {
            out.extend_from_slice(part);
        }
    }
    out
}

/// An option begins with a dash; on Windows with a slash too, and then holds no other as a path would.
fn is_option(arg: &[u8]) -> bool {
    match arg.split_first() {
        Some((b'-', _)) => true,
        Some((b'/', name)) => {
            let name = name.split(|byte| *byte == b':').next().unwrap_or_default();
            !name.is_empty() && name.iter().all(u8::is_ascii_alphabetic)
        }
        _ => false,
    }
}

/// What a program is called: its file without the folder, and without `.exe`.
fn called(args: &[&[u8]]) -> Vec<u8> {
    let path = args.first().copied().unwrap_or_default();
    let name = path.rsplit(|b| matches!(b, b'/' | b'\\')).next().unwrap_or_default().to_ascii_lowercase();
    name.strip_suffix(b".exe").map(<[u8]>::to_vec).unwrap_or(name)
}

fn names_secret(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| memchr::memmem::find(&lower, secret.as_bytes()).is_some())
        // `--author`, `authorized_keys` and the like hold no secret.
        && memchr::memmem::find(&lower, b"author").is_none()
}

/// True if this argument is the `user:password` of a program that fetches.
fn hides_after_colon(args: &[&[u8]], at: usize) -> bool {
    let program = called(args);
    let option = at.checked_sub(1).and_then(|before| args.get(before)).copied().unwrap_or_default();
    at > 1
        && matches!(&*program, b"curl" | b"wget")
        && matches!(option, b"-u" | b"--user" | b"-U" | b"--proxy-user")
        && args.get(at).is_some_and(|arg| arg.contains(&b':'))
}

/// Programs whose `-p` is a password.
fn is_client(args: &[&[u8]]) -> bool {
    let program = called(args);
    [
        &b"mysql"[..],
        b"mysqldump",
        b"mysqladmin",
        b"mariadb",
        b"mariadb-dump",
        b"sshpass",
        b"smbclient",
        b"psexec",
    ]
    .contains(&&*program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_left() {
        for (line, expected) in [
            ("mysql|-uroot|-phunter2|db", "mysql -uroot -p*** db"),
            ("mysql|-p|hunter2", "mysql -p ***"),
            ("nmap|-p|22", "nmap -p 22"),
            ("x|--password|hunter2|--verbose", "x --password *** --verbose"),
            ("x|--password=hunter2", "x --password=***"),
            (
                "env|DB_PASSWORD=hunter2|AWS_SECRET_ACCESS_KEY=abc|A=b",
                "env DB_PASSWORD=*** AWS_SECRET_ACCESS_KEY=*** A=b",
            ),
            ("curl|https://bob:hunter2@host/x?token=abc", "curl https://bob:***@host/x?token=***"),
            ("curl|-H|Authorization: Bearer abc.def", "curl -H Authorization: Bearer ***"),
            ("sh|-c|mysqldump --password hunter2 db", "sh -c mysqldump --password *** db"),
            ("git|commit|--author=me", "git commit --author=me"),
            ("curl|-u|bob:hunter2|https://x/?a=1&token=abc", "curl -u bob:*** https://x/?a=1&token=***"),
            ("curl|-H|Cookie: id=abc", "curl -H Cookie: ***"),
            ("curl|-d|{\"password\":\"hunter2\",\"a\":1}", "curl -d {\"password\":***,\"a\":1}"),
            (r"C:\x\mysql.exe|-phunter2", r"C:\x\mysql.exe -p***"),
            (r"cmdkey|/add:x|/user:bob|/pass:hunter2", "cmdkey /add:x /user:bob /pass:***"),
            (r"x.exe|/password|hunter2|/etc/passwd|plain", "x.exe /password *** /etc/passwd plain"),
            (r"x.exe|-Password:hunter2|-Token|abc", "x.exe -Password:*** -Token ***"),
            ("x|--connection|Server=x;Password=hunter2;A=b", "x --connection Server=x;Password=***;A=b"),
        ] {
            let args: Vec<&[u8]> = line.split('|').map(str::as_bytes).collect();
            let shown: Vec<String> = masked(&args).iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(" "), expected);
        }
    }

    proptest! {
        #[test]
        fn any_arguments_are_survived(args: Vec<Vec<u8>>) {
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(masked(&args).len(), args.len());
        }
    }
}
