//! Logs that begin a new file for each hour, day or size and never rename one, as IIS does: `u_ex261122.log`,
//! `u_ex26112204.log`, `u_ex261122_x.log` with columns of one's own. All such files of a folder are one log, which is
//! called `u_ex*.log`.

use std::path::{Path, PathBuf};

/// How the names begin: W3C and NCSA, in UTF-8 or not, by time or by size. The longest first.
const STEMS: [&str; 8] = ["u_extend", "u_nctend", "extend", "nctend", "u_ex", "u_nc", "ex", "nc"];

const END: &str = ".log";

/// The log that a file belongs to, and its place in the order of time.
#[must_use]
pub fn log_of(name: &str) -> Option<(String, String)> {
    let lower = name.to_ascii_lowercase();
    let stem = STEMS.iter().find(|stem| lower.starts_with(**stem))?;
    let part = lower.get(stem.len()..)?.strip_suffix(END)?;
    let digits = part.strip_suffix("_x").unwrap_or(part);
    let by_size = stem.ends_with("tend");
    let is_part = digits.bytes().all(|b| b.is_ascii_digit())
        && if by_size { (1..=9).contains(&digits.len()) } else { (4..=8).contains(&digits.len()) };
    // `2611` is before `261101`, and that before `26110100`; but file 9 is before file 10.
    let order = if by_size { format!("{digits:0>9}{}", part.get(digits.len()..)?) } else { part.to_owned() };
    is_part.then(|| (format!("{stem}*{END}"), order))
}

/// True if this is what a log of many files is called.
#[must_use]
pub fn is_log(name: &str) -> bool {
    name.strip_suffix(END).and_then(|rest| rest.strip_suffix('*')).is_some_and(|stem| STEMS.contains(&stem))
}

/// Why a pattern names only some of the files of one log, if it does: it would be another log each month or year.
#[must_use]
pub fn cut_short(name: &str) -> Option<String> {
    let (before, _) = name.split_once('*')?;
    let lower = before.to_ascii_lowercase();
    let stem = STEMS.iter().find(|stem| lower.starts_with(**stem))?;
    let digits = lower.get(stem.len()..)?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| format!("{stem}*{END}"))
}

/// Those of `files` that belong to the log called `name`, the oldest first.
#[must_use]
pub fn files_of(name: &str, files: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<(String, PathBuf)> = files
        .filter_map(|file| {
            let (log, order) = log_of(file.file_name()?.to_str()?)?;
            (log == name).then_some((order, file))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, file)| file).collect()
}

/// The place of a file in the order of time.
#[must_use]
pub fn order_of(file: &Path) -> Option<String> {
    Some(log_of(file.file_name()?.to_str()?)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_log_are_told_by_their_names_and_put_in_order() {
        let names = [
            "u_ex26112301.log",
            "u_ex261122.log",
            "u_ex2611.log",
            "U_EX261123.LOG",
            "u_ex261122_x.log",
            "u_ex26112300.log",
            "u_extend10.log",
            "u_extend9.log",
            "ex261122.log",
            "u_ex261122.log.gz",
            "u_exit.log",
            "u_ex123456789.log",
            "access.log",
        ];
        let files = |log: &str| {
            let files = files_of(log, names.iter().map(PathBuf::from));
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            files("u_ex*.log"),
            "u_ex2611.log u_ex261122.log u_ex261122_x.log U_EX261123.LOG u_ex26112300.log u_ex26112301.log"
        );
        assert_eq!(files("u_extend*.log"), "u_extend9.log u_extend10.log");
        assert_eq!(files("ex*.log"), "ex261122.log");
        assert!(is_log("u_ex*.log") && !is_log("u_ex26*.log") && !is_log("access*.log"));
        assert_eq!(cut_short("u_ex26*.log").as_deref(), Some("u_ex*.log"));
        assert_eq!(
            (cut_short("u_ex*.log"), cut_short("*.log"), cut_short("u_ex261122.log")),
            (None, None, None)
        );
    }
}
