//! Parsing the files of `/proc/PID`. Names in them are written by whoever wants to: a name may hold brackets,
//! line breaks and bytes that are not UTF-8, and must not hide the process or be taken for a field.

use memchr::{memchr, memrchr};
use std::num::NonZeroU64;

/// What `/proc/PID/stat` says, as far as it is of use here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// The name it gives itself.
    pub name: Vec<u8>,
    /// One letter; `Z` is dead and waits for its parent.
    pub state: u8,
    /// Who started it or took it over.
    pub parent: u32,
    /// The controlling terminal's device number, 0 if none.
    pub terminal: i64,
    /// The kernel's flags.
    pub flags: u64,
    /// How many threads it has.
    pub threads: u64,
    /// When it started, in clock ticks after the boot.
    pub start: u64,
    /// Where code, stack, arguments and environment lie. A new program in the same process changes them.
    pub layout: [u64; 7],
}

impl Stat {
    /// True if the kernel says that this is a thread of its own: no program can set this flag.
    #[must_use]
    pub fn is_kernel_thread(&self) -> bool {
        const PF_KTHREAD: u64 = 0x0020_0000;
        self.flags & PF_KTHREAD != 0
    }

    /// True if the kernel has laid out its environment: a moment after its program is there, and never before.
    #[must_use]
    pub fn has_environment(&self) -> bool {
        self.layout.last().is_some_and(|start| *start > 1)
    }

    /// True if it has ended or is ending: it lets go of its program first, and is dead some time later.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        const PF_EXITING: u64 = 0x0000_0004;
        matches!(self.state, b'Z' | b'X') || self.flags & PF_EXITING != 0
    }
}

/// Parses `/proc/PID/stat`: the name ends at the *last* bracket.
#[must_use]
pub fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let (open, close) = (memchr(b'(', bytes)?, memrchr(b')', bytes)?);
    let name = bytes.get(open + 1..close)?.to_vec();
    // Fields are numbered from 1 in proc(5); the first after the name is the third.
    let mut fields = [""; 51];
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?.split_ascii_whitespace();
    fields.iter_mut().skip(3).zip(rest).for_each(|(slot, field)| *slot = field);
    let field = |number: usize| fields.get(number).copied();
    let number = |at: usize| field(at).and_then(|text| text.parse::<u64>().ok());
    let layout = [26, 27, 28, 45, 46, 48, 50].map(|at| number(at).unwrap_or(0));
    Some(Stat {
        name,
        state: *field(3)?.as_bytes().first()?,
        parent: field(4)?.parse().ok()?,
        terminal: field(7)?.parse().ok()?,
        flags: number(9)?,
        threads: number(20)?,
        start: number(22)?,
        layout,
    })
}

/// Processor time in clock ticks, user and system together, from `/proc/PID/stat`.
#[must_use]
pub fn parse_cpu_ticks(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.get(memrchr(b')', bytes)? + 1..)?;
    let mut times = std::str::from_utf8(rest).ok()?.split_ascii_whitespace().skip(11).take(2);
    let mut time = || times.next()?.parse::<u64>().ok();
    time()?.checked_add(time()?)
}

/// How much the first thread of a process has run: it grows with whatever the thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runtime {
    /// On a processor, in nanoseconds.
    pub nanoseconds: u64,
    /// How often it was given one.
    pub turns: NonZeroU64,
}

/// What `/proc/PID/schedstat` says; nothing if the thread never ran, or the kernel does not count.
#[must_use]
pub fn parse_schedstat(bytes: &[u8]) -> Option<Runtime> {
    let mut numbers = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace().map(str::parse::<u64>);
    let (nanoseconds, _waited, turns) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
    Some(Runtime { nanoseconds, turns: NonZeroU64::new(turns)? })
}

