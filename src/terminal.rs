//! What is printed for people and pipes: in colour on a terminal only. That a reader has gone away (`| head`) is no
//! fault and must not end the program in the midst of its work, as `println!` would.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line to standard output.
pub fn say(line: Arguments) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Prints a line to standard error.
pub fn complain(line: Arguments) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints a line to standard output; takes what `format!` takes.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::terminal::say(format_args!($($words)*)) };
}

/// Prints a line to standard error; takes what `format!` takes.
#[macro_export]
macro_rules! complain {
    ($($words:tt)*) => { $crate::terminal::complain(format_args!($($words)*)) };
}
