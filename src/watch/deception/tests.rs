//! Facts and policies side by side: what is found, in whole.

use super::*;
use crate::finding::Code;
use crate::policy::{Policy, shipped};
use crate::processes::{Executable, Listing};
use expect_test::{Expect, expect};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn process(pid: u32, exe: &str, user: &str) -> Process {
    Process {
        pid,
        start: 1,
        since: NOW,
        parent: 1,
        exe: Executable::Path(exe.into()),
        script: None,
        name: exe.rsplit('/').next().unwrap().into(),
        args: vec![exe.into()],
        uid: 0,
        user: user.into(),
        unit: None,
        container: false,
        files: None,
    }
}

fn deceit(kind: Kind, what: &str, process: Option<Process>) -> Deceit {
    Deceit { kind, what: what.into(), process: process.map(Arc::new), note: None }
}

fn module(name: &str, taint: &str) -> Module {
    Module { name: name.into(), taint: taint.into(), hidden_from: None }
}

fn bpf(kind: &str, process: Option<Process>, pinned: Option<&str>) -> Bpf {
    Bpf { kind: kind.into(), process: process.map(Arc::new), pinned: pinned.map(Text::from) }
}

const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// What a Debian shows of itself.
fn quiet() -> DeceptionFacts {
    DeceptionFacts {
        deceits: vec![
            deceit(Kind::PacketSocket, "all packets", Some(process(400, "/usr/sbin/dhclient", "root"))),
            deceit(
                Kind::PacketSocket,
                "packets of LLDP",
                Some(process(401, "/usr/lib/systemd/systemd-networkd", "systemd-network")),
            ),
            deceit(Kind::RawSocket, "ICMP", Some(process(402, "/usr/bin/ping", "alice"))),
        ],
        modules: vec![module("ext4", ""), module("nf_tables", "")],
        marks_unsigned: true,
        bpf: vec![
            bpf("cgroup_device", Some(process(1, SYSTEMD, "root")), None),
            bpf("cgroup link", Some(process(1, SYSTEMD, "root")), None),
        ],
    }
}

fn rules(text: &str) -> Rules {
    Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap().deception
}

fn findings(facts: &DeceptionFacts, text: &str) -> Vec<Finding> {
    check::check(facts, &rules(text), NOW)
}

const BASE: &str = "include = [\"debian-base\"]";

/// The findings as a person reads them; what each suggests, added, silences it and nothing else.
fn says(facts: &DeceptionFacts, expected: &Expect) {
    let found = findings(facts, BASE);
    let mut out = String::new();
    for finding in &found {
        out += &format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.title);
        out += &format!("  subject: {}\n", finding.subject);
        if let Some(nearest) = &finding.nearest {
            let (rule, _) = nearest.rule.split_once(" (").unwrap();
            out += &format!("  {rule}: {}\n", nearest.why_not);
        }
        let Some(suggest) = &finding.suggest else { continue };
        let left = findings(facts, &format!("{BASE}\n{suggest}"));
        assert!(!left.contains(finding) && left.len() == found.len() - 1, "{suggest}\n{left:?}");
    }
    expected.assert_eq(&out);
}

#[test]
fn a_debian_is_quiet_with_the_ready_made_policy() {
    assert_eq!(findings(&quiet(), BASE), []);
    assert!(shipped().iter().any(|(name, _)| *name == "debian-base"));
}

