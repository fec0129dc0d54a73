//! Where the web servers of Linux keep their logs.

use crate::host::Host;
use crate::text::Text;

/// The same folders, for a person.
pub const PLACES: &str = "/var/log/nginx, /var/log/apache2 or /var/log/httpd";

/// What helps if a log may not be read.
pub const MAY_READ: &str =
    "on Debian, members of the group adm may read it: add the watchdog's user to it, or run as root";

/// The folders in which nginx and Apache keep their logs on Debian and its like, and on the others.
#[must_use]
pub fn folders(_host: &Host) -> Vec<Text> {
    ["/var/log/nginx", "/var/log/apache2", "/var/log/httpd"].into_iter().map(Text::from).collect()
}