/// The effective user from `/proc/PID/status`. The kernel escapes line breaks in the name there.
#[must_use]
pub fn parse_status_uid(bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The arguments from `/proc/PID/cmdline`: parts that end in a zero byte. A process that rewrote them for show
/// may leave trailing zeros.
#[must_use]
pub fn parse_cmdline(bytes: &[u8]) -> Vec<&[u8]> {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    match bytes.get(..end) {
        None | Some([]) => Vec::new(),
        Some(all) => all.split(|b| *b == 0).collect(),
    }
}

/// The service of the system's systemd that a process belongs to, from `/proc/PID/cgroup`, or the slice of the user whose
/// session it is. The outermost one: below it whoever owns it makes groups with names of their own choice. What systemd starts
/// for itself is where it is itself, in `init.scope`.
#[must_use]
pub fn parse_cgroup_unit(bytes: &[u8]) -> Option<&[u8]> {
    let parts = || systemd_path(bytes).into_iter().flat_map(|path| path.split(|b| *b == b'/'));
    // Each login has a scope of its own; the slice above it is its user's, who stays the same whatever `sudo` does.
    parts()
        .find(|part| part.ends_with(b".service"))
        .or_else(|| Some(user_and_session(bytes)?.0))
        .or_else(|| systemd_path(bytes)?.strip_prefix(b"/").filter(|path| *path == b"init.scope"))
}

/// The number of the login session that a process belongs to, from `/proc/PID/cgroup`: `12` of `session-12.scope`.
#[must_use]
pub fn parse_cgroup_session(bytes: &[u8]) -> Option<&[u8]> {
    let (_, session) = user_and_session(bytes)?;
    session.strip_prefix(b"session-")?.strip_suffix(b".scope")
}

/// The outermost slice of a user, and the scope of a session in it.
fn user_and_session(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = systemd_path(bytes)?.split(|b| *b == b'/');
    let user = parts.find(|part| part.starts_with(b"user-") && part.ends_with(b".slice"))?;
    let session = parts.next()?;
    (session.starts_with(b"session-") && session.ends_with(b".scope")).then_some((user, session))
}

/// Where systemd put a process.
fn systemd_path(bytes: &[u8]) -> Option<&[u8]> {
    let lines = || bytes.split(|b| *b == b'\n');
    let path =
        lines().find_map(|line| line.strip_prefix(b"0::")).filter(|path| *path != b"/").or_else(|| {
            lines().find_map(|line| {
                line.split_at_checked(memchr(b':', line)? + 1)?.1.strip_prefix(b"name=systemd:")
            })
        })?;
    // The group of one that has ended may be gone before it is.
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

/// The innermost control group of `/proc/PID/cgroup`: a container or a session has one of its own.
#[must_use]
pub fn innermost_group(bytes: &[u8]) -> Option<&[u8]> {
    let path = bytes.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    path.rsplit(|b| *b == b'/').next().filter(|name| !name.is_empty())
}

/// What a terminal is called, by the number of its device.
#[must_use]
pub fn terminal(device: i64) -> Option<String> {
    let device = u64::try_from(device).ok().filter(|device| *device != 0)?;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    Some(match (major, minor) {
        (4, ..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("terminal {major}:{minor}"),
    })
}

/// The moment of the boot in seconds since 1970, from `/proc/stat`.
#[must_use]
pub fn parse_boot_time(bytes: &[u8]) -> Option<i64> {
    let line = bytes.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// How many processes and threads were started since the boot, from `/proc/stat`.
#[must_use]
pub fn parse_starts(bytes: &[u8]) -> Option<u64> {
    let line = bytes.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"processes "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: &str = " S 1 77 77 34816 77 4194304 1 2 3 4 5 6 7 8 20 0 3 0 12345 1000 200 18446744073709551615 \
        11 12 13 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 14 15 16 17 18 19 20 0";

    #[test]
    fn a_name_with_brackets_and_line_breaks_is_just_a_name() {
        for name in ["nginx", "a) S 1 (b", "x\nUid:\t0", ""] {
            let stat = parse_stat(format!("77 ({name}){REST}\n").as_bytes()).unwrap();
            let expected = Stat {
                name: name.into(),
                state: b'S',
                parent: 1,
                terminal: 34816,
                flags: 4_194_304,
                threads: 3,
                start: 12345,
                layout: [11, 12, 13, 14, 15, 17, 19],
            };
            assert_eq!(stat, expected);
        }
    }

    #[test]
    fn processor_time_is_the_fourteenth_and_fifteenth_field() {
        assert_eq!(parse_cpu_ticks(format!("77 (a) b) {}", REST.trim_start()).as_bytes()), Some(5 + 6));
    }

    #[test]
    fn what_a_thread_has_run_is_the_first_number_and_its_turns_the_third() {
        let runtime =
            |nanoseconds, turns| Some(Runtime { nanoseconds, turns: NonZeroU64::new(turns).unwrap() });
        for (schedstat, expected) in [
            (&b"5100243 88 31\n"[..], runtime(5_100_243, 31)),
            (b"0 0 1\n", runtime(0, 1)),
            // A kernel that does not count, and a thread that never ran.
            (b"0 0 0\n", None),
            (b"5100243 88\n", None),
            (b"x 88 31\n", None),
            (b"", None),
        ] {
            assert_eq!(parse_schedstat(schedstat), expected);
        }
    }

    #[test]
    fn starts_are_counted_by_the_kernel() {
        assert_eq!(parse_starts(b"ctxt 5\nbtime 1\nprocesses 4812\nprocs_running 1\n"), Some(4812));
        assert_eq!(parse_starts(b"processes x\n"), None);
    }

    #[test]
    fn terminals_are_called_as_people_call_them() {
        let names = [0, 0x0401, 0x0440, 0x8800, 0x8803, 0x8900, 0x0501].map(terminal);
        let expected = ["", "tty1", "ttyS0", "pts/0", "pts/3", "pts/256", "terminal 5:1"];
        assert_eq!(names.map(Option::unwrap_or_default), expected);
    }

    #[test]
    fn the_effective_user_is_the_second_number() {
        assert_eq!(parse_status_uid(b"Name:\ta\\nUid:\t0\nUmask:\t0022\nUid:\t1000\t33\t0\t0\n"), Some(33));
        assert_eq!(parse_status_uid(b"Name:\tx\n"), None);
    }

    #[test]
    fn arguments_end_in_zeros() {
        assert_eq!(parse_cmdline(b"a\0\0b\0"), [&b"a"[..], b"", b"b"]);
        assert_eq!(parse_cmdline(b"nginx: worker process\0\0\0\0"), [b"nginx: worker process"]);
        assert!(parse_cmdline(b"").is_empty() && parse_cmdline(b"\0\0").is_empty());
    }

    #[test]
    fn the_unit_is_the_outermost_service() {
        for (cgroup, unit) in [
            (&b"0::/system.slice/nginx.service\n"[..], Some(&b"nginx.service"[..])),
            (
                b"0::/user.slice/user-0.slice/user@0.service/app.slice/nginx.service\n",
                Some(b"user@0.service"),
            ),
            (b"0::/system.slice/a.service (deleted)\n", Some(b"a.service")),
            (b"0::/user.slice/user-0.slice/session-3.scope\n", Some(b"user-0.slice")),
            (b"0::/user.slice/user-0.slice/x.scope\n", None),
            (b"0::/system.slice/user-0.slice\n", None),
            (b"0::/init.scope\n", Some(b"init.scope")),
            (b"0::/machine.slice/init.scope\n", None),
            (b"0::/user.slice/user-0.slice/user@0.service/init.scope\n", Some(b"user@0.service")),
            (b"2:cpu:/x.service\n1:name=systemd:/system.slice/a.service\n0::/\n", Some(b"a.service")),
            (b"", None),
        ] {
            assert_eq!(parse_cgroup_unit(cgroup), unit);
        }
    }

    #[test]
    fn a_session_is_known_by_its_scope_in_the_slice_of_a_user() {
        for (cgroup, session) in [
            (&b"0::/user.slice/user-0.slice/session-12.scope\n"[..], Some(&b"12"[..])),
            (b"0::/user.slice/user-0.slice/session-c3.scope (deleted)\n", Some(b"c3")),
            (b"1:name=systemd:/user.slice/user-7.slice/session-4.scope\n0::/\n", Some(b"4")),
            // Whoever owns a group makes others in it, of any name.
            (b"0::/system.slice/a.service/session-12.scope\n", None),
            (b"0::/user.slice/user-0.slice/user@0.service/app.slice/session-12.scope\n", None),
            (b"0::/session-12.scope\n", None),
            (b"", None),
        ] {
            assert_eq!(parse_cgroup_session(cgroup), session);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (parse_stat(&bytes), parse_status_uid(&bytes), parse_cmdline(&bytes), parse_cgroup_unit(&bytes));
            let _ = (parse_cgroup_session(&bytes), parse_boot_time(&bytes), parse_cpu_ticks(&bytes), parse_starts(&bytes));
            let _ = parse_schedstat(&bytes);
        }

        #[test]
        fn whatever_the_name_the_fields_are_read(name: Vec<u8>) {
            let line = [b"77 (", &name[..], b")", REST.as_bytes()].concat();
            let stat = parse_stat(&line).unwrap();
            prop_assert_eq!((stat.name, stat.parent, stat.start), (name, 1, 12345));
        }
    }
}