#[test]
fn each_kind_is_said_in_words_and_allowed_by_what_it_suggests() {
    let mut facts = quiet();
    let mut shell = process(7, "/usr/bin/dash", "www-data");
    shell.script = Some("-c id".into());
    let hidden = process(9, "/opt/x", "root");
    let contained = Process { container: true, ..process(12, "/usr/sbin/dhclient", "root") };
    facts.deceits.extend([
        deceit(Kind::KernelName, "[kworker/0:1]", Some(process(5, "/tmp/x", "root"))),
        deceit(Kind::HiddenProcess, "missing in /proc", Some(hidden)),
        deceit(Kind::HiddenProcess, "its folder in /proc is covered by a mount of tmpfs, /", None),
        deceit(Kind::HiddenPort, "tcp port 4444 is open and missing in /proc/net", None),
        deceit(Kind::PacketSocket, "all packets", Some(contained)),
        deceit(Kind::RawSocket, "TCP", Some(process(402, "/usr/bin/ping", "alice"))),
        deceit(Kind::SocketShell, "203.0.113.9", Some(shell.clone())),
        deceit(Kind::SocketShell, "203.0.113.9", Some(Process { pid: 8, ..shell })),
        deceit(Kind::Preload, "/lib/x*.so", None),
        deceit(Kind::Preload, "LD_PRELOAD=/tmp/x.so", Some(process(10, "/usr/sbin/sshd", "root"))),
        deceit(Kind::Tracer, "/usr/sbin/sshd", Some(process(11, "/usr/bin/gdb", "root"))),
        deceit(Kind::NoEnvironment, "", Some(process(13, "/usr/bin/y", "bob"))),
    ]);
    facts.modules.push(module("rootkit", "OE"));
    facts.bpf.push(bpf("kprobe", Some(process(14, "/usr/bin/bpftrace", "root")), None));
    facts.bpf.push(bpf("pinned", None, Some("/sys/fs/bpf/x")));
    says(
        &facts,
        &expect![[r#"
        urgent false-kernel-thread: /tmp/x run by root calls itself [kworker/0:1], like a thread of the kernel
          subject: /tmp/x [kworker/0:1]
        urgent hidden-process: a process is hidden: its folder in /proc is covered by a mount of tmpfs, /
          subject: its folder in /proc is covered by a mount of tmpfs, /
        urgent hidden-process: a process is hidden: /opt/x run by root, missing in /proc
          subject: /opt/x missing in /proc
        urgent hidden-port: tcp port 4444 is open and missing in /proc/net
          subject: tcp port 4444 is open and missing in /proc/net
        urgent packet-socket: /usr/sbin/dhclient run by root reads all packets from the network
          subject: /usr/sbin/dhclient outside all packets
          deception packet-socket /usr/sbin/dhclient: this is in a container
        warning raw-socket: /usr/bin/ping run by alice has a raw socket for TCP
          subject: /usr/bin/ping TCP
          deception raw-socket /usr/bin/ping: it is not for TCP
        urgent socket-shell: /usr/bin/dash running -c id run by www-data takes its commands from 203.0.113.9
          subject: /usr/bin/dash script=-c id 203.0.113.9
        urgent preloaded-library: every program loads /lib/x*.so
          subject: /lib/x*.so
        urgent preloaded-library: /usr/sbin/sshd run by root loads what others may have put there: LD_PRELOAD=/tmp/x.so
          subject: /usr/sbin/sshd LD_PRELOAD=/tmp/x.so
        warning traced-process: /usr/bin/gdb run by root looks into /usr/sbin/sshd and steers it
          subject: /usr/bin/gdb /usr/sbin/sshd
        notice no-environment: /usr/bin/y run by bob has no environment
          subject: /usr/bin/y
        urgent unknown-module: kernel module rootkit, marked OE
          subject: rootkit OE
          kernel-module *: the kernel marks it OE, and the rule allows ""
        urgent unknown-bpf: /usr/bin/bpftrace run by root has BPF loaded into the kernel: kprobe
          subject: /usr/bin/bpftrace kprobe
        urgent unknown-bpf: BPF lies in /sys/fs/bpf/x
          subject: /sys/fs/bpf/x
    "#]],
    );
}

#[test]
fn a_module_that_hides_is_found_though_its_name_is_allowed() {
    let mut facts = quiet();
    facts.modules[0].hidden_from = Some("/proc/modules".into());
    let found = findings(&facts, BASE);
    let found: Vec<_> = found.iter().map(|finding| (finding.code, finding.title.as_str())).collect();
    assert_eq!(found, [(Code::HiddenModule, "kernel module ext4 is missing in /proc/modules")]);
}

#[test]
fn where_the_kernel_marks_nothing_a_star_allows_no_module() {
    let facts = DeceptionFacts { marks_unsigned: false, ..quiet() };
    assert_eq!(findings(&facts, BASE).len(), 2);
    assert_eq!(findings(&facts, &format!("{BASE}\n[[kernel-module]]\nnames = [\"*\"]\nunmarked = true")), []);
    let learned = learn::learn(&facts, "test");
    assert!(learned.contains(r#"names = ["ext4", "nf_tables"]"#), "{learned}");
}

#[test]
fn the_learned_policy_is_sorted_and_leaves_out_what_no_ordinary_host_has() {
    let mut facts = quiet();
    facts.deceits.push(deceit(Kind::KernelName, "kthreadd", Some(process(5, "/tmp/x", "root"))));
    facts.modules.push(module("nvidia", "POE"));
    expect![[r##"
        # Programs that may do what else would look like hiding or listening in.

        [[deception]]
        kind  = "packet-socket"
        exe   = "/usr/sbin/dhclient"
        what  = ["all packets"]
        users = ["root"]
        why   = "was so when this policy was learned"
        by    = "test"

        [[deception]]
        kind  = "packet-socket"
        exe   = "/usr/lib/systemd/systemd-networkd"
        what  = ["packets of LLDP"]
        users = ["systemd-network"]
        why   = "was so when this policy was learned"
        by    = "test"

        [[deception]]
        kind  = "raw-socket"
        exe   = "/usr/bin/ping"
        what  = ["ICMP"]
        users = ["alice"]
        why   = "was so when this policy was learned"
        by    = "test"

        # Modules that may be loaded into the kernel.

        [[kernel-module]]
        names = ["*"]
        why   = "signed as a part of the kernel"
        by    = "test"

        [[kernel-module]]
        names = ["nvidia"]
        taint = "POE"
        why   = "was so when this policy was learned"
        by    = "test"

        # BPF programs that may be loaded into the kernel.

        [[bpf]]
        exe   = "/usr/lib/systemd/systemd"
        types = ["cgroup link"]
        why   = "was so when this policy was learned"
        by    = "test"

        [[bpf]]
        exe   = "/usr/lib/systemd/systemd"
        types = ["cgroup_device"]
        why   = "was so when this policy was learned"
        by    = "test"
    "##]]
    .assert_eq(&learn::learn(&facts, "test"));
    let left = without_allowed(&facts, &rules(BASE), NOW);
    assert_eq!((left.deceits.len(), left.modules.len(), left.bpf.len()), (1, 1, 0));
}

#[test]
fn which_names_are_the_kernels() {
    let thread =
        |pid, name: &str| Process { exe: Executable::Kernel, name: name.into(), ..process(pid, "/", "root") };
    let listing = Listing::new(
        NOW,
        [thread(2, "kthreadd"), thread(3, "watchdogd"), thread(4, "md127_raid1"), thread(5, "netns")],
    );
    let threads = kernel_name::threads(&listing);
    for (exe, name, args, taken) in [
        ("/tmp/x", "kworker/0:1", &["x"][..], Some("kworker/0:1")),
        ("/tmp/x", "md0_raid1", &["x"], Some("md0_raid1")),
        ("/tmp/kswapd0", "kswapd0", &["kswapd0"], Some("kswapd0")),
        ("/tmp/x", "x", &["[netns]", "-v"], Some("[netns]")),
        ("/tmp/x", "x", &["[anything]"], Some("[anything]")),
        ("/tmp/x", "x", &["jbd2/sda1-8"], Some("jbd2/sda1-8")),
        ("/usr/sbin/watchdogd", "watchdogd", &["watchdogd"], None),
        ("/usr/bin/lxc-start", "lxc-start", &["[lxc monitor] /var/lib/lxc web"], None),
        ("/usr/bin/python3.11", "[celeryd: celer", &["[celeryd: celery@host:MainProcess]"], None),
        ("/usr/bin/[", "[", &["[", "-f", "x", "]"], None),
        ("/usr/sbin/irqbalance", "irqbalance", &["/usr/sbin/irqbalance", "--foreground"], None),
        ("/usr/lib/systemd/systemd", "(sd-pam)", &["(sd-pam)"], None),
    ] {
        let args = args.iter().map(|arg| Text::from(*arg)).collect();
        let process = Process { name: name.into(), args, ..process(9, exe, "root") };
        assert_eq!(kernel_name::taken(&process, &threads).as_deref(), taken, "{exe} {name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn modules_are_read_with_their_marks_and_one_that_hides_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "proc/modules",
        "ext4 1024000 2 - Live 0x0000000000000000\nzfs 9 0 - Live 0x0 (POE)\ngone 1 0 - Live 0x0 (O+)\n",
    );
    for (name, state) in [("ext4", "live"), ("zfs", "live"), ("sly", "live"), ("coming", "coming")] {
        write(&format!("sys/module/{name}/initstate"), &format!("{state}\n"));
    }
    write("sys/module/sly/taint", "OE\n");
    write("sys/module/kernel/parameters/x", "built in\n");
    write("sys/module/module/parameters/sig_enforce", "N\n");
    let (modules, marks) = linux::module::read_modules(&crate::host::Host::at(root.path()));
    let hidden = |module: Module, from: &str| Module { hidden_from: Some(from.into()), ..module };
    assert_eq!(
        modules,
        [
            module("ext4", ""),
            hidden(module("gone", "O"), "/sys/module"),
            hidden(module("sly", "OE"), "/proc/modules"),
            module("zfs", "POE"),
        ]
    );
    assert!(marks);
}

#[cfg(target_os = "linux")]
#[test]
fn what_proc_and_the_kernel_write_is_taken_apart() {
    use linux::{bpf, connection, environment, hidden, sniffer};
    let packet = b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
        0000000000000000 3      3    0003   2     1 0      0      4711  \n\
        0000000000000000 3      2    88cc   2     1 0      998    4712  \n";
    let seen: Vec<String> = sniffer::parse_packet(packet)
        .iter()
        .map(|socket| format!("{} {} {}", socket.what, socket.uid, socket.inode))
        .collect();
    assert_eq!(seen, ["all packets 0 4711", "packets of LLDP 998 4712"]);
    let raw = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
        \x20  1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000    33        0 4713 2 0 0\n";
    let seen = sniffer::parse_raw(raw);
    assert_eq!((seen.len(), seen[0].what.as_str(), seen[0].inode, seen[0].uid), (1, "ICMP", 4713, 33));
    assert_eq!(bpf::parse_descriptor(b"pos:\t0\nprog_type:\t15\nprog_id:\t3\n").unwrap(), "cgroup_device");
    assert_eq!(
        bpf::parse_descriptor(b"link_type:\tcgroup\nlink_id:\t1\nprog_id:\t3\n").unwrap(),
        "cgroup link"
    );
    assert_eq!(bpf::parse_descriptor(b"prog_type:\t999\n").unwrap(), "type 999");
    assert_eq!(bpf::parse_descriptor(b"map_type:\t1\n"), None);
    let mounts = b"22 1 0:5 / /proc rw - proc proc rw\n30 22 0:5 /1 /proc/77 rw shared:1 - proc proc rw\n\
        31 22 8:1 /tmp/x /proc/78/exe rw - ext4 /dev/sda1 rw\n32 22 0:9 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n";
    assert_eq!(
        hidden::parse_covered(mounts),
        [(77, "proc, another process".to_owned()), (78, "ext4, /tmp/x".to_owned())]
    );
    let found = environment::parse_libraries(
        b"A=b\0LD_PRELOAD=libx.so /a/b.so:c/d.so\0LD_LIBRARY_PATH=/x::y:\0BASH_ENV=a:b\0PYTHONPATH\0=/z\0\
          NODE_OPTIONS=--max-old-space-size=4096 --require  /x/a.js -r \"\" --require=\"/b.js\" -r dotenv --trace-uncaught\0\
          PERL5OPT=-Mstrict -I/tmp/p -Mlib=/tmp/q,/tmp/r\0JDK_JAVA_OPTIONS=@/tmp/args -cp a.jar:/tmp/b.jar -cp \"/usr/a=b.jar\":\"/tmp/c.jar\" --patch-module java.base=/tmp/m\0\
          NODE_OPTIONS=--import file:///tmp/x.mjs --import=file://localhost/tmp/y.mjs\0JAVA_TOOL_OPTIONS=-Xmx1g -XX:HeapDumpPath=/tmp -javaagent:/tmp/a.jar=x=/y -agentlib:jdwp\0\
          RUBYOPT=-r\0",
    );
    let found: Vec<String> = found
        .map(|(variable, path)| format!("{} {}", variable.name, String::from_utf8_lossy(path)))
        .collect();
    assert_eq!(
        found,
        [
            "LD_PRELOAD /a/b.so",
            "LD_PRELOAD c/d.so",
            "LD_LIBRARY_PATH /x",
            "LD_LIBRARY_PATH y",
            "BASH_ENV a:b",
            "NODE_OPTIONS /x/a.js",
            "NODE_OPTIONS /b.js",
            "PERL5OPT /tmp/p",
            "PERL5OPT /tmp/q",
            "PERL5OPT /tmp/r",
            "JDK_JAVA_OPTIONS /tmp/args",
            "JDK_JAVA_OPTIONS /tmp/b.jar",
            "JDK_JAVA_OPTIONS /usr/a=b.jar",
            "JDK_JAVA_OPTIONS /tmp/c.jar",
            "JDK_JAVA_OPTIONS /tmp/m",
            "NODE_OPTIONS /tmp/x.mjs",
            "NODE_OPTIONS /tmp/y.mjs",
            "JAVA_TOOL_OPTIONS /tmp/a.jar"
        ]
    );
    let tcp = b"   0: 0100007F:8F5C 0100007F:0277 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 20 4 30 10 -1\n\
        \x20  1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
    let with_port_0 = b"   0: 0100007F:8F5C 0100007F:0000 02 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0 20 4 30 10 -1\n";
    let sctp = b" ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS HBINT INS OUTS MAXRT T1X T2X RTXC wmema wmemq sndbuf rcvbuf\n\
        0000000000000000 0000000000000000 2   1   3  0      21        0        0    1000 4715 5000  6000  *127.0.0.1 10.0.0.1 <-> *127.0.0.2 \t    7500    10    10   10    0    0        0        1        0   212992   212992\n\
        0000000000000000 0000000000000000 2   1   3  0      22        0        0       0 4716 5000  6001  0000:0000:0000:0000:0000:0000:0000:0001 <-> *fe80:0000:0000:0000:0000:0000:0000:0002 \t    7500\n\
        0 0 2 1 3 0 22 0 0 0 4717 5000 6001 *127.0.0.1\n";
    let seen = connection::parse_connections(tcp)
        .chain(connection::parse_connections(with_port_0))
        .chain(connection::parse_associations(sctp));
    let seen: Vec<String> = seen.map(|seen| format!("{} {} {}", seen.inode, seen.local, seen.peer)).collect();
    assert_eq!(
        seen,
        [
            "4713 127.0.0.1:36700 127.0.0.1:631",
            "4714 127.0.0.1:36700 127.0.0.1:0",
            "4715 127.0.0.1:5000 127.0.0.2:6000",
            "4716 [::1]:5000 [fe80::2]:6001"
        ]
    );
}

prop_compose! {
    fn any_facts()(
        deceits in prop::collection::vec((0..5_usize, "[a-z*/\\\\\u{202e}]{0,4}", any::<bool>(), any::<bool>(), prop::option::of("[-a*]{1,3}")), 0..6),
        modules in prop::collection::vec(("[a-z*]{1,4}", "[OEP]{0,2}"), 0..5),
        marks_unsigned: bool,
        held in prop::collection::vec(("[a-z*_]{1,4}", any::<bool>(), any::<bool>()), 0..4),
    ) -> DeceptionFacts {
        let kinds = [Kind::PacketSocket, Kind::RawSocket, Kind::Preload, Kind::Tracer, Kind::NoEnvironment];
        let someone = |name: &str, container, script: Option<String>| {
            let script = script.as_deref().map(Text::from);
            Process { script, container, ..process(9, &format!("/x/{name}"), "root") }
        };
        let deceits = deceits.into_iter().map(|(kind, what, container, has_process, script)| {
            deceit(kinds[kind], &what, has_process.then(|| someone(&what, container, script)))
        });
        let modules = modules.iter().map(|(name, taint)| module(name, taint));
        let held = held.iter().map(|(kind, container, is_held)| {
            bpf(kind, is_held.then(|| someone(kind, *container, None)), (!is_held).then_some(kind.as_str()))
        });
        DeceptionFacts { deceits: deceits.collect(), modules: modules.collect(), marks_unsigned, bpf: held.collect() }
    }
}

proptest! {
    #[test]
    fn what_was_learned_allows_all_that_was_there(facts in any_facts()) {
        let learned = learn::learn(&facts, "test");
        prop_assert_eq!(findings(&facts, &learned), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>) {
        use linux::{bpf, connection, diag, environment, hidden, module, sniffer};
        let _ = (sniffer::parse_packet(&bytes), sniffer::parse_raw(&bytes), bpf::parse_descriptor(&bytes));
        let _ = (diag::parse_memberships(&bytes), diag::parse_listens(&bytes, 0, 80), module::parse_modules(&bytes));
        let _ = (environment::parse_libraries(&bytes).count(), hidden::parse_covered(&bytes), connection::parse_connections(&bytes).count());
        let _ = connection::parse_associations(&bytes).count();
    }
}
