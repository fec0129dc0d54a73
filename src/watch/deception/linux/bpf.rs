//! BPF programs, as far as they can be seen without the right to ask the kernel for all of them (`CAP_BPF`): those that a
//! process holds, and those that lie in the BPF file system. What is attached and let go of is not seen.

use crate::host::Host;
use crate::text::Text;
use crate::watch::deception::Bpf;

/// Where the BPF file system is.
const PINNED: &str = "/sys/fs/bpf";

/// So many names in it are read.
const MOST: usize = 1024;

/// The kernel's types of programs, by number.
const TYPES: &[&str] = &[
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
];

/// True if a link of a descriptor leads to a program or what ties it to its place. Maps only hold data.
#[must_use]
pub fn is_program(link: &[u8]) -> bool {
    matches!(link, b"anon_inode:bpf-prog" | b"anon_inode:bpf_link" | b"anon_inode:bpf-link")
}

/// The type of a program, or of a link with `link` behind it, from `/proc/PID/fdinfo/N`.
#[must_use]
pub fn parse_descriptor(info: &[u8]) -> Option<String> {
    let info = std::str::from_utf8(info).ok()?;
    let value =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    if let Some(kind) = value("link_type") {
        let kind: String = kind.chars().take(40).collect();
        return Some(format!("{kind} link"));
    }
    let number: usize = value("prog_type")?.parse().ok()?;
    Some(TYPES.get(number).map_or_else(|| format!("type {number}"), |name| (*name).to_owned()))
}

/// What lies in the BPF file system. What it is, its name does not tell.
pub fn read_pinned(host: &Host) -> Vec<Bpf> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(PINNED)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(host.path(&folder)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            if found.len() >= MOST {
                return found;
            }
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(Bpf {
                    kind: Text::from("pinned"),
                    process: None,
                    pinned: Some(Text::cut(path.as_os_str().as_encoded_bytes(), 512)),
                }),
                // Links are systemd's and the kernel's own, to what lies beside them.
                _ => {}
            }
        }
    }
    found
}
